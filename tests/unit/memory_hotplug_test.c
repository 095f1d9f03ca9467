/* SPDX-License-Identifier: MIT */
/* Frames that come to a zone, and leave it. */
#include "tests/unit/moving_machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/buddy.h"
#include "mm/memory_hotplug.h"
#include "mm/page_alloc.h"
#include "mm/page_isolation.h"
#include "mm/pcp.h"
#include "mm/watermark.h"

static void frames_that_are_offline_at_boot_come_with_online_pages(void **state) {
    long free = zone_page_state_exact(zone, NR_FREE_PAGES);
    unsigned long min = zone->pages_min;

    (void)state;
    assert_int_equal(zone->present_pages, 4096);
    assert_int_equal(zone->spanned_pages, 5120);
    assert_false(frame_exists(m, 4096));
    assert_int_equal(online_pages(m, 4096, 512), MM_OK);
    assert_true(frame_exists(m, 4096));
    assert_false(frame_exists(m, 4608));
    assert_int_equal(zone->present_pages, 4608);
    assert_int_equal(m->nodes[0]->node_present_pages, 4608);
    assert_int_equal(zone_page_state_exact(zone, NR_FREE_PAGES), free + 512);
    /* min is a share of all memory that is not high: all there is. */
    assert_int_equal(zone->pages_min, min);
    assert_int_equal(m->vm_total_pages, 4608 - zone->pages_high);
    expect_whole();
    assert_int_equal(online_pages(m, 4096, 512), MM_INVAL);
    assert_int_equal(online_pages(m, 4608, 256), MM_INVAL);
    assert_int_equal(online_pages(m, 8192, 512), MM_INVAL);
    assert_int_equal(online_pages(m, 4608, 1024), MM_INVAL);
}

static void a_zones_first_frames_bring_it_into_the_zonelists(void **state) {
    struct zone *movable = &m->nodes[0]->node_zones[ZONE_MOVABLE];
    struct page *page;

    (void)state;
    assert_false(populated_zone(movable));
    assert_ptr_equal(gfp_zonelist(m, GFP_HIGHUSER_MOVABLE)->zones[0], zone);
    assert_int_equal(m->nodes[0]->nr_zones, ZONE_NORMAL + 1);
    assert_int_equal(online_pages(m, 5120, 512), MM_OK);
    assert_int_equal(m->nodes[0]->nr_zones, ZONE_MOVABLE + 1);
    page = alloc_pages(m, GFP_HIGHUSER_MOVABLE, 0);
    assert_ptr_equal(page_zone(m, page), movable);
    put_page(m, page);
    assert_true(zone->lowmem_reserve[ZONE_MOVABLE] > 0);
    expect_whole();
    /* Were it only for its type it could go; but then the zone would be empty. */
    lock_acquire(m->platform, &movable->lock);
    set_pageblock_migratetype(movable, pfn_to_page(m, 5120), MIGRATE_MOVABLE);
    move_freepages_block(movable, pfn_to_page(m, 5120), MIGRATE_MOVABLE);
    lock_release(m->platform, &movable->lock);
    assert_int_equal(offline_pages(m, 5120, 512), MM_BUSY);
}

static void the_part_of_a_free_block_that_lies_outside_stays(void **state) {
    long free = zone_page_state_exact(zone, NR_FREE_PAGES);

    (void)state;
    /* Free blocks are of 1024 frames: the range is the second half of one, then the first half of another. */
    assert_true(buddy_order(zone, 1024) == 10);
    assert_int_equal(offline_pages(m, 1536, 512), MM_OK);
    assert_int_equal(zone_page_state_exact(zone, NR_FREE_PAGES), free - 512);
    assert_true(buddy_order(zone, 1024) == 9);
    assert_int_equal(offline_pages(m, 2048, 512), MM_OK);
    assert_int_equal(zone_page_state_exact(zone, NR_FREE_PAGES), free - 1024);
    assert_true(buddy_order(zone, 2560) == 9);
    expect_whole();
    assert_int_equal(online_pages(m, 1536, 512), MM_OK);
    assert_int_equal(online_pages(m, 2048, 512), MM_OK);
    assert_int_equal(zone_page_state_exact(zone, NR_FREE_PAGES), free);
}

