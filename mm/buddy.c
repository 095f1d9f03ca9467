/* SPDX-License-Identifier: MIT */
#include "mm/buddy.h"

#include "mm/shard.h"

#define HIGHEST_ORDER (MAX_ORDER - 1)
#define SHARD_PAGEBLOCKS_LEAST 128u
/* What a shard of a zone from 1 GiB on keeps to itself of NR_FREE_PAGES: two blocks that come and go. */
#define LARGE_ZONE_PAGES (UINT32_C(1) << (30 - PAGE_SHIFT))
#define FREE_BATCH_LARGE 1024
/* Frames freed at once. */
#define SORTED_MOST 64u
#define PARTIAL ((1u << PAGEBLOCK_ORDER) - 1)
#define WHOLE (1u << PAGEBLOCK_ORDER | 1u << HIGHEST_ORDER)

_Static_assert(HIGHEST_ORDER == PAGEBLOCK_ORDER + 1, "the largest block is two pageblocks");

/* Where a request looks when its own type has nothing, RESERVE aside. */
static const uint8_t fallbacks[MIGRATE_RESERVE][2] = {
    [MIGRATE_UNMOVABLE] = {MIGRATE_RECLAIMABLE, MIGRATE_MOVABLE},
    [MIGRATE_RECLAIMABLE] = {MIGRATE_UNMOVABLE, MIGRATE_MOVABLE},
    [MIGRATE_MOVABLE] = {MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE},
};

/* What is wanted: one block, or up to nr single frames. */
struct wish {
    unsigned order, migratetype, nr, cpu;
    struct task *task;
    uint32_t *ret_pfns;
};

static inline uint32_t index_of(const struct zone *zone, uint32_t pfn) {
    return (pfn >> PAGEBLOCK_ORDER) - zone->first_pageblock;
}

static inline uint32_t pfn_of(const struct zone *zone, uint32_t index) {
    return (zone->first_pageblock + index) << PAGEBLOCK_ORDER;
}

static inline uint32_t nr_pageblocks(const struct zone *zone) {
    return index_of(zone, zone->zone_start_pfn + (uint32_t)zone->spanned_pages - 1) + 1;
}

static inline enum migratetype type_of(const struct zone *zone, uint32_t index) {
    /* A task that frees a page reads it under its per-CPU lock only. */
    return (enum migratetype)__atomic_load_n(&zone->pageblock_type[index], __ATOMIC_RELAXED);
}

static inline void set_type(struct zone *zone, uint32_t index, unsigned type) {
    __atomic_store_n(&zone->pageblock_type[index], (uint8_t)type, __ATOMIC_RELAXED);
}

static inline void count_pages(unsigned long *counter, unsigned long nr) {
    __atomic_store_n(counter, *counter + nr, __ATOMIC_RELAXED);
}

/* -- Taking. All with the shard's lock held ------------------------------------------------------------------------ */

/* Read without the lock. */
static void set_has_descriptors(struct pageblock *block, bool on) {
    __atomic_store_n(&block->has_descriptors, on, __ATOMIC_RELAXED);
}

void need_descriptors(struct zone *zone, uint32_t pfn) {
    struct pageblock *block = &zone->pageblocks[index_of(zone, pfn)];
    uint32_t start = pfn & ~(PAGEBLOCK_PAGES - 1);

    if (block->has_descriptors)
        return;
    init_pages(zone->machine, start, start + PAGEBLOCK_PAGES, zone_page_flags(zone));
    set_has_descriptors(block, true);
}

