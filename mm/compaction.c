/* SPDX-License-Identifier: MIT */
#include "mm/compaction.h"

#include "mm/buddy.h"
#include "mm/lru.h"
#include "mm/migrate.h"
#include "mm/page_alloc.h"
#include "mm/page_list.h"
#include "mm/pcp.h"
#include "mm/watermark.h"

/* Two walks towards each other; the zone is done when they meet. */
struct compact {
    struct migrate_target target; /* first: what migrate_pages() hands back is a struct compact */
    struct zone *zone;
    uint32_t migrate_pfn; /* pages below have been looked at, to be moved */
    uint32_t free_pfn;    /* free frames from here on have been taken, as targets */
    struct page_list free;
    unsigned order;
};

static struct machine *machine_of(const struct compact *c) {
    return c->zone->machine;
}

static bool in_zone(const struct compact *c, uint32_t pfn) {
    return pfn_valid(machine_of(c), pfn) && page_zone(machine_of(c), pfn_to_page(machine_of(c), pfn)) == c->zone;
}

/* Frames come from MOVABLE pageblocks only, so that pages moved do not spoil those of others. */
static bool block_takes_pages(const struct compact *c, uint32_t pfn) {
    return get_pageblock_migratetype(c->zone, pfn_to_page(machine_of(c), pfn)) == MIGRATE_MOVABLE;
}

/* Takes the free frames of the last pageblocks below free_pfn, until there are some. */
static void take_free_frames(struct compact *c) {
    struct machine *m = machine_of(c);

    while (page_list_empty(&c->free) && c->free_pfn > c->migrate_pfn + PAGEBLOCK_PAGES) {
        uint32_t start = (c->free_pfn - 1) & ~(PAGEBLOCK_PAGES - 1), pfn = start;

        while (pfn < c->free_pfn) {
            unsigned nr = 0;

            if (in_zone(c, pfn) && block_takes_pages(c, pfn))
                nr = take_free_block(c->zone, pfn_to_page(m, pfn), PAGEBLOCK_ORDER - 1);
            for (unsigned i = 0; i < nr; i++)
                list_add_head(m, &c->free, pfn_to_page(m, pfn + i));
            pfn += nr ? nr : 1;
        }
        c->free_pfn = start;
    }
}

static struct page *take(struct migrate_target *target) {
    struct compact *c = (struct compact *)target;
    struct page *page;

    take_free_frames(c);
    page = list_page(machine_of(c), c->free.head);
    if (page)
        list_del(machine_of(c), &c->free, page);
    return page;
}

static void give_back(struct migrate_target *target, struct page *page) {
    struct compact *c = (struct compact *)target;

    list_add_head(machine_of(c), &c->free, page);
}

/* Isolates the LRU pages of the next pageblock. */
static void isolate_block(struct compact *c, struct page_list *list) {
    struct machine *m = machine_of(c);
    uint32_t end = (c->migrate_pfn & ~(PAGEBLOCK_PAGES - 1)) + PAGEBLOCK_PAGES;

    if (end > c->free_pfn)
        end = c->free_pfn;
    for (uint32_t pfn = c->migrate_pfn; pfn < end; pfn++) {
        struct page *page = pfn_to_page(m, pfn);

        if (in_zone(c, pfn) && page_test(page, PG_lru) && isolate_lru_page(m, page))
            list_add_tail(m, list, page);
    }
    c->migrate_pfn = end;
}

static bool has_block(const struct zone *zone, unsigned order) {
    return zone_watermark_ok(zone, order, zone->pages_low, 0, 0) && nr_free_at_least(zone, order);
}

/* Orders below it have not failed lately. */
static unsigned zone_failed_order(const struct zone *zone) {
    return atomic_load_explicit(&zone->compact_order_failed, memory_order_relaxed);
}

