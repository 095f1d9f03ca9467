/* SPDX-License-Identifier: MIT */
/*
 * waker.h - wakes the program's thread on the CPU where it faulted.
 *
 * A handler that runs on the CPU of the thread that waits for it is quick: its caches are warm, and nobody has to be
 * woken on a CPU that sleeps. But a handler that wakes the thread itself makes Linux move it: the thread's CPU is busy,
 * namely with the handler, so it goes to an idle one, and the next fault comes from there. A CPU that runs nothing but
 * SCHED_IDLE threads counts as idle, though. So a thread of that class does the waking, on the handler's CPU, as soon
 * as the handler waits for the next fault; the program's thread then takes the CPU from it.
 *
 * Where others want the CPU, such a thread may have to wait long. So while there are requests, the clerk looks every
 * WAKER_WATCH_NS, and does what the waker has not come to; and for a while the waker is not asked any more. (A timer
 * for each fault would cost more than the fault, in a virtual machine.)
 */
#ifndef RUNTIME_WAKER_H
#define RUNTIME_WAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WAKER_WATCH_NS 4000000

struct weir_thread;

void waker_thread(struct weir_thread *self);
/* May a wake be left to it now? cpu: where it is to be done. The handler on duty. */
bool waker_is_willing(int cpu);
/* Has whoever waits for [start, start+len) woken, soon. The handler on duty. */
void waker_post(uintptr_t start, size_t len);
/* The clerk: sees that requests are carried out. False: there is nothing to see to until it is woken. */
bool waker_watch(void);
void waker_ring(void); /* has it look at the program's credentials */
void waker_after_fork(void);

#endif
