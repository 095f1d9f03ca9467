/* SPDX-License-Identifier: MIT */
/*
 * swap_machine.h - what the tests of swapon and swapoff share: a simulated machine whose three devices are not in use.
 */
#ifndef TESTS_SWAP_MACHINE_H
#define TESTS_SWAP_MACHINE_H

#include "tests/unit/sim_pages.h"

#define SLOTS 600u /* of the first two devices */
#define PAGES 200u

/* 1024 frames, a program over as many pages, an administrator, and no kswapd. */
struct sim *swap_machine(unsigned switch_permille);
/* The first page of an area, the same at each call. */
uint8_t *swap_machine_header(uint32_t last_page, uint32_t nr_bad, const uint32_t *bad);
/* swapon of one of the first two devices. */
void area_on(struct sim *sim, unsigned device, unsigned prio_flags);

#endif
