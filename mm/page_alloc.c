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
#define ON_A_LIST (1u << PG_lru | 1u << PG_pcp)
#define BAD_WHEN_FREED                                                                                                 \
    (ON_A_LIST | 1u << PG_private | 1u << PG_locked | 1u << PG_active | 1u << PG_slab | 1u << PG_swapcache |           \
     1u << PG_writeback)
#define BAD_WHEN_ALLOCATED (BAD_WHEN_FREED | 1u << PG_dirty)

/* What keeps a page from the short ways: all that is bad, and what somebody may find it by. */
#define NOT_PLAIN_WHEN_FREED (BAD_WHEN_FREED | 1u << PG_reserved | 1u << PG_compound)
#define NOT_PLAIN_WHEN_ALLOCATED ((BAD_WHEN_ALLOCATED & ~(1u << PG_pcp)) | 1u << PG_reserved | 1u << PG_compound)

/* Of a larger block, so many descriptors are looked at; all of them where the core is built for debugging. */
#ifdef MM_DEBUG
#define LOOKED_AT PAGES_OF_LARGEST_BLOCK
#else
#define LOOKED_AT 8u
#endif
#define PAGES_OF_LARGEST_BLOCK (1u << (MAX_ORDER - 1))

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

static inline unsigned nr_looked_at(unsigned order) {
    return 1u << order < LOOKED_AT ? 1u << order : LOOKED_AT;
}

/* Are the frames looked at free of references, mappings and these flags? */
static bool is_plain_block(const struct page *page, unsigned order, uint32_t flags) {
    uint32_t odd = 0;

    for (unsigned i = 0; i < nr_looked_at(order); i++)
        odd |= (page_flags(page + i) & flags) | (uint32_t)atomic_load_explicit(&page[i].count, memory_order_relaxed) |
               ~(uint32_t)atomic_load_explicit(&page[i].mapcount, memory_order_relaxed);
    return odd == 0;
}

static bool is_on_a_list(const struct machine *m, const struct page *page) {
    const struct zone *zone = page_zone(m, page);

    return page_flags(page) & ON_A_LIST || !zone || frame_is_free(zone, page_to_pfn(m, page));
}

/* Readies a page for the free lists. False if it must not get there. */
static bool prepare_free(struct machine *m, struct page *page) {
    uint32_t flags = page_flags(page);
    bool bad = flags & BAD_WHEN_FREED || atomic_load_explicit(&page->count, memory_order_relaxed) != 0 ||
               atomic_load_explicit(&page->mapcount, memory_order_relaxed) != -1;

    if (is_on_a_list(m, page)) {
        /* Its links are in use. Losing a page is better than losing a list. */
        atomic_fetch_add_explicit(&m->nr_bad_pages, 1, memory_order_relaxed);
        return false;
    }
    if (__builtin_expect(bad || flags & 1u << PG_reserved, 0)) {
        if (bad)
            bad_page(m, page);
        if (flags & 1u << PG_reserved)
            return false;
    }
    atomic_store_explicit(&page->owner, 0, memory_order_relaxed);
    return true;
}

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

    return (word >> pfn % 64 & 1) == (gfp / __GFP_MOVABLE & 1);
}

