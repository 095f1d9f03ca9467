/* SPDX-License-Identifier: MIT */
/*
 * streamed.h - pages that a sequential scan brings back, where it must not drive out everything else.
 * (tune.scan_resistance)
 *
 * A scan over more than memory holds finds nothing of it there when it begins anew, if the page that was used longest
 * ago always goes first. So pages that a stream of faults brings back are inactive from the start (PG_streamed): they
 * take each other's places, and what is active stays, part of the scanned range included. When reclaim comes to one, it
 * parks it and lets it go round once more: a page that is touched meanwhile is in use and becomes active. The same goes
 * for a page from swap that mm/workingset.h finds to have come back late.
 *
 * What is active is looked at all the same, more slowly, so that what nobody uses any more makes room in the end.
 */
#ifndef MM_STREAMED_H
#define MM_STREAMED_H

#include "mm/machine.h"

/* One active page is looked at for so many inactive ones while there are enough of those. */
#define STREAMED_ACTIVE_SHARE 16u
/* A scan's pages fill the active list up again once the inactive one is by so many percent larger than it need be. */
#define STREAMED_MARGIN 10u

/* Lists a page that a stream has just brought back, mapped: as streamed, or active while there is room there. */
void lru_cache_add_streamed(struct machine *m, struct page *page);
/*
 * Takes the streamed ones out of a list of isolated inactive pages, parks them, and adds them to `again`, which goes
 * back to the inactive list. No spinning lock held.
 */
void park_streamed(struct machine *m, struct page_list *list, struct page_list *again);

#endif
