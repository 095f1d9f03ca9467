/* SPDX-License-Identifier: MIT */
/*
 * frames.h - pages from the machine's page allocator for a swap device's own use, counted and bounded.
 *
 * Knows nothing of what they are used for. Requests come from within reclaim, so they never wait and never warn; they
 * may use the reserves (PF_MEMALLOC of the caller, and __GFP_HIGH). No lock of rank RANK_PCP or above may be held.
 */
#ifndef SWAPDEV_FRAMES_H
#define SWAPDEV_FRAMES_H

#include "mm/machine.h"

struct frames {
    struct machine *machine;     /* (C) */
    unsigned long limit;         /* (C) in pages */
    _Atomic unsigned long pages; /* (A) taken now */
    _Atomic unsigned long peak;  /* (A) */
};

void frames_init(struct frames *frames, struct machine *m, unsigned long limit);
/* 2^order pages in a row with undefined bytes, or NULL: none to be had, or the limit is reached. */
struct page *frames_alloc(struct frames *frames, unsigned order);
void frames_free(struct frames *frames, struct page *page, unsigned order);
unsigned long frames_count(const struct frames *frames);

#endif