static void change_sides_of_block(struct machine *m, uint32_t pfn, unsigned order, gfp_t gfp) {
    if (order < 6) {
        change_sides(m, pfn, ((UINT64_C(1) << (1u << order)) - 1) << pfn % 64, gfp);
        return;
    }
    for (unsigned i = 0; i < 1u << order; i += 64)
        change_sides(m, pfn + i, UINT64_MAX, gfp);
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
    change_sides_of_block(m, page_to_pfn(m, page), order, gfp);
    for (unsigned i = 0; i < nr_looked_at(order); i++)
        if (page_flags(page + i) & ~PAGE_ZONE_MASK)
            reset_flags(page + i, 0);
    page->private = 0;
    /* Whoever finds the page by pfn and takes a reference must see it reset. */
    atomic_store_explicit(&page->count, 1, memory_order_release);
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

static struct page *take_block(struct zone *zone, gfp_t gfp, unsigned migratetype, unsigned order) {
    struct machine *m = zone->machine;
    struct page *page;

    do
        page = __rmqueue(zone, order, migratetype);
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
struct page *alloc_pages(struct machine *m, gfp_t gfp, unsigned order) {
    const struct platform *p = m->platform;
    struct task *task = p->current(p->host);
    unsigned cpu = mm_task_cpu(m, task), odd;
    struct zone *zone = m->per_cpu[cpu].first_zone[gfp_zone_index(gfp)];
    struct bias_slot *wake = NULL;
    struct page *page;
    uint32_t pfn;

    if (__builtin_expect(order | (gfp & (__GFP_THISNODE | __GFP_COLD)) || !zone, 0) ||
        (m->nr_nodes > 1 && !cpuset_zone_allowed_softwall(zone, gfp | __GFP_HARDWALL)) ||
        atomic_load_explicit(&zone->vm_stat[NR_FREE_PAGES], memory_order_relaxed) <=
            (long)(zone->pages_low + zone_free_drift(zone)))
        return alloc_pages_any(m, gfp, order, NULL);
    pfn = pcp_pop(p, &zone->pageset[cpu], gfp_migratetype(m, gfp), task, &wake);
    if (__builtin_expect(pfn == PFN_NONE, 0))
        return alloc_pages_any(m, gfp, order, wake);
    page = pfn_to_page(m, pfn);
    odd = (page_flags(page) & NOT_PLAIN_WHEN_ALLOCATED) |
          (unsigned)atomic_load_explicit(&page->count, memory_order_relaxed) |
          ~(unsigned)atomic_load_explicit(&page->mapcount, memory_order_relaxed) | (gfp & __GFP_ZERO) |
          (m->nr_nodes - 1);
    if (__builtin_expect(odd || wake || changes_sides(m, pfn, gfp), 0))
        return alloc_odd_page(m, page, gfp, wake);
    reset_flags(page, 0);
    page->private = 0;
    atomic_store_explicit(&page->count, 1, memory_order_release);
    return page;
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
    if (is_plain_block(page, order, NOT_PLAIN_WHEN_FREED)) {
        good = !is_on_a_list(m, page);
        if (!good)
            atomic_fetch_add_explicit(&m->nr_bad_pages, 1, memory_order_relaxed);
        atomic_store_explicit(&page->owner, 0, memory_order_relaxed);
    } else {
        for (unsigned i = 0; i < nr_looked_at(order); i++)
            good &= prepare_free(m, page + i);
    }
    for (unsigned i = 0; i < nr_looked_at(order); i++)
        if (page_flags(page + i) & ~PAGE_KEPT_MASK)
            reset_flags(page + i, page_flags(page + i) & PAGE_KEPT_MASK);
    if (!good)
        return;
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

static __attribute__((noinline)) void free_pages_any(struct machine *m, struct page *page, unsigned order) {
    if (page_count(page) == 1 && !(page_flags(page) & NOT_PLAIN_WHEN_FREED))
        atomic_store_explicit(&page->count, 0, memory_order_relaxed);
    else if (!put_page_testzero(page))
        return;
    if (order == 0)
        free_hot_page(m, page);
    else
        free_pages_ok(m, page, order);
}

/* A page that the short way has readied for the lists. listed: it is on one already. */
static __attribute__((noinline)) void free_odd_page(struct machine *m, struct page *page, bool listed,
                                                    struct bias_slot *wake) {
    if (wake)
        bias_wake(m->platform, wake);
    if (!listed)
        pcp_free(page_zone(m, page), PCP_HOT, &page, 1);
}

/*
 * The last reference to a single plain page goes the short way. Nobody else can find a page that is on no list and in
 * no index, so that a plain store drops it.
 */
void __free_pages(struct machine *m, struct page *page, unsigned order) {
    const struct platform *p = m->platform;
    const struct task *task = p->current(p->host);
    uint32_t flags = page_flags(page), pfn = page_to_pfn(m, page);
    struct bias_slot *wake = NULL;
    struct zone *zone;
    bool listed;

    if (__builtin_expect((flags & NOT_PLAIN_WHEN_FREED) | order |
                             ((uint32_t)atomic_load_explicit(&page->count, memory_order_acquire) ^ 1) |
                             ~(uint32_t)atomic_load_explicit(&page->mapcount, memory_order_relaxed),
                         0)) {
        free_pages_any(m, page, order);
        return;
    }
    zone = m->zone_by_flags[flags >> PG_ZONE_SHIFT];
    atomic_store_explicit(&page->flags, (flags & PAGE_KEPT_MASK) | 1u << PG_pcp, memory_order_relaxed);
    atomic_store_explicit(&page->count, 0, memory_order_relaxed);
    atomic_store_explicit(&page->owner, 0, memory_order_relaxed);
    listed = pcp_push(p, &zone->pageset[mm_task_cpu(m, task)], pfn, pageblock_type(zone, pfn), task, &wake);
    if (__builtin_expect(!listed || wake, 0))
        free_odd_page(m, page, listed, wake);
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
