/* SPDX-License-Identifier: MIT */
/*
 * swap_host.h - a machine with an arena and a platform of real threads, for tests of what lies under swap.
 *
 * Its tasks are in reclaim (PF_MEMALLOC). It has no address spaces and no devices. Also the pages that such tests
 * store: made from a seed, so that they need not be kept to be compared.
 */
#ifndef TESTS_UNIT_SWAP_HOST_H
#define TESTS_UNIT_SWAP_HOST_H

#include "mm/machine.h"

struct swap_host {
    struct platform platform;
    struct machine *machine;
    void *arena, *boot;
    size_t arena_bytes, boot_bytes;
};

/* The platform alone, whose locks work. */
void swap_host_platform(struct platform *ret_platform);
void swap_host_boot(struct swap_host *host, uint32_t nr_pages, unsigned nr_cpus);
void swap_host_finish(struct swap_host *host);
/* Free pages, those on per-CPU lists included. No other thread may be allocating. */
unsigned long swap_host_free_pages(struct swap_host *host);

/* 0, 1, 2, ... of a sequence that *state goes through. */
uint64_t swap_host_random(uint64_t *state);
/* A page whose first `noise` bytes do not compress and whose others are all the same. */
void swap_host_fill(void *page, uint64_t seed, unsigned noise);

#endif
