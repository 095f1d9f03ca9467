/* SPDX-License-Identifier: MIT */
#include "mm/page_alloc.h"

#include "mm/buddy.h"
#include "mm/compound.h"
#include "mm/cpuset.h"
#include "mm/lru.h"
#include "mm/pcp.h"
#include "mm/slowpath.h"
#include "mm/watermark.h"
#include "mm/zone_reclaim.h"
#include "mm/zonelist_cache.h"

/* A page that is freed must be in none of these states; one that is handed out may not be dirty either. */
#define ON_A_LIST (1u << PG_lru | 1u << PG_buddy | 1u << PG_pcp)
#define BAD_WHEN_FREED                                                                                                 \
    (ON_A_LIST | 1u << PG_private | 1u << PG_locked | 1u << PG_active | 1u << PG_slab | 1u << PG_swapcache |           \
     1u << PG_writeback)
#define BAD_WHEN_ALLOCATED (BAD_WHEN_FREED | 1u << PG_dirty)

/* Pages freed under one hold of a per-CPU lock. */
#define FREE_RUN 32u

static inline uint32_t page_flags(const struct page *page) {
    return atomic_load_explicit(&page->flags, memory_order_relaxed);
}

/* Free or owned by the caller alone: nobody else changes the flags. */
static inline void reset_flags(struct page *page, uint32_t flags) {
    atomic_store_explicit(&page->flags, (page_flags(page) & PAGE_ZONE_MASK) | flags, memory_order_relaxed);
}

static void bad_page(struct machine *m, struct page *page) {
    atomic_fetch_add_explicit(&m->nr_bad_pages, 1, memory_order_relaxed);
    reset_flags(page, page_flags(page) & PAGE_KEPT_MASK);
    atomic_store_explicit(&page->count, 0, memory_order_relaxed);
    atomic_store_explicit(&page->mapcount, -1, memory_order_relaxed);
}

/* Readies a page for the free lists. False if it must not get there. */
static bool prepare_free(struct machine *m, struct page *page) {
    uint32_t flags = page_flags(page);
    bool bad = flags & BAD_WHEN_FREED || atomic_load_explicit(&page->count, memory_order_relaxed) != 0 ||
               atomic_load_explicit(&page->mapcount, memory_order_relaxed) != -1;

    if (__builtin_expect(bad || flags & 1u << PG_reserved, 0)) {
        if (flags & ON_A_LIST) {
            /* Its links are in use. Losing a page is better than losing a list. */
            atomic_fetch_add_explicit(&m->nr_bad_pages, 1, memory_order_relaxed);
            return false;
        }
        if (bad)
            bad_page(m, page);
        if (flags & 1u << PG_reserved)
            return false;
    }
    atomic_store_explicit(&page->owner, 0, memory_order_relaxed);
    return true;
}

/*
 * A movable page is somebody's mapped memory, whose bytes the platform keeps; any other is the core's, at
 * page_address(). When a frame changes sides, the platform is told. Returns the flag that the page is to have.
 */
static inline uint32_t change_sides(struct machine *m, struct page *page, gfp_t gfp) {
    if (!(gfp & __GFP_MOVABLE))
        return 1u << PG_arena;
    if (page_flags(page) & 1u << PG_arena && m->platform->frame_to_user)
        m->platform->frame_to_user(m->platform->host, page_to_pfn(m, page));
    return 0;
}

/* Readies a block that has left the free lists for its user. False if it must not be handed out. */
static inline bool prep_new_page(struct machine *m, struct page *page, unsigned order, gfp_t gfp) {
    uint32_t flags = page_flags(page);

    if (__builtin_expect(flags & (BAD_WHEN_ALLOCATED | 1u << PG_reserved) ||
                             atomic_load_explicit(&page->count, memory_order_relaxed) != 0 ||
                             atomic_load_explicit(&page->mapcount, memory_order_relaxed) != -1,
                         0)) {
        if (flags & 1u << PG_reserved)
            return false;
        bad_page(m, page);
    }
    for (unsigned i = 1; i < 1u << order; i++)
        reset_flags(page + i, change_sides(m, page + i, gfp));
    reset_flags(page, change_sides(m, page, gfp));
    page->private = 0;
    /* Whoever finds the page by pfn and takes a reference must see it reset. */
    atomic_store_explicit(&page->count, 1, memory_order_release);
    if (gfp & __GFP_ZERO)
        __builtin_memset(page_address(m, page), 0, PAGE_SIZE << order);
    if (order && gfp & __GFP_COMP)
        prep_compound_page(m, page, order);
    return true;
}

