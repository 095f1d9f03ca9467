/* SPDX-License-Identifier: MIT */
/*
 * pcp.h - per-CPU lists of single free frames, one hot and one cold for each zone and CPU. (specification, section 6)
 *
 * Owns zone->pageset[].pcp[] and PG_pcp. User space cannot disable preemption, so that each set has a lock.
 */
#ifndef MM_PCP_H
#define MM_PCP_H

#include "mm/machine.h"

enum pcp_temperature { PCP_HOT, PCP_COLD };

/* Boot: empty lists, sizes by the zone's present_pages. */
void pcp_init(struct zone *zone);
/* The batch of a zone of that many pages. */
int zone_batchsize(unsigned long present_pages);
/* Sizes of all lists of the zone from its batch, or from percpu_pagelist_fraction where that is set. */
void pcp_set_sizes(struct zone *zone, unsigned percpu_pagelist_fraction);

/*
 * Up to nr frames of migratetype from this CPU's list, which is refilled at most once (twice where it holds frames of
 * other types only). They come as they were freed: unchecked, count 0. Returns how many, 0 if the zone has none.
 */
unsigned pcp_alloc(struct zone *zone, enum pcp_temperature which, unsigned migratetype, unsigned nr,
                   struct page **ret_pages);
/* Frees nr frames, all of this zone, checked and with count 0, onto this CPU's list. */
void pcp_free(struct zone *zone, enum pcp_temperature which, struct page *const *pages, unsigned nr);

/* Returns all frames on all CPUs' lists of all zones to the buddy lists. Any task, no lock held. */
void drain_all_local_pages(struct machine *m);
/* Returns up to one batch of each of the CPU's lists of the zone to the buddy lists. */
void drain_zone_pages(struct zone *zone, unsigned cpu);
/* Frames on the per-CPU lists of the zone. */
unsigned long zone_pcp_pages(struct zone *zone);

/* The first thing wrong with the zone's lists, or NULL. ret_pages: frames on them. */
const char *pcp_check(struct zone *zone, unsigned long *ret_pages);

#endif
