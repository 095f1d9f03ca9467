/* SPDX-License-Identifier: MIT */
/* Faults, holds and reclaim where something happens in between, on a simulated machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lock.h"
#include "mm/lru.h"
#include "mm/mmap.h"
#include "mm/page_alloc.h"
#include "mm/page_list.h"
#include "mm/page_table.h"
#include "mm/park.h"
#include "mm/rmap.h"
#include "mm/swap_area.h"
#include "mm/swap_state.h"
#include "mm/swapfile.h"
#include "tests/unit/sim_pages.h"

static unsigned pages_of_fault(struct sim *sim, uint32_t page) {
    struct mm *mm = sim_mm(sim);
    const struct platform *p = mm->machine->platform;
    unsigned pages = 0;

    read_lock(p, &mm->mmap_lock);
    handle_mm_fault(mm, sim_address(page), true, &pages, NULL);
    read_unlock(p, &mm->mmap_lock);
    return pages;
}

static void evict(struct sim *sim, void *arg) {
    (void)arg;
    for (unsigned i = 0; i < 2000; i++) {
        lru_add_drain_all(sim_machine(sim));
        sim_cool(sim, 0, 8, true);
    }
}

/* Whoever holds a page looks again where reclaim has been faster. */
static void a_hold_is_got_against_a_reclaim_that_never_rests(void **state) {
    const struct sim_config config = {.seed = 7,
                                      .ram_pages = 4096,
                                      .region_pages = 512,
                                      .switch_permille = 300,
                                      .devices = {{.nr_slots = 64, .detects_clean = true}}};
    struct sim *sim = sim_create(&config);

    (void)state;
    sim_map(sim, 0, 8, VM_READ | VM_WRITE);
    write_pages(sim, 0, 8);
    sim_spawn(sim, evict, NULL);
    for (unsigned i = 0; i < 400; i++) {
        assert_int_equal(sim_hold(sim, i % 8), MM_OK);
        assert_true(sim_pte(sim, i % 8) & PTE_HELD);
        sim_release(sim, i % 8);
    }
    sim_join(sim);
    expect_pages(sim, 0, 8);
    sim_pages_finish(sim);
}

/* A page that the program has given up while it was on its way out needs no write, though it is dirty. */
static void what_nobody_wants_any_more_is_not_written(void **state) {
    struct sim *sim = sim_pages_boot((struct sim_device_config){.nr_slots = 4096, .write_error_permille = 1000});
    struct machine *m = sim_machine(sim);
    struct scan_control sc = full_scan_control();
    struct page_list list;
    struct page *page;
    unsigned long writes;

    (void)state;
    write_listed_pages(sim, 1);
    page = sim_page(sim, 0);
    sim_cool(sim, 0, 1, true);
    assert_true(page_test(page, PG_dirty) && page_test(page, PG_swapcache) && !page_mapped(page));
    writes = sim_counts(sim).writes;
    /* Locked, it cannot go with its entry. */
    lock_page(m, page);
    sim_discard(sim, 0, 1);
    unlock_page(m, page);
    lru_add_drain_all(m);
    page_list_init(&list);
    assert_true(isolate_lru_page(m, page));
    page_clear(page, PG_active);
    page_list_add(m, &list, page);
    assert_int_equal(shrink_page_list(m, &list, &sc), 1);
    assert_int_equal(sim_counts(sim).writes, writes);
    assert_int_equal(swap_inuse(m, 0), 0);
    sim_pages_finish(sim);
}

/* Its slot changes all the same, and no entry does. */
static void a_page_without_owner_has_no_entry_to_change(void **state) {
    struct sim *sim = sim_pages_boot_plain();
    struct machine *m = sim_machine(sim);
    swp_entry_t old = get_swap_page(m), new = get_swap_page(m);
    struct page *page = alloc_pages(m, GFP_KERNEL, 0);

    (void)state;
    rmap_change_entry(m, page, old, new);
    assert_int_equal(swap_count(m, old), 1);
    assert_int_equal(swap_count(m, new), 1);
    swap_free(m, old);
    swap_free(m, new);
    __free_pages(m, page, 0);
    sim_pages_finish(sim);
}