static void the_per_cpu_lists_follow_the_zones_size(void **state) {
    struct tunables tune = m->tune;

    (void)state;
    tune.percpu_pagelist_fraction = 8;
    assert_int_equal(machine_tune(m, &tune), MM_OK);
    assert_int_equal(zone->pageset[0].pcp[PCP_HOT].high, 512);
    assert_int_equal(online_pages(m, 4096, 512), MM_OK);
    assert_int_equal(zone->pageset[0].pcp[PCP_HOT].high, 576);
}

static void offlining_moves_what_is_in_use_and_takes_the_frames(void **state) {
    uint32_t in_use = 0;

    (void)state;
    write_movable_pages(0, 2800);
    sim_cool(sim, 0, 300, false);
    sim_cool(sim, 300, 100, true);
    for (uint32_t i = 0; i < 4096 && !in_use; i += 512)
        for (uint32_t pfn = i; pfn < i + 512; pfn++)
            if (page_test(pfn_to_page(m, pfn), PG_lru) &&
                get_pageblock_migratetype(zone, pfn_to_page(m, pfn)) == MIGRATE_MOVABLE)
                in_use = i;
    assert_int_equal(offline_pages(m, in_use, 512), MM_OK);
    assert_true(atomic_load(&m->pages_migrated) > 0);
    for (uint32_t pfn = in_use; pfn < in_use + 512; pfn++)
        assert_false(frame_exists(m, pfn));
    assert_int_equal(zone->present_pages, 3584);
    expect_whole();
    expect_pages(sim, 0, 2800);
    assert_int_equal(offline_pages(m, in_use, 512), MM_INVAL);
    assert_int_equal(online_pages(m, in_use, 512), MM_OK);
    assert_int_equal(zone->present_pages, 4096);
    assert_int_equal(get_pageblock_migratetype(zone, pfn_to_page(m, in_use)), MIGRATE_MOVABLE);
    expect_whole();
}

static void a_range_with_a_page_that_cannot_move_stays_as_it_was(void **state) {
    struct page *page;
    uint32_t block;
    long free;

    (void)state;
    page = alloc_pages(m, GFP_HIGHUSER_MOVABLE, 0); /* on no list: nobody can move it */
    block = page_to_pfn(m, page) & ~511u;
    drain_all_local_pages(m);
    free = zone_page_state_exact(zone, NR_FREE_PAGES);
    assert_int_equal(get_pageblock_migratetype(zone, page), MIGRATE_MOVABLE);
    assert_int_equal(offline_pages(m, block, 512), MM_BUSY);
    assert_int_equal(zone->present_pages, 4096);
    assert_int_equal(get_pageblock_migratetype(zone, page), MIGRATE_MOVABLE);
    drain_all_local_pages(m);
    assert_int_equal(zone_page_state_exact(zone, NR_FREE_PAGES), free);
    expect_whole();
    put_page(m, page);
    assert_int_equal(offline_pages(m, block, 512), MM_OK);
}

static void blocks_that_are_not_movable_and_the_last_frames_stay(void **state) {
    (void)state;
    lock_acquire(m->platform, &zone->lock);
    set_pageblock_migratetype(zone, pfn_to_page(m, 2048), MIGRATE_UNMOVABLE);
    move_freepages_block(zone, pfn_to_page(m, 2048), MIGRATE_UNMOVABLE);
    lock_release(m->platform, &zone->lock);
    assert_int_equal(offline_pages(m, 1536, 1024), MM_BUSY);
    assert_int_equal(get_pageblock_migratetype(zone, pfn_to_page(m, 1536)), MIGRATE_MOVABLE);
    assert_int_equal(offline_pages(m, 0, 4096), MM_BUSY);
    assert_int_equal(offline_pages(m, 100, 512), MM_INVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        MOVING(frames_that_are_offline_at_boot_come_with_online_pages),
        MOVING(a_zones_first_frames_bring_it_into_the_zonelists),
        MOVING(the_part_of_a_free_block_that_lies_outside_stays),
        MOVING(the_per_cpu_lists_follow_the_zones_size),
        MOVING(offlining_moves_what_is_in_use_and_takes_the_frames),
        MOVING(a_range_with_a_page_that_cannot_move_stays_as_it_was),
        MOVING(blocks_that_are_not_movable_and_the_last_frames_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
