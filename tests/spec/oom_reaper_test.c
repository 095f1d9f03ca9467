/* SPDX-License-Identifier: MIT */
/* The reaper of section 18, behind its tunable, in a simulated machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/mmap.h"
#include "mm/oom_kill.h"
#include "mm/oom_reaper.h"
#include "mm/page_alloc.h"
#include "sim/sim.h"

#define PAGES 300u
#define SECOND UINT64_C(1000000000)

static struct sim *sim;

/* 300 pages, 50 of them in swap, 10 locked, 1 held. */
static void boot(unsigned oom_reaper) {
    const struct sim_config config = {
        .seed = 1, .ram_pages = 2048, .region_pages = 1024, .devices = {{.nr_slots = 1024}}};

    sim = sim_create(&config);
    sim_allow_kswapd(sim, false);
    sim_machine(sim)->tune.oom_reaper = oom_reaper;
    sim_map(sim, 0, 512, VM_READ | VM_WRITE);
    sim_map(sim, 600, 10, VM_READ | VM_WRITE);
    for (uint32_t page = 0; page < PAGES; page++)
        assert_int_equal(sim_write(sim, page, 0, &page, sizeof(page)), SIM_OK);
    sim_cool(sim, 100, 50, true);
    assert_int_equal(sim_mlock(sim, 600, 10), MM_OK);
    assert_int_equal(sim_hold(sim, 7), MM_OK);
}

static void kill_somebody(void) {
    struct machine *m = sim_machine(sim);
    const struct zonelist *list = gfp_zonelist(m, GFP_KERNEL);

    assert_true(try_set_zone_oom(m, list));
    out_of_memory(m, list, GFP_KERNEL, 0);
    clear_zonelist_oom(m, list);
}

static void finish(void) {
    sim_release(sim, 7);
    sim_munlock(sim, 600, 10);
    assert_null(sim_check(sim));
    sim_destroy(sim);
}

static uint32_t mm_flags(void) {
    return atomic_load(&sim_mm(sim)->flags);
}

static void two_seconds_after_the_kill_the_victim_has_only_what_must_stay(void **state) {
    uint32_t value = 0;

    (void)state;
    boot(1);
    kill_somebody();
    assert_int_equal(sim_counts(sim).kills, 1);
    sim_sleep(sim, 2 * SECOND - SECOND / 100);
    assert_int_equal(sim_mm(sim)->nr_rss, PAGES - 50 + 10);
    sim_sleep(sim, SECOND / 50);
    assert_int_equal(sim_mm(sim)->nr_rss, 11);
    assert_int_equal(sim_mm(sim)->nr_swapped, 0);
    assert_int_equal(swap_inuse(sim_machine(sim), 0), 0);
    assert_int_equal(mm_flags(), MM_OOM_VICTIM | MM_UNSTABLE | MM_OOM_SKIP);
    /* What is still there is as it was; what is gone is an end, not zeros. */
    assert_int_equal(sim_read(sim, 7, 0, &value, sizeof(value)), SIM_OK);
    assert_int_equal(value, 7);
    assert_int_equal(sim_read(sim, 8, 0, &value, sizeof(value)), SIM_KILLED);
    finish();
}

static void switched_off_it_takes_nothing(void **state) {
    (void)state;
    boot(0);
    kill_somebody();
    sim_sleep(sim, 10 * SECOND);
    assert_int_equal(sim_mm(sim)->nr_rss, PAGES - 50 + 10);
    assert_int_equal(mm_flags(), 0);
    finish();
}

/* Selection waits for a victim, but not for one that has nothing left. */
static void a_victim_that_has_been_reaped_keeps_nobody_else_alive(void **state) {
    struct task *victim;
    unsigned long points;

    (void)state;
    boot(1);
    kill_somebody();
    assert_int_equal(select_bad_process(sim_machine(sim), false, &victim, &points), OOM_ABORT);
    sim_sleep(sim, 3 * SECOND);
    assert_int_equal(select_bad_process(sim_machine(sim), false, &victim, &points), OOM_NOBODY);
    finish();
}

/* Somebody has been killed, and cannot be reaped until its mmap_lock is dropped. */
static const struct platform *boot_with_a_locked_victim(void) {
    const struct platform *p;

    boot(1);
    p = sim_machine(sim)->platform;
    kill_somebody();
    write_lock(p, &sim_mm(sim)->mmap_lock);
    return p;
}

static void an_address_space_that_cannot_be_locked_is_given_up_after_ten_tries(void **state) {
    const struct platform *p = boot_with_a_locked_victim();

    (void)state;
    sim_sleep(sim, 2 * SECOND + 8 * SECOND / 10 + SECOND / 20);
    assert_int_equal(mm_flags(), MM_OOM_VICTIM);
    sim_sleep(sim, SECOND / 10);
    assert_int_equal(mm_flags(), MM_OOM_VICTIM | MM_OOM_SKIP);
    write_unlock(p, &sim_mm(sim)->mmap_lock);
    sim_sleep(sim, 5 * SECOND);
    assert_int_equal(sim_mm(sim)->nr_rss, PAGES - 50 + 10);
    finish();
}

static void a_lock_that_is_dropped_in_time_lets_the_reaper_in(void **state) {
    const struct platform *p = boot_with_a_locked_victim();

    (void)state;
    sim_sleep(sim, 2 * SECOND + 3 * SECOND / 10);
    write_unlock(p, &sim_mm(sim)->mmap_lock);
    sim_sleep(sim, SECOND / 5);
    assert_int_equal(sim_mm(sim)->nr_rss, 11);
    finish();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_seconds_after_the_kill_the_victim_has_only_what_must_stay),
        cmocka_unit_test(switched_off_it_takes_nothing),
        cmocka_unit_test(a_victim_that_has_been_reaped_keeps_nobody_else_alive),
        cmocka_unit_test(an_address_space_that_cannot_be_locked_is_given_up_after_ten_tries),
        cmocka_unit_test(a_lock_that_is_dropped_in_time_lets_the_reaper_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