static void each_first_touch_counts_the_pages_that_it_got(void **state) {
    const struct sim_config config = {
        .seed = 1, .ram_pages = 4096, .region_pages = SIM_PAGES_REGION, .short_permille = 600};
    struct sim *sim = sim_create(&config);
    unsigned nr_fresh = 0;

    (void)state;
    sim_machine(sim)->tune.fault_around_fresh = 8;
    sim_machine(sim)->tune.fault_around_max = 32;
    sim_map(sim, 0, SIM_PAGES_REGION, VM_READ | VM_WRITE);
    for (uint32_t page = 3; page < SIM_PAGES_REGION; page += 5)
        nr_fresh += pages_of_fault(sim, page);
    assert_int_equal(nr_fresh, sim_mm(sim)->nr_rss);
    sim_pages_finish(sim);
}

/* Given up by the program after it has left its list, before it is parked. */
static void a_page_without_owner_is_not_parked(void **state) {
    struct sim *sim = sim_pages_boot_plain();
    struct machine *m = sim_machine(sim);
    struct page_list list, cold;
    struct page *page;

    (void)state;
    write_listed_pages(sim, 1);
    page = sim_page(sim, 0);
    page_list_init(&list);
    page_list_init(&cold);
    assert_true(isolate_lru_page(m, page));
    page_list_add(m, &list, page);
    sim_discard(sim, 0, 1);
    assert_int_equal(park_pages(m, &list, &cold, false), 0);
    assert_true(page_list_empty(&list));
    assert_ptr_equal(list_page(m, cold.head), page);
    assert_int_equal(sim_counts(sim).parked, 0);
    page_clear(page, PG_active);
    putback_lru_pages(m, &cold);
    sim_pages_finish(sim);
}

/* Somebody who has read the entry before its slot was freed is about to find out. */
static void a_slot_whose_entry_is_still_in_the_cache_is_passed_over(void **state) {
    struct sim *sim = sim_pages_boot_plain();
    struct machine *m = sim_machine(sim);
    struct swap_info *area = &m->swap_areas[0];
    struct page *late = alloc_pages(m, GFP_KERNEL, 0);
    swp_entry_t entry = get_swap_page(m);

    (void)state;
    write_listed_pages(sim, 1);
    assert_int_equal(add_to_swap_cache(m, late, entry, GFP_KERNEL), MM_OK);
    swap_free(m, entry);
    area->cluster_next = swp_offset(entry);
    lock_page(m, sim_page(sim, 0));
    assert_true(add_to_swap(m, sim_page(sim, 0)));
    unlock_page(m, sim_page(sim, 0));
    assert_int_equal(sim_page(sim, 0)->private, entry.val + 1);
    assert_int_equal(swap_count(m, entry), 0);
    area->cluster_next = swp_offset(entry);
    assert_int_equal(get_swap_page(m).val, entry.val);
    delete_from_swap_cache(m, late);
    __free_pages(m, late, 0);
    sim_pages_finish(sim);
}

static void walk_for_a_while(struct sim *sim, void *arg) {
    atomic_fetch_add(&sim_machine(sim)->rmap_walkers, 1);
    sim_sleep(sim, 5000);
    *(bool *)arg = true;
    atomic_fetch_sub(&sim_machine(sim)->rmap_walkers, 1);
}

static void an_address_space_goes_when_nobody_walks_to_its_pages(void **state) {
    struct sim *sim = sim_pages_boot_plain();
    struct mm *mm = mm_create(sim_machine(sim), SIM_BASE, SIM_BASE + BLOCK_SIZE);
    bool done = false;

    (void)state;
    sim_spawn(sim, walk_for_a_while, &done);
    while (atomic_load(&sim_machine(sim)->rmap_walkers) == 0)
        sim_sleep(sim, 10);
    mm_destroy(mm);
    assert_true(done);
    sim_join(sim);
    sim_pages_finish(sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_first_touch_counts_the_pages_that_it_got),
        cmocka_unit_test(a_page_without_owner_is_not_parked),
        cmocka_unit_test(a_slot_whose_entry_is_still_in_the_cache_is_passed_over),
        cmocka_unit_test(an_address_space_goes_when_nobody_walks_to_its_pages),
        cmocka_unit_test(a_hold_is_got_against_a_reclaim_that_never_rests),
        cmocka_unit_test(what_nobody_wants_any_more_is_not_written),
        cmocka_unit_test(a_page_without_owner_has_no_entry_to_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
