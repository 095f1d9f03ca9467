/* SPDX-License-Identifier: MIT */
/*
 * disk_cpu.h - the CPU to which the interrupts of the swap file's disk go, if that is one: a read that ends on any
 * other ends with one CPU waking another. /proc/interrupts shows it, while many pages are read.
 */
#ifndef RUNTIME_DISK_CPU_H
#define RUNTIME_DISK_CPU_H

#include <sched.h>

/* It, while it has room for the program; or -1. Any thread. */
int disk_cpu(void);
/* A handler has given its client a page from the swap file. */
void disk_cpu_note_read(void);
/* The clerk: looks, if there has been enough to see since the last time. used: where the program computes. */
void disk_cpu_look(const cpu_set_t *used);
void disk_cpu_after_fork(void);

#endif
