/* SPDX-License-Identifier: MIT */
/*
 * probation.h - pages that come back from swap, and have to be used again before they count as in use.
 * (tune.probation)
 *
 * One touch brought a page back; whether there will be more nobody knows. So it is inactive from the start
 * (PG_probation). When reclaim comes to it, it is parked and goes round once more: touched meanwhile, it is in use and
 * becomes active. (With tune.workingset_anon alone, that is so for what comes back late.) What is touched but once
 * drives out only its like. A scan over more than memory holds leaves what is active alone, part of the scanned range
 * included, and so finds that part when it begins anew.
 *
 * What is active is looked at all the same, more slowly, so that what nobody uses any more makes room in the end.
 */
#ifndef MM_PROBATION_H
#define MM_PROBATION_H

#include "mm/machine.h"

/* One active page is looked at for so many inactive ones while there are enough of those. */
#define PROBATION_ACTIVE_SHARE 16u
/* Pages are active at once while the inactive list is by so many percent larger than it need be. */
#define PROBATION_MARGIN 10u

/* Lists a page that has just come back from swap, mapped: on probation, or active while there is room there. */
void lru_cache_add_on_probation(struct machine *m, struct page *page);
/*
 * Takes those on probation out of a list of isolated inactive pages, parks them, and adds them to `again`, which goes
 * back to the inactive list. No spinning lock held.
 */
void park_on_probation(struct machine *m, struct page_list *list, struct page_list *again);

#endif
