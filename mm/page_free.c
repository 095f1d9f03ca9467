/* SPDX-License-Identifier: MIT */
/* The way back of pages to the free lists; what page_alloc.h says of freeing. */
#include "mm/page_alloc.h"

#include "mm/buddy.h"
#include "mm/compound.h"
#include "mm/lru.h"
#include "mm/page_state.h"
#include "mm/pcp.h"

/* Pages freed under one hold of a per-CPU lock. */
#define FREE_RUN 32u

void bad_page(struct machine *m, struct page *page) {
    atomic_fetch_add_explicit(&m->nr_bad_pages, 1, memory_order_relaxed);
    reset_flags(page, page_flags(page) & PAGE_KEPT_MASK);
    atomic_store_explicit(&page->count, 0, memory_order_relaxed);
    atomic_store_explicit(&page->mapcount, -1, memory_order_relaxed);
}

/* Are the frames looked at free of references, mappings and flags? */
static inline bool is_plain_block(const struct page *page, unsigned order) {
    uint64_t state = page_pair(page_flags(page) & PAGE_ZONE_MASK, 0), odd = 0;

    for (unsigned i = 0; i < nr_looked_at(order); i++)
        odd |=
            (page_state(page + i) ^ state) | ~(uint32_t)atomic_load_explicit(&page[i].mapcount, memory_order_relaxed);
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

/* Readies a block for the free lists of which some frame has flags or worse. False if it must not get there. */
static __attribute__((noinline)) bool prepare_block(struct machine *m, struct page *page, unsigned order) {
    bool good = true;

    for (unsigned i = 0; good && i < nr_looked_at(order); i++)
        good = prepare_free(m, page + i);
    for (unsigned i = 0; i < nr_looked_at(order); i++)
        if (page_flags(page + i) & ~PAGE_KEPT_MASK)
            reset_flags(page + i, page_flags(page + i) & PAGE_KEPT_MASK);
    return good;
}

static inline void free_pages_ok(struct machine *m, struct page *page, unsigned order, struct task *task) {
    if (compound_order(page))
        destroy_compound_page(m, page);
    if (__builtin_expect(!is_plain_block(page, order) || is_on_a_list(m, page), 0) && !prepare_block(m, page, order))
        return;
    atomic_store_explicit(&page->owner, 0, memory_order_relaxed);
    free_one_page_by(page_zone(m, page), page, order, task);
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

static __attribute__((noinline)) void free_pages_any(struct machine *m, struct page *page, unsigned order,
                                                     struct task *task) {
    if (page_count(page) == 1 && !(page_flags(page) & NOT_PLAIN_WHEN_FREED))
        atomic_store_explicit(&page->count, 0, memory_order_relaxed);
    else if (!put_page_testzero(page))
        return;
    if (order == 0)
        free_hot_page(m, page);
    else
        free_pages_ok(m, page, order, task);
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
 * no index, so that a plain store drops it. Which lists it goes to is guessed rather than looked up: its descriptor may
 * have to come from far, and the CPU does not wait for what it merely compares. False if it is not plain, or not of
 * that zone.
 */
static inline __attribute__((always_inline)) bool
free_plain_page(struct machine *m, struct page *page, const struct task *task, struct per_cpu_pageset *set) {
    uint64_t state = atomic_load_explicit(&page->flags_and_count, memory_order_acquire);
    struct bias_slot *wake;

    if (__builtin_expect(((state ^ set->taken_state) & page_pair(NOT_PLAIN_WHEN_FREED | PAGE_ZONE_MASK, UINT32_MAX)) ||
                             atomic_load_explicit(&page->mapcount, memory_order_relaxed) != -1,
                         0))
        return false;
    atomic_store_explicit(&page->flags_and_count, set->listed_state, memory_order_relaxed);
    atomic_store_explicit(&page->mapcount_and_private, page_pair(UINT32_MAX, 0), memory_order_relaxed);
    atomic_store_explicit(&page->owner, 0, memory_order_relaxed);
    if (__builtin_expect(!pcp_push(m->platform, set, page_to_pfn(m, page), task, &wake), 0))
        free_odd_page(m, page, false, wake);
    else if (__builtin_expect(wake != NULL, 0))
        free_odd_page(m, page, true, wake);
    return true;
}

/* A single page that is not plain, or not of the zone where its CPU freed last. */
static __attribute__((noinline)) void free_single_page(struct machine *m, struct page *page, struct task *task) {
    struct per_cpu *per_cpu = &m->per_cpu[mm_task_cpu(m, task)];
    struct zone *zone = page_zone(m, page);
    struct per_cpu_pageset *set = zone ? &zone->pageset[per_cpu - m->per_cpu] : NULL;

    if (set && set != atomic_load_explicit(&per_cpu->last_set, memory_order_relaxed))
        atomic_store_explicit(&per_cpu->last_set, set, memory_order_relaxed);
    if (!set || !free_plain_page(m, page, task, set))
        free_pages_any(m, page, 0, task);
}

void free_pages_by(struct machine *m, struct page *page, unsigned order, struct task *task) {
    if (__builtin_expect(order, 0))
        free_pages_any(m, page, order, task);
    else if (__builtin_expect(!task->cpu || !free_plain_page(m, page, task,
                                                             atomic_load_explicit(&m->per_cpu[*task->cpu].last_set,
                                                                                  memory_order_relaxed)),
                              0))
        free_single_page(m, page, task);
}

void __free_pages(struct machine *m, struct page *page, unsigned order) {
    free_pages_by(m, page, order, mm_current(m));
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
        free_pages_ok(m, page, order, mm_current(m));
    else
        free_hot_page(m, page);
}
