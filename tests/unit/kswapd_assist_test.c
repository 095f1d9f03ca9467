/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "tests/unit/sim_pages.h"

#define NR_PAGES 2048

/* A program with memory to spare for others. */
static struct sim *boot(void) {
    struct sim *sim = sim_pages_boot_plain();

    write_pages(sim, 0, NR_PAGES);
    lru_add_drain_all(sim_machine(sim));
    return sim;
}

/* Takes free frames until the zone has so many. */
static void leave_free(struct sim *sim, unsigned long nr) {
    struct zone *zone = normal_zone(sim);

    while (zone_page_state(zone, NR_FREE_PAGES) > nr)
        assert_non_null(alloc_pages(sim_machine(sim), GFP_ATOMIC, 0));
}

static void nothing_is_wanted_or_done_above_the_high_mark(void **state) {
    struct sim *sim = boot();
    struct zone *zone = normal_zone(sim);
    unsigned long free;

    (void)state;
    leave_free(sim, zone->pages_high + 64);
    free = zone_page_state(zone, NR_FREE_PAGES);
    assert_false(kswapd_wants_assistance(sim_machine(sim), 0));
    assert_false(kswapd_assist(sim_machine(sim), 0));
    assert_int_equal(zone_page_state(zone, NR_FREE_PAGES), free);
    sim_pages_finish(sim);
}

static void step_by_step_the_zone_reaches_its_high_mark(void **state) {
    struct sim *sim = boot();
    struct zone *zone = normal_zone(sim);
    unsigned steps = 0;

    (void)state;
    leave_free(sim, zone->pages_min + 4);
    while (kswapd_assist(sim_machine(sim), 0)) {
        /* A step is short: it frees less than a cluster of kswapd's. */
        unsigned long free = zone_page_state(zone, NR_FREE_PAGES);

        kswapd_assist(sim_machine(sim), 0);
        assert_true(zone_page_state(zone, NR_FREE_PAGES) < free + SWAP_CLUSTER_MAX);
        assert_true(++steps < 10000);
    }
    assert_true(steps > 0);
    assert_true(zone_page_state(zone, NR_FREE_PAGES) > zone->pages_high);
    expect_pages(sim, 0, NR_PAGES);
    sim_pages_finish(sim);
}

/* Reclaim allocates below the marks, and must not reclaim from within. */
static void the_task_is_what_it_was_before(void **state) {
    struct sim *sim = boot();
    struct task *task = sim_current(sim);

    (void)state;
    leave_free(sim, normal_zone(sim)->pages_min + 4);
    kswapd_assist(sim_machine(sim), 0);
    assert_int_equal(atomic_load(&task->flags) & PF_MEMALLOC, 0);
    task->flags |= PF_MEMALLOC;
    kswapd_assist(sim_machine(sim), 0);
    assert_int_equal(atomic_load(&task->flags) & PF_MEMALLOC, PF_MEMALLOC);
    task->flags &= ~(uint32_t)PF_MEMALLOC;
    sim_pages_finish(sim);
}

static void a_zone_that_was_given_up_is_left_alone(void **state) {
    struct sim *sim = boot();

    (void)state;
    leave_free(sim, normal_zone(sim)->pages_min + 4);
    zone_set_flag(normal_zone(sim), ZONE_ALL_UNRECLAIMABLE);
    assert_false(kswapd_wants_assistance(sim_machine(sim), 0));
    assert_false(kswapd_assist(sim_machine(sim), 0));
    sim_pages_finish(sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_wanted_or_done_above_the_high_mark),
        cmocka_unit_test(step_by_step_the_zone_reaches_its_high_mark),
        cmocka_unit_test(the_task_is_what_it_was_before),
        cmocka_unit_test(a_zone_that_was_given_up_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
