/* SPDX-License-Identifier: MIT */
/* Refault distance of pages in swap: the specification's section 18, on and off, with a simulated program. */
#include "tests/unit/sim_pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lru.h"
#include "mm/mmap.h"
#include "mm/page_alloc.h"
#include "mm/page_io.h"
#include "mm/page_list.h"
#include "mm/probation.h"
#include "mm/swap_state.h"
#include "mm/workingset.h"

static struct sim *sim;
static struct machine *m;
static struct zone *zone;

static int boot(void **state) {
    (void)state;
    sim = sim_pages_boot_plain();
    m = sim_machine(sim);
    zone = normal_zone(sim);
    m->tune.workingset_anon = 1;
    m->tune.page_cluster = 0;
    return 0;
}

static int finish(void **state) {
    (void)state;
    sim_unmap(sim, 0, SIM_PAGES_REGION);
    /* What is swapped nowhere has left nothing. */
    assert_int_equal(atomic_load(&m->nr_shadows), 0);
    assert_int_equal(swap_cache_shadows(m), 0);
    sim_pages_finish(sim);
    return 0;
}

static void evict(uint32_t first, uint32_t nr) {
    sim_cool(sim, first, nr, true);
    lru_add_drain_all(m);
    refresh_vm_stats(m);
}

static void touch(uint32_t page) {
    expect_pages(sim, page, 1);
    lru_add_drain_all(m);
    refresh_vm_stats(m);
}

static bool is_active(uint32_t page) {
    return page_test(sim_page(sim, page), PG_active);
}

/* What reclaim does to a page at the end of the inactive list. Is it still in memory? */
static bool survives_a_round(uint32_t index) {
    struct scan_control sc = full_scan_control();
    struct page *page = sim_page(sim, index);
    struct page_list list, again;

    page_list_init(&list);
    page_list_init(&again);
    assert_true(isolate_lru_page(m, page));
    page_list_add(m, &list, page);
    park_on_probation(m, &list, &again);
    shrink_page_list(m, &list, &sc);
    putback_lru_pages(m, &list);
    putback_lru_pages(m, &again);
    sim_settle(sim);
    return sim_page(sim, index) != NULL;
}

static void off_a_page_that_comes_back_is_active(void **state) {
    (void)state;
    m->tune.workingset_anon = 0;
    write_listed_pages(sim, 20);
    write_pages(sim, 0, 20);
    evict(0, 10);
    assert_int_equal(atomic_load(&m->nr_shadows), 0);
    touch(0);
    assert_true(is_active(0));
    assert_int_equal(atomic_load(&m->nodes[0]->inactive_age), 0);
}

static void on_a_page_that_comes_back_within_the_active_lists_length_is_active_at_once(void **state) {
    (void)state;
    write_pages(sim, 0, 300);
    lru_add_drain_all(m);
    refresh_vm_stats(m);
    /* 200 pages leave, and 100 stay active. */
    for (uint32_t i = 0; i < 200; i++)
        evict(i, 1);
    assert_int_equal(zone_page_state(zone, NR_ACTIVE), 100);
    assert_int_equal(atomic_load(&m->nr_shadows), 200);
    /* 101 went after page 98; after page 99 it was 100. */
    touch(98);
    assert_false(is_active(98));
    touch(99);
    assert_true(is_active(99));
    assert_int_equal(atomic_load(&m->workingset_refaults), 2);
    assert_int_equal(atomic_load(&m->workingset_activates), 1);
    assert_int_equal(atomic_load(&m->nr_shadows), 198);
}

static void the_touch_that_brought_it_back_is_no_reason_to_keep_a_page(void **state) {
    (void)state;
    write_pages(sim, 0, 2);
    evict(0, 2);
    atomic_fetch_add(&m->nodes[0]->inactive_age, 1000);
    touch(0);
    assert_false(is_active(0));
    assert_false(sim_pte(sim, 0) & PTE_PARKED);
    assert_true(survives_a_round(0));
    assert_false(is_active(0));
    assert_true(sim_pte(sim, 0) & PTE_PARKED);
    /* Nobody has come. */
    assert_false(survives_a_round(0));
}

static void a_touch_after_that_makes_it_active(void **state) {
    (void)state;
    write_pages(sim, 0, 2);
    evict(0, 2);
    atomic_fetch_add(&m->nodes[0]->inactive_age, 1000);
    touch(0);
    assert_true(survives_a_round(0));
    touch(0);
    assert_true(is_active(0));
    assert_false(page_test(sim_page(sim, 0), PG_probation));
}

