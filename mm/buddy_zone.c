/* SPDX-License-Identifier: MIT */
/* The blocks of a zone as a whole: whom its pageblocks serve, boot and hot-plug, a look at what is free. */
#include "mm/buddy.h"

#include "mm/shard.h"

#define SHARD_PAGEBLOCKS_LEAST 128u
/* What a shard of a zone from 1 GiB on keeps to itself of NR_FREE_PAGES: two blocks that come and go. */
#define LARGE_ZONE_PAGES (UINT32_C(1) << (30 - PAGE_SHIFT))
#define FREE_BATCH_LARGE 1024

static inline uint32_t nr_pageblocks(const struct zone *zone) {
    return pageblock_index(zone, zone->zone_start_pfn + (uint32_t)zone->spanned_pages - 1) + 1;
}

/* Read without the lock. */
static void set_has_descriptors(struct pageblock *block, bool on) {
    __atomic_store_n(&block->has_descriptors, on, __ATOMIC_RELAXED);
}

void need_descriptors(struct zone *zone, uint32_t pfn) {
    struct pageblock *block = &zone->pageblocks[pageblock_index(zone, pfn)];
    uint32_t start = pfn & ~(PAGEBLOCK_PAGES - 1);

    if (block->has_descriptors)
        return;
    init_pages(zone->machine, start, start + PAGEBLOCK_PAGES, zone_page_flags(zone));
    set_has_descriptors(block, true);
}

void buddy_publish_counts(struct zone *zone) {
    struct task *task = mm_current(zone->machine);

    for (unsigned i = 0; i < zone->nr_shards; i++) {
        struct bias_slot *slot;

        /* Taking the lock from its owner costs more than what there is to gain. */
        if (__atomic_load_n(&zone->shards[i].unpublished, __ATOMIC_RELAXED) == 0)
            continue;
        slot = shard_lock(zone, &zone->shards[i], task);
        shard_publish(zone, &zone->shards[i]);
        shard_unlock(zone, &zone->shards[i], slot, task);
    }
}

/* -- Pageblocks ------------------------------------------------------------------------------------------------------
 */

enum migratetype get_pageblock_migratetype(const struct zone *zone, const struct page *page) {
    return pageblock_serves(zone, pageblock_index(zone, page_to_pfn(zone->machine, page)));
}

void set_pageblock_migratetype(struct zone *zone, const struct page *page, enum migratetype type) {
    pageblock_serve(zone, pageblock_index(zone, page_to_pfn(zone->machine, page)), type);
}

unsigned move_freepages_block(struct zone *zone, struct page *page, enum migratetype type) {
    struct task *task = mm_current(zone->machine);
    uint32_t index = pageblock_index(zone, page_to_pfn(zone->machine, page));
    struct zone_shard *shard = shard_of(zone, index);
    struct bias_slot *slot;
    unsigned moved;

    if (pageblock_pfn(zone, index) + PAGEBLOCK_PAGES > zone->zone_start_pfn + zone->spanned_pages)
        return 0;
    slot = shard_lock(zone, shard, task);
    moved = shard_has_pair(zone, index) ? 2 * PAGEBLOCK_PAGES : zone->pageblocks[index].nr_free;
    shard_relist(zone, index, type);
    shard_unlock(zone, shard, slot, task);
    return moved;
}

/* A pageblock's first frame in the zone exists, is the zone's and not reserved. */
static bool suits_reserve(const struct zone *zone, uint32_t pfn) {
    const struct machine *m = zone->machine;

    if (!frame_has_descriptor(zone, pfn))
        return true;
    return pfn_valid(m, pfn) && page_zone(m, pfn_to_page(m, pfn)) == zone &&
           !page_test(pfn_to_page(m, pfn), PG_reserved);
}

void setup_zone_migrate_reserve(struct zone *zone) {
    struct machine *m = zone->machine;
    uint32_t end = zone->zone_start_pfn + (uint32_t)zone->spanned_pages;
    unsigned long reserve = (zone->pages_min + PAGEBLOCK_PAGES - 1) >> PAGEBLOCK_ORDER;

    lock_acquire(m->platform, &zone->lock);
    for (uint32_t pfn = zone->zone_start_pfn; pfn < end; pfn = (pfn | (PAGEBLOCK_PAGES - 1)) + 1) {
        enum migratetype type = pageblock_serves(zone, pageblock_index(zone, pfn)), wanted = type;

        if (!suits_reserve(zone, pfn))
            continue;
        if (reserve > 0 && (type == MIGRATE_RESERVE || type == MIGRATE_MOVABLE)) {
            reserve--;
            wanted = MIGRATE_RESERVE;
        } else if (type == MIGRATE_RESERVE) {
            wanted = MIGRATE_MOVABLE;
        }
        if (wanted != type) {
            pageblock_serve(zone, pageblock_index(zone, pfn), wanted);
            move_freepages_block(zone, pfn_to_page(m, pfn), wanted);
        }
    }
    lock_release(m->platform, &zone->lock);
}

/* -- Boot and hot-plug -----------------------------------------------------------------------------------------------
 */

