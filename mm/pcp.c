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

/* A list that may get longer than its array is always looked at closely. */
static int quick_count(const struct per_cpu_pages *pcp) {
    return pcp->high <= PCP_ROOM ? pcp->high - 1 : 0;
}

void pcp_set_sizes(struct zone *zone, unsigned percpu_pagelist_fraction) {
    struct machine *m = zone->machine;
    struct task *task = mm_current(m);
    int batch = zone_batchsize(zone->present_pages);

    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++) {
        struct per_cpu_pageset *set = &zone->pageset[cpu];
        struct per_cpu_pages *hot = &set->pcp[PCP_HOT], *cold = &set->pcp[PCP_COLD];
        struct bias_slot *slot = bias_acquire(m->platform, &set->lock, task);

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
        hot->quick = quick_count(hot);
        cold->quick = quick_count(cold);
        bias_release(m->platform, &set->lock, slot, task);
    }
}

void pcp_init(struct zone *zone) {
    for (unsigned cpu = 0; cpu < zone->machine->nr_cpus; cpu++) {
        struct per_cpu_pageset *set = &zone->pageset[cpu];

        bias_init(&set->lock, RANK_PCP);
        set->zone = zone;
        set->home_shard = cpu * zone->nr_shards / zone->machine->nr_cpus;
        set->pageblock_type_origin = (uintptr_t)zone->pageblock_type - zone->first_pageblock;
        set->listed_state = page_pair(zone_page_flags(zone) | 1u << PG_pcp, 0);
        set->taken_state = page_pair(zone_page_flags(zone), 1);
        page_list_init(&set->pcp[PCP_HOT].older);
        page_list_init(&set->pcp[PCP_COLD].older);
    }
    pcp_set_sizes(zone, 0);
}

/* The frame is free and on no list, or on one whose lock we hold: nobody else changes its flags. */
static inline void set_pcp_flag(struct page *page, bool on) {
    uint32_t flags = atomic_load_explicit(&page->flags, memory_order_relaxed) & PAGE_KEPT_MASK;

    atomic_store_explicit(&page->flags, flags | (uint32_t)on << PG_pcp, memory_order_relaxed);
}

/* -- The array and what is below it ------------------------------------------------------------------------------- */

/* Makes room in a full array: its older half joins the frames below. Their private fields keep the types. */
static void spill(struct machine *m, struct per_cpu_pages *pcp) {
    int half = pcp->count / 2;

    for (int i = 0; i < half; i++) {
        struct page *page = pfn_to_page(m, pcp->pfn[i]);

        page->private = pcp->type[i];
        list_add_head(m, &pcp->older, page);
    }
    pcp->nr_older += half;
    pcp->count -= half;
    __builtin_memmove(pcp->pfn, pcp->pfn + half, (size_t)pcp->count * sizeof(pcp->pfn[0]));
    __builtin_memmove(pcp->type, pcp->type + half, (size_t)pcp->count);
}

/* The array is empty: takes from below what half of it holds. */
static void unspill(struct machine *m, struct per_cpu_pages *pcp) {
    int n = pcp->nr_older < PCP_ROOM / 2 ? pcp->nr_older : PCP_ROOM / 2;

    for (int i = n; i-- > 0;) {
        struct page *page = pfn_to_page(m, pcp->older.head);

        list_del(m, &pcp->older, page);
        pcp->pfn[i] = page_to_pfn(m, page);
        pcp->type[i] = (uint8_t)page->private;
        page->private = 0;
    }
    pcp->count = n;
    pcp->nr_older -= n;
}

static void push(struct machine *m, struct per_cpu_pages *pcp, uint32_t pfn, unsigned migratetype) {
    if (pcp->count == PCP_ROOM)
        spill(m, pcp);
    pcp->pfn[pcp->count] = pfn;
    pcp->type[pcp->count++] = (uint8_t)migratetype;
}

static struct page *take(struct machine *m, struct per_cpu_pages *pcp, int i) {
    struct page *page = pfn_to_page(m, pcp->pfn[i]);
    size_t above = (size_t)(--pcp->count - i);

    __builtin_memmove(pcp->pfn + i, pcp->pfn + i + 1, above * sizeof(pcp->pfn[0]));
    __builtin_memmove(pcp->type + i, pcp->type + i + 1, above);
    set_pcp_flag(page, false);
    return page;
}

