/* SPDX-License-Identifier: MIT */
#include "mm/cpuset.h"

static bool has_node(uint32_t mask, const struct zone *zone) {
    return mask == 0 || mask >> zone->node->node_id & 1u;
}

static uint32_t current_flags(const struct machine *m) {
    return atomic_load_explicit(&mm_current(m)->flags, memory_order_relaxed);
}

bool cpuset_zone_allowed_hardwall(const struct zone *zone) {
    const struct machine *m = zone->machine;

    return m->nr_nodes == 1 || m->platform->in_interrupt(m->platform->host) ||
           has_node(mm_current(m)->mems_allowed, zone) || current_flags(m) & TIF_MEMDIE;
}

bool cpuset_zone_allowed_softwall(const struct zone *zone, gfp_t gfp) {
    const struct machine *m = zone->machine;

    if (gfp & __GFP_THISNODE || cpuset_zone_allowed_hardwall(zone))
        return true;
    if (gfp & __GFP_HARDWALL)
        return false;
    return current_flags(m) & PF_EXITING || has_node(mm_current(m)->mems_exclusive, zone);
}

bool cpuset_excl_nodes_overlap(const struct task *a, const struct task *b) {
    return a->mems_allowed == 0 || b->mems_allowed == 0 || a->mems_allowed & b->mems_allowed;
}
