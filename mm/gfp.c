/* SPDX-License-Identifier: MIT */
#include "mm/gfp.h"

#include "mm/machine.h"

/* A mask bit for a zone type that no node of the machine has says nothing: the request is an ordinary one. */
static bool has_type(const struct machine *m, enum zone_type type) {
    return m->zone_types >> type & 1u;
}

static unsigned zone_of(const struct machine *m, gfp_t gfp) {
    if (gfp & __GFP_DMA && has_type(m, ZONE_DMA))
        return ZONE_DMA;
    if (gfp & __GFP_DMA32 && has_type(m, ZONE_DMA32))
        return ZONE_DMA32;
    if ((gfp & (__GFP_HIGHMEM | __GFP_MOVABLE)) == (__GFP_HIGHMEM | __GFP_MOVABLE))
        return ZONE_MOVABLE;
    return gfp & __GFP_HIGHMEM ? ZONE_HIGHMEM : ZONE_NORMAL;
}

void gfp_init(struct machine *m) {
    for (unsigned i = 0; i < GFP_INDEXES; i++)
        m->gfp_zones[i] = (uint8_t)zone_of(m, (i & 7u) | (i & 0x18u) * (__GFP_RECLAIMABLE >> 3));
}

void gfp_group_by_mobility(struct machine *m, bool on) {
    /* Both mobility bits are a bug of the caller's. */
    static const uint8_t types[] = {MIGRATE_UNMOVABLE, MIGRATE_RECLAIMABLE, MIGRATE_MOVABLE, MIGRATE_MOVABLE};

    for (unsigned i = 0; i < GFP_INDEXES; i++)
        m->gfp_migratetypes[i] = on ? types[i >> 3] : MIGRATE_UNMOVABLE;
}
