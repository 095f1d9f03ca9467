/* SPDX-License-Identifier: MIT */
#include "mm/memory_hotplug.h"

#include "mm/buddy.h"
#include "mm/lru.h"
#include "mm/migrate.h"
#include "mm/page_alloc.h"
#include "mm/page_isolation.h"
#include "mm/page_list.h"
#include "mm/pcp.h"
#include "mm/watermark.h"

/* How often pages in use are moved before the range counts as busy: some are only just being used. */
#define OFFLINE_TRIES 8u
#define OFFLINE_WAIT_NS (UINT64_C(1000000000) / 100)

/*
 * The range of the memory map that all of [start, end) lies in, or NULL. Of a pageblock there, all frames exist or
 * none.
 */
static const struct memory_range *range_of(const struct machine *m, uint32_t start, uint32_t end) {
    if (start >= end || (start | end) & (PAGEBLOCK_PAGES - 1))
        return NULL;
    for (unsigned i = 0; i < m->map.nr_ranges; i++) {
        const struct memory_range *range = &m->map.ranges[i];

        if (start >= range->start_pfn && end <= range->start_pfn + range->nr_pages)
            return range;
    }
    return NULL;
}

static struct zone *zone_of(const struct machine *m, const struct memory_range *range) {
    return &m->nodes[range->node]->node_zones[range->zone_type];
}

/* Everything that was worked out from the sizes of zones. */
static void zone_resized(struct machine *m, struct zone *resized, long by) {
    resized->present_pages += (unsigned long)by;
    resized->node->node_present_pages += (unsigned long)by;
    buddy_set_batch(resized);
    buddy_publish_counts(resized);
    pcp_set_sizes(resized, m->tune.percpu_pagelist_fraction);
    setup_per_zone_pages_min(m);
    setup_per_zone_lowmem_reserve(m);
    setup_zone_reclaim(m);
    m->vm_total_pages = 0;
    for_each_populated_zone(m, zone) m->vm_total_pages += zone->present_pages - zone->pages_high;
}

/* -- coming. ---------------------------------------------------------------------------------------------------------
 */

enum mm_status online_pages(struct machine *m, uint32_t start_pfn, uint32_t nr_pages) {
    const struct memory_range *range = range_of(m, start_pfn, start_pfn + nr_pages);
    struct zone *zone;
    bool was_empty;

    if (!range)
        return MM_INVAL;
    for (uint32_t pfn = start_pfn; pfn < start_pfn + nr_pages; pfn += PAGEBLOCK_PAGES)
        if (frame_exists(m, pfn))
            return MM_INVAL;
    zone = zone_of(m, range);
    was_empty = !populated_zone(zone);
    for (uint32_t pfn = start_pfn; pfn < start_pfn + nr_pages; pfn += PAGEBLOCK_PAGES) {
        lock_acquire(m->platform, &zone->lock);
        set_pageblock_migratetype(zone, pfn_to_page(m, pfn), MIGRATE_MOVABLE);
        lock_release(m->platform, &zone->lock);
        buddy_add_range(zone, pfn, PAGEBLOCK_PAGES);
    }
    if (was_empty)
        machine_zone_populated(m, zone);
    zone_resized(m, zone, (long)nr_pages);
    if (was_empty)
        build_all_zonelists(m);
    zone_mark_reclaimable(zone);
    return MM_OK;
}

/* -- going. ----------------------------------------------------------------------------------------------------------
 */

/* Pages of the range move anywhere else: its own blocks are isolated, and never allocated from. */
struct elsewhere {
    struct migrate_target target;
    struct machine *m;
};

static struct page *take(struct migrate_target *target) {
    return alloc_pages(((struct elsewhere *)target)->m, GFP_HIGHUSER_MOVABLE | __GFP_NORETRY | __GFP_NOWARN, 0);
}

static void give_back(struct migrate_target *target, struct page *page) {
    put_page(((struct elsewhere *)target)->m, page);
}

/* Frees or moves what is in use in the range. Returns how many frames were found in use. */
static unsigned long empty_range(struct machine *m, uint32_t start, uint32_t end) {
    struct elsewhere elsewhere = {{take, give_back}, m};
    unsigned long used = 0;
    struct page_list list;

    page_list_init(&list);
    lru_add_drain_all(m);
    for (uint32_t pfn = start; pfn < end; pfn++) {
        struct page *page = pfn_to_page(m, pfn);

        if (page_count(page) == 0)
            continue;
        used++;
        if (page_test(page, PG_lru) && isolate_lru_page(m, page))
            list_add_tail(m, &list, page);
    }
    migrate_pages(m, &list, &elsewhere.target);
    drain_all_local_pages(m);
    return used;
}

/* Takes the range out of the free lists, all or none, and its descriptors with it. */
static bool take_range(struct zone *zone, uint32_t start, uint32_t end) {
    struct machine *m = zone->machine;
    bool taken;

    lock_acquire(m->platform, &zone->lock);
    taken = buddy_remove_range(zone, start, end - start);
    lock_release(m->platform, &zone->lock);
    return taken;
}

static void unisolate(struct zone *zone, uint32_t start, uint32_t end) {
    for (uint32_t pfn = start; pfn < end; pfn += PAGEBLOCK_PAGES)
        unset_migratetype_isolate(zone, pfn_to_page(zone->machine, pfn));
}

static bool isolate(struct zone *zone, uint32_t start, uint32_t end) {
    for (uint32_t pfn = start; pfn < end; pfn += PAGEBLOCK_PAGES) {
        if (set_migratetype_isolate(zone, pfn_to_page(zone->machine, pfn)) != MM_OK) {
            unisolate(zone, start, pfn);
            return false;
        }
    }
    return true;
}

enum mm_status offline_pages(struct machine *m, uint32_t start_pfn, uint32_t nr_pages) {
    uint32_t end = start_pfn + nr_pages;
    const struct memory_range *range = range_of(m, start_pfn, end);
    struct zone *zone;

    if (!range)
        return MM_INVAL;
    for (uint32_t pfn = start_pfn; pfn < end; pfn += PAGEBLOCK_PAGES)
        if (!frame_exists(m, pfn))
            return MM_INVAL;
    zone = zone_of(m, range);
    if (zone->present_pages <= nr_pages || !isolate(zone, start_pfn, end))
        return MM_BUSY;
    for (unsigned tries = 0; tries < OFFLINE_TRIES; tries++) {
        empty_range(m, start_pfn, end);
        if (take_range(zone, start_pfn, end)) {
            zone_resized(m, zone, -(long)nr_pages);
            return MM_OK;
        }
        m->platform->congestion_wait(m->platform->host, OFFLINE_WAIT_NS);
    }
    unisolate(zone, start_pfn, end);
    return MM_BUSY;
}
