/* SPDX-License-Identifier: MIT */
/*
 * mempool.h - reserves of elements for those who must not fail. (specification, section 16)
 *
 * A pool keeps min_nr elements back and hands them out only when its allocator has none. Owns the reserve; what an
 * element is, is the caller's affair.
 */
#ifndef MM_MEMPOOL_H
#define MM_MEMPOOL_H

#include "mm/gfp.h"
#include "mm/machine.h"

/* An element, or NULL, as the mask allows. */
typedef void *mempool_alloc_fn(gfp_t gfp, void *data);
typedef void mempool_free_fn(void *element, void *data);

struct mempool {
    struct machine *machine;
    mempool_alloc_fn *alloc; /* (C) */
    mempool_free_fn *free;   /* (C) */
    void *data;              /* (C) */

    struct lock lock;          /* (P) */
    unsigned min_nr, nr, room; /* (P) kept back when full; there now; what elements[] can hold */
    void **elements;           /* (P) pages of its own */
    _Atomic uint32_t freed;    /* (A) changes with each element freed into the reserve */
    _Atomic unsigned nr_out;   /* (A) handed out and not yet back */
};

/* Fills the reserve. MM_INVAL: min_nr is 0. MM_NOMEM: it cannot be filled. May sleep. */
enum mm_status mempool_init(struct machine *m, struct mempool *pool, unsigned min_nr, mempool_alloc_fn *alloc,
                            mempool_free_fn *free, void *data);
/* All elements must be home: MM_BUSY, and nothing done, if one is out. */
enum mm_status mempool_destroy(struct mempool *pool);
/* An element; never NULL with __GFP_WAIT, but then it may take as long as it takes for one to come back. */
void *mempool_alloc(struct mempool *pool, gfp_t gfp);
void mempool_free(struct mempool *pool, void *element);
/*
 * Changes how many are kept back: fewer at once, more as they come back, and as far as gfp gets them now. MM_NOMEM:
 * nothing done.
 */
enum mm_status mempool_resize(struct mempool *pool, unsigned min_nr, gfp_t gfp);

/* For pools of 2^data blocks of frames of machine: data is a struct mempool_pages. */
struct mempool_pages {
    struct machine *machine;
    unsigned order;
};
mempool_alloc_fn mempool_alloc_pages;
mempool_free_fn mempool_free_pages;

#endif
