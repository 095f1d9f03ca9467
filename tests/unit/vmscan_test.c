/* SPDX-License-Identifier: MIT */
/* Reclaim from a program, on a simulated machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lru.h"
#include "mm/mmap.h"
#include "mm/page_alloc.h"
#include "mm/rmap.h"
#include "mm/swap_state.h"
#include "mm/swapfile.h"
#include "mm/vmscan.h"
#include "tests/unit/sim_pages.h"

static struct sim *boot(struct sim_device_config first, struct sim_device_config second) {
    const struct sim_config config = {
        .seed = 1,
        .ram_pages = 4096,
        .region_pages = 2048,
        .devices = {first, second},
    };
    struct sim *sim = sim_create(&config);

    sim_allow_kswapd(sim, false);
    sim_machine(sim)->tune.swappiness = 100;
    sim_map(sim, 0, 2048, VM_READ | VM_WRITE);
    return sim;
}

static void write_and_fold(struct sim *sim, uint32_t first, uint32_t nr) {
    write_pages(sim, first, nr);
    lru_add_drain(sim_machine(sim));
    refresh_vm_stats(sim_machine(sim));
}

/* One scan of nr pages of either list. */
static unsigned long scan(struct sim *sim, unsigned long nr_active, unsigned long nr_inactive, unsigned order) {
    struct zone *zone = normal_zone(sim);
    struct scan_control sc = {.gfp_mask = GFP_KERNEL,
                              .may_writepage = true,
                              .may_swap = true,
                              .swap_cluster_max = SWAP_CLUSTER_MAX,
                              .swappiness = 100,
                              .order = order};

    refresh_vm_stats(sim_machine(sim));
    /* Less than what makes a scan by itself, on the list that is to be left alone. */
    atomic_store(&zone->nr_scan_active, nr_active ? nr_active - 1 : 0);
    atomic_store(&zone->nr_scan_inactive, nr_inactive ? nr_inactive - 1 : 0);
    return shrink_zone(DEF_PRIORITY, zone, &sc);
}

static const struct sim_device_config plain = {.nr_slots = 4096, .detects_clean = true};
static const struct sim_device_config none;

static void cold_pages_are_parked_then_evicted(void **state) {
    struct sim *sim = boot(plain, none);

    (void)state;
    write_and_fold(sim, 0, 64);
    assert_int_equal(scan(sim, 32, 0, 0), 0);
    for (uint32_t i = 0; i < 64; i++)
        assert_int_equal(!!(sim_pte(sim, i) & PTE_PARKED), i < 32);
    assert_int_equal(scan(sim, 0, 32, 0), 32);
    for (uint32_t i = 0; i < 64; i++)
        assert_int_equal(!!(sim_pte(sim, i) & PTE_SWAP), i < 32);
    assert_int_equal(sim_counts(sim).discarded, 32);
    assert_int_equal(sim_mm(sim)->nr_swapped, 32);
    expect_pages(sim, 0, 64);
    sim_pages_finish(sim);
}

static void a_page_touched_since_it_was_parked_goes_back(void **state) {
    struct sim *sim = boot(plain, none);

    (void)state;
    write_and_fold(sim, 0, 64);
    scan(sim, 32, 0, 0);
    expect_pages(sim, 7, 1);
    assert_int_equal(scan(sim, 0, 32, 0), 31);
    assert_non_null(sim_page(sim, 7));
    sim_pages_finish(sim);
}

static void an_inactive_page_that_is_not_parked_counts_as_referenced(void **state) {
    struct sim *sim = boot(plain, none);
    struct machine *m = sim_machine(sim);
    struct page *page;

    (void)state;
    write_and_fold(sim, 0, 1);
    page = sim_page(sim, 0);
    assert_int_equal(page_referenced(m, page), 0); /* active */
    page_set(page, PG_referenced);
    assert_int_equal(page_referenced(m, page), 1);
    assert_false(page_test(page, PG_referenced));
    page_clear(page, PG_active);
    assert_int_equal(page_referenced(m, page), 1);
    page_set(page, PG_active);
    sim_cool(sim, 0, 1, false);
    assert_int_equal(page_referenced(m, page), 0);
    sim_pages_finish(sim);
}

static void a_cold_page_takes_its_block_along(void **state) {
    struct sim *sim = boot(plain, none);

    (void)state;
    write_and_fold(sim, 0, 600);
    assert_int_equal(sim_mlock(sim, 100, 1), MM_OK);
    page_set(sim_page(sim, 200), PG_referenced);
    sim_machine(sim)->tune.park_neighbours = 1;
    scan(sim, 32, 0, 0);
    for (uint32_t i = 0; i < 600; i++)
        assert_int_equal(!!(sim_pte(sim, i) & PTE_PARKED), i < 512 && i != 100 && i != 200);
    expect_pages(sim, 0, 600);
    sim_pages_finish(sim);
}

