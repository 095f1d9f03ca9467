/* SPDX-License-Identifier: MIT */
/*
 * moving_machine.h - a simulated machine whose pages move: a Normal zone of 4096 frames, 1024 more of it and 512 of a
 * Movable one that are offline, and a program over 4096 pages that can be swapped.
 */
#ifndef TESTS_MOVING_MACHINE_H
#define TESTS_MOVING_MACHINE_H

#include "tests/unit/sim_pages.h"

struct sim *moving_machine_boot(void);
/* Checks before the end. */
void moving_machine_finish(struct sim *sim);

/* All is well once what is under way has ended, or the test fails. */
void expect_whole(struct sim *sim);
/* write_pages(), after which all of them are on the lists and counted. */
void write_movable_pages(struct sim *sim, uint32_t first, uint32_t nr);

#endif
