/* SPDX-License-Identifier: MIT */
/*
 * stale.h - copies of pages that were left behind in the shadow and that nobody needs.
 *
 * Owns host_bits and host_flags of the blocks: which entries have one, and how many. They are dropped in batches: at
 * most STALE_MAX pages lie about at a time, which the budget sets aside.
 */
#ifndef RUNTIME_STALE_H
#define RUNTIME_STALE_H

#include "mm/memory.h"

#define STALE_MAX 1024u

/* Opens what dropping needs in the caller's descriptor table. */
void stale_open(void);

/* These three under the block's page-table lock. Entries [first, first + nr) have a stale copy, or no longer. */
void stale_note(struct block *block, unsigned first, unsigned nr);
void stale_forget(struct block *block, unsigned first, unsigned nr);
/* Drops the block's if there is one at an entry of the mask. */
void stale_make_way(struct block *block, const uint64_t mask[8]);
/* Drops all of the block's, if any. */
void stale_drop_block(struct block *block);

/* Drops stale copies if there are many, or any (all). No lock held. */
void stale_drop(bool all);

#endif
