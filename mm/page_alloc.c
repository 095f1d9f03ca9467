/* SPDX-License-Identifier: MIT */
#include "mm/page_alloc.h"

#include "mm/buddy.h"
#include "mm/compound.h"
#include "mm/cpuset.h"
#include "mm/page_state.h"
#include "mm/pcp.h"
#include "mm/slowpath.h"
#include "mm/watermark.h"
#include "mm/zone_reclaim.h"
#include "mm/zonelist_cache.h"

static __attribute__((noinline)) void change_sides_of(struct machine *m, uint32_t pfn, uint64_t mask, bool movable) {
    _Atomic uint64_t *word = arena_word(m, pfn);
    uint64_t left;

    if (!movable) {
        atomic_fetch_or_explicit(word, mask, memory_order_relaxed);
        return;
    }
    left = atomic_fetch_and_explicit(word, ~mask, memory_order_relaxed) & mask;
    for (; m->platform->frame_to_user && left; left &= left - 1)
        m->platform->frame_to_user(m->platform->host, (pfn & ~63u) + (unsigned)__builtin_ctzll(left));
}

/*
 * A movable page is somebody's mapped memory, whose bytes the platform keeps; any other is the core's, at
 * page_address(). When a frame changes sides, the platform is told. mask: frames of one word of the map.
 */
static inline void change_sides(struct machine *m, uint32_t pfn, uint64_t mask, gfp_t gfp) {
    uint64_t arena = atomic_load_explicit(arena_word(m, pfn), memory_order_relaxed) & mask;
    bool movable = gfp & __GFP_MOVABLE;

    if (__builtin_expect(arena != (movable ? 0 : mask), 0))
        change_sides_of(m, pfn, mask, movable);
}

/* Would change_sides() of the one frame have to do anything? */
static inline bool changes_sides(const struct machine *m, uint32_t pfn, gfp_t gfp) {
    uint64_t word = atomic_load_explicit(arena_word(m, pfn), memory_order_relaxed);

    return !((word >> pfn % 64 ^ gfp / __GFP_MOVABLE) & 1);
}

static inline void change_sides_of_block(struct machine *m, uint32_t pfn, unsigned order, gfp_t gfp) {
    uint64_t side = gfp & __GFP_MOVABLE ? 0 : UINT64_MAX, others = 0;

    if (order < 6) {
        change_sides(m, pfn, ((UINT64_C(1) << (1u << order)) - 1) << pfn % 64, gfp);
        return;
    }
    for (unsigned i = 0; i < 1u << order; i += 64)
        others |= atomic_load_explicit(arena_word(m, pfn + i), memory_order_relaxed) ^ side;
    for (unsigned i = 0; __builtin_expect(others != 0, 0) && i < 1u << order; i += 64)
        change_sides(m, pfn + i, UINT64_MAX, gfp);
}

/* A block whose first frame is not as it should be, or others have flags left. False if it must not be handed out. */
static __attribute__((noinline)) bool repair_block(struct machine *m, struct page *page, unsigned order) {
    uint32_t flags = page_flags(page);

    if (flags & 1u << PG_reserved)
        return false;
    if (flags & BAD_WHEN_ALLOCATED || atomic_load_explicit(&page->count, memory_order_relaxed) != 0 ||
        atomic_load_explicit(&page->mapcount, memory_order_relaxed) != -1)
        bad_page(m, page);
    for (unsigned i = 0; i < nr_looked_at(order); i++)
        reset_flags(page + i, 0);
    return true;
}

/* Readies a block that has left the free lists for its user. False if it must not be handed out. */
static inline bool prep_new_page(struct machine *m, struct page *page, unsigned order, gfp_t gfp) {
    uint32_t zone_flags = page_flags(page) & PAGE_ZONE_MASK, others = 0;

    for (unsigned i = 1; i < nr_looked_at(order); i++)
        others |= page_flags(page + i) & ~PAGE_ZONE_MASK;
    if (__builtin_expect(others || page_state(page) != page_pair(zone_flags, 0) ||
                             atomic_load_explicit(&page->mapcount, memory_order_relaxed) != -1,
                         0) &&
        !repair_block(m, page, order))
        return false;
    change_sides_of_block(m, page_to_pfn(m, page), order, gfp);
    page->private = 0;
    /* Whoever finds the page by pfn and takes a reference must see it reset. */
    atomic_store_explicit(&page->flags_and_count, page_pair(zone_flags, 1), memory_order_release);
    if (gfp & __GFP_ZERO)
        __builtin_memset(page_address(m, page), 0, PAGE_SIZE << order);
    if (order && gfp & __GFP_COMP)
        prep_compound_page(m, page, order);
    return true;
}

