/* SPDX-License-Identifier: MIT */
/*
 * handler.h - the fault handlers: threads that read userfaultfd events and resolve them.
 *
 * One of them is on duty: it alone reads, so that a fault wakes one thread, and resolves what it reads itself, which
 * for a page in RAM is quicker than telling another. Before anything slow it hands the duty over.
 */
#ifndef RUNTIME_HANDLER_H
#define RUNTIME_HANDLER_H

#include <stdbool.h>
#include <stdint.h>

struct weir_thread;

void handler_run(struct weir_thread *self);
/* The calling handler is about to wait for a device or to reclaim: another one takes the duty. */
void handler_hand_over(void);
/* Wakes those that wait for the duty, so that they look around. */
void handler_wake_all(void);
/* Linux says EAGAIN while an event waits to be read; this reads it. Any of weir's threads. */
void handler_drain_events(void);
/* Faults that came while the world was stopped happen again. */
void handler_retry_deferred(void);
void handler_after_fork(void);
/* Keeps a low descriptor free for the event of a fork, should the program leave itself none. Service thread. */
void handler_keep_room(void);

#endif
