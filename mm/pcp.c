/* SPDX-License-Identifier: MIT */
#include "mm/pcp.h"

#include "mm/buddy.h"
#include "mm/page_list.h"

#define BATCH_BYTES_MOST (512u * 1024u)
#define FRACTION_BATCH_MOST 96

int zone_batchsize(unsigned long present_pages) {
    unsigned long batch = present_pages / 1024;

    if (batch * PAGE_SIZE > BATCH_BYTES_MOST)
        batch = BATCH_BYTES_MOST / PAGE_SIZE;
    batch /= 4;
    if (batch < 1)
        batch = 1;
    /* One less than a power of two: a power of two would make the CPUs' lists favour frames of the same colour. */
    batch += batch / 2;
    return (1 << (31 - __builtin_clz((unsigned)batch))) - 1;
}

static int at_least_one(int n) {
    return n > 1 ? n : 1;
}

void pcp_set_sizes(struct zone *zone, unsigned percpu_pagelist_fraction) {
    struct machine *m = zone->machine;
    int batch = zone_batchsize(zone->present_pages);

    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++) {
        struct per_cpu_pageset *set = &zone->pageset[cpu];
        struct per_cpu_pages *hot = &set->pcp[PCP_HOT], *cold = &set->pcp[PCP_COLD];

        lock_acquire(m->platform, &set->lock);
        hot->high = 6 * batch;
        hot->batch = at_least_one(batch);
        cold->high = 2 * batch;
        cold->batch = at_least_one(batch / 2);
        if (percpu_pagelist_fraction) {
            hot->high = (int)(zone->present_pages / percpu_pagelist_fraction);
            hot->batch = at_least_one(hot->high / 4);
            if (hot->batch > FRACTION_BATCH_MOST)
                hot->batch = FRACTION_BATCH_MOST;
        }
        lock_release(m->platform, &set->lock);
    }
}

void pcp_init(struct zone *zone) {
    for (unsigned cpu = 0; cpu < zone->machine->nr_cpus; cpu++) {
        struct per_cpu_pageset *set = &zone->pageset[cpu];

        lock_init(&set->lock, RANK_PCP);
        page_list_init(&set->pcp[PCP_HOT].list);
        page_list_init(&set->pcp[PCP_COLD].list);
    }
    pcp_set_sizes(zone, 0);
}

/* The frame is free and on no list, or on one whose lock we hold: nobody else changes its flags. */
static inline void set_pcp_flag(struct page *page, bool on) {
    uint32_t flags = atomic_load_explicit(&page->flags, memory_order_relaxed) & PAGE_KEPT_MASK;

    atomic_store_explicit(&page->flags, flags | (uint32_t)on << PG_pcp, memory_order_relaxed);
}

