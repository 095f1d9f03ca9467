/* SPDX-License-Identifier: MIT */
/*
 * lru.h - the active and inactive list of each zone, and the pagevecs in front of them. (specification, section 9)
 *
 * Owns PG_lru, PG_active and the NR_ACTIVE and NR_INACTIVE counters. Being on a list takes no reference; a page whose
 * last reference goes leaves its list on the way to the free lists. A pagevec holds a reference for each of its pages.
 */
#ifndef MM_LRU_H
#define MM_LRU_H

#include "mm/machine.h"

/* Put a page, not on a list, on its zone's inactive or active list, by way of this CPU's pagevec. */
void lru_cache_add(struct machine *m, struct page *page);
void lru_cache_add_active(struct machine *m, struct page *page);
/* Moves an inactive page to the list's tail, where it is looked at next, by way of a pagevec. */
void rotate_reclaimable_page(struct machine *m, struct page *page);
/* Empties this CPU's three pagevecs, or those of all CPUs. No lock from RANK_PAGEVEC on held. */
void lru_add_drain(struct machine *m);
void lru_add_drain_all(struct machine *m);

/* Moves a page of the inactive list to the head of the active one; any other page stays as it is. */
void activate_page(struct machine *m, struct page *page);
/* A page has been used: referenced first, active the second time. */
void mark_page_accessed(struct machine *m, struct page *page);

/* Takes a page that is on a list off it with a reference. False: it is on none, or free. */
bool isolate_lru_page(struct machine *m, struct page *page);
/*
 * Takes up to nr pages from the tail of zone's active or inactive list onto list, the first taken at its head, each
 * with a reference and PG_lru cleared. Returns how many; ret_scanned: how many it looked at. zone->lru_lock held.
 */
unsigned long isolate_lru_pages(struct zone *zone, bool active, unsigned long nr, struct page_list *list,
                                unsigned long *ret_scanned);
/* Which pages lumpy reclaim takes. */
enum isolate_mode { ISOLATE_INACTIVE, ISOLATE_ACTIVE, ISOLATE_BOTH };
/*
 * The same, and with each page those of its aligned block of 2^order frames that are on an LRU list of the zone and of
 * the right state: they count as scanned too, and nr can be exceeded by a block. (section 10.2, lumpy reclaim)
 */
unsigned long isolate_lru_blocks(struct zone *zone, bool active, unsigned long nr, unsigned order,
                                 enum isolate_mode mode, struct page_list *list, unsigned long *ret_scanned);
/*
 * Puts isolated pages of any zones back, each at the head of the list that its PG_active names, in list order (the last
 * ends up at the head), and drops the isolation's reference. list is empty afterwards.
 */
void putback_lru_pages(struct machine *m, struct page_list *list);
/* Takes a page whose count has dropped to 0 off its list, if it is on one. */
void lru_forget_page(struct machine *m, struct page *page);

/* Drops a reference of each page; frees those for which it was the last, to the cold lists if cold. */
void release_pages(struct machine *m, struct page *const *pages, unsigned nr, bool cold);

/* The first thing wrong with the zone's lists, or NULL. No other task may be inside the core. */
const char *lru_check(struct zone *zone);

#endif