static void finish(struct compact *c) {
    struct machine *m = machine_of(c);

    while (!page_list_empty(&c->free)) {
        struct page *page = list_page(m, c->free.head);

        list_del(m, &c->free, page);
        put_page(m, page);
    }
    /* What has come free lies on the per-CPU lists, where it merges with nothing. */
    drain_all_local_pages(m);
}

bool compaction_suitable(const struct zone *zone, unsigned order) {
    /* The pages moved exist twice for a while. */
    return !has_block(zone, order) && zone_watermark_ok(zone, 0, zone->pages_low + (2ul << order), 0, 0);
}

/* -- After a failure the zone is left alone for a while, twice as long each time. ------------------------------------
 */

void compaction_failed(struct zone *zone, unsigned order) {
    unsigned shift = atomic_load_explicit(&zone->compact_defer_shift, memory_order_relaxed);

    atomic_store_explicit(&zone->compact_considered, 0, memory_order_relaxed);
    if (shift < COMPACT_DEFER_SHIFT_MOST)
        atomic_store_explicit(&zone->compact_defer_shift, shift + 1, memory_order_relaxed);
    if (order < zone_failed_order(zone))
        atomic_store_explicit(&zone->compact_order_failed, order, memory_order_relaxed);
}

void compaction_succeeded(struct zone *zone, unsigned order) {
    atomic_store_explicit(&zone->compact_considered, 0, memory_order_relaxed);
    atomic_store_explicit(&zone->compact_defer_shift, 0, memory_order_relaxed);
    if (order >= zone_failed_order(zone))
        atomic_store_explicit(&zone->compact_order_failed, order + 1, memory_order_relaxed);
}

bool compaction_deferred(struct zone *zone, unsigned order) {
    unsigned limit = 1u << atomic_load_explicit(&zone->compact_defer_shift, memory_order_relaxed);

    if (order < zone_failed_order(zone))
        return false;
    if (atomic_fetch_add_explicit(&zone->compact_considered, 1, memory_order_relaxed) + 1 < limit)
        return true;
    atomic_store_explicit(&zone->compact_considered, limit, memory_order_relaxed);
    return false;
}

enum compact_result compact_zone(struct zone *zone, unsigned order) {
    struct machine *m = zone->machine;
    enum compact_result result = COMPACT_COMPLETE;
    struct compact c = {
        .target = {take, give_back},
        .zone = zone,
        .migrate_pfn = zone->zone_start_pfn,
        .free_pfn = zone->zone_start_pfn + (uint32_t)zone->spanned_pages,
        .order = order,
    };

    if (!compaction_suitable(zone, order))
        return COMPACT_SKIPPED;
    page_list_init(&c.free);
    lru_add_drain_all(m);
    while (result == COMPACT_COMPLETE && c.migrate_pfn < c.free_pfn) {
        struct page_list list;

        page_list_init(&list);
        isolate_block(&c, &list);
        if (page_list_empty(&list))
            continue;
        migrate_pages(m, &list, &c.target);
        drain_all_local_pages(m);
        if (has_block(zone, order))
            result = COMPACT_PARTIAL;
        m->platform->yield(m->platform->host);
    }
    finish(&c);
    if (has_block(zone, order))
        result = COMPACT_PARTIAL;
    atomic_fetch_add_explicit(result == COMPACT_PARTIAL ? &m->compactions : &m->compactions_failed, 1,
                              memory_order_relaxed);
    if (result == COMPACT_PARTIAL)
        compaction_succeeded(zone, order);
    else
        compaction_failed(zone, order);
    return result;
}

bool try_to_compact_pages(struct machine *m, const struct zonelist *zonelist, unsigned order, gfp_t gfp) {
    const gfp_t needed = __GFP_WAIT | __GFP_IO | __GFP_FS;

    if (!m->tune.compaction || order == 0 || (gfp & needed) != needed)
        return false;
    for (unsigned i = 0; zonelist->zones[i]; i++)
        if (!compaction_deferred(zonelist->zones[i], order) &&
            compact_zone(zonelist->zones[i], order) == COMPACT_PARTIAL)
            return true;
    return false;
}
