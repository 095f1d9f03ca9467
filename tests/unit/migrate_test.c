/* SPDX-License-Identifier: MIT */
/* Pages that move to other frames, one by one, by the pageblock, and out of a range that is to go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/buddy.h"
#include "mm/compaction.h"
#include "mm/filemap.h"
#include "mm/lru.h"
#include "mm/memory_hotplug.h"
#include "mm/migrate.h"
#include "mm/mmap.h"
#include "mm/page_alloc.h"
#include "mm/page_isolation.h"
#include "mm/pcp.h"
#include "mm/rmap.h"
#include "mm/swap_state.h"
#include "mm/watermark.h"
#include "sim/sim.h"

static const struct memory_range ranges[] = {
    {0, 4096, 0, ZONE_NORMAL}, {4096, 1024, 0, ZONE_NORMAL}, {5120, 512, 0, ZONE_MOVABLE}};
static const bool offline[] = {false, true, true};

static struct sim *sim;
static struct machine *m;
static struct zone *zone;

static int boot(void **state) {
    const struct sim_config config = {
        .seed = 1,
        .ranges = ranges,
        .nr_ranges = 3,
        .range_offline = offline,
        .nr_nodes = 1,
        .region_pages = 4096,
        .devices = {{.nr_slots = 8192, .detects_clean = true}},
    };

    (void)state;
    sim = sim_create(&config);
    sim_allow_kswapd(sim, false);
    m = sim_machine(sim);
    zone = &m->nodes[0]->node_zones[ZONE_NORMAL];
    sim_map(sim, 0, 4096, VM_READ | VM_WRITE);
    return 0;
}

static void assert_whole(void) {
    const char *wrong;

    sim_settle(sim);
    wrong = sim_check(sim);
    if (wrong)
        fail_msg("%s", wrong);
}

static int finish(void **state) {
    (void)state;
    assert_whole();
    sim_destroy(sim);
    return 0;
}

static void write_pages(uint32_t first, uint32_t nr) {
    for (uint32_t i = first; i < first + nr; i++) {
        uint64_t value = i + 1000;

        assert_int_equal(sim_write(sim, i, 8, &value, sizeof(value)), SIM_OK);
    }
    lru_add_drain_all(m);
    refresh_vm_stats(m);
}

static void assert_pages(uint32_t first, uint32_t nr) {
    for (uint32_t i = first; i < first + nr; i++) {
        uint64_t value = 0;

        assert_int_equal(sim_read(sim, i, 8, &value, sizeof(value)), SIM_OK);
        assert_int_equal(value, i + 1000);
    }
}

/* Moves an LRU page to a frame of the zone's end and puts it back. */
static enum mm_status move(struct page *old, struct page **ret_new) {
    struct page *new = alloc_pages(m, GFP_HIGHUSER_MOVABLE, 0);
    struct page_list list;
    enum mm_status status;

    assert_true(isolate_lru_page(m, old));
    status = migrate_page(m, old, new);
    page_list_init(&list);
    page_list_add(m, &list, status == MM_OK ? new : old);
    assert_int_equal(page_count(status == MM_OK ? old : new), 1);
    put_page(m, status == MM_OK ? old : new);
    putback_lru_pages(m, &list);
    *ret_new = new;
    return status;
}

static unsigned moves_told;

static void note_move(void *host, struct mm *mm, uintptr_t addr, struct page *from, struct page *to) {
    (void)host;
    assert_ptr_equal(mm, sim_mm(sim));
    assert_int_equal(addr, sim_address(0));
    assert_ptr_not_equal(from, to);
    moves_told++;
}

static void a_mapped_page_moves_with_its_entry_and_the_host_is_told(void **state) {
    struct page *old, *new;

    (void)state;
    write_pages(0, 1);
    old = sim_page(sim, 0);
    page_set(old, PG_referenced);
    moves_told = 0;
    ((struct platform *)m->platform)->move_frame = note_move;
    assert_int_equal(move(old, &new), MM_OK);
    assert_int_equal(moves_told, 1);
    assert_ptr_equal(sim_page(sim, 0), new);
    assert_true(page_test(new, PG_referenced));
    assert_true(page_test(new, PG_active));
    assert_int_equal(page_owner(new), page_owner_of(sim_mm(sim), sim_address(0)));
    assert_int_equal(page_count(old), 0);
    assert_whole();
    assert_pages(0, 1);
    assert_int_equal(atomic_load(&m->pages_migrated), 1);
}