static void a_page_that_cannot_be_parked_becomes_active(void **state) {
    (void)state;
    write_pages(sim, 0, 1);
    evict(0, 1);
    atomic_fetch_add(&m->nodes[0]->inactive_age, 1000);
    touch(0);
    assert_int_equal(sim_hold(sim, 0), MM_OK);
    assert_true(survives_a_round(0));
    assert_true(survives_a_round(0));
    assert_true(is_active(0));
    sim_release(sim, 0);
}

static void pageout_on_demand_does_not_wait_for_that(void **state) {
    (void)state;
    write_pages(sim, 0, 1);
    evict(0, 1);
    atomic_fetch_add(&m->nodes[0]->inactive_age, 1000);
    touch(0);
    evict(0, 1);
    assert_null(sim_page(sim, 0));
}

static void a_free_slot_has_no_shadow(void **state) {
    (void)state;
    write_pages(sim, 0, 40);
    evict(0, 40);
    assert_int_equal(swap_cache_shadows(m), 40);
    sim_discard(sim, 0, 30);
    assert_int_equal(swap_cache_shadows(m), 10);
    sim_current(sim)->flags |= TASK_SYS_ADMIN;
    assert_int_equal(sim_swapoff(sim, 0), MM_OK);
    assert_int_equal(swap_cache_shadows(m), 0);
    expect_pages(sim, 30, 10);
}

static void shadows_too_old_to_tell_are_dropped(void **state) {
    (void)state;
    write_pages(sim, 0, 600);
    evict(0, 600);
    assert_int_equal(drop_swap_shadows(m, 600), 0);
    assert_int_equal(drop_swap_shadows(m, 300), 300);
    assert_int_equal(swap_cache_shadows(m), 300);
    assert_int_equal(atomic_load(&m->nr_shadows), 300);
    atomic_fetch_add(&m->nodes[0]->inactive_age, 8192);
    assert_int_equal(drop_old_shadows(m), 300);
    /* It comes back as one that nobody knows. */
    touch(599);
    assert_false(is_active(599));
    assert_int_equal(atomic_load(&m->workingset_refaults), 0);
    expect_pages(sim, 0, 600);
}

/*
 * A program that works on 300 pages again and again, and passes once, bit by bit, over 1500 more that are in swap; RAM
 * has room for about 900. How many pages of the 300 had to be read back?
 */
static unsigned long hot_pages_read(void) {
    unsigned long read = 0;
    uint32_t stream = 300;

    sim_allow_kswapd(sim, true);
    write_pages(sim, 0, 1800);
    evict(300, 1500);
    for (unsigned round = 0; round < 50; round++) {
        for (uint32_t page = 0; page < 300; page++) {
            read += sim_page(sim, page) == NULL;
            expect_pages(sim, page, 1);
        }
        expect_pages(sim, stream, 30);
        stream += 30;
        sim_rest(sim);
    }
    return read;
}

static void pages_used_once_do_not_push_out_those_in_use(void **state) {
    unsigned long off, on;
    struct page *taken;

    (void)state;
    m->tune.inactive_percent = 25;
    m->tune.workingset_anon = 0;
    for (unsigned i = 0; i < 3200; i++) {
        taken = alloc_pages(m, GFP_KERNEL, 0);
        assert_non_null(taken);
    }
    off = hot_pages_read();
    sim_unmap(sim, 0, SIM_PAGES_REGION);
    sim_map(sim, 0, SIM_PAGES_REGION, VM_READ | VM_WRITE);
    m->tune.workingset_anon = 1;
    on = hot_pages_read();
    print_message("pages in use that were read back: %lu off, %lu on\n", off, on);
    assert_true(on < off);
}

#define FACT(test) cmocka_unit_test_setup_teardown(test, boot, finish)

int main(void) {
    const struct CMUnitTest tests[] = {
        FACT(off_a_page_that_comes_back_is_active),
        FACT(on_a_page_that_comes_back_within_the_active_lists_length_is_active_at_once),
        FACT(the_touch_that_brought_it_back_is_no_reason_to_keep_a_page),
        FACT(a_touch_after_that_makes_it_active),
        FACT(a_page_that_cannot_be_parked_becomes_active),
        FACT(pageout_on_demand_does_not_wait_for_that),
        FACT(a_free_slot_has_no_shadow),
        FACT(shadows_too_old_to_tell_are_dropped),
        FACT(pages_used_once_do_not_push_out_those_in_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