/* Takes up to nr frames of migratetype, the most recently freed first. */
static unsigned take_matching(struct machine *m, struct per_cpu_pages *pcp, unsigned migratetype, unsigned nr,
                              struct page **ret_pages) {
    unsigned got = 0;

    do {
        if (pcp->count == 0)
            unspill(m, pcp);
        for (int i = pcp->count; got < nr && i-- > 0;)
            if (pcp->type[i] == migratetype)
                ret_pages[got++] = take(m, pcp, i);
    } while (got < nr && pcp->count == 0 && pcp->nr_older > 0);
    return got;
}

static void refill(struct zone *zone, struct per_cpu_pages *pcp, unsigned migratetype) {
    struct machine *m = zone->machine;
    uint32_t fresh[PCP_ROOM / 2];
    int got = (int)rmqueue_bulk(zone, (unsigned)pcp->batch, migratetype, fresh);

    while (pcp->count + got > PCP_ROOM)
        spill(m, pcp);
    /* The first found becomes the head, so that a run of frames in a row is handed out in a row. */
    for (int i = 0; i < got; i++) {
        set_pcp_flag(pfn_to_page(m, fresh[i]), true);
        pcp->pfn[pcp->count + got - 1 - i] = fresh[i];
    }
    __builtin_memset(pcp->type + pcp->count, (int)migratetype, (size_t)got);
    pcp->count += got;
}

/* Gives the count frames that have been on the list longest back to the buddy lists. */
static void flush(struct zone *zone, struct per_cpu_pages *pcp, int count) {
    struct machine *m = zone->machine;

    while (count > 0 && pcp->nr_older > 0) {
        struct page *page = pfn_to_page(m, pcp->older.tail);
        uint32_t pfn = pcp->older.tail;

        list_del(m, &pcp->older, page);
        page->private = 0;
        pcp->nr_older--;
        count--;
        free_pages_bulk(zone, 1, &pfn);
    }
    if (count > pcp->count)
        count = pcp->count;
    if (count <= 0)
        return;
    free_pages_bulk(zone, (unsigned)count, pcp->pfn);
    pcp->count -= count;
    __builtin_memmove(pcp->pfn, pcp->pfn + count, (size_t)pcp->count * sizeof(pcp->pfn[0]));
    __builtin_memmove(pcp->type, pcp->type + count, (size_t)pcp->count);
}

/* -- Taking and putting ------------------------------------------------------------------------------------------- */

unsigned pcp_alloc(struct zone *zone, enum pcp_temperature which, unsigned migratetype, unsigned nr,
                   struct page **ret_pages) {
    struct machine *m = zone->machine;
    struct task *task = mm_current(m);
    struct per_cpu_pageset *set = &zone->pageset[mm_task_cpu(m, task)];
    struct bias_slot *slot = bias_acquire(m->platform, &set->lock, task);
    struct per_cpu_pages *pcp = &set->pcp[which];
    unsigned got = take_matching(m, pcp, migratetype, nr, ret_pages);

    if (got < nr) {
        refill(zone, pcp, migratetype);
        got += take_matching(m, pcp, migratetype, nr - got, ret_pages + got);
        /* The buddy lists are empty; a frame of another type is better than none. */
        if (got == 0 && pcp->count > 0)
            ret_pages[got++] = take(m, pcp, pcp->count - 1);
    }
    pcp_count_event(&set->nr_allocated, got);
    bias_release(m->platform, &set->lock, slot, task);
    return got;
}

void pcp_free(struct zone *zone, enum pcp_temperature which, struct page *const *pages, unsigned nr) {
    struct machine *m = zone->machine;
    struct task *task = mm_current(m);
    struct per_cpu_pageset *set = &zone->pageset[mm_task_cpu(m, task)];
    struct bias_slot *slot = bias_acquire(m->platform, &set->lock, task);
    struct per_cpu_pages *pcp = &set->pcp[which];

    for (unsigned i = 0; i < nr; i++) {
        enum migratetype type = get_pageblock_migratetype(zone, pages[i]);

        /* Read under the lock: whoever isolates the block drains this list after changing the type. */
        if (type == MIGRATE_ISOLATE) {
            set_pcp_flag(pages[i], false);
            free_one_page(zone, pages[i], 0);
            continue;
        }
        set_pcp_flag(pages[i], true);
        push(m, pcp, page_to_pfn(m, pages[i]), type);
        if (pcp_count(pcp) >= pcp->high)
            flush(zone, pcp, pcp->batch);
    }
    pcp_count_event(&set->nr_freed, nr);
    bias_release(m->platform, &set->lock, slot, task);
}