static inline struct pglist_data *node_of_cpu(const struct machine *m, unsigned cpu) {
    return m->nodes[m->map.cpu_node ? m->map.cpu_node[cpu] : 0];
}

const struct zonelist *gfp_zonelist(const struct machine *m, gfp_t gfp) {
    const struct pglist_data *node = node_of_cpu(m, mm_cpu(m));

    return gfp & __GFP_THISNODE ? &node->node_thisnode_zonelists[gfp_zone(m, gfp)]
                                : &node->node_zonelists[gfp_zone(m, gfp)];
}

static void zone_statistics(struct machine *m, const struct zonelist *zonelist, struct zone *zone) {
    unsigned local = m->map.cpu_node ? m->map.cpu_node[mm_cpu(m)] : 0;

    if (zone->node == zonelist->zones[0]->node) {
        inc_zone_page_state(zone, NUMA_HIT);
    } else {
        inc_zone_page_state(zone, NUMA_MISS);
        inc_zone_page_state(zonelist->zones[0], NUMA_FOREIGN);
    }
    inc_zone_page_state(zone, zone->node->node_id == (int)local ? NUMA_LOCAL : NUMA_OTHER);
}

/* Single frames from the zone, fit for use. Returns how many of nr. */
static inline unsigned take_pages(struct zone *zone, gfp_t gfp, unsigned migratetype, unsigned nr,
                                  struct page **ret_pages) {
    enum pcp_temperature which = gfp & __GFP_COLD ? PCP_COLD : PCP_HOT;
    unsigned got, good;

    do {
        got = pcp_alloc(zone, which, migratetype, nr, ret_pages);
        good = 0;
        for (unsigned i = 0; i < got; i++)
            if (prep_new_page(zone->machine, ret_pages[i], 0, gfp))
                ret_pages[good++] = ret_pages[i];
    } while (got && !good);
    return good;
}

static inline struct page *take_block(struct zone *zone, gfp_t gfp, unsigned migratetype, unsigned order,
                                      struct task *task) {
    struct machine *m = zone->machine;
    struct page *page;

    do
        page = rmqueue_by(zone, order, migratetype, task);
    while (page && !prep_new_page(m, page, order, gfp));
    return page;
}

unsigned take_free_block(struct zone *zone, struct page *page, unsigned max_order) {
    struct machine *m = zone->machine;
    unsigned nr = buddy_take_block(zone, page_to_pfn(m, page), max_order);

    for (unsigned i = 0; i < nr; i++)
        prep_new_page(m, page + i, 0, GFP_HIGHUSER_MOVABLE);
    if (nr)
        count_vm_events(m, PGALLOC + zone->type, nr);
    return nr;
}

static inline unsigned long watermark(const struct zone *zone, unsigned alloc_flags) {
    if (alloc_flags & ALLOC_WMARK_MIN)
        return zone->pages_min;
    return alloc_flags & ALLOC_WMARK_LOW ? zone->pages_low : zone->pages_high;
}

struct alloc_request {
    const struct zonelist *zonelist;
    struct page **ret_pages;
    gfp_t gfp;
    unsigned order, nr, alloc_flags, migratetype;
};

/* What the zone gives of 1 block or up to nr single frames, if it may. */
static inline unsigned take_from_zone(struct zone *zone, const struct alloc_request *r) {
    struct machine *m = zone->machine;
    unsigned got;

    if (r->alloc_flags & ALLOC_CPUSET && m->nr_nodes > 1 && !cpuset_zone_allowed_softwall(zone, r->gfp))
        return 0;
    if (!(r->alloc_flags & ALLOC_NO_WATERMARKS) &&
        !zone_watermark_ok(zone, r->order, watermark(zone, r->alloc_flags), r->zonelist->zones[0]->type,
                           r->alloc_flags) &&
        !(m->tune.zone_reclaim_mode && zone_reclaim(zone, r->gfp, r->order)))
        return 0;
    if (r->order == 0)
        got = take_pages(zone, r->gfp, r->migratetype, r->nr, r->ret_pages);
    else
        got = (r->ret_pages[0] = take_block(zone, r->gfp, r->migratetype, r->order, mm_current(m))) != NULL;
    for (unsigned n = 0; m->nr_nodes > 1 && n < got; n++)
        zone_statistics(m, r->zonelist, zone);
    return got;
}

