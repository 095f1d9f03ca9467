/* SPDX-License-Identifier: MIT */
/* Clean file pages in reclaim: sections 9 and 10.2 of the specification, on a simulated machine with a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lru.h"
#include "mm/rmap.h"
#include "tests/spec/file_machine.h"

static void a_file_page_enters_inactive_and_a_second_read_activates_it(void **state) {
    (void)state;
    read_word(3);
    lru_add_drain_all(m);
    assert_false(page_test(page_at(3), PG_active));
    /* The first read counted while the page was in its pagevec. */
    assert_true(page_test(page_at(3), PG_referenced));
    assert_int_equal(zone_page_state_exact(normal_zone(sim), NR_FILE_PAGES), 1);
    read_word(3);
    assert_true(page_test(page_at(3), PG_active));
    assert_false(page_test(page_at(3), PG_referenced));
    assert_int_equal(sim_file_counts(file).reads, 1);
}

static void an_unmapped_page_becomes_inactive_without_a_look_at_its_referenced_bit(void **state) {
    struct scan_control sc = full_scan_control();

    (void)state;
    for (uint32_t i = 0; i < 32; i++)
        read_word(i);
    lru_add_drain_all(m);
    for (uint32_t i = 0; i < 32; i++)
        read_word(i), read_word(i);
    refresh_vm_stats(m);
    assert_int_equal(zone_page_state(normal_zone(sim), NR_ACTIVE), 32);
    assert_true(page_test(page_at(0), PG_referenced));
    sc.may_swap = false;
    atomic_store(&normal_zone(sim)->nr_scan_active, SWAP_CLUSTER_MAX);
    atomic_store(&normal_zone(sim)->nr_scan_inactive, 0);
    shrink_zone(DEF_PRIORITY, normal_zone(sim), &sc);
    assert_false(page_test(page_at(0), PG_active));
    assert_true(page_test(page_at(0), PG_referenced));
    assert_int_equal(vm_event(sim, PGDEACTIVATE), 32);
}

static void a_clean_unmapped_page_is_freed_at_first_sight_even_if_referenced(void **state) {
    struct scan_control sc = full_scan_control();

    (void)state;
    read_word(0);
    assert_true(page_test(page_at(0), PG_referenced));
    assert_int_equal(shrink_one(page_at(0), &sc), 1);
    assert_null(page_at(0));
    assert_int_equal(sc.nr_scanned, 1);
}

static void a_referenced_page_of_a_mapped_file_is_activated(void **state) {
    struct scan_control sc = full_scan_control();

    (void)state;
    read_word(0);
    atomic_store(&sim_file_mapping(file)->nr_mmaps, 1);
    assert_int_equal(shrink_one(page_at(0), &sc), 0);
    assert_true(page_test(page_at(0), PG_active));
    /* With nothing more to say for it, it goes. */
    assert_int_equal(shrink_one(page_at(0), &sc), 1);
}

static void a_costly_order_takes_referenced_pages_too(void **state) {
    struct scan_control sc = full_scan_control();

    (void)state;
    read_word(0);
    atomic_store(&sim_file_mapping(file)->nr_mmaps, 1);
    sc.order = PAGE_ALLOC_COSTLY_ORDER + 1;
    assert_int_equal(shrink_one(page_at(0), &sc), 1);
}

static void a_mapped_page_stays_where_mapped_pages_are_skipped(void **state) {
    struct scan_control sc = full_scan_control();

    (void)state;
    touch(0);
    sim_file_clear_accessed(file);
    sc.may_swap = false;
    assert_int_equal(shrink_one(page_at(0), &sc), 0);
    assert_false(page_test(page_at(0), PG_active));
    assert_int_equal(zone_page_state_exact(normal_zone(sim), NR_FILE_MAPPED), 1);
    sc.may_swap = true;
    sc.nr_scanned = 0;
    assert_int_equal(shrink_one(page_at(0), &sc), 1);
    /* A mapped page counts twice for the caches' share. */
    assert_int_equal(sc.nr_scanned, 2);
    assert_int_equal(zone_page_state_exact(normal_zone(sim), NR_FILE_MAPPED), 0);
}

static void a_mapped_page_touched_again_is_activated(void **state) {
    struct scan_control sc = full_scan_control();

    (void)state;
    touch(0);
    assert_int_equal(shrink_one(page_at(0), &sc), 0);
    assert_true(page_test(page_at(0), PG_active));
    assert_int_equal(vm_event(sim, PGACTIVATE), 1);
    /* The same where the order is costly, and only the unmapping finds out. */
    touch(0);
    sc.order = PAGE_ALLOC_COSTLY_ORDER + 1;
    sim_file_mapping(file);
    page_clear(page_at(0), PG_referenced);
    assert_int_equal(shrink_one(page_at(0), &sc), 1);
}

/* Unlike an anonymous page, which needs somewhere to go. */
static void without_swap_mapped_file_pages_are_deactivated_and_mapped_anonymous_ones_not(void **state) {
    struct scan_control sc = full_scan_control();

    (void)state;
    for (uint32_t i = 0; i < 32; i++) {
        touch(i);
        lru_add_drain_all(m);
        activate_page(m, page_at(i));
    }
    sim_file_clear_accessed(file);
    refresh_vm_stats(m);
    sc.swappiness = 100;
    atomic_store(&normal_zone(sim)->nr_scan_active, SWAP_CLUSTER_MAX);
    shrink_zone(DEF_PRIORITY, normal_zone(sim), &sc);
    assert_int_equal(vm_event(sim, PGDEACTIVATE), 32);
}

static void a_file_page_that_somebody_has_locked_counts_as_referenced(void **state) {
    (void)state;
    read_word(0);
    page_clear(page_at(0), PG_referenced);
    assert_int_equal(page_referenced_unlocked(m, page_at(0)), 0);
    lock_page(m, page_at(0));
    assert_int_equal(page_referenced_unlocked(m, page_at(0)), 1);
    unlock_page(m, page_at(0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FAST(a_file_page_enters_inactive_and_a_second_read_activates_it),
        FAST(an_unmapped_page_becomes_inactive_without_a_look_at_its_referenced_bit),
        FAST(a_clean_unmapped_page_is_freed_at_first_sight_even_if_referenced),
        FAST(a_referenced_page_of_a_mapped_file_is_activated),
        FAST(a_costly_order_takes_referenced_pages_too),
        FAST(a_mapped_page_stays_where_mapped_pages_are_skipped),
        FAST(a_mapped_page_touched_again_is_activated),
        FAST(without_swap_mapped_file_pages_are_deactivated_and_mapped_anonymous_ones_not),
        FAST(a_file_page_that_somebody_has_locked_counts_as_referenced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
