/* SPDX-License-Identifier: MIT */
/*
 * workingset.h - refault distance: pages that come back so soon that they should not have left.
 * (specification, section 18; tune.workingset for file pages, tune.workingset_anon for those in swap)
 *
 * A page that reclaim takes from a file, or from the swap cache, leaves a shadow in its place: its node and the number
 * of evictions and activations there had been on that node. When the page is read again, the difference to that number
 * now is how many more pages the inactive list would have needed to keep it. If the active list has as many, the page
 * belongs there. Else it begins on the inactive list: a file page waits for a second access; a page from swap is parked
 * at the list's end and goes round once more, as all do that are on probation (mm/probation.h), and only a touch after
 * that makes it active. So pages that are used once pass by, and those in use stay.
 */
#ifndef MM_WORKINGSET_H
#define MM_WORKINGSET_H

#include "mm/machine.h"

struct address_space;

/* Shadows lie where frame numbers do, and have a bit that those have not. */
#define SHADOW_BIT 0x80000000u
#define SHADOW_NODE_SHIFT 28u
#define SHADOW_AGE_MASK 0x07ffffffu

static inline bool is_shadow(uint32_t value) {
    return value != PFN_NONE && value & SHADOW_BIT;
}

/* The shadow of a page that is being evicted; PFN_NONE: none is to be left. Counts the eviction. */
uint32_t workingset_eviction(struct machine *m, const struct page *page);
/* A page with this shadow is back: should it be active at once? */
bool workingset_refault(struct machine *m, uint32_t shadow);
/* Evictions and activations on the shadow's node since it was left. */
uint32_t shadow_distance(const struct machine *m, uint32_t shadow);
/* A page became active. */
void workingset_activation(struct machine *m, const struct page *page);

/* A shadow has made room for a page. The file's lock is held. */
void forget_shadow(struct address_space *mapping);
/* Drops the file's shadows from index start on that are older than min_age. Returns how many. */
unsigned long drop_shadows(struct address_space *mapping, uint32_t start, uint32_t min_age);
/* Are there so many that looking for old ones is worth while, and have so many pages gone since the last time? */
bool shadows_are_due(struct machine *m);
/* Drops all shadows that say nothing any more, since more pages went since than the node has. Returns how many. */
unsigned long drop_old_shadows(struct machine *m);

#endif
