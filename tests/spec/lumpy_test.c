/* SPDX-License-Identifier: MIT */
/* Lumpy reclaim: section 10.2 of the specification, isolate_lru_pages() and costly orders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/buddy.h"
#include "mm/lru.h"
#include "mm/memory_hotplug.h"
#include "mm/mmap.h"
#include "mm/page_alloc.h"
#include "mm/page_list.h"
#include "mm/pcp.h"
#include "mm/vmscan.h"
#include "sim/sim.h"

static struct sim *sim;
static struct machine *m;
static struct zone *zone;

static int boot(void **state) {
    /* A hole in the middle of what would be a block of order 4. */
    static const struct memory_range ranges[] = {{0, 4088, 0, ZONE_NORMAL}, {4092, 4100, 0, ZONE_NORMAL}};
    const struct sim_config config = {.seed = 1,
                                      .ranges = ranges,
                                      .nr_ranges = 2,
                                      .nr_nodes = 1,
                                      .region_pages = 4096,
                                      .devices = {{.nr_slots = 8192}}};

    (void)state;
    sim = sim_create(&config);
    sim_allow_kswapd(sim, false);
    m = sim_machine(sim);
    zone = &m->nodes[0]->node_zones[ZONE_NORMAL];
    m->tune.swappiness = 100;
    return 0;
}

static int finish(void **state) {
    (void)state;
    sim_destroy(sim);
    return 0;
}

/* Takes the frame at pfn for the caller. */
static struct page *take_frame(uint32_t pfn) {
    struct page *page = pfn_to_page(m, pfn), *head = page;
    uint32_t start;

    drain_all_local_pages(m);
    while (buddy_order(zone, page_to_pfn(m, head)) < 0)
        head--;
    start = page_to_pfn(m, head);
    for (unsigned nr = take_free_block(zone, head, MAX_ORDER), i = 0; i < nr; i++)
        if (start + i != pfn)
            put_page(m, head + i);
    return page;
}

/* Of frames pfn.. each letter is one: a active, i inactive, - not on a list. */
static void set_up(uint32_t pfn, const char *states) {
    for (unsigned i = 0; states[i]; i++) {
        struct page *page = take_frame(pfn + i);

        if (states[i] == 'a')
            lru_cache_add_active(m, page);
        else if (states[i] == 'i')
            lru_cache_add(m, page);
    }
    lru_add_drain_all(m);
}

static unsigned long isolate(bool active, unsigned order, enum isolate_mode mode, struct page_list *list,
                             unsigned long *ret_scanned) {
    unsigned long taken;

    page_list_init(list);
    lock_acquire(m->platform, &zone->lru_lock);
    taken = isolate_lru_blocks(zone, active, 1, order, mode, list, ret_scanned);
    lock_release(m->platform, &zone->lru_lock);
    return taken;
}

static void assert_taken(const char *states, bool active, unsigned order, enum isolate_mode mode, unsigned nr) {
    struct page_list list;
    unsigned long scanned;

    set_up(1024, states);
    assert_int_equal(isolate(active, order, mode, &list, &scanned), nr);
    assert_int_equal(scanned, nr);
    for (struct page *page = list_page(m, list.head); page; page = list_page(m, page->lru_next))
        assert_false(page_test(page, PG_lru));
    putback_lru_pages(m, &list);
}

static void order_0_takes_the_one_page(void **state) {
    (void)state;
    assert_taken("iiiiiiii", false, 0, ISOLATE_INACTIVE, 1);
}

static void a_block_of_the_order_comes_along(void **state) {
    (void)state;
    assert_taken("iiiiiiii", false, 2, ISOLATE_INACTIVE, 4);
}

static void inactive_mode_leaves_active_pages_and_those_on_no_list(void **state) {
    (void)state;
    assert_taken("iaia-iia", false, 3, ISOLATE_INACTIVE, 4);
}

static void active_mode_leaves_inactive_pages(void **state) {
    (void)state;
    assert_taken("iaia-iia", true, 3, ISOLATE_ACTIVE, 3);
}

static void both_takes_either(void **state) {
    (void)state;
    assert_taken("iaia-iia", false, 3, ISOLATE_BOTH, 7);
}