/* Takes what is wanted out of the pageblock, a block from one of order from, and lists it under type. */
static unsigned take_from(struct zone *zone, uint32_t index, const struct wish *w, unsigned from, unsigned type) {
    struct zone_shard *shard = shard_of(zone, index);
    struct pageblock *block = &zone->pageblocks[index];
    block_counts_t before = block->counts;
    /* A block of the highest order is two halves. */
    unsigned order = w->order < HIGHEST_ORDER ? w->order : PAGEBLOCK_ORDER, got = 1;

    if (__builtin_expect(!block->has_descriptors, 0))
        need_descriptors(zone, pfn_of(zone, index));
    if (w->order == 0 && w->nr > 1)
        got = pageblock_take_singles(block, zone->pageblock_maps[index], w->nr, pfn_of(zone, index), w->ret_pfns);
    else
        w->ret_pfns[0] = pfn_of(zone, index) + pageblock_take(block, zone->pageblock_maps[index], order,
                                                              from < HIGHEST_ORDER ? from : PAGEBLOCK_ORDER);
    shard_recount(shard, before, block->counts);
    shard_relist(zone, index, type);
    shard_count_free(zone, shard, -(long)(got << order));
    if (w->order == HIGHEST_ORDER) {
        struct wish second = {.order = PAGEBLOCK_ORDER, .nr = 1, .cpu = w->cpu, .ret_pfns = (uint32_t[1]){0}};

        take_from(zone, shard_other_half(zone, index), &second, PAGEBLOCK_ORDER, type);
    }
    if (order > 0)
        count_pages(&shard->nr_allocated, 1ul << order);
    if (shard->user != (int)w->cpu)
        __atomic_store_n(&shard->user, (int)w->cpu, __ATOMIC_RELAXED);
    return got;
}

/* What the shard has for the type in pageblocks whose largest block is of one of those orders. */
static unsigned take_in_shard(struct zone *zone, struct zone_shard *shard, const struct wish *w, unsigned orders) {
    struct bias_slot *slot = shard_lock(zone, shard, w->task);
    uint32_t index = shard_find(shard, w->migratetype, orders);
    unsigned got = 0;

    if (index != PAGEBLOCK_NONE) {
        unsigned from = w->order < HIGHEST_ORDER ? (unsigned)smallest_block(zone->pageblocks[index].counts, w->order)
                                                 : HIGHEST_ORDER;

        got = take_from(zone, index, w, from, zone->pageblocks[index].list_type);
    }
    shard_unlock(zone, shard, slot, w->task);
    return got;
}

