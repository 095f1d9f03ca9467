/* SPDX-License-Identifier: MIT */
/* Page faults, zaps and moves, on a simulated machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lru.h"
#include "mm/mlock.h"
#include "mm/mmap.h"
#include "mm/page_alloc.h"
#include "mm/page_table.h"
#include "mm/swap_state.h"
#include "mm/swapfile.h"
#include "mm/vmscan.h"
#include "sim/sim.h"

#define REGION 2048

static struct sim *boot(struct sim_device_config device) {
    const struct sim_config config = {
        .seed = 1,
        .ram_pages = 4096,
        .region_pages = REGION,
        .devices = {device},
    };
    struct sim *sim = sim_create(&config);

    sim_allow_kswapd(sim, false);
    sim_machine(sim)->tune.fault_around_max = 1;
    sim_map(sim, 0, REGION, VM_READ | VM_WRITE);
    return sim;
}

static struct sim *boot_plain(void) {
    return boot((struct sim_device_config){.nr_slots = 4096, .detects_clean = true});
}

static void finish(struct sim *sim) {
    sim_settle(sim);
    assert_null(sim_check(sim));
    sim_destroy(sim);
}

static enum fault_result fault(struct sim *sim, uint32_t page, unsigned *ret_pages) {
    struct mm *mm = sim_mm(sim);
    const struct platform *p = mm->machine->platform;
    enum fault_result result;
    unsigned type = 99;

    read_lock(p, &mm->mmap_lock);
    result = handle_mm_fault(mm, sim_address(page), true, ret_pages, &type);
    read_unlock(p, &mm->mmap_lock);
    assert_int_equal(type, result == FAULT_MAJOR ? 0 : 99);
    return result;
}

static void write_pages(struct sim *sim, uint32_t first, uint32_t nr) {
    for (uint64_t i = first; i < first + nr; i++)
        assert_int_equal(sim_write(sim, (uint32_t)i, 8, &i, sizeof(i)), SIM_OK);
}

static void expect_pages(struct sim *sim, uint32_t first, uint32_t nr) {
    for (uint64_t i = first; i < first + nr; i++) {
        uint64_t value = 0;

        assert_int_equal(sim_read(sim, (uint32_t)i, 8, &value, sizeof(value)), SIM_OK);
        assert_int_equal(value, i);
    }
}

static unsigned long event(struct sim *sim, unsigned item) {
    unsigned long events[NR_VM_EVENT_ITEMS];

    all_vm_events(sim_machine(sim), events);
    return events[item];
}

static void each_fault_says_what_it_was(void **state) {
    struct sim *sim = boot_plain();
    unsigned pages = 0;

    (void)state;
    assert_int_equal(fault(sim, 5, &pages), FAULT_MINOR);
    assert_int_equal(pages, 1);
    assert_int_equal(fault(sim, 5, &pages), FAULT_SPURIOUS);
    assert_int_equal(pages, 0);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 5, 1, false);
    assert_int_equal(fault(sim, 5, &pages), FAULT_SOFT);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 5, 1, true);
    assert_int_equal(fault(sim, 5, &pages), FAULT_MAJOR);
    assert_int_equal(pages, 1);
    assert_int_equal(event(sim, PGFAULT), 4);
    assert_int_equal(event(sim, PGMAJFAULT), 1);
    assert_int_equal(event(sim, PSWPIN), 1);
    assert_int_equal(event(sim, PSWPOUT), 1);
    finish(sim);
}

static void a_fault_where_nothing_is_mapped_is_left_to_the_program(void **state) {
    struct sim *sim = boot_plain();

    (void)state;
    sim_unmap(sim, 5, 1);
    assert_int_equal(fault(sim, 5, NULL), FAULT_SPURIOUS);
    assert_int_equal(handle_mm_fault(sim_mm(sim), SIM_BASE - PAGE_SIZE, true, NULL, NULL), FAULT_SPURIOUS);
    assert_int_equal(sim_mm(sim)->nr_rss, 0);
    finish(sim);
}

static void a_touched_parked_page_becomes_active(void **state) {
    struct sim *sim = boot_plain();

    (void)state;
    write_pages(sim, 0, 4);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 0, 4, false);
    assert_false(page_test(sim_page(sim, 2), PG_active));
    assert_int_equal(sim_mm(sim)->nr_parked, 4);
    expect_pages(sim, 2, 1);
    assert_true(page_test(sim_page(sim, 2), PG_active));
    assert_false(page_test(sim_page(sim, 3), PG_active));
    assert_int_equal(sim_mm(sim)->nr_parked, 3);
    finish(sim);
}

static void plenty_of_memory_gives_a_first_touch_its_chunk(void **state) {
    struct sim *sim = boot_plain();
    unsigned pages;

    (void)state;
    sim_machine(sim)->tune.fault_around_fresh = 16;
    assert_int_equal(fault(sim, 100, &pages), FAULT_MINOR);
    assert_int_equal(pages, 16);
    for (uint32_t i = 96; i < 112; i++)
        assert_non_null(sim_page(sim, i));
    assert_null(sim_page(sim, 95));
    assert_null(sim_page(sim, 112));
    /* Not over the edge of its area. */
    sim_map(sim, 203, 1, VM_READ | VM_WRITE | VM_NORESERVE);
    assert_int_equal(fault(sim, 200, &pages), FAULT_MINOR);
    assert_int_equal(pages, 203 - 192);
    finish(sim);
}

