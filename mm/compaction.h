/* SPDX-License-Identifier: MIT */
/*
 * compaction.h - large blocks made by moving the pages in between: movable pages from the start of a zone go to free
 * frames at its end. (specification, section 18; tune.compaction)
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

/* Goes through the zone until a block of the order is free. Sleeps; no spinning lock held. */
enum compact_result compact_zone(struct zone *zone, unsigned order);
/*
 * The zones of a list, for a request that may do I/O and enter a filesystem, until one has a block. True: one has.
 * False at once with tune.compaction off or order 0.
 */
bool try_to_compact_pages(struct machine *m, const struct zonelist *zonelist, unsigned order, gfp_t gfp);

#endif