void drain_all_local_pages(struct machine *m) {
    struct task *task = mm_current(m);

    for_each_populated_zone(m, zone) {
        for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++) {
            struct per_cpu_pageset *set = &zone->pageset[cpu];
            struct bias_slot *slot = bias_acquire(m->platform, &set->lock, task);

            flush(zone, &set->pcp[PCP_HOT], pcp_count(&set->pcp[PCP_HOT]));
            flush(zone, &set->pcp[PCP_COLD], pcp_count(&set->pcp[PCP_COLD]));
            bias_release(m->platform, &set->lock, slot, task);
        }
    }
}

void drain_zone_pages(struct zone *zone, unsigned cpu) {
    struct machine *m = zone->machine;
    struct task *task = mm_current(m);
    struct per_cpu_pageset *set = &zone->pageset[cpu];
    struct bias_slot *slot = bias_acquire(m->platform, &set->lock, task);

    flush(zone, &set->pcp[PCP_HOT], set->pcp[PCP_HOT].batch);
    flush(zone, &set->pcp[PCP_COLD], set->pcp[PCP_COLD].batch);
    bias_release(m->platform, &set->lock, slot, task);
}

unsigned long zone_pcp_pages(struct zone *zone) {
    struct machine *m = zone->machine;
    struct task *task = mm_current(m);
    int sum = 0;

    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++) {
        struct per_cpu_pageset *set = &zone->pageset[cpu];
        struct bias_slot *slot = bias_acquire(m->platform, &set->lock, task);

        sum += pcp_count(&set->pcp[PCP_HOT]) + pcp_count(&set->pcp[PCP_COLD]);
        bias_release(m->platform, &set->lock, slot, task);
    }
    return (unsigned long)sum;
}

/* -- Check -------------------------------------------------------------------------------------------------------- */

static const char *check_frame(struct zone *zone, uint32_t pfn) {
    struct machine *m = zone->machine;

    if (!pfn_valid(m, pfn) || page_zone(m, pfn_to_page(m, pfn)) != zone)
        return "pcp: a frame on the list of a zone that it does not belong to";
    if (!page_test(pfn_to_page(m, pfn), PG_pcp))
        return "pcp: a frame on a list is not marked as such";
    return NULL;
}

static const char *check_list(struct zone *zone, const struct per_cpu_pages *pcp) {
    struct machine *m = zone->machine;
    const char *wrong = NULL;
    int count = 0;

    if (pcp->count < 0 || pcp->count > PCP_ROOM)
        return "pcp: a list has more frames than room";
    for (int i = 0; !wrong && i < pcp->count; i++)
        wrong = check_frame(zone, pcp->pfn[i]);
    for (uint32_t pfn = pcp->older.head; !wrong && pfn != PFN_NONE; pfn = pfn_to_page(m, pfn)->lru_next) {
        wrong = check_frame(zone, pfn);
        if (++count > pcp->nr_older)
            break;
    }
    return wrong || count == pcp->nr_older ? wrong : "pcp: the frames below an array are not as many as counted";
}

const char *pcp_check(struct zone *zone, unsigned long *ret_pages) {
    *ret_pages = 0;
    for (unsigned cpu = 0; cpu < zone->machine->nr_cpus; cpu++) {
        for (unsigned which = PCP_HOT; which <= PCP_COLD; which++) {
            const struct per_cpu_pages *pcp = &zone->pageset[cpu].pcp[which];
            const char *wrong = check_list(zone, pcp);

            if (wrong)
                return wrong;
            if (pcp_count(pcp) > pcp->high + pcp->batch)
                return "pcp: a list is longer than a refill can make it";
            *ret_pages += (unsigned long)pcp_count(pcp);
        }
    }
    return NULL;
}