unsigned buddy_shards(uint32_t start_pfn, uint32_t end_pfn, unsigned nr_cpus, unsigned *ret_shift) {
    uint32_t first = start_pfn >> PAGEBLOCK_ORDER, last = (end_pfn - 1) >> PAGEBLOCK_ORDER;
    unsigned wanted = nr_cpus * 2 < SHARDS_MOST ? nr_cpus * 2 : SHARDS_MOST, shift = 1;

    while ((last >> shift) - (first >> shift) + 1 > wanted || 1u << shift < SHARD_PAGEBLOCKS_LEAST)
        shift++;
    *ret_shift = shift;
    return (last >> shift) - (first >> shift) + 1;
}

void buddy_set_batch(struct zone *zone) {
    long batch = vmstat_threshold(zone->machine->nr_cpus, zone->present_pages);

    if (zone->present_pages >= LARGE_ZONE_PAGES)
        batch = FREE_BATCH_LARGE;
    __atomic_store_n(&zone->free_batch, batch, __ATOMIC_RELAXED);
    __atomic_store_n(&zone->free_drift, (unsigned long)batch * zone->nr_shards, __ATOMIC_RELAXED);
}

void buddy_init(struct zone *zone) {
    uint32_t nr = nr_pageblocks(zone);

    buddy_set_batch(zone);
    for (unsigned i = 0; i < zone->nr_shards; i++)
        shard_init(&zone->shards[i]);
    __builtin_memset(zone->pageblock_type, MIGRATE_MOVABLE, nr);
    for (uint32_t i = 0; i < nr; i++)
        zone->pageblocks[i] = (struct pageblock){.place = UINT8_MAX,
                                                 .list_type = MIGRATE_MOVABLE,
                                                 .next = PAGEBLOCK_NONE,
                                                 .prev = PAGEBLOCK_NONE,
                                                 .has_descriptors = 1};
}

void buddy_add_range(struct zone *zone, uint32_t start_pfn, uint32_t nr_pages) {
    struct task *task = mm_current(zone->machine);
    uint32_t pfn = start_pfn, end = start_pfn + nr_pages;

    while (pfn < end) {
        struct zone_shard *shard = shard_of(zone, pageblock_index(zone, pfn));
        struct bias_slot *slot = shard_lock(zone, shard, task);
        unsigned order = PAGEBLOCK_ORDER;

        while (pfn & ((1u << order) - 1) || end - pfn < 1u << order)
            order--;
        /* Of a whole pageblock nobody needs the descriptors before it is first taken from. */
        set_has_descriptors(&zone->pageblocks[pageblock_index(zone, pfn)], order < PAGEBLOCK_ORDER);
        shard_give(zone, shard, pfn, order);
        shard_unlock(zone, shard, slot, task);
        pfn += 1u << order;
    }
    zone_page_state_add((long)nr_pages, zone, NR_FREE_PAGES);
}

/* -- Taking what lies at a place ---------------------------------------------------------------------------------- */

/* Takes the free block at pfn, of exactly that order and within a pageblock. */
static void take_block_at(struct zone *zone, uint32_t pfn, unsigned order) {
    uint32_t index = pageblock_index(zone, pfn);
    struct zone_shard *shard = shard_of(zone, index);
    struct pageblock *block = &zone->pageblocks[index];
    block_counts_t before = block->counts;

    need_descriptors(zone, pfn);
    pageblock_take_at(block, zone->pageblock_maps[index], pfn % PAGEBLOCK_PAGES, order);
    shard_recount(shard, before, block->counts);
    shard_relist(zone, index, block->list_type);
    shard_count_free(zone, shard, -(1l << order));
}

unsigned buddy_take_block(struct zone *zone, uint32_t pfn, unsigned max_order) {
    struct task *task = mm_current(zone->machine);
    uint32_t index = pageblock_index(zone, pfn);
    struct zone_shard *shard = shard_of(zone, index);
    struct bias_slot *slot = shard_lock(zone, shard, task);
    int order = buddy_order(zone, pfn);
    bool takes = order >= 0 && order <= (int)max_order && zone->pageblocks[index].list_type != MIGRATE_ISOLATE;

    if (takes && order == HIGHEST_ORDER)
        take_block_at(zone, pfn + PAGEBLOCK_PAGES, PAGEBLOCK_ORDER);
    if (takes)
        take_block_at(zone, pfn, order < HIGHEST_ORDER ? (unsigned)order : PAGEBLOCK_ORDER);
    shard_unlock(zone, shard, slot, task);
    return takes ? 1u << order : 0;
}

/* Isolated ones are taken from by nobody: what is all free stays so. */
static bool range_is_free(struct zone *zone, uint32_t start, uint32_t end, struct task *task) {
    bool is_free = true;

    for (uint32_t pfn = start; is_free && pfn < end; pfn += PAGEBLOCK_PAGES) {
        uint32_t index = pageblock_index(zone, pfn);
        struct bias_slot *slot = shard_lock(zone, shard_of(zone, index), task);

        is_free =
            zone->pageblocks[index].nr_free == PAGEBLOCK_PAGES && zone->pageblocks[index].list_type == MIGRATE_ISOLATE;
        shard_unlock(zone, shard_of(zone, index), slot, task);
    }
    return is_free;
}