/* Takes the free block at pfn, of exactly that order and within a pageblock. */
static void take_block_at(struct zone *zone, uint32_t pfn, unsigned order) {
    uint32_t index = index_of(zone, pfn);
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
    uint32_t index = index_of(zone, pfn);
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

/* -- Choosing where to take from ------------------------------------------------------------------------------------
 */

/*
 * From pageblocks of the type. Broken ones before whole ones, and this CPU's shards before those where another one is
 * at work; but before there is nothing, from anywhere.
 */
static unsigned take_of_type(struct zone *zone, const struct wish *w) {
    const unsigned big_enough = (2u << HIGHEST_ORDER) - (1u << w->order);
    const struct {
        unsigned orders;
        bool anywhere;
    } tries[] = {{PARTIAL & big_enough, false}, {WHOLE & big_enough, false}, {big_enough, true}};

    for (unsigned try = 0; try < sizeof(tries) / sizeof(tries[0]); try++) {
        for (unsigned n = 0; n < zone->nr_shards; n++) {
            struct zone_shard *shard = home_shard(zone, w->cpu, n);
            int user = __atomic_load_n(&shard->user, __ATOMIC_RELAXED);
            unsigned got;

            if (!shard_offers(shard, w->migratetype, tries[try].orders))
                continue;
            if (!tries[try].anywhere && n > 0 && user >= 0 && user != (int)w->cpu)
                continue;
            got = take_in_shard(zone, shard, w, tries[try].orders);
            if (got)
                return got;
        }
    }
    return 0;
}

/* Takes from a pageblock of another type whose largest block, of that order, is at least half a pageblock's. */
static unsigned steal_from(struct zone *zone, uint32_t index, const struct wish *w, unsigned order) {
    unsigned type = zone->pageblocks[index].list_type;
    unsigned pages = shard_has_pair(zone, index) ? 2 * PAGEBLOCK_PAGES : zone->pageblocks[index].nr_free;

    /*
     * A large block is worth making the rest of its pageblock the same. Reclaimable requests do so with any, for they
     * come in bursts and would otherwise scatter. The other half of an order 10 block stays what it is.
     */
    if (order >= PAGEBLOCK_ORDER / 2 || w->migratetype == MIGRATE_RECLAIMABLE) {
        type = w->migratetype;
        if (pages >= PAGEBLOCK_PAGES / 2)
            set_type(zone, index, type);
    }
    if (order == PAGEBLOCK_ORDER)
        set_type(zone, index, w->migratetype);
    return take_from(zone, index, w, order, type);
}

/* One block or frame of another type, then of the reserve. zone->lock held. */
static unsigned take_fallback(struct zone *zone, struct wish w) {
    unsigned got = 0;

    w.nr = 1;
    /* The largest block first: what is left of it serves the requests that follow, and fewer pageblocks get mixed. */
    for (unsigned order = MAX_ORDER; order-- > w.order;) {
        for (unsigned i = 0; i < 2 * zone->nr_shards; i++) {
            struct zone_shard *shard = home_shard(zone, w.cpu, i % zone->nr_shards);
            unsigned type = fallbacks[w.migratetype][i / zone->nr_shards];
            struct bias_slot *slot;
            uint32_t index;

            if (!shard_offers(shard, type, 1u << order))
                continue;
            slot = shard_lock(zone, shard, w.task);
            index = shard_find(shard, type, 1u << order);
            if (index != PAGEBLOCK_NONE)
                got = steal_from(zone, index, &w, order);
            shard_unlock(zone, shard, slot, w.task);
            if (got)
                return got;
        }
    }
    w.migratetype = MIGRATE_RESERVE;
    return take_of_type(zone, &w);
}

static unsigned take(struct zone *zone, const struct wish *w) {
    unsigned got = take_of_type(zone, w);

    if (__builtin_expect(!got, 0)) {
        lock_acquire(zone->machine->platform, &zone->lock);
        got = take_fallback(zone, *w);
        lock_release(zone->machine->platform, &zone->lock);
    }
    return got;
}

struct page *__rmqueue(struct zone *zone, unsigned order, unsigned migratetype) {
    struct task *task = mm_current(zone->machine);
    uint32_t pfn;
    struct wish w = {.order = order,
                     .migratetype = migratetype,
                     .nr = 1,
                     .cpu = mm_task_cpu(zone->machine, task),
                     .task = task,
                     .ret_pfns = &pfn};

    if (!take(zone, &w))
        return NULL;
    return pfn_to_page(zone->machine, pfn);
}

unsigned rmqueue_bulk(struct zone *zone, unsigned count, unsigned migratetype, uint32_t *ret_pfns) {
    struct task *task = mm_current(zone->machine);
    struct wish w = {.migratetype = migratetype, .cpu = mm_task_cpu(zone->machine, task), .task = task};
    unsigned got = 0;

    while (got < count) {
        unsigned more;

        w.nr = count - got;
        w.ret_pfns = ret_pfns + got;
        more = take(zone, &w);
        if (!more)
            break;
        got += more;
    }
    return got;
}

/* -- Freeing ---------------------------------------------------------------------------------------------------------
 */

/* The shard's lock held. */
static inline void give(struct zone *zone, struct zone_shard *shard, uint32_t pfn, unsigned order) {
    uint32_t index = index_of(zone, pfn);
    struct pageblock *block = &zone->pageblocks[index];
    block_counts_t before = block->counts;

    pageblock_give(block, zone->pageblock_maps[index], pfn % PAGEBLOCK_PAGES, order);
    shard_recount(shard, before, block->counts);
    shard_relist(zone, index, type_of(zone, index));
}

/*
 * What reclaim took for its own use a moment ago and gives back (a slot table, a page for the pool that took nothing)
 * is no success of its: counting it as one, a task that frees nothing would go on for ever.
 */
static bool is_reclaims_own(const struct zone *zone, const struct page *page) {
    return page_in_arena(zone->machine, page);
}

static bool reclaim_is_running(const struct task *task) {
    return atomic_load_explicit(&task->flags, memory_order_relaxed) & PF_MEMALLOC;
}

void free_one_page(struct zone *zone, struct page *page, unsigned order) {
    struct task *task = mm_current(zone->machine);
    uint32_t pfn = page_to_pfn(zone->machine, page);
    struct zone_shard *shard = shard_of(zone, index_of(zone, pfn));
    struct bias_slot *slot;

    MM_DEBUG_ASSERT(zone->machine, (pfn & ((1u << order) - 1)) == 0);
    if (!reclaim_is_running(task) || !is_reclaims_own(zone, page))
        zone_mark_reclaimable(zone);
    slot = shard_lock(zone, shard, task);
    if (order == HIGHEST_ORDER)
        give(zone, shard, pfn + PAGEBLOCK_PAGES, PAGEBLOCK_ORDER);
    give(zone, shard, pfn, order < HIGHEST_ORDER ? order : PAGEBLOCK_ORDER);
    if (order > 0)
        count_pages(&shard->nr_freed, 1ul << order);
    shard_count_free(zone, shard, 1l << order);
    shard_unlock(zone, shard, slot, task);
}

/* Frames of one shard, whose lock is held. Neighbours in one word of the map go together. */
static void give_singles(struct zone *zone, struct zone_shard *shard, unsigned count, const uint32_t *pfns) {
    long became[PAGEBLOCK_ORDER + 1] = {0}, smaller = 0; /* by order: single frames that became a block of it */

    for (unsigned i = 0, n; i < count; i += n) {
        uint32_t pfn = pfns[i], index = index_of(zone, pfn);
        struct pageblock *block = &zone->pageblocks[index];
        uint64_t frames = UINT64_C(1) << pfn % 64;
        block_counts_t before;

        for (n = 1; i + n < count && pfns[i + n] / 64 == pfn / 64; n++)
            frames |= UINT64_C(1) << pfns[i + n] % 64;
        if (__builtin_expect(n == 1 && block->place != PLACE_NONE, 1)) {
            unsigned order = pageblock_give_single(block, zone->pageblock_maps[index], pfn % PAGEBLOCK_PAGES);

            if (__builtin_expect(order < PAGEBLOCK_ORDER, 1)) {
                became[order]++;
                if (__builtin_expect(!shard_is_in_place(block, type_of(zone, index)), 0))
                    shard_relist(zone, index, type_of(zone, index));
                continue;
            }
        }
        before = block->counts;
        pageblock_give_singles(block, zone->pageblock_maps[index], pfn % PAGEBLOCK_PAGES / 64, frames, n);
        shard_recount(shard, before, block->counts);
        shard_relist(zone, index, type_of(zone, index));
    }
    /* A block of an order has taken one of each smaller order with it. */
    for (unsigned order = PAGEBLOCK_ORDER; order-- > 0; smaller += became[order])
        if (became[order] != smaller)
            shard_add_nr_free(shard, order, became[order] - smaller);
    shard_count_free(zone, shard, (long)count);
}

/* Sorts frames by shard. ret_ends: where each shard's end. */
static void sort_by_shard(const struct zone *zone, unsigned count, const uint32_t *pfns, uint32_t *ret_pfns,
                          unsigned ret_ends[SHARDS_MOST]) {
    unsigned starts[SHARDS_MOST + 1] = {0};

    for (unsigned i = 0; i < count; i++)
        starts[shard_number(zone, pfns[i]) + 1]++;
    for (unsigned s = 0; s < zone->nr_shards; s++) {
        starts[s + 1] += starts[s];
        ret_ends[s] = starts[s];
    }
    for (unsigned i = 0; i < count; i++)
        ret_pfns[ret_ends[shard_number(zone, pfns[i])]++] = pfns[i];
}

static void free_some(struct zone *zone, struct task *task, unsigned count, const uint32_t *pfns) {
    uint32_t sorted[SORTED_MOST];
    unsigned ends[SHARDS_MOST], start = 0;

    if (zone->nr_shards > 1) {
        sort_by_shard(zone, count, pfns, sorted, ends);
        pfns = sorted;
    } else {
        ends[0] = count;
    }
    for (unsigned s = 0; s < zone->nr_shards; start = ends[s++]) {
        struct bias_slot *slot;

        if (ends[s] == start)
            continue;
        slot = shard_lock(zone, &zone->shards[s], task);
        give_singles(zone, &zone->shards[s], ends[s] - start, pfns + start);
        shard_unlock(zone, &zone->shards[s], slot, task);
    }
}

void free_pages_bulk(struct zone *zone, unsigned count, const uint32_t *pfns) {
    struct machine *m = zone->machine;
    struct task *task = mm_current(m);
    bool reclaims = reclaim_is_running(task), progress = !reclaims;

    for (unsigned i = 0; i < count; i++) {
        struct page *page = pfn_to_page(m, pfns[i]);
        uint32_t flags = atomic_load_explicit(&page->flags, memory_order_relaxed);

        progress |= reclaims && !is_reclaims_own(zone, page);
        atomic_store_explicit(&page->flags, flags & PAGE_KEPT_MASK, memory_order_relaxed);
    }
    if (count && progress)
        zone_mark_reclaimable(zone);
    for (unsigned done = 0, n; done < count; done += n) {
        n = count - done < SORTED_MOST ? count - done : SORTED_MOST;
        free_some(zone, task, n, pfns + done);
    }
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
    return type_of(zone, index_of(zone, page_to_pfn(zone->machine, page)));
}

void set_pageblock_migratetype(struct zone *zone, const struct page *page, enum migratetype type) {
    set_type(zone, index_of(zone, page_to_pfn(zone->machine, page)), type);
}

unsigned move_freepages_block(struct zone *zone, struct page *page, enum migratetype type) {
    struct task *task = mm_current(zone->machine);
    uint32_t index = index_of(zone, page_to_pfn(zone->machine, page));
    struct zone_shard *shard = shard_of(zone, index);
    struct bias_slot *slot;
    unsigned moved;

    if (pfn_of(zone, index) + PAGEBLOCK_PAGES > zone->zone_start_pfn + zone->spanned_pages)
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
        enum migratetype type = type_of(zone, index_of(zone, pfn)), wanted = type;

        if (!suits_reserve(zone, pfn))
            continue;
        if (reserve > 0 && (type == MIGRATE_RESERVE || type == MIGRATE_MOVABLE)) {
            reserve--;
            wanted = MIGRATE_RESERVE;
        } else if (type == MIGRATE_RESERVE) {
            wanted = MIGRATE_MOVABLE;
        }
        if (wanted != type) {
            set_type(zone, index_of(zone, pfn), wanted);
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
        struct zone_shard *shard = shard_of(zone, index_of(zone, pfn));
        struct bias_slot *slot = shard_lock(zone, shard, task);
        unsigned order = PAGEBLOCK_ORDER;

        while (pfn & ((1u << order) - 1) || end - pfn < 1u << order)
            order--;
        /* Of a whole pageblock nobody needs the descriptors before it is first taken from. */
        set_has_descriptors(&zone->pageblocks[index_of(zone, pfn)], order < PAGEBLOCK_ORDER);
        give(zone, shard, pfn, order);
        shard_unlock(zone, shard, slot, task);
        pfn += 1u << order;
    }
    zone_page_state_add((long)nr_pages, zone, NR_FREE_PAGES);
}

/* Isolated ones are taken from by nobody: what is all free stays so. */
static bool range_is_free(struct zone *zone, uint32_t start, uint32_t end, struct task *task) {
    bool is_free = true;

    for (uint32_t pfn = start; is_free && pfn < end; pfn += PAGEBLOCK_PAGES) {
        uint32_t index = index_of(zone, pfn);
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
        struct zone_shard *shard = shard_of(zone, index_of(zone, pfn));
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
    return __atomic_load_n(&zone->pageblocks[index_of(zone, pfn)].has_descriptors, __ATOMIC_RELAXED);
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
    return pageblock_order_at(zone->pageblock_maps[index_of(zone, pfn)], pfn % PAGEBLOCK_PAGES) >= 0;
}

int buddy_order(const struct zone *zone, uint32_t pfn) {
    uint32_t index = index_of(zone, pfn);
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
