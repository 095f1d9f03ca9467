/* SPDX-License-Identifier: MIT */
/*
 * pressure.h - the half of pressure-stall information (mm/psi.h) that only Linux knows: does anybody get on with his
 * work while a thread of the program waits for memory?
 */
#ifndef RUNTIME_PRESSURE_H
#define RUNTIME_PRESSURE_H

#include <stdint.h>

/*
 * Looks whether a thread of the program runs, or could if it had a CPU, if nobody has looked for a while. Called where
 * a fault begins, whose own thread waits. A program of one thread never has another that runs.
 */
void pressure_look(uint64_t now_ns);
/* In a forked child: nothing has been looked at, and nobody has waited yet. */
void pressure_after_fork(void);

#endif