static void a_hole_ends_the_block(void **state) {
    struct page_list list;
    unsigned long scanned;

    (void)state;
    /* Of the block of order 4 at 4080, frames 4088 to 4091 do not exist: what comes after them is left. */
    set_up(4084, "iiii");
    set_up(4092, "iiii");
    assert_int_equal(isolate(false, 4, ISOLATE_INACTIVE, &list, &scanned), 4);
    putback_lru_pages(m, &list);
}

static void frames_that_nobody_has_needed_yet_do_not_end_the_block(void **state) {
    struct page_list list;
    unsigned long scanned;

    (void)state;
    assert_int_equal(offline_pages(m, 1024, 512), MM_OK);
    set_up(1536, "iii");
    assert_int_equal(online_pages(m, 1024, 512), MM_OK);
    assert_false(pfn_valid(m, 1024));
    assert_int_equal(isolate(false, 10, ISOLATE_INACTIVE, &list, &scanned), 3);
    putback_lru_pages(m, &list);
}

/* -- the whole way. -- */

static void fill_with_program(void) {
    uint64_t value = 7;

    sim_map(sim, 0, 4096, VM_READ | VM_WRITE);
    for (uint32_t i = 0; i < 3900; i++)
        assert_int_equal(sim_write(sim, i, 0, &value, sizeof(value)), SIM_OK);
    /* The order in which pages are due is not that of their frames. */
    for (uint32_t i = 0; i < 3900; i++)
        sim_cool(sim, i * 1021 % 3900, 1, false);
    refresh_vm_stats(m);
}

/* Blocks of the order after reclaim was asked 4 times for 32 pages. */
static unsigned long blocks_after_reclaim(unsigned order, unsigned asked) {
    unsigned long before = 0, after = 0;

    fill_with_program();
    drain_all_local_pages(m);
    for (unsigned o = order; o < MAX_ORDER; o++)
        before += nr_free_blocks(zone, o) << (o - order);
    for (unsigned i = 0; i < 4; i++)
        try_to_free_pages(m, gfp_zonelist(m, GFP_KERNEL), asked, GFP_KERNEL);
    drain_all_local_pages(m);
    for (unsigned o = order; o < MAX_ORDER; o++)
        after += nr_free_blocks(zone, o) << (o - order);
    return after - before;
}

static void reclaim_for_a_costly_order_frees_whole_blocks(void **state) {
    uint64_t value = 0;

    (void)state;
    /* A hundred or so scattered pages of 3900 leave hardly any block of 32 whole. */
    assert_true(blocks_after_reclaim(5, 0) <= 1);
    assert_true(blocks_after_reclaim(5, 5) >= 6);
    for (uint32_t i = 0; i < 3900; i++) {
        assert_int_equal(sim_read(sim, i, 0, &value, sizeof(value)), SIM_OK);
        assert_int_equal(value, 7);
    }
    sim_settle(sim);
    assert_null(sim_check(sim));
}

static void with_compaction_on_reclaim_is_not_lumpy(void **state) {
    struct scan_control sc = {.gfp_mask = GFP_KERNEL,
                              .may_writepage = true,
                              .may_swap = true,
                              .swap_cluster_max = 1,
                              .swappiness = 100,
                              .order = 2};

    (void)state;
    set_up(1024, "iiii");
    atomic_store(&zone->nr_scan_inactive, 1);
    m->tune.compaction = 1;
    shrink_zone(DEF_PRIORITY, zone, &sc);
    assert_true(sc.nr_scanned <= 2);
    m->tune.compaction = 0;
    sc.nr_scanned = 0;
    atomic_store(&zone->nr_scan_inactive, 1);
    shrink_zone(DEF_PRIORITY, zone, &sc);
    assert_true(sc.nr_scanned >= 4);
}

#define LUMPY(test) cmocka_unit_test_setup_teardown(test, boot, finish)

int main(void) {
    const struct CMUnitTest tests[] = {
        LUMPY(order_0_takes_the_one_page),
        LUMPY(a_block_of_the_order_comes_along),
        LUMPY(inactive_mode_leaves_active_pages_and_those_on_no_list),
        LUMPY(active_mode_leaves_inactive_pages),
        LUMPY(both_takes_either),
        LUMPY(a_hole_ends_the_block),
        LUMPY(frames_that_nobody_has_needed_yet_do_not_end_the_block),
        LUMPY(reclaim_for_a_costly_order_frees_whole_blocks),
        LUMPY(with_compaction_on_reclaim_is_not_lumpy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
