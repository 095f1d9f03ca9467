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

/* shrink_page_list(); sync: waits for pages under writeback. */
unsigned long shrink_pages(struct machine *m, struct page_list *list, struct scan_control *sc, bool sync);

#endif
