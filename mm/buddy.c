/* SPDX-License-Identifier: MIT */
#include "mm/buddy.h"

#include "mm/shard.h"

/* Frames freed at once. */
#define SORTED_MOST 64u
#define PARTIAL ((1u << PAGEBLOCK_ORDER) - 1)
#define WHOLE (1u << PAGEBLOCK_ORDER | 1u << HIGHEST_ORDER)

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

static inline void count_pages(unsigned long *counter, unsigned long nr) {
    __atomic_store_n(counter, *counter + nr, __ATOMIC_RELAXED);
}

/* -- Taking. All with the shard's lock held ------------------------------------------------------------------------ */

/* Single frames, or a block smaller than a pageblock from one of order from. Returns how many. */
static unsigned take_part(struct zone *zone, struct zone_shard *shard, uint32_t index, const struct wish *w,
                          unsigned from, unsigned type) {
    struct pageblock *block = &zone->pageblocks[index];
    block_counts_t before = block->counts;
    uint32_t first = pageblock_pfn(zone, index);
    unsigned got = 1;

    if (w->order == 0 && w->nr > 1)
        got = pageblock_take_singles(block, zone->pageblock_maps[index], w->nr, first, w->ret_pfns);
    else
        w->ret_pfns[0] = first + pageblock_take(block, zone->pageblock_maps[index], w->order,
                                                from < HIGHEST_ORDER ? from : PAGEBLOCK_ORDER);
    shard_recount(shard, before, block->counts);
    shard_relist(zone, index, type);
    return got;
}