static inline void count_up(unsigned long *counter, unsigned n) {
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline struct page *take(struct machine *m, struct per_cpu_pages *pcp, struct page *page) {
    list_del(m, &pcp->list, page);
    pcp->count--;
    set_pcp_flag(page, false);
    return page;
}

/* Takes up to nr frames of migratetype, the most recently freed first. */
static unsigned take_matching(struct machine *m, struct per_cpu_pages *pcp, unsigned migratetype, unsigned nr,
                              struct page **ret_pages) {
    struct page *page = list_page(m, pcp->list.head);
    unsigned got = 0;

    while (page && got < nr) {
        struct page *next = list_page(m, page->lru_next);

        if (page->private == migratetype)
            ret_pages[got++] = take(m, pcp, page);
        page = next;
    }
    return got;
}

static void refill(struct zone *zone, struct per_cpu_pages *pcp, unsigned migratetype) {
    struct machine *m = zone->machine;
    struct page_list fresh;

    page_list_init(&fresh);
    pcp->count += (int)rmqueue_bulk(zone, (unsigned)pcp->batch, migratetype, &fresh);
    for (struct page *page = list_page(m, fresh.head); page; page = list_page(m, page->lru_next))
        set_pcp_flag(page, true);
    /* As found, so that a run of frames in a row is handed out in a row. */
    list_splice_head(m, &pcp->list, &fresh);
}

unsigned pcp_alloc(struct zone *zone, enum pcp_temperature which, unsigned migratetype, unsigned nr,
                   struct page **ret_pages) {
    struct machine *m = zone->machine;
    struct per_cpu_pageset *set = &zone->pageset[mm_cpu(m)];
    struct per_cpu_pages *pcp = &set->pcp[which];
    unsigned got;

    lock_acquire(m->platform, &set->lock);
    got = take_matching(m, pcp, migratetype, nr, ret_pages);
    if (got < nr) {
        refill(zone, pcp, migratetype);
        got += take_matching(m, pcp, migratetype, nr - got, ret_pages + got);
        /* The buddy lists are empty; a frame of another type is better than none. */
        if (got == 0 && pcp->count > 0)
            ret_pages[got++] = take(m, pcp, pfn_to_page(m, pcp->list.head));
    }
    count_up(&set->nr_allocated, got);
    lock_release(m->platform, &set->lock);
    return got;
}

/* Gives the count frames that have been on the list longest back to the buddy lists. */
static void flush(struct zone *zone, struct per_cpu_pages *pcp, int count) {
    if (count > pcp->count)
        count = pcp->count;
    pcp->count -= count;
    free_pages_bulk(zone, (unsigned)count, &pcp->list);
}

void pcp_free(struct zone *zone, enum pcp_temperature which, struct page *const *pages, unsigned nr) {
    struct machine *m = zone->machine;
    struct per_cpu_pageset *set = &zone->pageset[mm_cpu(m)];
    struct per_cpu_pages *pcp = &set->pcp[which];

    lock_acquire(m->platform, &set->lock);
    for (unsigned i = 0; i < nr; i++) {
        enum migratetype type = get_pageblock_migratetype(zone, pages[i]);

        /* Read under the lock: whoever isolates the block drains this list after changing the type. */
        if (type == MIGRATE_ISOLATE) {
            free_one_page(zone, pages[i], 0);
            continue;
        }
        pages[i]->private = type;
        set_pcp_flag(pages[i], true);
        list_add_head(m, &pcp->list, pages[i]);
        if (++pcp->count >= pcp->high)
            flush(zone, pcp, pcp->batch);
    }
    count_up(&set->nr_freed, nr);
    lock_release(m->platform, &set->lock);
}

void drain_all_local_pages(struct machine *m) {
    for_each_populated_zone(m, zone) {
        for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++) {
            struct per_cpu_pageset *set = &zone->pageset[cpu];

            lock_acquire(m->platform, &set->lock);
            flush(zone, &set->pcp[PCP_HOT], set->pcp[PCP_HOT].count);
            flush(zone, &set->pcp[PCP_COLD], set->pcp[PCP_COLD].count);
            lock_release(m->platform, &set->lock);
        }
    }
}

void drain_zone_pages(struct zone *zone, unsigned cpu) {
    struct per_cpu_pageset *set = &zone->pageset[cpu];

    lock_acquire(zone->machine->platform, &set->lock);
    flush(zone, &set->pcp[PCP_HOT], set->pcp[PCP_HOT].batch);
    flush(zone, &set->pcp[PCP_COLD], set->pcp[PCP_COLD].batch);
    lock_release(zone->machine->platform, &set->lock);
}

unsigned long zone_pcp_pages(struct zone *zone) {
    struct machine *m = zone->machine;
    int sum = 0;

    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++) {
        lock_acquire(m->platform, &zone->pageset[cpu].lock);
        sum += zone->pageset[cpu].pcp[PCP_HOT].count + zone->pageset[cpu].pcp[PCP_COLD].count;
        lock_release(m->platform, &zone->pageset[cpu].lock);
    }
    return (unsigned long)sum;
}

static const char *check_list(struct zone *zone, const struct per_cpu_pages *pcp) {
    struct machine *m = zone->machine;
    uint32_t prev = PFN_NONE;
    int count = 0;

    for (uint32_t pfn = pcp->list.head; pfn != PFN_NONE; pfn = pfn_to_page(m, pfn)->lru_next) {
        if (!pfn_valid(m, pfn) || page_zone(m, pfn_to_page(m, pfn)) != zone)
            return "pcp: a frame on the list of a zone that it does not belong to";
        if (!page_test(pfn_to_page(m, pfn), PG_pcp))
            return "pcp: a frame on a list is not marked as such";
        if (pfn_to_page(m, pfn)->lru_prev != prev || ++count > pcp->count)
            return "pcp: a list's links do not agree, or it is longer than its count";
        prev = pfn;
    }
    if (count != pcp->count || pcp->list.tail != prev)
        return "pcp: a list is shorter than its count";
    return NULL;
}

const char *pcp_check(struct zone *zone, unsigned long *ret_pages) {
    *ret_pages = 0;
    for (unsigned cpu = 0; cpu < zone->machine->nr_cpus; cpu++) {
        for (unsigned which = PCP_HOT; which <= PCP_COLD; which++) {
            const struct per_cpu_pages *pcp = &zone->pageset[cpu].pcp[which];
            const char *wrong = check_list(zone, pcp);

            if (wrong)
                return wrong;
            if (pcp->count > pcp->high + pcp->batch)
                return "pcp: a list is longer than a refill can make it";
            *ret_pages += (unsigned long)pcp->count;
        }
    }
    return NULL;
}
