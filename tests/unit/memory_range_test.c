/* SPDX-License-Identifier: MIT */
/* What is done to a range of a program's pages: zaps, moves, locks and the like, on a simulated machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lru.h"
#include "mm/mlock.h"
#include "mm/mmap.h"
#include "mm/page_table.h"
#include "mm/swap_state.h"
#include "mm/swapfile.h"
#include "tests/unit/sim_pages.h"

static void a_zap_gives_back_frames_slots_and_tables(void **state) {
    struct sim *sim = sim_pages_boot_plain();
    struct machine *m = sim_machine(sim);
    struct zone *zone = normal_zone(sim);
    long tables;

    (void)state;
    write_pages(sim, 512, 1);
    sim_discard(sim, 512, 1);
    tables = zone_page_state_exact(zone, NR_PAGETABLE);
    write_pages(sim, 0, 512);
    assert_int_equal(zone_page_state_exact(zone, NR_PAGETABLE), tables + 1);
    lru_add_drain(m);
    sim_cool(sim, 0, 100, false);
    sim_cool(sim, 200, 100, true);
    expect_pages(sim, 250, 20); /* with a copy in swap */
    lru_add_drain(m);
    sim_discard(sim, 0, 512);
    assert_int_equal(zone_page_state_exact(zone, NR_PAGETABLE), tables);
    assert_int_equal(zone_page_state_exact(zone, NR_ANON_PAGES), 0);
    assert_int_equal(swap_inuse(m, 0), 0);
    assert_int_equal(sim_mm(sim)->nr_rss + sim_mm(sim)->nr_swapped + sim_mm(sim)->nr_parked, 0);
    sim_pages_finish(sim);
}

static void a_zap_leaves_what_is_outside_its_range(void **state) {
    struct sim *sim = sim_pages_boot_plain();
    uint64_t value = 1;

    (void)state;
    write_pages(sim, 500, 30); /* over the end of a block */
    sim_discard(sim, 505, 20);
    expect_pages(sim, 500, 5);
    expect_pages(sim, 525, 5);
    for (uint32_t i = 505; i < 525; i++) {
        assert_int_equal(sim_read(sim, i, 8, &value, sizeof(value)), SIM_OK);
        assert_int_equal(value, 0);
    }
    sim_pages_finish(sim);
}

static void a_zapped_page_under_writeback_is_freed_in_the_end(void **state) {
    struct sim *sim =
        sim_pages_boot((struct sim_device_config){.nr_slots = 4096, .async = true, .latency_ns = 1000000});
    struct machine *m = sim_machine(sim);
    struct scan_control sc = {.gfp_mask = GFP_KERNEL, .may_writepage = true, .swap_cluster_max = SWAP_CLUSTER_MAX};
    uint64_t value = 5;

    (void)state;
    write_pages(sim, 0, 8);
    lru_add_drain(m);
    sim_cool(sim, 0, 8, true);
    assert_int_equal(swap_cache_pages(m), 8);
    sim_discard(sim, 0, 8);
    assert_int_equal(sim_write(sim, 2, 8, &value, sizeof(value)), SIM_OK);
    sim_settle(sim);
    assert_int_equal(swap_cache_pages(m), 8);
    /* Nobody wants them: the next look at the list frees them. */
    lru_add_drain(m);
    refresh_vm_stats(m);
    atomic_store(&normal_zone(sim)->nr_scan_inactive, SWAP_CLUSTER_MAX);
    assert_int_equal(shrink_zone(0, normal_zone(sim), &sc), 8);
    assert_int_equal(swap_cache_pages(m), 0);
    assert_int_equal(sim_read(sim, 2, 8, &value, sizeof(value)), SIM_OK);
    assert_int_equal(value, 5);
    sim_pages_finish(sim);
}

