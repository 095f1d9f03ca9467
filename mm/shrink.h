/* SPDX-License-Identifier: MIT */
/*
 * shrink.h - pieces of reclaim shared by vmscan.c, shrink_list.c and kswapd.c.
 */
#ifndef MM_SHRINK_H
#define MM_SHRINK_H

#include "mm/vmscan.h"

#define CONGESTION_TIMEOUT_NS (UINT64_C(1000000000) / 10)

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
