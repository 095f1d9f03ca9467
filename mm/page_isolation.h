/* SPDX-License-Identifier: MIT */
/*
 * page_isolation.h - withholding a pageblock from allocation. (specification, section 4)
 */
#ifndef MM_PAGE_ISOLATION_H
#define MM_PAGE_ISOLATION_H

#include "mm/machine.h"

/* Withholds the pageblock of page and drains all per-CPU lists. MM_BUSY unless it is MOVABLE. No lock held. */
enum mm_status set_migratetype_isolate(struct zone *zone, struct page *page);
/* Gives an isolated pageblock back as MOVABLE. No lock held. */
void unset_migratetype_isolate(struct zone *zone, struct page *page);

#endif