static void a_move_takes_pages_and_swap_entries_along(void **state) {
    struct sim *sim =
        sim_pages_boot((struct sim_device_config){.nr_slots = 4096, .async = true, .latency_ns = 1000000});
    uint64_t value;

    (void)state;
    write_pages(sim, 500, 40);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 500, 10, true);
    sim_settle(sim);
    sim_cool(sim, 510, 10, true); /* under way */
    sim_cool(sim, 520, 10, false);
    assert_int_equal(sim_hold(sim, 539), MM_OK);
    assert_int_equal(sim_hold(sim, 539), MM_OK);
    assert_int_equal(sim_move(sim, 500, 1001, 40), MM_OK);
    for (uint64_t i = 0; i < 40; i++) {
        assert_int_equal(sim_pte(sim, (uint32_t)(500 + i)), 0);
        assert_int_equal(sim_read(sim, (uint32_t)(1001 + i), 8, &value, sizeof(value)), SIM_OK);
        assert_int_equal(value, 500 + i);
    }
    sim_release(sim, 1040);
    assert_true(sim_pte(sim, 1040) & PTE_HELD);
    sim_release(sim, 1040);
    assert_false(sim_pte(sim, 1040) & PTE_HELD);
    sim_pages_finish(sim);
}

static void reclaim_leaves_a_still_range_alone(void **state) {
    struct sim *sim = sim_pages_boot_plain();
    struct mm *mm = sim_mm(sim);

    (void)state;
    write_pages(sim, 0, 16);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 4, 4, false);
    mm_still(mm, sim_address(0), sim_address(8));
    sim_cool(sim, 0, 16, true);
    for (uint32_t i = 0; i < 8; i++)
        assert_non_null(sim_page(sim, i));
    assert_false(sim_pte(sim, 0) & PTE_PARKED);
    for (uint32_t i = 8; i < 16; i++)
        assert_true(sim_pte(sim, i) & PTE_SWAP);
    unpark_range(mm, sim_address(0), sim_address(8));
    assert_false(sim_pte(sim, 5) & PTE_PARKED);
    mm_still_end(mm);
    sim_cool(sim, 0, 8, true);
    assert_null(sim_page(sim, 0));
    expect_pages(sim, 0, 16);
    sim_pages_finish(sim);
}

static void mincore_tells_resident_pages(void **state) {
    struct sim *sim = sim_pages_boot_plain();
    unsigned char vec[600];

    (void)state;
    write_pages(sim, 505, 12);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 505, 4, false);
    sim_cool(sim, 513, 4, true);
    mincore_range(sim_mm(sim), sim_address(1), sim_address(601), vec);
    for (uint32_t i = 0; i < 600; i++)
        assert_int_equal(vec[i], i + 1 >= 505 && i + 1 < 513);
    sim_pages_finish(sim);
}

static void populating_brings_everything_in(void **state) {
    struct sim *sim = sim_pages_boot_plain();

    (void)state;
    write_pages(sim, 0, 16);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 0, 8, false);
    sim_cool(sim, 8, 4, true);
    assert_int_equal(populate_range(sim_mm(sim), sim_address(0), sim_address(600)), MM_OK);
    assert_int_equal(sim_mm(sim)->nr_rss, 600);
    assert_int_equal(sim_mm(sim)->nr_parked, 0);
    expect_pages(sim, 0, 16);
    sim_unmap(sim, 300, 1);
    assert_int_equal(populate_range(sim_mm(sim), sim_address(0), sim_address(600)), MM_FAULT);
    sim_pages_finish(sim);
}

