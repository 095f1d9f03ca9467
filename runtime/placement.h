/* SPDX-License-Identifier: MIT */
/*
 * placement.h - on which CPU a handler and its client (runtime/duty.h) run.
 *
 * On one and the same: the handler runs at once, on warm caches, and so does the thread afterwards. On another each
 * first has to be woken there, out of the CPU's sleep. Linux would put them on two: the CPU of a thread that is to be
 * woken is busy, with the handler that wakes it, and another is idle. So while the thread faults again and again, it is
 * held on the handler's CPU: its affinity is narrowed to that. Each handler that holds a thread has a CPU of its own.
 *
 * The program does not see that. Where it asks libc for an affinity, sets one, or makes a thread or a process, which
 * would inherit it, all threads are let go first (placement_let_go, from the library's functions); and one is let go
 * when it has not faulted for a moment, when there is a crowd, and when others want the CPU.
 *
 * Which CPU: that on which the thread runs; or, once many pages have come from the swap file, the one that the disk's
 * interrupts go to (runtime/disk_cpu.h).
 */
#ifndef RUNTIME_PLACEMENT_H
#define RUNTIME_PLACEMENT_H

#include <stdbool.h>

#include "runtime/duty.h"

/* How often the clerk looks after threads that are held. */
#define PLACEMENT_WATCH_NS 4000000

struct weir_thread;

/* The calling thread is the program's main thread, whose restartable-sequence area says on which CPU it runs. */
void placement_note_main_thread(void);
void placement_after_fork(void);
/* A handler begins. */
void placement_begin(struct weir_thread *self);
/* A handler is about to resolve a fault of tid, and to wake it. */
void placement_hold(struct weir_thread *self, int tid, enum faulter who);
/* It has done so, and goes to where its client's next one is best resolved. Not before: to be moved takes long. */
void placement_follow(struct weir_thread *self, int tid, enum faulter who);
/*
 * Threads that are held have their affinity back when this returns, and keep it for a moment. Any thread of the
 * program's, in a signal handler or a vfork child as well; weir may be down.
 */
void placement_let_go(void);
/* The same until the fork is over, in the parent. */
void placement_fork_begins(void);
void placement_fork_ends(void);
/* The clerk, when it is up. True: it is to come back after PLACEMENT_WATCH_NS. */
bool placement_watch(void);

#endif