/* Takes what is wanted out of the pageblock, a block from one of order from, and lists it under type. */
static unsigned take_from(struct zone *zone, uint32_t index, const struct wish *w, unsigned from, unsigned type) {
    struct zone_shard *shard = shard_of(zone, index);
    unsigned got = 1;

    if (__builtin_expect(!zone->pageblocks[index].has_descriptors, 0))
        need_descriptors(zone, pageblock_pfn(zone, index));
    if (w->order < PAGEBLOCK_ORDER) {
        got = take_part(zone, shard, index, w, from, type);
    } else {
        w->ret_pfns[0] = pageblock_pfn(zone, index);
        shard_take_whole(zone, shard, index, type);
    }
    if (w->order == HIGHEST_ORDER) {
        uint32_t second = shard_other_half(zone, index);

        need_descriptors(zone, pageblock_pfn(zone, second));
        shard_take_whole(zone, shard, second, type);
    }
    shard_count_free(zone, shard, -(long)(got << w->order));
    if (w->order > 0)
        count_pages(&shard->nr_allocated, 1ul << w->order);
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

/* -- Choosing where to take from ------------------------------------------------------------------------------------
 */

/*
 * From pageblocks of the type. Broken ones before whole ones, and this CPU's shards before those where another one is
 * at work; but before there is nothing, from anywhere.
 */
static unsigned take_of_type(struct zone *zone, const struct wish *w) {
    const unsigned big_enough = (2u << HIGHEST_ORDER) - (1u << w->order);
    const unsigned tries[] = {PARTIAL & big_enough, WHOLE & big_enough, big_enough};

    for (unsigned try = w->order < PAGEBLOCK_ORDER ? 0 : 1; try < 3; try++) {
        for (unsigned n = 0; n < zone->nr_shards; n++) {
            struct zone_shard *shard = home_shard(zone, w->cpu, n);
            int user = __atomic_load_n(&shard->user, __ATOMIC_RELAXED);
            unsigned got;

            if (try < 2 && n > 0 && user >= 0 && user != (int)w->cpu)
                continue;
            if (!shard_offers(shard, w->migratetype, tries[try]))
                continue;
            got = take_in_shard(zone, shard, w, tries[try]);
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
            pageblock_serve(zone, index, type);
    }
    if (order == PAGEBLOCK_ORDER)
        pageblock_serve(zone, index, w->migratetype);
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
    return rmqueue_by(zone, order, migratetype, mm_current(zone->machine));
}

struct page *rmqueue_by(struct zone *zone, unsigned order, unsigned migratetype, struct task *task) {
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
    free_one_page_by(zone, page, order, mm_current(zone->machine));
}

void free_one_page_by(struct zone *zone, struct page *page, unsigned order, struct task *task) {
    uint32_t pfn = page_to_pfn(zone->machine, page);
    struct zone_shard *shard = shard_of(zone, pageblock_index(zone, pfn));
    struct bias_slot *slot;

    MM_DEBUG_ASSERT(zone->machine, (pfn & ((1u << order) - 1)) == 0);
    if (!reclaim_is_running(task) || !is_reclaims_own(zone, page))
        zone_mark_reclaimable(zone);
    slot = shard_lock(zone, shard, task);
    if (order == HIGHEST_ORDER)
        shard_give(zone, shard, pfn + PAGEBLOCK_PAGES, PAGEBLOCK_ORDER);
    shard_give(zone, shard, pfn, order < HIGHEST_ORDER ? order : PAGEBLOCK_ORDER);
    if (order > 0)
        count_pages(&shard->nr_freed, 1ul << order);
    shard_count_free(zone, shard, 1l << order);
    shard_unlock(zone, shard, slot, task);
}

/* Frames of one word of a pageblock's map. */
static void give_some_of_word(struct zone *zone, struct zone_shard *shard, uint32_t pfn, uint64_t frames, unsigned nr) {
    uint32_t index = pageblock_index(zone, pfn);
    struct pageblock *block = &zone->pageblocks[index];
    block_counts_t before = block->counts;

    pageblock_give_singles(block, zone->pageblock_maps[index], pfn % PAGEBLOCK_PAGES / 64, frames, nr);
    shard_recount(shard, before, block->counts);
    shard_relist(zone, index, pageblock_serves(zone, index));
}

/* Frames of one shard, whose lock is held. Neighbours in one word of the map go together. */
static void give_singles(struct zone *zone, struct zone_shard *shard, unsigned count, const uint32_t *pfns) {
    long became[PAGEBLOCK_ORDER + 1] = {0}, smaller = 0; /* by order: single frames that became a block of it */
    struct pageblock *const blocks = zone->pageblocks;
    pageblock_map *const maps = zone->pageblock_maps;
    const uint32_t first = zone->first_pageblock;

    for (unsigned i = 0, n; i < count; i += n) {
        uint32_t pfn = pfns[i], index = (pfn >> PAGEBLOCK_ORDER) - first;
        uint64_t frames = UINT64_C(1) << pfn % 64;
        unsigned order = PAGEBLOCK_ORDER, type;

        for (n = 1; i + n < count && (pfns[i + n] ^ pfn) < 64; n++)
            frames |= UINT64_C(1) << pfns[i + n] % 64;
        if (n == 1 && blocks[index].place != PLACE_NONE)
            order = pageblock_give_single(&blocks[index], maps[index], pfn % PAGEBLOCK_PAGES);
        if (__builtin_expect(order == PAGEBLOCK_ORDER, 0)) {
            give_some_of_word(zone, shard, pfn, frames, n);
            continue;
        }
        became[order]++;
        type = pageblock_serves(zone, index);
        if (__builtin_expect(!shard_is_in_place(&blocks[index], type), 0))
            shard_relist(zone, index, type);
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
    const unsigned shift = PAGEBLOCK_ORDER + zone->shard_shift, first = zone->first_pageblock >> zone->shard_shift;
    unsigned starts[SHARDS_MOST + 1] = {0};

    for (unsigned i = 0; i < count; i++)
        starts[(pfns[i] >> shift) - first + 1]++;
    for (unsigned s = 0; s < zone->nr_shards; s++) {
        starts[s + 1] += starts[s];
        ret_ends[s] = starts[s];
    }
    for (unsigned i = 0; i < count; i++)
        ret_pfns[ret_ends[(pfns[i] >> shift) - first]++] = pfns[i];
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

static bool has_other_than_reclaims_own(const struct zone *zone, unsigned count, const uint32_t *pfns) {
    for (unsigned i = 0; i < count; i++)
        if (!is_reclaims_own(zone, pfn_to_page(zone->machine, pfns[i])))
            return true;
    return false;
}

void free_pages_bulk(struct zone *zone, unsigned count, const uint32_t *pfns) {
    struct machine *m = zone->machine;
    struct task *task = mm_current(m);

    for (unsigned i = 0; i < count; i++) {
        struct page *page = pfn_to_page(m, pfns[i]);
        uint32_t flags = atomic_load_explicit(&page->flags, memory_order_relaxed);

        atomic_store_explicit(&page->flags, flags & PAGE_KEPT_MASK, memory_order_relaxed);
    }
    if (!reclaim_is_running(task) || has_other_than_reclaims_own(zone, count, pfns))
        zone_mark_reclaimable(zone);
    for (unsigned done = 0, n; done < count; done += n) {
        n = count - done < SORTED_MOST ? count - done : SORTED_MOST;
        free_some(zone, task, n, pfns + done);
    }
}
