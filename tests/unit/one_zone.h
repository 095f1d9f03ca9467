/* SPDX-License-Identifier: MIT */
/*
 * one_zone.h - what the tests of page_alloc share: a machine of one Normal zone of 64 MiB, and two CPUs.
 */
#ifndef TESTS_ONE_ZONE_H
#define TESTS_ONE_ZONE_H

#include "tests/unit/fake_platform.h"

extern struct fake *fake;
extern struct machine *m;
extern struct zone *zone;

/* For cmocka. */
int one_zone_setup(void **state);
int one_zone_teardown(void **state);

/* All frames are in the buddy system's largest blocks, once per-CPU lists are drained. */
void assert_all_free(void);

#endif
