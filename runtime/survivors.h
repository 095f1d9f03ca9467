/* SPDX-License-Identifier: MIT */
/*
 * survivors.h - which of the process's threads are the program's, once its main thread is gone.
 */
#ifndef RUNTIME_SURVIVORS_H
#define RUNTIME_SURVIVORS_H

/* The id of a thread of the program's that lives, or 0. */
int survivors_find(void);
/*
 * Ends the process as its main thread ended, if that is gone and no other thread of the program's is left. Linux does
 * so where weir's threads are not in the way: libc ends the process with its last thread, but a thread may leave by
 * system call, or be ended by a filter of system calls.
 */
void survivors_end_if_none(void);

#endif