static void locked_pages_stay_until_they_are_unlocked(void **state) {
    struct sim *sim = sim_pages_boot_plain();

    (void)state;
    write_pages(sim, 0, 16);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 0, 4, false);
    sim_cool(sim, 4, 4, true);
    assert_int_equal(sim_mlock(sim, 0, 20), MM_OK);
    assert_int_equal(sim_mm(sim)->nr_locked, 20);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 0, 20, true);
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(sim_pte(sim, i) & (PTE_PRESENT | PTE_PARKED | PTE_LOCKED), PTE_PRESENT | PTE_LOCKED);
    sim_munlock(sim, 0, 10);
    assert_int_equal(sim_mm(sim)->nr_locked, 10);
    sim_cool(sim, 0, 20, true);
    assert_null(sim_page(sim, 9));
    assert_non_null(sim_page(sim, 10));
    sim_discard(sim, 0, 20);
    assert_int_equal(sim_mm(sim)->nr_locked, 0);
    /* A page that comes into a locked area is locked. */
    write_pages(sim, 15, 1);
    assert_true(sim_pte(sim, 15) & PTE_LOCKED);
    sim_pages_finish(sim);
}

static void a_page_is_held_as_often_as_it_was_asked_for(void **state) {
    struct sim *sim = sim_pages_boot_plain();

    (void)state;
    write_pages(sim, 0, 1);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 0, 1, true);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(sim_hold(sim, 0), MM_OK);
    assert_int_equal(sim_mm(sim)->nr_locked, 1);
    lru_add_drain(sim_machine(sim));
    for (unsigned i = 0; i < 3; i++) {
        sim_cool(sim, 0, 1, true);
        assert_non_null(sim_page(sim, 0));
        assert_false(sim_pte(sim, 0) & PTE_PARKED);
        sim_release(sim, 0);
    }
    sim_release(sim, 0); /* one too many does no harm */
    assert_int_equal(sim_mm(sim)->nr_locked, 0);
    sim_cool(sim, 0, 1, true);
    assert_null(sim_page(sim, 0));
    expect_pages(sim, 0, 1);
    sim_pages_finish(sim);
}

static void a_destroyed_address_space_leaves_nothing_behind(void **state) {
    struct sim *sim = sim_pages_boot_plain();
    struct machine *m = sim_machine(sim);
    struct zone *zone = normal_zone(sim);
    const struct platform *p = m->platform;
    long tables = zone_page_state_exact(zone, NR_PAGETABLE);
    struct mm *mm = mm_create(m, SIM_BASE, SIM_BASE + SIM_PAGES_REGION * PAGE_SIZE);

    (void)state;
    assert_non_null(mm);
    assert_int_not_equal(mm->id, sim_mm(sim)->id);
    assert_null(mm_create(m, SIM_BASE + PAGE_SIZE, SIM_BASE + SIM_PAGES_REGION * PAGE_SIZE));
    write_lock(p, &mm->mmap_lock);
    assert_int_equal(area_set_range(mm, SIM_BASE, SIM_BASE + SIM_PAGES_REGION * PAGE_SIZE, VM_READ | VM_WRITE), MM_OK);
    write_unlock(p, &mm->mmap_lock);
    assert_non_null(block_get(mm, SIM_BASE));
    assert_non_null(block_get(mm, SIM_BASE + BLOCK_SIZE));
    assert_ptr_equal(find_block(mm, SIM_BASE + BLOCK_SIZE + 5), block_get(mm, SIM_BASE + BLOCK_SIZE));
    assert_null(find_block(mm, SIM_BASE + 2 * BLOCK_SIZE));
    mm_destroy(mm);
    assert_int_equal(zone_page_state_exact(zone, NR_PAGETABLE), tables);
    sim_pages_finish(sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zap_gives_back_frames_slots_and_tables),
        cmocka_unit_test(a_zap_leaves_what_is_outside_its_range),
        cmocka_unit_test(a_zapped_page_under_writeback_is_freed_in_the_end),
        cmocka_unit_test(a_move_takes_pages_and_swap_entries_along),
        cmocka_unit_test(reclaim_leaves_a_still_range_alone),
        cmocka_unit_test(mincore_tells_resident_pages),
        cmocka_unit_test(populating_brings_everything_in),
        cmocka_unit_test(locked_pages_stay_until_they_are_unlocked),
        cmocka_unit_test(a_page_is_held_as_often_as_it_was_asked_for),
        cmocka_unit_test(a_destroyed_address_space_leaves_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