/* From the list's second zone on, or from the first if that has not been tried. */
static __attribute__((noinline)) unsigned scan_further(struct machine *m, const struct alloc_request *r,
                                                       bool tried_first) {
    struct zonelist_scan scan = {.zonelist = r->zonelist, .next = tried_first};
    struct zone *zone;
    unsigned got = 0;

    if (tried_first)
        zonelist_mark_full(m, &scan);
    while (!got && (zone = zonelist_next(m, &scan, r->gfp))) {
        got = take_from_zone(zone, r);
        if (!got)
            zonelist_mark_full(m, &scan);
    }
    return got;
}

/* Section 7: 1 block, or up to nr single frames, all from the first zone that may give and can. */
static inline unsigned scan_zonelist(struct machine *m, gfp_t gfp, unsigned order, const struct zonelist *zonelist,
                                     unsigned alloc_flags, unsigned nr, struct page **ret_pages) {
    const struct alloc_request r = {zonelist, ret_pages, gfp, order, nr, alloc_flags, gfp_migratetype(m, gfp)};
    bool try_first = zonelist->zones[0] && !zonelist->is_policy;
    unsigned got = try_first ? take_from_zone(zonelist->zones[0], &r) : 0;

    return got ? got : scan_further(m, &r, try_first);
}

struct page *get_page_from_freelist(struct machine *m, gfp_t gfp, unsigned order, const struct zonelist *zonelist,
                                    unsigned alloc_flags) {
    struct page *page = NULL;

    return scan_zonelist(m, gfp, order, zonelist, alloc_flags, 1, &page) ? page : NULL;
}

struct page *__alloc_pages(struct machine *m, gfp_t gfp, unsigned order, const struct zonelist *zonelist) {
    struct page *page = NULL;

    if (order >= MAX_ORDER || !zonelist->zones[0])
        return NULL;
    if (scan_zonelist(m, gfp | __GFP_HARDWALL, order, zonelist, ALLOC_WMARK_LOW | ALLOC_CPUSET, 1, &page))
        return page;
    return alloc_pages_slowpath(m, gfp, order, zonelist);
}

/* What alloc_pages() does where the short way does not lead anywhere. */
static __attribute__((noinline)) struct page *alloc_pages_any(struct machine *m, gfp_t gfp, unsigned order,
                                                              struct bias_slot *wake) {
    if (wake)
        bias_wake(m->platform, wake);
    return __alloc_pages(m, gfp, order, gfp_zonelist(m, gfp));
}

/* A single page that is off the lists and needs more than the short way gives. */
static __attribute__((noinline)) struct page *alloc_odd_page(struct machine *m, struct page *page, gfp_t gfp,
                                                             struct bias_slot *wake) {
    page_clear(page, PG_pcp);
    if (wake)
        bias_wake(m->platform, wake);
    if (m->nr_nodes > 1)
        zone_statistics(m, gfp_zonelist(m, gfp), page_zone(m, page));
    return prep_new_page(m, page, 0, gfp) ? page : alloc_pages_any(m, gfp, 0, NULL);
}

/*
 * A single page comes the short way if the first zone is above its low mark and this CPU's hot list has what is wanted
 * on top. A zone keeps no lowmem reserve from requests that prefer it.
 */
