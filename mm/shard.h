/* SPDX-License-Identifier: MIT */
/*
 * shard.h - the lists of pageblocks of one shard of a zone. Used by mm/buddy.c and mm/buddy_zone.c alone.
 *
 * A pageblock is listed under the type that it serves, the order of its largest free block, and how full it is; wholly
 * free ones stand apart. All but shard_of() and shard_offers() with the shard's lock held. Pageblocks are named by
 * their index in the zone.
 */
#ifndef MM_SHARD_H
#define MM_SHARD_H

#include "mm/machine.h"

#define HIGHEST_ORDER (MAX_ORDER - 1)
_Static_assert(HIGHEST_ORDER == PAGEBLOCK_ORDER + 1, "the largest block is two pageblocks");

/* The pageblock of a frame of the zone, by its index; its first frame; and whom it is for. */
static inline uint32_t pageblock_index(const struct zone *zone, uint32_t pfn) {
    return (pfn >> PAGEBLOCK_ORDER) - zone->first_pageblock;
}

static inline uint32_t pageblock_pfn(const struct zone *zone, uint32_t index) {
    return (zone->first_pageblock + index) << PAGEBLOCK_ORDER;
}

static inline enum migratetype pageblock_serves(const struct zone *zone, uint32_t index) {
    /* A task that frees a page reads it under its per-CPU lock only. */
    return (enum migratetype)__atomic_load_n(&zone->pageblock_type[index], __ATOMIC_RELAXED);
}

static inline void pageblock_serve(struct zone *zone, uint32_t index, unsigned type) {
    __atomic_store_n(&zone->pageblock_type[index], (uint8_t)type, __ATOMIC_RELAXED);
}

static inline unsigned shard_number(const struct zone *zone, uint32_t pfn) {
    return (pfn >> (PAGEBLOCK_ORDER + zone->shard_shift)) - (zone->first_pageblock >> zone->shard_shift);
}
static inline struct zone_shard *shard_of(const struct zone *zone, uint32_t index) {
    uint32_t number = zone->first_pageblock + index;

    return &zone->shards[(number >> zone->shard_shift) - (zone->first_pageblock >> zone->shard_shift)];
}
/* A hint: may a block of one of those orders (bits) be had for type there? */
static inline bool shard_offers(const struct zone_shard *shard, unsigned type, unsigned orders) {
    return __atomic_load_n(&shard->orders[type], __ATOMIC_RELAXED) & orders;
}

/* pageblock->place: the list's order and fullness class, or one of these. */
#define PLACE_NONE 0xff
#define PLACE_SECOND 0xfe /* upper half of an order 10 block, which its lower half is listed for */

static inline uint8_t place_of(unsigned order, unsigned fullness) {
    return (uint8_t)(order * FULLNESS_CLASSES + fullness);
}
/* Is a pageblock that is neither wholly free nor wholly in use on the list of type where it belongs? */
static inline bool shard_is_in_place(const struct pageblock *block, unsigned type) {
    return block->list_type == type && block->place == place_of((unsigned)largest_block(block->counts),
                                                                block->nr_free * FULLNESS_CLASSES / PAGEBLOCK_PAGES);
}

void shard_init(struct zone_shard *shard);
static inline struct bias_slot *shard_lock(const struct zone *zone, struct zone_shard *shard, struct task *task) {
    return bias_acquire(zone->machine->platform, &shard->lock, task);
}
static inline void shard_unlock(const struct zone *zone, struct zone_shard *shard, struct bias_slot *slot,
                                struct task *task) {
    bias_release(zone->machine->platform, &shard->lock, slot, task);
}
/* Adds to NR_FREE_PAGES, in batches. */
void shard_count_free(struct zone *zone, struct zone_shard *shard, long delta);
/* Publishes what is not. */
void shard_publish(struct zone *zone, struct zone_shard *shard);
/*
 * The pageblock's frames have changed, or whom it serves: puts it on the list of type where it belongs. One that is
 * wholly free beside another such becomes one block of order 10 with it.
 */
void shard_relist(struct zone *zone, uint32_t index, unsigned type);
/* The same for one that has become wholly free and is on no list. */
void shard_list_whole(struct zone *zone, struct zone_shard *shard, uint32_t index, unsigned type);
/* Takes a pageblock off its list, and apart from the other half of its order 10 block. */
void shard_unlist(struct zone *zone, uint32_t index);
/* The fullest pageblock that serves type and whose largest free block is of one of those orders; or PAGEBLOCK_NONE. */
uint32_t shard_find(const struct zone_shard *shard, unsigned type, unsigned orders);
/* Is it half of a free block of order 10? And what is the other half; PAGEBLOCK_NONE if the zone has none. */
bool shard_has_pair(const struct zone *zone, uint32_t index);
uint32_t shard_other_half(const struct zone *zone, uint32_t index);
/* Counts of blocks are read without the lock. */
static inline void shard_add_nr_free(struct zone_shard *shard, unsigned order, long delta) {
    __atomic_store_n(&shard->nr_free[order], shard->nr_free[order] + (unsigned long)delta, __ATOMIC_RELAXED);
}
/* Adds to nr_free what has changed from before. */
static inline void shard_recount(struct zone_shard *shard, block_counts_t before, block_counts_t after) {
    uint64_t changed = before.packed ^ after.packed;

    while (changed) {
        unsigned order = block_count_order[__builtin_ctzll(changed)];

        shard_add_nr_free(shard, order, (long)block_count(after, order) - (long)block_count(before, order));
        changed &= ~block_count_field(order);
    }
}

/* Frees a block of at most a pageblock. */
static inline void shard_give(struct zone *zone, struct zone_shard *shard, uint32_t pfn, unsigned order) {
    uint32_t index = pageblock_index(zone, pfn);
    struct pageblock *block = &zone->pageblocks[index];
    block_counts_t before = block->counts;

    if (order == PAGEBLOCK_ORDER) {
        pageblock_give_all(block, zone->pageblock_maps[index]);
        shard_add_nr_free(shard, PAGEBLOCK_ORDER, 1);
        shard_list_whole(zone, shard, index, pageblock_serves(zone, index));
        return;
    }
    pageblock_give(block, zone->pageblock_maps[index], pfn % PAGEBLOCK_PAGES, order);
    shard_recount(shard, before, block->counts);
    shard_relist(zone, index, pageblock_serves(zone, index));
}

/* Takes a pageblock that is wholly free; what comes free of it later is type's. */
static inline void shard_take_whole(struct zone *zone, struct zone_shard *shard, uint32_t index, unsigned type) {
    struct pageblock *block = &zone->pageblocks[index];

    shard_unlist(zone, index);
    block->list_type = (uint8_t)type;
    pageblock_take_all(block, zone->pageblock_maps[index]);
    shard_add_nr_free(shard, PAGEBLOCK_ORDER, -1);
}

/* The first thing wrong with how the pageblock is listed, or NULL. */
const char *shard_check(const struct zone *zone, uint32_t index);

#endif
