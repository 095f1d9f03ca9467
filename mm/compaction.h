/* SPDX-License-Identifier: MIT */
/*
 * compaction.h - large blocks made by moving the pages in between: movable pages from the start of a zone go to free
 * frames at its end; and kcompactd, which does so in the background. (specification, section 18; tune.compaction)
 */
#ifndef MM_COMPACTION_H
#define MM_COMPACTION_H

#include "mm/gfp.h"
#include "mm/machine.h"

enum compact_result {
    COMPACT_SKIPPED, /* too little free to move anything to, or there is a block already */
    COMPACT_PARTIAL, /* a block of the order has come free */
    COMPACT_COMPLETE /* all of the zone has been gone through, and there is none */
};

/* Is there no block of the order yet, and room to make one? */
bool compaction_suitable(const struct zone *zone, unsigned order);
/*
 * Goes through the zone until a block of the order is free, and notes how that went for compaction_deferred(). Sleeps;
 * no spinning lock held.
 */
enum compact_result compact_zone(struct zone *zone, unsigned order);
/*
 * Has compaction failed there lately, at this order or a lower one? Then it is not to be tried: after one failure every
 * second time is, and after COMPACT_DEFER_SHIFT_MOST in a row one time in 64, until it succeeds. Counts as a time.
 */
bool compaction_deferred(struct zone *zone, unsigned order);
void compaction_failed(struct zone *zone, unsigned order);
void compaction_succeeded(struct zone *zone, unsigned order);
#define COMPACT_DEFER_SHIFT_MOST 6u
/*
 * The zones of a list, for a request that may do I/O and enter a filesystem, until one has a block. True: one has.
 * False at once with tune.compaction off or order 0.
 */
bool try_to_compact_pages(struct machine *m, const struct zonelist *zonelist, unsigned order, gfp_t gfp);

/* -- kcompactd.c -- */
/*
 * kswapd has freed what there was to free for blocks of the order: has kcompactd woken (platform->wake_kcompactd) where
 * a zone of the node can be compacted for them.
 */
void wakeup_kcompactd(struct pglist_data *node, unsigned order);
/* One run of a node's kcompactd. Sleeps. True: call again; false: sleep until platform->wake_kcompactd. */
bool kcompactd_run(struct machine *m, int node);

#endif
