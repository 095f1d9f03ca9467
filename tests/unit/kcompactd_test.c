/* SPDX-License-Identifier: MIT */
/* Large blocks made in the background, section 18, behind the tunable compaction. */
#include "tests/unit/moving_machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/buddy.h"
#include "mm/compaction.h"
#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/pcp.h"
#include "mm/watermark.h"

#define ORDER 8u

static int boot(void **state) {
    moving_machine_boot(state);
    m->tune.compaction = 1;
    return 0;
}

static int finish(void **state) {
    sim_rest(sim);
    return moving_machine_finish(state);
}

static struct page *take_block(gfp_t gfp, unsigned order) {
    return get_page_from_freelist(m, gfp, order, gfp_zonelist(m, GFP_KERNEL), ALLOC_NO_WATERMARKS);
}

/* Every second frame is a program's, and there is no free block of ORDER. */
static void fragment(void) {
    write_movable_pages(0, 3000);
    for (uint32_t i = 0; i < 3000; i += 2)
        sim_discard(sim, i, 1);
    drain_all_local_pages(m);
    refresh_vm_stats(m);
    while (nr_free_at_least(zone, ORDER))
        assert_non_null(take_block(GFP_HIGHUSER_MOVABLE, ORDER));
    refresh_vm_stats(m);
    /* What leaves first lies all over the zone. */
    for (uint32_t i = 0; i < 3000; i++)
        if (i * 1021 % 3000 % 2 == 1)
            sim_cool(sim, i * 1021 % 3000, 1, false);
    lru_add_drain_all(m);
}

static void off_nobody_makes_large_blocks_in_advance(void **state) {
    (void)state;
    m->tune.compaction = 0;
    fragment();
    wakeup_kcompactd(m->nodes[0], ORDER);
    sim_rest(sim);
    assert_int_equal(atomic_load(&m->kcompactd_wakes), 0);
    assert_false(nr_free_at_least(zone, ORDER));
}

static void on_kswapd_leaves_the_large_block_to_kcompactd_and_evicts_little(void **state) {
    long resident;

    (void)state;
    fragment();
    resident = atomic_load(&sim_mm(sim)->nr_rss);
    sim_allow_kswapd(sim, true);
    wakeup_kswapd(zone, ORDER);
    sim_rest(sim);
    assert_int_equal(atomic_load(&m->kcompactd_wakes), 1);
    assert_int_equal(atomic_load(&m->compactions), 1);
    /* One who may not wait has it at once. */
    assert_non_null(take_block(GFP_ATOMIC, ORDER));
    /* Twice the block, and what reclaim takes at a time beyond that. */
    assert_true(resident - atomic_load(&sim_mm(sim)->nr_rss) <= (2l << ORDER) + 2 * SWAP_CLUSTER_MAX);
    for (uint32_t i = 1; i < 3000; i += 2)
        expect_pages(sim, i, 1);
}

static void where_there_is_a_block_or_no_room_kcompactd_sleeps_on(void **state) {
    unsigned long high = zone->pages_high, low = zone->pages_low;

    (void)state;
    wakeup_kcompactd(m->nodes[0], ORDER);
    fragment();
    wakeup_kcompactd(m->nodes[0], 0);
    zone->pages_high = zone->pages_low = zone_page_state(zone, NR_FREE_PAGES) - (2ul << ORDER);
    wakeup_kcompactd(m->nodes[0], ORDER);
    assert_int_equal(atomic_load(&m->kcompactd_wakes), 0);
    zone->pages_high = high;
    zone->pages_low = low;
    wakeup_kcompactd(m->nodes[0], ORDER);
    assert_int_equal(atomic_load(&m->kcompactd_wakes), 1);
}

static void kcompactd_takes_the_largest_order_it_has_been_woken_for(void **state) {
    (void)state;
    fragment();
    wakeup_kcompactd(m->nodes[0], ORDER - 1);
    wakeup_kcompactd(m->nodes[0], ORDER);
    wakeup_kcompactd(m->nodes[0], ORDER - 1);
    assert_int_equal(atomic_load(&m->nodes[0]->kcompactd_max_order), ORDER);
    /* Awake already, so that it is not woken again. */
    assert_int_equal(atomic_load(&m->kcompactd_wakes), 1);
    sim_rest(sim);
    assert_true(nr_free_at_least(zone, ORDER));
    assert_int_equal(atomic_load(&m->nodes[0]->kcompactd_awake), 0);
}

static unsigned tries_until_allowed(unsigned order) {
    unsigned tries = 1;

    while (compaction_deferred(zone, order))
        tries++;
    return tries;
}

static void after_failures_fewer_and_fewer_tries_are_made(void **state) {
    (void)state;
    assert_int_equal(tries_until_allowed(4), 1);
    for (unsigned failures = 1; failures <= 8; failures++) {
        compaction_failed(zone, 4);
        assert_int_equal(tries_until_allowed(4), failures < 6 ? 1u << failures : 64);
        /* Until it has failed again, or succeeded, it may be tried. */
        assert_int_equal(tries_until_allowed(4), 1);
    }
    compaction_succeeded(zone, 4);
    assert_int_equal(tries_until_allowed(4), 1);
}

static void orders_below_the_one_that_failed_are_tried_all_the_same(void **state) {
    (void)state;
    compaction_succeeded(zone, 3);
    compaction_failed(zone, 6);
    assert_int_equal(tries_until_allowed(3), 1);
    assert_int_equal(tries_until_allowed(4), 2);
    compaction_failed(zone, 2);
    assert_int_equal(tries_until_allowed(3), 4);
    compaction_succeeded(zone, 5);
    compaction_failed(zone, 6);
    assert_int_equal(tries_until_allowed(5), 1);
    assert_int_equal(tries_until_allowed(6), 2);
}

static void a_zone_that_nothing_can_be_made_of_is_left_alone(void **state) {
    struct page *held[64];

    (void)state;
    fragment();
    /* A page in each block of ORDER is somebody's, so that none can come free. */
    for (unsigned i = 0; i < 16; i++) {
        uint32_t pfn = i << ORDER;

        while (!frame_exists(m, pfn) || page_count(pfn_to_page(m, pfn)) == 0)
            pfn++;
        held[i] = pfn_to_page(m, pfn);
        get_page(held[i]);
    }
    for (unsigned i = 0; i < 16; i++) {
        wakeup_kcompactd(m->nodes[0], ORDER);
        sim_rest(sim);
    }
    assert_int_equal(atomic_load(&m->kcompactd_wakes), 16);
    /* The 1st, 3rd, 7th and 15th time. */
    assert_int_equal(atomic_load(&m->compactions_failed), 4);
    assert_false(try_to_compact_pages(m, gfp_zonelist(m, GFP_KERNEL), ORDER, GFP_KERNEL));
    assert_int_equal(atomic_load(&m->compactions_failed), 4);
    for (unsigned i = 0; i < 16; i++)
        put_page(m, held[i]);
}

#define FACT(test) cmocka_unit_test_setup_teardown(test, boot, finish)

int main(void) {
    const struct CMUnitTest tests[] = {
        FACT(off_nobody_makes_large_blocks_in_advance),
        FACT(on_kswapd_leaves_the_large_block_to_kcompactd_and_evicts_little),
        FACT(where_there_is_a_block_or_no_room_kcompactd_sleeps_on),
        FACT(kcompactd_takes_the_largest_order_it_has_been_woken_for),
        FACT(after_failures_fewer_and_fewer_tries_are_made),
        FACT(orders_below_the_one_that_failed_are_tried_all_the_same),
        FACT(a_zone_that_nothing_can_be_made_of_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
