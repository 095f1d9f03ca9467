/* SPDX-License-Identifier: MIT */
/*
 * handler.h - the fault handlers: threads that read userfaultfd events and resolve them. Which of them read is
 * runtime/duty.h. A handler resolves what it reads itself: for a page in RAM that is quicker than telling another.
 */
#ifndef RUNTIME_HANDLER_H
#define RUNTIME_HANDLER_H

#include <stdbool.h>
#include <stdint.h>

struct weir_thread;

void handler_run(struct weir_thread *self);
/* Linux says EAGAIN while an event waits to be read; this reads it. Any of weir's threads. */
void handler_drain_events(void);
/* Faults that came while the world was stopped happen again. */
void handler_retry_deferred(void);
void handler_after_fork(void);
/* Keeps a low descriptor free for the event of a fork, should the program leave itself none. Service thread. */
void handler_keep_room(void);

#endif
