/* SPDX-License-Identifier: MIT */
/*
 * buddy.h - power-of-two blocks of free frames of one zone, by migrate type. (specification, section 4)
 *
 * Owns zone->free_area[], zone->pageblock_type[], PG_buddy and the NR_FREE_PAGES counter. Knows nothing of watermarks,
 * per-CPU lists or reclaim. Whoever is outside sees blocks only as (page, order) and asks for counts through
 * nr_free_blocks(); how free blocks are found is this module's own affair.
 */
#ifndef MM_BUDDY_H
#define MM_BUDDY_H

#include "mm/machine.h"

/* Boot: empty lists, every pageblock MOVABLE. */
void buddy_init(struct zone *zone);
/* Boot: gives nr_pages frames from start_pfn, initialised and of this zone, to the free lists. */
void buddy_add_range(struct zone *zone, uint32_t start_pfn, uint32_t nr_pages);

/* A block of that order, or NULL. Smallest fit in its type, then the fallbacks. zone->lock held. */
struct page *__rmqueue(struct zone *zone, unsigned order, unsigned migratetype);
/*
 * Up to count single frames onto list, in the order found; each has its private field set to migratetype and no flag
 * but those of PAGE_KEPT_MASK.
 * Takes zone->lock. Returns how many.
 */
unsigned rmqueue_bulk(struct zone *zone, unsigned count, unsigned migratetype, struct page_list *list);

/*
 * Frees a block, whose pages have count 0; merges it as far as it goes. Its pages lose all flags but PAGE_KEPT_MASK.
 * The zone counts as reclaimable again. Takes zone->lock.
 */
void free_one_page(struct zone *zone, struct page *page, unsigned order);
/* The same for count single frames from the tail of list, under one hold of zone->lock. */
void free_pages_bulk(struct zone *zone, unsigned count, struct page_list *list);

/*
 * Takes the free block that begins at page off the lists, whatever its type; its frames are the caller's, with count 0.
 * Returns its order. zone->lock held.
 */
unsigned buddy_take_block(struct zone *zone, struct page *page);

/* Free blocks of exactly that order, all migrate types. Read without a lock: a hint. */
static inline unsigned long nr_free_blocks(const struct zone *zone, unsigned order) {
    return __atomic_load_n(&zone->free_area[order].nr_free, __ATOMIC_RELAXED);
}

/* Free blocks of exactly that order on the list of one type. zone->lock held. */
unsigned long nr_free_blocks_of_type(struct zone *zone, unsigned order, enum migratetype type);

/* Is there a free block of that order or a larger one? A hint. */
static inline bool nr_free_at_least(const struct zone *zone, unsigned order) {
    for (; order < MAX_ORDER; order++)
        if (nr_free_blocks(zone, order))
            return true;
    return false;
}

enum migratetype get_pageblock_migratetype(const struct zone *zone, const struct page *page);
/* zone->lock held. */
void set_pageblock_migratetype(struct zone *zone, const struct page *page, enum migratetype type);
/* Moves all free blocks of page's pageblock to the lists of type. Returns pages moved. zone->lock held. */
unsigned move_freepages_block(struct zone *zone, struct page *page, enum migratetype type);
/* Makes the first ceil(pages_min / PAGEBLOCK_PAGES) suitable blocks RESERVE. Takes zone->lock. */
void setup_zone_migrate_reserve(struct zone *zone);

/* Order of a free block, from its first page (PG_buddy). zone->lock held. */
static inline unsigned buddy_order(const struct page *page) {
    return page->private & 0xffu;
}

/* The first thing wrong with the zone's free blocks, or NULL. ret_free: pages in them. zone->lock held. */
const char *buddy_check(struct zone *zone, unsigned long *ret_free);

#endif