static void scarce_memory_gives_a_first_touch_one_page(void **state) {
    struct sim *sim = boot_plain();
    struct zone *zone = &sim_machine(sim)->nodes[0]->node_zones[ZONE_NORMAL];
    unsigned pages;

    (void)state;
    sim_machine(sim)->tune.fault_around_fresh = 16;
    zone->pages_high = zone_page_state(zone, NR_FREE_PAGES) - 8 * 16;
    assert_int_equal(fault(sim, 100, &pages), FAULT_MINOR);
    assert_int_equal(pages, 1);
    finish(sim);
}

static void a_stream_of_faults_widens_its_window(void **state) {
    struct sim *sim = boot_plain();
    unsigned pages, expected = 1;

    (void)state;
    write_pages(sim, 0, 256);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 0, 256, true);
    sim_machine(sim)->tune.fault_around_max = 32;
    /* The first fault begins a stream; each of the next doubles what is read. */
    for (uint32_t at = 0; at < 127; at += pages) {
        assert_int_equal(fault(sim, at, &pages), FAULT_MAJOR);
        assert_int_equal(pages, expected);
        expected = expected * 2 < 32 ? expected * 2 : 32;
    }
    /* Towards lower addresses as well; where a stream turns it starts small again. */
    assert_int_equal(fault(sim, 254, &pages), FAULT_MAJOR);
    assert_int_equal(pages, 1);
    assert_int_equal(fault(sim, 253, &pages), FAULT_MAJOR);
    assert_int_equal(pages, 2);
    assert_non_null(sim_page(sim, 252));
    sim_machine(sim)->tune.fault_around_max = 1;
    expect_pages(sim, 0, 256);
    finish(sim);
}

static void a_failed_read_poisons_the_page_and_keeps_its_neighbours(void **state) {
    struct sim *sim = boot((struct sim_device_config){.nr_slots = 4096, .read_error_permille = 1000});
    uint64_t value;

    (void)state;
    write_pages(sim, 0, 3);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 0, 3, true);
    assert_int_equal(fault(sim, 1, NULL), FAULT_SIGBUS);
    assert_int_equal(sim_pte(sim, 1) & (PTE_POISON | PTE_SWAP | PTE_PRESENT), PTE_POISON);
    assert_int_equal(fault(sim, 1, NULL), FAULT_SIGBUS);
    assert_int_equal(sim_read(sim, 1, 0, &value, sizeof(value)), SIM_SIGBUS);
    sim_inject(sim, false);
    expect_pages(sim, 0, 1);
    expect_pages(sim, 2, 1);
    assert_int_equal(sim_read(sim, 1, 0, &value, sizeof(value)), SIM_SIGBUS);
    /* The program can have the address anew. */
    sim_discard(sim, 1, 1);
    assert_int_equal(sim_read(sim, 1, 0, &value, sizeof(value)), SIM_OK);
    assert_int_equal(value, 0);
    finish(sim);
}

static void a_page_under_writeback_comes_back_without_a_read(void **state) {
    struct sim *sim = boot((struct sim_device_config){.nr_slots = 4096, .async = true, .latency_ns = 1000000});

    (void)state;
    write_pages(sim, 0, 8);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 0, 8, true);
    assert_true(sim_pte(sim, 3) & PTE_SWAP);
    assert_int_equal(fault(sim, 3, NULL), FAULT_SOFT);
    expect_pages(sim, 0, 8);
    assert_int_equal(sim_counts(sim).reads, 0);
    finish(sim);
}

static void a_clean_page_is_dropped_without_writing(void **state) {
    struct sim *sim = boot_plain();
    uint64_t value = 77;

    (void)state;
    write_pages(sim, 0, 8);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 0, 8, true);
    assert_int_equal(sim_counts(sim).writes, 8);
    expect_pages(sim, 0, 8);
    assert_int_equal(sim_write(sim, 3, 8, &value, sizeof(value)), SIM_OK);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 0, 8, true);
    assert_int_equal(sim_mm(sim)->nr_rss, 0);
    assert_int_equal(sim_counts(sim).writes, 9);
    expect_pages(sim, 4, 4);
    assert_int_equal(sim_read(sim, 3, 8, &value, sizeof(value)), SIM_OK);
    assert_int_equal(value, 77);
    finish(sim);
}

static void a_page_back_from_an_exclusive_area_gives_up_its_slot(void **state) {
    struct sim *sim = boot((struct sim_device_config){.nr_slots = 4096, .flags = SWP_EXCLUSIVE});

    (void)state;
    write_pages(sim, 0, 8);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 0, 8, true);
    assert_int_equal(swap_inuse(sim_machine(sim), 0), 8);
    expect_pages(sim, 0, 3);
    assert_int_equal(swap_inuse(sim_machine(sim), 0), 5);
    assert_int_equal(swap_cache_pages(sim_machine(sim)), 0);
    finish(sim);
}

