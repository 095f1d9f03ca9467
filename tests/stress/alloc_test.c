/* SPDX-License-Identifier: MIT */
/*
 * alloc_test.c - real threads allocate, free, drain, isolate and read statistics at once on few pages and fewer CPUs;
 * afterwards everything is still there. Reclaim gives nothing: a request that finds no memory fails.
 */
#include "tests/unit/fake_platform.h"
#include "tests/unit/fake_vmscan.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "mm/buddy.h"
#include "mm/page_alloc.h"
#include "mm/page_isolation.h"
#include "mm/pcp.h"

#define NR_PAGES 2560u /* so few that they run out */
#define THREADS 6
#define ROUNDS 20000
#define HELD_MOST 512

static struct fake *fake;

struct worker {
    pthread_t thread;
    struct task task;
    unsigned id;
    uint32_t seed;
    struct {
        struct page *page;
        unsigned order;
    } held[HELD_MOST];
    unsigned nr_held;
};

static uint32_t next_random(struct worker *w) {
    w->seed = w->seed * 1664525u + 1013904223u;
    return w->seed >> 8;
}

/* Every word of the block says whose it is: two owners of one frame cannot both see their own. */
static void sign(struct worker *w, struct page *page, unsigned order) {
    for (unsigned i = 0; i < 1u << order; i++)
        *(uint64_t *)page_address(fake->machine, page + i) =
            (uint64_t)w->id << 32 | page_to_pfn(fake->machine, page + i);
}

static void check_signature(struct worker *w, struct page *page, unsigned order) {
    for (unsigned i = 0; i < 1u << order; i++)
        if (*(uint64_t *)page_address(fake->machine, page + i) !=
            ((uint64_t)w->id << 32 | page_to_pfn(fake->machine, page + i)))
            abort();
}

static void give_one_back(struct worker *w) {
    unsigned i = next_random(w) % w->nr_held;
    struct page *page = w->held[i].page;
    unsigned order = w->held[i].order;

    check_signature(w, page, order);
    w->held[i] = w->held[--w->nr_held];
    if (order == 0 && next_random(w) % 4 == 0) {
        if (!put_page_testzero(page))
            abort();
        free_cold_page(fake->machine, page);
    } else {
        __free_pages(fake->machine, page, order);
    }
}

static void hold(struct worker *w, struct page *page, unsigned order) {
    sign(w, page, order);
    w->held[w->nr_held].page = page;
    w->held[w->nr_held++].order = order;
}

static void take_some(struct worker *w) {
    static const gfp_t masks[] = {GFP_HIGHUSER_MOVABLE | __GFP_NORETRY, GFP_ATOMIC, GFP_TEMPORARY | __GFP_NORETRY,
                                  GFP_HIGHUSER_MOVABLE | __GFP_NORETRY | __GFP_COLD};
    gfp_t gfp = masks[next_random(w) % 4] | __GFP_NOWARN;
    struct page *pages[8];

    if (next_random(w) % 4 == 0) {
        unsigned nr = alloc_pages_bulk(fake->machine, gfp, 8, pages);

        for (unsigned i = 0; i < nr; i++)
            hold(w, pages[i], 0);
    } else {
        unsigned order = next_random(w) % 8 == 0 ? next_random(w) % 7 : 0;

        pages[0] = alloc_pages(fake->machine, gfp, order);
        if (pages[0])
            hold(w, pages[0], order);
    }
}

static void disturb(struct worker *w) {
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct page *block = pfn_to_page(fake->machine, next_random(w) % NR_PAGES);
    char text[2048];

    switch (next_random(w) % 4) {
    case 0:
        drain_all_local_pages(fake->machine);
        break;
    case 1:
        refresh_vm_stats(fake->machine);
        break;
    case 2:
        zoneinfo_text(fake->machine, text, sizeof(text));
        break;
    default:
        if (set_migratetype_isolate(zone, block) == MM_OK)
            unset_migratetype_isolate(zone, block);
    }
}

static void *work(void *arg) {
    struct worker *w = arg;

    fake_set_current(&w->task);
    for (unsigned round = 0; round < ROUNDS; round++) {
        /* Two CPUs for six threads, and they move: more than one thread is on each list's CPU. */
        fake_set_cpu(next_random(w) % 2);
        if (round % 128 == 0)
            disturb(w);
        else if (w->nr_held + 8 < HELD_MOST && next_random(w) % 2)
            take_some(w);
        else if (w->nr_held)
            give_one_back(w);
    }
    while (w->nr_held)
        give_one_back(w);
    return NULL;
}

static void nothing_is_lost_or_given_twice_by_threads_at_once(void **state) {
    static struct worker workers[THREADS];
    struct zone *zone;
    unsigned long before[MAX_ORDER];

    (void)state;
    fake = fake_boot(NR_PAGES, 2);
    zone = fake_zone(fake, 0, ZONE_NORMAL);
    for (unsigned order = 0; order < MAX_ORDER; order++)
        before[order] = nr_free_blocks(zone, order);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i].id = i + 1;
        workers[i].seed = i;
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    fake_check(fake);
    drain_all_local_pages(fake->machine);
    fake_check(fake);
    for (unsigned order = 0; order < MAX_ORDER; order++)
        assert_int_equal(nr_free_blocks(zone, order), before[order]);
    fake_finish(fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_lost_or_given_twice_by_threads_at_once)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
