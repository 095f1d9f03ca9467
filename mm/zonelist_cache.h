/* SPDX-License-Identifier: MIT */
/*
 * zonelist_cache.h - a walk over a zonelist that passes over what it need not try. (specification, sections 2.7 and 7)
 *
 * On a machine of one node nothing is remembered.
 */
#ifndef MM_ZONELIST_CACHE_H
#define MM_ZONELIST_CACHE_H

#include "mm/gfp.h"
#include "mm/machine.h"

#define ZONELIST_CACHE_NS UINT64_C(1000000000)

struct zonelist_scan {
    const struct zonelist *zonelist;
    unsigned next;        /* index of the next zone to look at */
    bool consulted, hint; /* full zones are passed over, once the first zone has failed */
};

void zonelist_scan_consult(struct machine *m, struct zonelist_scan *scan);
void zonelist_scan_mark(struct zonelist_scan *scan);

/* Could zone i of the list be given by this request, and is it worth a try? */
static inline bool zonelist_scan_wants(const struct machine *m, const struct zonelist_scan *scan, gfp_t gfp) {
    const struct zonelist *list = scan->zonelist;

    if (list->is_policy && list->zones[scan->next]->type > (enum zone_type)gfp_zone(m, gfp))
        return false;
    return !scan->hint || !(atomic_load_explicit(&list->cache->full_zones, memory_order_relaxed) >> scan->next & 1u);
}

/*
 * The next zone to try, or NULL. When the list is through and zones have been passed over as full, it begins again
 * without the hint.
 */
static inline struct zone *zonelist_next(const struct machine *m, struct zonelist_scan *scan, gfp_t gfp) {
    for (;;) {
        while (scan->zonelist->zones[scan->next]) {
            if (zonelist_scan_wants(m, scan, gfp))
                return scan->zonelist->zones[scan->next++];
            scan->next++;
        }
        if (!scan->hint)
            return NULL;
        scan->hint = false;
        scan->next = 0;
    }
}

/* The zone that the walk gave last could not serve. */
static inline void zonelist_mark_full(struct machine *m, struct zonelist_scan *scan) {
    if (!scan->zonelist->cache)
        return;
    zonelist_scan_mark(scan);
    if (!scan->consulted)
        zonelist_scan_consult(m, scan);
}

#endif
