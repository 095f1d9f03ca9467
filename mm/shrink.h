/* SPDX-License-Identifier: MIT */
/*
 * shrink.h - pieces of reclaim shared by vmscan.c, shrink_list.c and kswapd.c.
 */
#ifndef MM_SHRINK_H
#define MM_SHRINK_H

#include "mm/vmscan.h"

#define CONGESTION_TIMEOUT_NS (UINT64_C(1000000000) / 10)

/* What a reclaim of single pages may do that may do everything, in steps of cluster pages. */
static inline struct scan_control reclaim_freely(const struct machine *m, unsigned cluster) {
    return (struct scan_control){
        .gfp_mask = GFP_KERNEL,
        .may_writepage = true,
        .may_swap = true,
        .swap_cluster_max = cluster,
        .swappiness = m->tune.swappiness,
    };
}

/* Gives the current task the reserves, and keeps it from reclaiming from within. Returns what memalloc_restore() takes.
 */
static inline uint32_t memalloc_save(const struct machine *m) {
    return atomic_fetch_or_explicit(&mm_current(m)->flags, PF_MEMALLOC, memory_order_relaxed) & PF_MEMALLOC;
}
static inline void memalloc_restore(const struct machine *m, uint32_t saved) {
    atomic_fetch_and_explicit(&mm_current(m)->flags, ~(uint32_t)PF_MEMALLOC | saved, memory_order_relaxed);
}

/* Lowers the zone's prev_priority to priority. */
void note_zone_priority(struct zone *zone, int priority);

/* Pages on the zone's two lists. */
unsigned long zone_lru_pages(const struct zone *zone);
/* shrink_slab() in proportion to a scan of so many of lru_pages. Returns pages that came back from it. */
unsigned long shake_caches(struct machine *m, unsigned long scanned, gfp_t gfp, unsigned long lru_pages,
                           unsigned long *ret_objects);

/* shrink_page_list(); sync: waits for pages under writeback. */
unsigned long shrink_pages(struct machine *m, struct page_list *list, struct scan_control *sc, bool sync);

#endif
