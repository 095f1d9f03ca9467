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
    for (gfp_t bits = 0; bits < 8; bits++) {
        m->gfp_zones[gfp_zone_index(bits)] = (uint8_t)zone_of(m, bits);
        m->gfp_zones[gfp_zone_index(bits | __GFP_MOVABLE)] = (uint8_t)zone_of(m, bits | __GFP_MOVABLE);
    }
}