static inline __attribute__((always_inline)) struct page *
alloc_single_page(struct machine *m, gfp_t gfp, const struct task *task, unsigned cpu, bool many_nodes) {
    struct per_cpu_pageset *set = m->per_cpu[cpu].first_set[gfp_index(gfp)];
    struct bias_slot *wake;
    const struct zone *zone;
    struct page *page;
    uint32_t pfn;

    if (__builtin_expect(!set, 0))
        return alloc_pages_any(m, gfp, 0, NULL);
    zone = set->zone;
    if ((many_nodes && !cpuset_zone_allowed_softwall(zone, gfp | __GFP_HARDWALL)) ||
        atomic_load_explicit(&zone->vm_stat[NR_FREE_PAGES], memory_order_relaxed) <=
            (long)(zone->pages_low + zone_free_drift(zone)))
        return alloc_pages_any(m, gfp, 0, NULL);
    if (__builtin_expect(!pcp_pop(m->platform, set, gfp_migratetype(m, gfp), task, &pfn, &wake), 0))
        return alloc_pages_any(m, gfp, 0, wake);
    page = pfn_to_page(m, pfn);
    if (__builtin_expect(many_nodes || wake, 0))
        return alloc_odd_page(m, page, gfp, wake);
    if (__builtin_expect(atomic_load_explicit(&page->flags_and_count, memory_order_relaxed) != set->listed_state ||
                             atomic_load_explicit(&page->mapcount_and_private, memory_order_relaxed) !=
                                 page_pair(UINT32_MAX, 0),
                         0))
        return alloc_odd_page(m, page, gfp, NULL);
    if (__builtin_expect(changes_sides(m, pfn, gfp), 0))
        return alloc_odd_page(m, page, gfp, NULL);
    /* What is stored follows from nothing in the descriptor, so that nobody who reads it waits for it. */
    atomic_store_explicit(&page->flags_and_count, set->taken_state, memory_order_release);
    return page;
}

static __attribute__((noinline)) struct page *alloc_single_page_elsewhere(struct machine *m, gfp_t gfp,
                                                                          const struct task *task) {
    return alloc_single_page(m, gfp, task, mm_task_cpu(m, task), m->nr_nodes > 1);
}

/* Blocks come a short way too: the first zone is above its mark and has one. */
static __attribute__((noinline)) struct page *alloc_block(struct machine *m, gfp_t gfp, unsigned order,
                                                          struct task *task) {
    const struct per_cpu_pageset *set = m->per_cpu[mm_task_cpu(m, task)].first_set[gfp_index(gfp)];
    struct page *page = NULL;

    if (order < MAX_ORDER && set && m->nr_nodes == 1 &&
        zone_watermark_ok(set->zone, order, set->zone->pages_low, set->zone->type, ALLOC_WMARK_LOW))
        page = take_block(set->zone, gfp, gfp_migratetype(m, gfp), order, task);
    return page ? page : alloc_pages_any(m, gfp, order, NULL);
}

struct page *alloc_pages_by(struct machine *m, gfp_t gfp, unsigned order, struct task *task) {
    if (order)
        return alloc_block(m, gfp, order, task);
    if (__builtin_expect(gfp & (__GFP_THISNODE | __GFP_COLD | __GFP_ZERO), 0))
        return alloc_pages_any(m, gfp, order, NULL);
    if (__builtin_expect(m->nr_nodes > 1 || !task->cpu, 0))
        return alloc_single_page_elsewhere(m, gfp, task);
    return alloc_single_page(m, gfp, task, *task->cpu, false);
}

struct page *alloc_pages(struct machine *m, gfp_t gfp, unsigned order) {
    return alloc_pages_by(m, gfp, order, mm_current(m));
}

unsigned alloc_pages_bulk(struct machine *m, gfp_t gfp, unsigned nr, struct page **ret_pages) {
    const struct zonelist *zonelist = gfp_zonelist(m, gfp);
    unsigned got = 0, mark = ALLOC_WMARK_LOW;

    while (got < nr) {
        unsigned more = 0;

        if (zonelist->zones[0])
            more = scan_zonelist(m, gfp | __GFP_HARDWALL, 0, zonelist, mark | ALLOC_CPUSET, nr - got, ret_pages + got);
        if (more == 0 && got == 0 && (ret_pages[0] = __alloc_pages(m, gfp, 0, zonelist))) {
            /* kswapd is awake now: what one request at a time would get, these get at once. */
            mark = ALLOC_WMARK_MIN;
            more = 1;
        }
        if (more == 0)
            break;
        got += more;
    }
    return got;
}

void *__get_free_pages(struct machine *m, gfp_t gfp, unsigned order) {
    struct page *page = alloc_pages(m, gfp, order);

    return page ? page_address(m, page) : NULL;
}

void *get_zeroed_page(struct machine *m, gfp_t gfp) {
    return gfp & __GFP_HIGHMEM ? NULL : __get_free_pages(m, gfp | __GFP_ZERO, 0);
}