static void the_active_list_is_left_while_enough_is_inactive(void **state) {
    struct sim *sim = boot(plain, none);

    (void)state;
    write_and_fold(sim, 0, 200);
    sim_cool(sim, 0, 100, false);
    sim_machine(sim)->tune.inactive_percent = 50;
    scan(sim, 32, 0, 0);
    assert_int_equal(sim_mm(sim)->nr_parked, 100);
    sim_machine(sim)->tune.inactive_percent = 51;
    scan(sim, 32, 0, 0);
    assert_int_equal(sim_mm(sim)->nr_parked, 132);
    sim_pages_finish(sim);
}

static void pages_stay_active_where_there_is_no_swap(void **state) {
    struct sim *sim = boot(none, none);

    (void)state;
    write_and_fold(sim, 0, 64);
    scan(sim, 64, 0, 0);
    assert_int_equal(sim_mm(sim)->nr_parked, 0);
    sim_pages_finish(sim);
}

static void a_rejected_page_goes_to_the_next_area(void **state) {
    const struct sim_device_config pool = {.nr_slots = 4096, .prio = 2, .reject_permille = 1000};
    struct sim *sim = boot(pool, plain);

    (void)state;
    write_and_fold(sim, 0, 32);
    scan(sim, 32, 0, 0);
    assert_int_equal(scan(sim, 0, 32, 0), 32);
    assert_int_equal(sim_counts(sim).rejected, 32);
    assert_int_equal(swap_inuse(sim_machine(sim), 0), 0);
    assert_int_equal(swap_inuse(sim_machine(sim), 1), 32);
    expect_pages(sim, 0, 32);
    sim_pages_finish(sim);
}

static void a_page_that_no_area_takes_is_back_where_it_was(void **state) {
    const struct sim_device_config pool = {.nr_slots = 4096, .prio = 2, .reject_permille = 1000};
    struct sim *sim = boot(pool, none);

    (void)state;
    write_and_fold(sim, 0, 32);
    scan(sim, 32, 0, 0);
    assert_int_equal(scan(sim, 0, 32, 0), 0);
    assert_int_equal(swap_inuse(sim_machine(sim), 0), 0);
    for (uint32_t i = 0; i < 32; i++) {
        assert_int_equal(sim_pte(sim, i) & (PTE_PRESENT | PTE_PARKED), PTE_PRESENT | PTE_PARKED);
        assert_true(page_test(sim_page(sim, i), PG_active));
    }
    expect_pages(sim, 0, 32);
    sim_pages_finish(sim);
}

static void a_page_that_cannot_be_written_stays_in_memory(void **state) {
    struct sim_device_config broken = plain;

    (void)state;
    broken.write_error_permille = 1000;
    for (unsigned async = 0; async < 2; async++) {
        struct sim *sim;

        broken.async = async;
        broken.latency_ns = async ? 1000000 : 0;
        sim = boot(broken, none);
        write_and_fold(sim, 0, 32);
        scan(sim, 32, 0, 0);
        assert_int_equal(scan(sim, 0, 32, 0), 0);
        sim_settle(sim);
        assert_int_equal(scan(sim, 0, 32, 0), 0);
        assert_int_equal(swap_cache_pages(sim_machine(sim)), 32);
        expect_pages(sim, 0, 32);
        assert_int_equal(sim_counts(sim).reads, 0);
        sim_pages_finish(sim);
    }
}

static void a_written_page_is_freed_at_the_next_look(void **state) {
    struct sim_device_config slow = plain;
    struct sim *sim;

    (void)state;
    slow.async = true;
    slow.latency_ns = 1000000;
    sim = boot(slow, none);
    write_and_fold(sim, 0, 32);
    scan(sim, 32, 0, 0);
    assert_int_equal(scan(sim, 0, 32, 0), 0);
    assert_int_equal(zone_page_state_exact(normal_zone(sim), NR_WRITEBACK), 32);
    assert_int_equal(scan(sim, 0, 32, 0), 0);
    sim_settle(sim);
    assert_int_equal(zone_page_state_exact(normal_zone(sim), NR_WRITEBACK), 0);
    assert_int_equal(scan(sim, 0, 32, 0), 32);
    assert_int_equal(sim_counts(sim).writes, 32);
    expect_pages(sim, 0, 32);
    sim_pages_finish(sim);
}

