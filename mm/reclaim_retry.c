/* SPDX-License-Identifier: MIT */
#include "mm/reclaim_retry.h"

#include "mm/watermark.h"

/* Pages on the lists; anonymous ones leave only while there are slots for them. */
static unsigned long reclaimable_pages(const struct zone *zone) {
    const struct machine *m = zone->machine;
    unsigned long lru = zone_page_state(zone, NR_ACTIVE) + zone_page_state(zone, NR_INACTIVE);
    unsigned long anon = zone_page_state(zone, NR_ANON_PAGES);
    long slots = __atomic_load_n(&m->nr_swap_pages, __ATOMIC_RELAXED);
    unsigned long stuck = slots >= (long)anon ? 0 : anon - (unsigned long)(slots > 0 ? slots : 0);

    return lru > stuck ? lru - stuck : 0;
}

bool writes_are_under_way(const struct zonelist *zonelist) {
    for (unsigned i = 0; zonelist->zones[i]; i++)
        /* The folded count may be a few off for as long as nothing happens. */
        if (zone_page_state_exact(zonelist->zones[i], NR_WRITEBACK) > 0)
            return true;
    return false;
}

bool should_reclaim_retry(struct machine *m, const struct zonelist *zonelist, unsigned order, unsigned alloc_flags,
                          unsigned long freed, unsigned *loops) {
    unsigned most = m->tune.reclaim_retries;

    /* Progress page by page says nothing about a large block. */
    if (freed && order <= PAGE_ALLOC_COSTLY_ORDER)
        *loops = 0;
    else if (*loops == 0 || !writes_are_under_way(zonelist))
        ++*loops;
    if (*loops > most)
        return false;
    for (unsigned i = 0; zonelist->zones[i]; i++) {
        const struct zone *zone = zonelist->zones[i];
        unsigned long available = reclaimable_pages(zone);

        available -= (*loops * available + most - 1) / most;
        available += zone_page_state(zone, NR_FREE_PAGES);
        if (zone_watermark_ok_for(zone, order, zone->pages_min, zonelist->zones[0]->type, alloc_flags, available))
            return true;
    }
    return false;
}