const struct zonelist *gfp_zonelist(const struct machine *m, gfp_t gfp) {
    const struct pglist_data *node = m->nodes[m->map.cpu_node ? m->map.cpu_node[mm_cpu(m)] : 0];

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

static struct page *take_block(struct zone *zone, gfp_t gfp, unsigned migratetype, unsigned order) {
    struct machine *m = zone->machine;
    struct page *page;

    do {
        lock_acquire(m->platform, &zone->lock);
        page = __rmqueue(zone, order, migratetype);
        lock_release(m->platform, &zone->lock);
    } while (page && !prep_new_page(m, page, order, gfp));
    if (page)
        count_vm_events(m, PGALLOC + zone->type, 1ul << order);
    return page;
}

unsigned take_free_block(struct zone *zone, struct page *page, unsigned max_order) {
    struct machine *m = zone->machine;
    unsigned nr = 0;

    lock_acquire(m->platform, &zone->lock);
    if (page_test(page, PG_buddy) && buddy_order(page) <= max_order)
        nr = 1u << buddy_take_block(zone, page);
    lock_release(m->platform, &zone->lock);
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
        got = (r->ret_pages[0] = take_block(zone, r->gfp, r->migratetype, r->order)) != NULL;
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

struct page *alloc_pages(struct machine *m, gfp_t gfp, unsigned order) {
    return __alloc_pages(m, gfp, order, gfp_zonelist(m, gfp));
}

unsigned alloc_pages_bulk(struct machine *m, gfp_t gfp, unsigned nr, struct page **ret_pages) {
    const struct zonelist *zonelist = gfp_zonelist(m, gfp);
    unsigned got = 0;

    unsigned mark = ALLOC_WMARK_LOW;

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

/* -- Freeing ----------------------------------------------------------------------------------------------------- */

static void free_pages_ok(struct machine *m, struct page *page, unsigned order) {
    bool good = true;

    if (compound_order(page))
        destroy_compound_page(m, page);
    for (unsigned i = 0; i < 1u << order; i++)
        good &= prepare_free(m, page + i);
    if (!good)
        return;
    count_vm_events(m, PGFREE, 1ul << order);
    free_one_page(page_zone(m, page), page, order);
}

static inline void free_hot_cold_page(struct machine *m, struct page *page, enum pcp_temperature which) {
    if (prepare_free(m, page))
        pcp_free(page_zone(m, page), which, &page, 1);
}

void free_hot_page(struct machine *m, struct page *page) {
    free_hot_cold_page(m, page, PCP_HOT);
}

void free_cold_page(struct machine *m, struct page *page) {
    free_hot_cold_page(m, page, PCP_COLD);
}

void free_cold_pages(struct machine *m, struct page *const *pages, unsigned nr) {
    struct page *run[FREE_RUN];
    struct zone *zone = NULL;
    unsigned n = 0;

    for (unsigned i = 0; i < nr; i++) {
        if (n && (n == FREE_RUN || page_zone(m, pages[i]) != zone)) {
            pcp_free(zone, PCP_COLD, run, n);
            n = 0;
        }
        if (!prepare_free(m, pages[i]))
            continue;
        zone = page_zone(m, pages[i]);
        run[n++] = pages[i];
    }
    if (n)
        pcp_free(zone, PCP_COLD, run, n);
}

void __pagevec_free(struct machine *m, struct pagevec *pvec) {
    free_cold_pages(m, pvec->pages, pvec->nr);
    pvec->nr = 0;
}

void __free_pages(struct machine *m, struct page *page, unsigned order) {
    if (!put_page_testzero(page))
        return;
    if (order == 0)
        free_hot_page(m, page);
    else
        free_pages_ok(m, page, order);
}

void free_pages(struct machine *m, void *address, unsigned order) {
    if (address)
        __free_pages(m, virt_to_page(m, address), order);
}

void put_page(struct machine *m, struct page *page) {
    unsigned order;

    page = compound_head(m, page);
    if (!put_page_testzero(page))
        return;
    if (page_test(page, PG_lru))
        lru_forget_page(m, page);
    order = compound_order(page);
    if (order)
        free_pages_ok(m, page, order);
    else
        free_hot_page(m, page);
}