/* A slot that a forked child reads as well: the parent's changed page goes elsewhere. */
static void a_slot_that_somebody_else_reads_is_not_written_again(void **state) {
    struct sim *sim = boot(plain, none);
    struct machine *m = sim_machine(sim);
    swp_entry_t shared = swp_entry(0, 1);
    uint64_t value = 99;

    (void)state;
    write_and_fold(sim, 0, 1);
    sim_cool(sim, 0, 1, true);
    assert_int_equal(sim_pte(sim, 0) >> PTE_PFN_SHIFT, shared.val);
    assert_int_equal(swap_duplicate(m, shared), MM_OK);
    expect_pages(sim, 0, 1);
    assert_int_equal(sim_write(sim, 0, 8, &value, sizeof(value)), SIM_OK);
    lru_add_drain(m);
    sim_cool(sim, 0, 1, true);
    assert_int_equal(sim_pte(sim, 0) & (PTE_SWAP | PTE_PRESENT), PTE_SWAP);
    assert_int_not_equal(sim_pte(sim, 0) >> PTE_PFN_SHIFT, shared.val);
    assert_int_equal(swap_count(m, shared), 1);
    assert_int_equal(sim_read(sim, 0, 8, &value, sizeof(value)), SIM_OK);
    assert_int_equal(value, 99);
    swap_free(m, shared);
    sim_pages_finish(sim);
}

static void direct_reclaim_returns_what_it_freed(void **state) {
    struct sim *sim = boot(plain, none);
    struct machine *m = sim_machine(sim);
    const struct zonelist *zonelist = gfp_zonelist(m, GFP_KERNEL);
    unsigned long events[NR_VM_EVENT_ITEMS], freed;

    (void)state;
    write_and_fold(sim, 0, 1000);
    sim_cool(sim, 0, 500, false);
    refresh_vm_stats(m);
    freed = try_to_free_pages(m, zonelist, 0, GFP_KERNEL);
    assert_true(freed >= SWAP_CLUSTER_MAX && freed < 500);
    assert_int_equal(sim_mm(sim)->nr_swapped, freed);
    all_vm_events(m, events);
    assert_int_equal(events[ALLOCSTALL], 1);
    assert_int_equal(events[PGSTEAL + ZONE_NORMAL], freed);
    assert_int_not_equal(atomic_load(&normal_zone(sim)->prev_priority), DEF_PRIORITY);
    m->tune.source_progress = true;
    assert_int_equal(try_to_free_pages(m, zonelist, 0, GFP_KERNEL), 1);
    sim_pages_finish(sim);
}

static void kswapd_is_woken_once_and_only_below_pages_low(void **state) {
    struct sim *sim = boot(plain, none);
    struct zone *zone = normal_zone(sim);
    struct pglist_data *node = zone->node;
    unsigned long low = zone->pages_low, high = zone->pages_high;

    (void)state;
    wakeup_kswapd(zone, 3);
    assert_int_equal(atomic_load(&node->kswapd_awake), 0);
    assert_int_equal(atomic_load(&node->kswapd_max_order), 0);
    zone->pages_low = zone->pages_high = zone_page_state(zone, NR_FREE_PAGES);
    wakeup_kswapd(zone, 3);
    wakeup_kswapd(zone, 1);
    assert_int_equal(atomic_load(&node->kswapd_awake), 1);
    assert_int_equal(atomic_load(&node->kswapd_max_order), 3);
    zone->pages_low = low;
    zone->pages_high = high;
    assert_false(kswapd_run(sim_machine(sim), 0));
    assert_int_equal(atomic_load(&node->kswapd_awake), 0);
    assert_int_equal(atomic_load(&node->kswapd_max_order), 0);
    sim_pages_finish(sim);
}

static void the_same_seed_gives_the_same_run(void **state) {
    uint64_t end[2];

    (void)state;
    for (unsigned run = 0; run < 2; run++) {
        struct sim_device_config slow = plain;
        struct sim *sim;

        slow.async = true;
        slow.latency_ns = 1000000;
        sim = boot(slow, none);
        write_and_fold(sim, 0, 200);
        sim_cool(sim, 0, 200, true);
        expect_pages(sim, 50, 100);
        sim_settle(sim);
        end[run] = sim_now(sim) ^ sim_random(sim, 1u << 31);
        sim_pages_finish(sim);
    }
    assert_int_equal(end[0], end[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cold_pages_are_parked_then_evicted),
        cmocka_unit_test(a_page_touched_since_it_was_parked_goes_back),
        cmocka_unit_test(an_inactive_page_that_is_not_parked_counts_as_referenced),
        cmocka_unit_test(a_cold_page_takes_its_block_along),
        cmocka_unit_test(the_active_list_is_left_while_enough_is_inactive),
        cmocka_unit_test(pages_stay_active_where_there_is_no_swap),
        cmocka_unit_test(a_rejected_page_goes_to_the_next_area),
        cmocka_unit_test(a_page_that_no_area_takes_is_back_where_it_was),
        cmocka_unit_test(a_page_that_cannot_be_written_stays_in_memory),
        cmocka_unit_test(a_written_page_is_freed_at_the_next_look),
        cmocka_unit_test(a_slot_that_somebody_else_reads_is_not_written_again),
        cmocka_unit_test(direct_reclaim_returns_what_it_freed),
        cmocka_unit_test(kswapd_is_woken_once_and_only_below_pages_low),
        cmocka_unit_test(the_same_seed_gives_the_same_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
