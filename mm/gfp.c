/* SPDX-License-Identifier: MIT */
#include "mm/gfp.h"

#include "mm/machine.h"

/* A mask bit for a zone type that no node of the machine has says nothing: the request is an ordinary one. */
static bool has_type(const struct machine *m, enum zone_type type) {
    return m->zone_types >> type & 1u;
}

unsigned gfp_zone(const struct machine *m, gfp_t gfp) {
    if (gfp & __GFP_DMA && has_type(m, ZONE_DMA))
        return ZONE_DMA;
    if (gfp & __GFP_DMA32 && has_type(m, ZONE_DMA32))
        return ZONE_DMA32;
    if ((gfp & (__GFP_HIGHMEM | __GFP_MOVABLE)) == (__GFP_HIGHMEM | __GFP_MOVABLE))
        return ZONE_MOVABLE;
    return gfp & __GFP_HIGHMEM ? ZONE_HIGHMEM : ZONE_NORMAL;
}

unsigned gfp_migratetype(const struct machine *m, gfp_t gfp) {
    MM_DEBUG_ASSERT(m, (gfp & (__GFP_MOVABLE | __GFP_RECLAIMABLE)) != (__GFP_MOVABLE | __GFP_RECLAIMABLE));
    if (!m->mobility_grouping)
        return MIGRATE_UNMOVABLE;
    if (gfp & __GFP_MOVABLE)
        return MIGRATE_MOVABLE;
    return gfp & __GFP_RECLAIMABLE ? MIGRATE_RECLAIMABLE : MIGRATE_UNMOVABLE;
}
