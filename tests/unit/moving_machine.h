/* SPDX-License-Identifier: MIT */
/*
 * moving_machine.h - a simulated machine whose pages move: a Normal zone of 4096 frames, 1024 more of it and 512 of a
 * Movable one that are offline, and a program over 4096 pages that can be swapped.
 */
#ifndef TESTS_MOVING_MACHINE_H
#define TESTS_MOVING_MACHINE_H

#include "tests/unit/sim_pages.h"

extern struct sim *sim;
extern struct machine *m;
extern struct zone *zone; /* the Normal one */

/* For cmocka; the second checks before the end. */
int moving_machine_boot(void **state);
int moving_machine_finish(void **state);
#define MOVING(test) cmocka_unit_test_setup_teardown(test, moving_machine_boot, moving_machine_finish)

/* All is well once what is under way has ended, or the test fails. */
void expect_whole(void);
/* write_pages(), after which all of them are on the lists and counted. */
void write_movable_pages(uint32_t first, uint32_t nr);

#endif