static void a_parked_page_stays_parked(void **state) {
    struct page *new;

    (void)state;
    write_pages(0, 4);
    sim_cool(sim, 0, 4, false);
    assert_int_equal(move(sim_page(sim, 1), &new), MM_OK);
    assert_true(sim_pte(sim, 1) & PTE_PARKED);
    assert_false(page_test(new, PG_active));
    assert_whole();
    assert_pages(0, 4);
}

static void a_page_with_a_clean_copy_in_swap_keeps_it(void **state) {
    swp_entry_t entry;
    struct page *old, *new, *found;

    (void)state;
    write_pages(0, 1);
    sim_cool(sim, 0, 1, true);
    assert_pages(0, 1);
    old = sim_page(sim, 0);
    assert_true(page_test(old, PG_swapcache));
    entry.val = old->private;
    lru_add_drain_all(m);
    assert_int_equal(move(old, &new), MM_OK);
    assert_true(page_test(new, PG_swapcache));
    found = lookup_swap_cache(m, entry);
    assert_ptr_equal(found, new);
    put_page(m, found);
    assert_whole();
    sim_cool(sim, 0, 1, true);
    assert_int_equal(sim_counts(sim).writes, 1);
    assert_pages(0, 1);
}

/* Read ahead into the swap cache: nobody maps it, and its bytes are at page_address(). */
static void a_page_read_ahead_moves_with_its_bytes(void **state) {
    struct page *old, *new, *found;
    swp_entry_t entry;

    (void)state;
    write_pages(0, 1);
    sim_cool(sim, 0, 1, true);
    entry.val = (uint32_t)(sim_pte(sim, 0) >> PTE_PFN_SHIFT);
    assert_int_equal(swapin_readahead(m, entry, GFP_HIGHUSER_MOVABLE, &old), MM_OK);
    put_page(m, old);
    lru_add_drain_all(m);
    assert_false(page_mapped(old));
    assert_int_equal(move(old, &new), MM_OK);
    found = lookup_swap_cache(m, entry);
    assert_ptr_equal(found, new);
    put_page(m, found);
    assert_true(page_test(new, PG_uptodate));
    assert_true(page_in_arena(m, new));
    assert_pages(0, 1);
}

static void a_file_page_moves_dirty_as_it_is_and_its_mappings_go(void **state) {
    const struct sim_file_config config = {.nr_pages = 16};
    struct sim_file *file = sim_file_create(sim, &config);
    uint64_t value = 5;
    struct page *old, *new;

    (void)state;
    assert_int_equal(sim_file_touch(file, 3, 0, &value, sizeof(value), true), SIM_OK);
    lru_add_drain_all(m);
    old = find_get_page(sim_file_mapping(file), 3);
    put_page(m, old);
    /* Touched a moment ago: it is not torn away. */
    assert_int_equal(move(old, &new), MM_BUSY);
    sim_file_clear_accessed(file);
    /* Nor while the host keeps something at it. */
    page_set(old, PG_private);
    assert_int_equal(move(old, &new), MM_BUSY);
    page_clear(old, PG_private);
    /* Nor while somebody uses it. */
    get_page(old);
    assert_int_equal(move(old, &new), MM_BUSY);
    put_page(m, old);
    assert_ptr_equal(page_mapping(old), sim_file_mapping(file));
    assert_int_equal(move(old, &new), MM_OK);
    assert_false(page_mapped(new));
    assert_true(page_test(new, PG_dirty));
    assert_true(page_in_arena(m, old) && page_in_arena(m, new));
    assert_whole();
    value = 0;
    assert_int_equal(sim_file_read(file, 3, 0, &value, sizeof(value)), SIM_OK);
    assert_int_equal(value, 5);
    assert_int_equal(sim_file_counts(file).reads, 1);
    sim_file_destroy(file);
}

