/* SPDX-License-Identifier: MIT */
/*
 * watermark.h - how much of a zone is kept back, and from whom. (specification, sections 3 and 17)
 *
 * Owns pages_min, pages_low, pages_high, lowmem_reserve, min_unmapped_pages and min_slab_pages of every zone,
 * totalreserve_pages, and the tunables.
 */
#ifndef MM_WATERMARK_H
#define MM_WATERMARK_H

#include "mm/gfp.h"
#include "mm/machine.h"

/*
 * Would zone keep more than mark (and class_zone's lowmem reserve) free after a request of this order? flags:
 * ALLOC_HIGH and ALLOC_HARDER lower the mark. An unlocked estimate; true does not mean that a block of the order
 * exists.
 */
bool zone_watermark_ok(const struct zone *zone, unsigned order, unsigned long mark, unsigned class_zone,
                       unsigned alloc_flags);
/* The same if so many pages were free. */
bool zone_watermark_ok_for(const struct zone *zone, unsigned order, unsigned long mark, unsigned class_zone,
                           unsigned alloc_flags, unsigned long free_pages);

/* min_free_kbytes for a machine with that many KiB below high memory: floor(sqrt(16 * kib)) in 128..65536. */
unsigned min_free_kbytes_at_boot(unsigned long kib);
/* floor(sqrt(x)). */
unsigned long int_sqrt(unsigned long x);

/* Boot: default tunables, min_free_kbytes from the memory present, then all marks and reserves. */
void init_per_zone_pages_min(struct machine *m);
/* Recomputes marks, MIGRATE_RESERVE blocks and totalreserve_pages from m->tune.min_free_kbytes. */
void setup_per_zone_pages_min(struct machine *m);
/* Recomputes lowmem reserves and totalreserve_pages from m->tune.lowmem_reserve_ratio. */
void setup_per_zone_lowmem_reserve(struct machine *m);

/* Recomputes min_unmapped_pages and min_slab_pages of all zones from their ratios (section 11). */
void setup_zone_reclaim(struct machine *m);

/*
 * Sets all tunables at once and recomputes what depends on them. MM_INVAL, and nothing changed, if one is out of its
 * range; lowmem_reserve_ratio values of 0 are taken as 1.
 */
enum mm_status machine_tune(struct machine *m, const struct tunables *wanted);

#endif
