/* SPDX-License-Identifier: MIT */
/*
 * buddy.h - power-of-two blocks of free frames of one zone, by migrate type. (specification, section 4)
 *
 * Owns zone->shards[], zone->pageblocks[], zone->pageblock_type[] and the NR_FREE_PAGES counter. Free frames are bits
 * (mm/pageblock.h); what is listed is pageblocks, each under the type whose requests it serves, its largest free block
 * and how full it is. A request takes from the fullest pageblock that can serve it, and breaks into a wholly free one
 * only when no other can: so large blocks last. Knows nothing of watermarks, per-CPU lists or reclaim.
 */
#ifndef MM_BUDDY_H
#define MM_BUDDY_H

#include "mm/machine.h"

/* How a zone of that span is cut: returns how many shards. ret_shift: for zone->shard_shift. */
unsigned buddy_shards(uint32_t start_pfn, uint32_t end_pfn, unsigned nr_cpus, unsigned *ret_shift);
/* Boot: nothing is free, every pageblock MOVABLE. */
void buddy_init(struct zone *zone);
/* What a shard keeps to itself of NR_FREE_PAGES follows from present_pages, which has changed. */
void buddy_set_batch(struct zone *zone);
/* Gives nr_pages frames from start_pfn, of this zone, which have been in no use, to the free lists. */
void buddy_add_range(struct zone *zone, uint32_t start_pfn, uint32_t nr_pages);

/* A block of that order, or NULL: of its type, then of the fallbacks. No lock above RANK_PCP held. */
struct page *__rmqueue(struct zone *zone, unsigned order, unsigned migratetype);
/* The same for a caller that has the current task at hand. */
struct page *rmqueue_by(struct zone *zone, unsigned order, unsigned migratetype, struct task *task);
/* Up to count single frames, in the order found. Returns how many. */
unsigned rmqueue_bulk(struct zone *zone, unsigned count, unsigned migratetype, uint32_t *ret_pfns);

/*
 * Frees a block, whose pages have count 0; it merges as far as it goes. The zone counts as reclaimable again. No lock
 * above RANK_PCP held.
 */
void free_one_page(struct zone *zone, struct page *page, unsigned order);
void free_one_page_by(struct zone *zone, struct page *page, unsigned order, struct task *task);
/* The same for count single frames, which lose all flags but PAGE_KEPT_MASK. */
void free_pages_bulk(struct zone *zone, unsigned count, const uint32_t *pfns);

/* The zone's shards in the order in which the CPU takes from them: its own first. n: less than there are. */
static inline struct zone_shard *home_shard(const struct zone *zone, unsigned cpu, unsigned n) {
    unsigned i = zone->pageset[cpu].home_shard + n;

    return &zone->shards[i < zone->nr_shards ? i : i - zone->nr_shards];
}
/* Publishes what the shards have not told NR_FREE_PAGES yet. No lock above RANK_ZONE held. */
void buddy_publish_counts(struct zone *zone);
/* NR_FREE_PAGES with what is not published. Any thread. */
static inline long zone_free_pages_exact(const struct zone *zone) {
    long sum = atomic_load_explicit(&zone->vm_stat[NR_FREE_PAGES], memory_order_relaxed);

    for (unsigned i = 0; i < zone->nr_shards; i++)
        sum += __atomic_load_n(&zone->shards[i].unpublished, __ATOMIC_RELAXED);
    return sum;
}

/*
 * Takes the free block that begins at that frame, if there is one, of at most max_order and not isolated, whatever its
 * type: its frames are the caller's, with count 0. Returns how many. No lock above RANK_ZONE held.
 */
unsigned buddy_take_block(struct zone *zone, uint32_t pfn, unsigned max_order);

/*
 * Takes whole, isolated pageblocks out of the zone if all their frames are free; else does nothing and returns false.
 * zone->lock held.
 */
bool buddy_remove_range(struct zone *zone, uint32_t start_pfn, uint32_t nr_pages);

/* Free blocks of exactly that order, all migrate types. Read without a lock: a hint. */
static inline unsigned long nr_free_blocks(const struct zone *zone, unsigned order) {
    unsigned long sum = 0;

    for (unsigned i = 0; i < zone->nr_shards; i++)
        sum += __atomic_load_n(&zone->shards[i].nr_free[order], __ATOMIC_RELAXED);
    return sum;
}
/* Those that serve requests of one type. Costs time proportional to the zone. No lock held. */
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
/* Lets all free blocks of page's pageblock serve requests of type. Returns pages moved. zone->lock held. */
unsigned move_freepages_block(struct zone *zone, struct page *page, enum migratetype type);
/* Makes the first ceil(pages_min / PAGEBLOCK_PAGES) suitable blocks RESERVE. Takes zone->lock. */
void setup_zone_migrate_reserve(struct zone *zone);

/*
 * The order of the free block that begins at that frame; -1 if none does. Exact only while nobody else frees or takes
 * there.
 */
int buddy_order(const struct zone *zone, uint32_t pfn);
/* Is the frame part of a free block? The same. */
bool frame_is_free(const struct zone *zone, uint32_t pfn);
/*
 * Is the frame's descriptor what it will ever be? Until its pageblock is first taken from, it is not initialised, and
 * the pageblock all free. True where there is no frame.
 */
bool frame_has_descriptor(const struct zone *zone, uint32_t pfn);
/* Is there a frame of that number, with a descriptor or not yet? Any number. */
bool frame_exists(const struct machine *m, uint32_t pfn);
/* Sees to it that it has, and those of its pageblock. Its shard's lock held, or nobody else at work. */
void need_descriptors(struct zone *zone, uint32_t pfn);

/* The first thing wrong with the zone's free blocks, or NULL. ret_free: pages in them. No lock held. */
const char *buddy_check(struct zone *zone, unsigned long *ret_free);

#endif