bool buddy_remove_range(struct zone *zone, uint32_t start_pfn, uint32_t nr_pages) {
    struct task *task = mm_current(zone->machine);
    uint32_t end = start_pfn + nr_pages;

    if (!range_is_free(zone, start_pfn, end, task))
        return false;
    for (uint32_t pfn = start_pfn; pfn < end; pfn += PAGEBLOCK_PAGES) {
        struct zone_shard *shard = shard_of(zone, pageblock_index(zone, pfn));
        struct bias_slot *slot = shard_lock(zone, shard, task);

        take_block_at(zone, pfn, PAGEBLOCK_ORDER);
        shard_unlock(zone, shard, slot, task);
    }
    mem_map_offline(zone->machine, start_pfn, nr_pages);
    return true;
}

/* -- Looking ---------------------------------------------------------------------------------------------------------
 */

bool frame_has_descriptor(const struct zone *zone, uint32_t pfn) {
    return __atomic_load_n(&zone->pageblocks[pageblock_index(zone, pfn)].has_descriptors, __ATOMIC_RELAXED);
}

bool frame_exists(const struct machine *m, uint32_t pfn) {
    if (pfn_valid(m, pfn))
        return true;
    for (unsigned i = 0; i < m->map.nr_ranges; i++) {
        const struct memory_range *range = &m->map.ranges[i];

        if (pfn - range->start_pfn < range->nr_pages)
            return !frame_has_descriptor(&m->nodes[range->node]->node_zones[range->zone_type], pfn);
    }
    return false;
}

bool frame_is_free(const struct zone *zone, uint32_t pfn) {
    return pageblock_order_at(zone->pageblock_maps[pageblock_index(zone, pfn)], pfn % PAGEBLOCK_PAGES) >= 0;
}

int buddy_order(const struct zone *zone, uint32_t pfn) {
    uint32_t index = pageblock_index(zone, pfn);
    int order = pageblock_order_at(zone->pageblock_maps[index], pfn % PAGEBLOCK_PAGES);

    if (order == PAGEBLOCK_ORDER && shard_has_pair(zone, index))
        order++;
    return order < 0 || pfn & ((1u << order) - 1) ? -1 : order;
}

unsigned long nr_free_blocks_of_type(struct zone *zone, unsigned order, enum migratetype type) {
    struct task *task = mm_current(zone->machine);
    unsigned long sum = 0;

    for (uint32_t i = 0; i < nr_pageblocks(zone); i++) {
        struct zone_shard *shard = shard_of(zone, i);
        struct bias_slot *slot = shard_lock(zone, shard, task);

        if (zone->pageblocks[i].list_type == type) {
            bool pair = shard_has_pair(zone, i), first = (zone->first_pageblock + i) % 2 == 0;

            if (order == HIGHEST_ORDER)
                sum += pair && first;
            else if (!pair)
                sum += block_count(zone->pageblocks[i].counts, order);
        }
        shard_unlock(zone, shard, slot, task);
    }
    return sum;
}

static const char *check_pageblock(const struct zone *zone, uint32_t index) {
    const struct pageblock *block = &zone->pageblocks[index];
    const uint64_t *map = zone->pageblock_maps[index];
    unsigned free = 0, full = 0;

    for (unsigned order = 0; order <= PAGEBLOCK_ORDER; order++)
        free += block_count(block->counts, order) << order;
    for (unsigned i = 0; i < PAGEBLOCK_WORDS; i++)
        full |= (unsigned)(map[i] == UINT64_MAX) << i;
    if (pageblock_count(map).packed != block->counts.packed)
        return "buddy: a pageblock's counts are not what its free frames make";
    if (free != block->nr_free)
        return "buddy: a pageblock has not as many free frames as it says";
    if (full != block->full)
        return "buddy: the words of free frames are not those noted";
    return shard_check(zone, index);
}

const char *buddy_check(struct zone *zone, unsigned long *ret_free) {
    unsigned long blocks[MAX_ORDER] = {0};

    *ret_free = 0;
    for (uint32_t i = 0; i < nr_pageblocks(zone); i++) {
        const char *wrong = check_pageblock(zone, i);

        if (wrong)
            return wrong;
        *ret_free += zone->pageblocks[i].nr_free;
        for (unsigned order = 0; order <= PAGEBLOCK_ORDER; order++)
            if (!shard_has_pair(zone, i))
                blocks[order] += block_count(zone->pageblocks[i].counts, order);
        blocks[HIGHEST_ORDER] += shard_has_pair(zone, i) && (zone->first_pageblock + i) % 2 == 0;
    }
    for (unsigned order = 0; order < MAX_ORDER; order++)
        if (blocks[order] != nr_free_blocks(zone, order))
            return "buddy: nr_free is not the number of free blocks";
    return NULL;
}
