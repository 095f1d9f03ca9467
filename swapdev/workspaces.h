/* SPDX-License-Identifier: MIT */
/*
 * workspaces.h - what compressing takes: LZ4's state and room for the result, as many as threads may compress at once.
 *
 * A thread that has one may allocate pages, so these are no locks of mm/lock.h, whose ranks forbid that.
 */
#ifndef SWAPDEV_WORKSPACES_H
#define SWAPDEV_WORKSPACES_H

#include <lz4.h>

#include "swapdev/frames.h"
#include "swapdev/zspage.h"

#define WORKSPACES_PER_BLOCK 3u
#define WORKSPACES_MAX_BLOCKS 10u
#define WORKSPACES_ORDER 4u

struct workspace {
    LZ4_stream_t state;
    _Alignas(64) char out[ZSPAGE_MAX_BYTES];
};

struct workspaces {
    struct frames *frames;                      /* (C) */
    struct workspace *first;                    /* (C) WORKSPACES_PER_BLOCK, of whoever made this */
    unsigned nr_blocks;                         /* (C) those included */
    struct page *blocks[WORKSPACES_MAX_BLOCKS]; /* (C) from 1 on */
    _Atomic uint32_t free;                      /* (A) a bit each */
    _Atomic uint32_t waiters;                   /* (A) for one of those */
};

/* One for each CPU and one to spare; what cannot be had beyond `first` is done without. */
void workspaces_init(struct workspaces *workspaces, struct frames *frames, struct workspace *first, unsigned nr_cpus);
void workspaces_finish(struct workspaces *workspaces);
/* Waits for one if all are in use. */
struct workspace *workspaces_get(struct workspaces *workspaces, unsigned *ret_index);
void workspaces_put(struct workspaces *workspaces, unsigned index);
/* After fork, in the child: nobody has one here. */
void workspaces_after_fork(struct workspaces *workspaces);

#endif