static void a_zap_gives_back_frames_slots_and_tables(void **state) {
    struct sim *sim = boot_plain();
    struct machine *m = sim_machine(sim);
    struct zone *zone = &m->nodes[0]->node_zones[ZONE_NORMAL];
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
    finish(sim);
}

static void a_zap_leaves_what_is_outside_its_range(void **state) {
    struct sim *sim = boot_plain();
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
    finish(sim);
}

static void a_zapped_page_under_writeback_is_freed_in_the_end(void **state) {
    struct sim *sim = boot((struct sim_device_config){.nr_slots = 4096, .async = true, .latency_ns = 1000000});
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
    atomic_store(&m->nodes[0]->node_zones[ZONE_NORMAL].nr_scan_inactive, SWAP_CLUSTER_MAX);
    assert_int_equal(shrink_zone(0, &m->nodes[0]->node_zones[ZONE_NORMAL], &sc), 8);
    assert_int_equal(swap_cache_pages(m), 0);
    assert_int_equal(sim_read(sim, 2, 8, &value, sizeof(value)), SIM_OK);
    assert_int_equal(value, 5);
    finish(sim);
}

static void a_move_takes_pages_and_swap_entries_along(void **state) {
    struct sim *sim = boot((struct sim_device_config){.nr_slots = 4096, .async = true, .latency_ns = 1000000});
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
    finish(sim);
}

static void reclaim_leaves_a_still_range_alone(void **state) {
    struct sim *sim = boot_plain();
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
    finish(sim);
}

static void mincore_tells_resident_pages(void **state) {
    struct sim *sim = boot_plain();
    unsigned char vec[600];

    (void)state;
    write_pages(sim, 505, 12);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 505, 4, false);
    sim_cool(sim, 513, 4, true);
    mincore_range(sim_mm(sim), sim_address(1), sim_address(601), vec);
    for (uint32_t i = 0; i < 600; i++)
        assert_int_equal(vec[i], i + 1 >= 505 && i + 1 < 513);
    finish(sim);
}

static void populating_brings_everything_in(void **state) {
    struct sim *sim = boot_plain();

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
    finish(sim);
}

static void locked_pages_stay_until_they_are_unlocked(void **state) {
    struct sim *sim = boot_plain();

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
    finish(sim);
}

static void a_page_is_held_as_often_as_it_was_asked_for(void **state) {
    struct sim *sim = boot_plain();

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
    finish(sim);
}

static void a_destroyed_address_space_leaves_nothing_behind(void **state) {
    struct sim *sim = boot_plain();
    struct machine *m = sim_machine(sim);
    struct zone *zone = &m->nodes[0]->node_zones[ZONE_NORMAL];
    const struct platform *p = m->platform;
    long tables = zone_page_state_exact(zone, NR_PAGETABLE);
    struct mm *mm = mm_create(m, SIM_BASE, SIM_BASE + REGION * PAGE_SIZE);

    (void)state;
    assert_non_null(mm);
    assert_int_not_equal(mm->id, sim_mm(sim)->id);
    assert_null(mm_create(m, SIM_BASE + PAGE_SIZE, SIM_BASE + REGION * PAGE_SIZE));
    write_lock(p, &mm->mmap_lock);
    assert_int_equal(area_set_range(mm, SIM_BASE, SIM_BASE + REGION * PAGE_SIZE, VM_READ | VM_WRITE), MM_OK);
    write_unlock(p, &mm->mmap_lock);
    assert_non_null(block_get(mm, SIM_BASE));
    assert_non_null(block_get(mm, SIM_BASE + BLOCK_SIZE));
    assert_ptr_equal(find_block(mm, SIM_BASE + BLOCK_SIZE + 5), block_get(mm, SIM_BASE + BLOCK_SIZE));
    assert_null(find_block(mm, SIM_BASE + 2 * BLOCK_SIZE));
    mm_destroy(mm);
    assert_int_equal(zone_page_state_exact(zone, NR_PAGETABLE), tables);
    finish(sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_says_what_it_was),
        cmocka_unit_test(a_fault_where_nothing_is_mapped_is_left_to_the_program),
        cmocka_unit_test(a_touched_parked_page_becomes_active),
        cmocka_unit_test(plenty_of_memory_gives_a_first_touch_its_chunk),
        cmocka_unit_test(scarce_memory_gives_a_first_touch_one_page),
        cmocka_unit_test(a_stream_of_faults_widens_its_window),
        cmocka_unit_test(a_failed_read_poisons_the_page_and_keeps_its_neighbours),
        cmocka_unit_test(a_page_under_writeback_comes_back_without_a_read),
        cmocka_unit_test(a_clean_page_is_dropped_without_writing),
        cmocka_unit_test(a_page_back_from_an_exclusive_area_gives_up_its_slot),
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