static void held_locked_and_known_pages_do_not_move(void **state) {
    struct page *page, *new;

    (void)state;
    write_pages(0, 3);
    assert_int_equal(sim_hold(sim, 0), MM_OK);
    assert_int_equal(move(sim_page(sim, 0), &new), MM_BUSY);
    sim_release(sim, 0);
    page = sim_page(sim, 1);
    lock_page(m, page);
    assert_int_equal(move(page, &new), MM_BUSY);
    unlock_page(m, page);
    get_page(page);
    assert_int_equal(move(page, &new), MM_BUSY);
    put_page_testzero(page);
    mm_still(sim_mm(sim), sim_address(0), sim_address(512));
    assert_int_equal(move(page, &new), MM_BUSY);
    mm_still_end(sim_mm(sim));
    /* Locked in memory is not locked in place. */
    assert_int_equal(sim_mlock(sim, 2, 1), MM_OK);
    assert_int_equal(move(sim_page(sim, 2), &new), MM_OK);
    assert_true(sim_pte(sim, 2) & PTE_LOCKED);
    assert_pages(0, 3);
}

/* -- a program's memory, compacted. -- */

static void compaction_makes_a_block_of_a_programs_scattered_memory(void **state) {
    (void)state;
    write_pages(0, 3000);
    for (uint32_t i = 0; i < 3000; i += 2)
        sim_discard(sim, i, 1);
    drain_all_local_pages(m);
    refresh_vm_stats(m);
    while (nr_free_at_least(zone, 8))
        assert_non_null(
            get_page_from_freelist(m, GFP_HIGHUSER_MOVABLE, 8, gfp_zonelist(m, GFP_KERNEL), ALLOC_NO_WATERMARKS));
    assert_int_equal(compact_zone(zone, 8), COMPACT_PARTIAL);
    assert_true(nr_free_at_least(zone, 8));
    assert_whole();
    for (uint32_t i = 1; i < 3000; i += 2)
        assert_pages(i, 1);
}

/* -- hot-plug. -- */

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
    assert_whole();
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
    assert_whole();
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
    assert_whole();
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
    write_pages(0, 2800);
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
    assert_whole();
    assert_pages(0, 2800);
    assert_int_equal(offline_pages(m, in_use, 512), MM_INVAL);
    assert_int_equal(online_pages(m, in_use, 512), MM_OK);
    assert_int_equal(zone->present_pages, 4096);
    assert_int_equal(get_pageblock_migratetype(zone, pfn_to_page(m, in_use)), MIGRATE_MOVABLE);
    assert_whole();
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
    assert_whole();
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

#define MIGRATE(test) cmocka_unit_test_setup_teardown(test, boot, finish)

int main(void) {
    const struct CMUnitTest tests[] = {
        MIGRATE(a_mapped_page_moves_with_its_entry_and_the_host_is_told),
        MIGRATE(a_parked_page_stays_parked),
        MIGRATE(a_page_with_a_clean_copy_in_swap_keeps_it),
        MIGRATE(a_page_read_ahead_moves_with_its_bytes),
        MIGRATE(a_file_page_moves_dirty_as_it_is_and_its_mappings_go),
        MIGRATE(held_locked_and_known_pages_do_not_move),
        MIGRATE(compaction_makes_a_block_of_a_programs_scattered_memory),
        MIGRATE(frames_that_are_offline_at_boot_come_with_online_pages),
        MIGRATE(a_zones_first_frames_bring_it_into_the_zonelists),
        MIGRATE(the_part_of_a_free_block_that_lies_outside_stays),
        MIGRATE(the_per_cpu_lists_follow_the_zones_size),
        MIGRATE(offlining_moves_what_is_in_use_and_takes_the_frames),
        MIGRATE(a_range_with_a_page_that_cannot_move_stays_as_it_was),
        MIGRATE(blocks_that_are_not_movable_and_the_last_frames_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
