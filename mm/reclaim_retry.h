/* SPDX-License-Identifier: MIT */
/*
 * reclaim_retry.h - is another round of reclaim worth while, or must somebody be killed? (specification, section 18;
 * tune.reclaim_retries)
 */
#ifndef MM_RECLAIM_RETRY_H
#define MM_RECLAIM_RETRY_H

#include "mm/gfp.h"
#include "mm/machine.h"

/* Are pages of the zones being written? They come free when that is done, however long the device takes. */
bool writes_are_under_way(const struct zonelist *zonelist);
/*
 * After a round that freed `freed` pages: counts rounds without success in *loops, but of those during which pages are
 * being written the first only. True: fewer than
 * tune.reclaim_retries, and some zone of the list would meet its min mark if all its pages that count as reclaimable
 * were free, of which each such round discounts a share.
 */
bool should_reclaim_retry(struct machine *m, const struct zonelist *zonelist, unsigned order, unsigned alloc_flags,
                          unsigned long freed, unsigned *loops);

#endif
