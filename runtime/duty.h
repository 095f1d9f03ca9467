/* SPDX-License-Identifier: MIT */
/*
 * duty.h - which of the handlers read events, and so resolve the program's faults.
 *
 * Where no more threads fault than there are handlers, each thread is the client of a handler of its own, and the
 * handlers that have a client read: each may share a CPU with its client (runtime/placement.h), and goes on while
 * another waits for a device. Linux wakes all that read when a fault comes and gives it to one, so a handler may come
 * by the fault of another's client, and resolves it too. The others sleep.
 *
 * Where more threads fault that is a crowd: one handler is on duty and reads, so that a fault wakes one thread only,
 * and before anything slow it hands the duty over.
 */
#ifndef RUNTIME_DUTY_H
#define RUNTIME_DUTY_H

#include <stdbool.h>

struct weir_thread;

/* Of whom a handler has read a fault: of its client, of another's, of a crowd. */
enum faulter { FAULTER_CLIENT, FAULTER_ANOTHER, FAULTER_CROWD };

/* A handler is done with what it has read. Waits for its turn; false: it is to look around and come again. */
bool duty_await(struct weir_thread *self);
/* Its turn has come, and it goes to read; it has read. */
void duty_read_begins(struct weir_thread *self);
void duty_read_ends(struct weir_thread *self);
/* A handler has read a fault of that thread. */
enum faulter duty_note_fault(struct weir_thread *self, int tid);
/* The calling handler, if it is one, is about to wait for a device: in a crowd another takes the duty. */
void duty_hand_over(void);
/* Each handler has seen to whatever it had read, and looks around before it reads again. Service thread. */
void duty_pass_all(void);
void duty_after_fork(void);

#endif
