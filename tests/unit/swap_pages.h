/* SPDX-License-Identifier: MIT */
/*
 * swap_pages.h - what tests of swap devices share: pages made from a seed, so that they need not be kept to be
 * compared, and a count of the pages that a device has taken from its machine.
 */
#ifndef TESTS_SWAP_PAGES_H
#define TESTS_SWAP_PAGES_H

#include "tests/unit/fake_platform.h"

/* A machine whose tasks are all in reclaim (PF_MEMALLOC). */
struct fake *swap_pages_boot(uint32_t nr_pages, unsigned nr_cpus);
/* Its end: no bad page, no broken invariant. What was taken from it must have been given back. */
void swap_pages_finish(struct fake *fake);
/* Free pages, those on per-CPU lists included. No other thread may be allocating. */
unsigned long swap_pages_free(struct fake *fake);

/* 0, 1, 2, ... of a sequence that *state goes through. */
uint64_t swap_pages_random(uint64_t *state);
/* A page whose first `noise` bytes do not compress and whose others are all the same. */
void swap_pages_fill(void *page, uint64_t seed, unsigned noise);

#endif
