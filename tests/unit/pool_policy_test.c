/* SPDX-License-Identifier: MIT */
#include "swapdev/pool_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* 256 MiB, of which the pool may take 40 %. */
#define RAM 65536u
#define SHARE (RAM * 2 / 5)
#define PERIOD (RAM / 16)
#define OLD_AGE 60000u

/* Pages that a frame of the pool holds, in quarters. */
static unsigned long held;

static int setup(void **state) {
    static struct pool_policy policy;

    memset(&policy, 0, sizeof(policy));
    held = 7;
    pool_policy_init(&policy, RAM, SHARE);
    atomic_store(&policy.clock, 1000000);
    policy.judged_at = 1000000;
    *state = &policy;
    return 0;
}

static void hit(struct pool_policy *policy, uint32_t age, unsigned times) {
    while (times--)
        pool_policy_note_hit(policy, atomic_load(&policy->clock) - age);
}

/* A period of so many evictions that were stored, with hits of both kinds; the pool is as full as it may be. */
static void period(struct pool_policy *policy, unsigned stores, unsigned young, unsigned old) {
    struct pool_census census = {.frames = policy->target, .young_pages = PERIOD};

    census.pages = census.frames * held / 4;
    atomic_store(&policy->old_age, OLD_AGE);
    assert_false(pool_policy_is_due(policy));
    atomic_fetch_add(&policy->clock, PERIOD);
    assert_true(pool_policy_is_due(policy));
    atomic_fetch_add(&policy->stores, stores);
    hit(policy, 100, young);
    hit(policy, OLD_AGE + 10, old);
    pool_policy_judge(policy, &census);
}

static void where_what_was_just_evicted_is_wanted_the_target_falls_to_its_minimum(void **state) {
    struct pool_policy *policy = *state;
    unsigned long target = policy->target;

    period(policy, PERIOD, 1000, 10);
    assert_true(policy->target < target);
    for (unsigned i = 0; i < 40; i++)
        period(policy, PERIOD, 1000, 10);
    assert_int_equal(policy->target, RAM / 16);
}

/* Periods in which so many pages come back soon, of which the pool had so many. */
static void idle_periods(struct pool_policy *policy, unsigned nr, unsigned refaults, unsigned hits) {
    while (nr--) {
        struct pool_census census = {.frames = policy->target, .refaults = refaults, .pages = policy->target};

        atomic_fetch_add(&policy->clock, PERIOD);
        hit(policy, 100, hits);
        pool_policy_judge(policy, &census);
    }
}

static void a_pool_of_which_nobody_wants_anything_gives_way_after_a_while(void **state) {
    struct pool_policy *policy = *state;
    unsigned long target = policy->target;

    idle_periods(policy, 8, PERIOD, 0);
    assert_int_equal(policy->target, target);
    idle_periods(policy, 1, PERIOD, 0);
    assert_int_equal(policy->target, target - RAM / 32);
    /* As soon as something is wanted of it that is over. */
    idle_periods(policy, 1, 640, 10);
    target = policy->target;
    idle_periods(policy, 8, 640, 0);
    assert_int_equal(policy->target, target);
    idle_periods(policy, 40, 640, 0);
    assert_int_equal(policy->target, RAM / 16);
}

static void a_pool_is_not_idle_while_nothing_comes_back_soon(void **state) {
    struct pool_policy *policy = *state;
    unsigned long target = policy->target;

    idle_periods(policy, 40, 127, 0);
    assert_int_equal(policy->target, target);
}

static void where_all_pages_are_wanted_alike_it_rises_to_the_share_if_they_compress_well(void **state) {
    struct pool_policy *policy = *state;
    unsigned long target = policy->target;

    for (unsigned i = 0; i < 60; i++)
        period(policy, PERIOD, PERIOD / 20, (unsigned)(policy->target * held / 4 / 16 / 20) + 1);
    assert_int_equal(policy->target, target);
    held = 14;
    for (unsigned i = 0; i < 60; i++)
        period(policy, PERIOD, PERIOD / 20, (unsigned)(policy->target * held / 4 / 16 / 20) + 1);
    assert_in_range(policy->target, SHARE * 15 / 16 - 1, SHARE);
}

/* As a collection that goes round: one period in four finds only young pages, the others old ones as well. */
static void one_period_of_young_hits_among_old_ones_does_not_make_it_fall(void **state) {
    struct pool_policy *policy = *state;
    unsigned long target;

    held = 16;
    for (unsigned i = 0; i < 20; i++)
        period(policy, PERIOD, 267, 215);
    target = policy->target;
    for (unsigned i = 0; i < 20; i++) {
        period(policy, PERIOD, 800, 0);
        assert_int_equal(policy->target, target);
        for (unsigned n = 0; n < 3; n++)
            period(policy, PERIOD, 267, 215);
    }
}

/* As where_all_pages_are_wanted_alike, in a while of so many periods. Returns where the target is then. */
static unsigned long after_even_hits(struct pool_policy *policy) {
    for (unsigned i = 0; i < 30; i++)
        period(policy, PERIOD, PERIOD / 20, (unsigned)(policy->target * held / 4 / 16 / 20) + 1);
    return policy->target;
}

static void after_runs_single_pages_count_for_what_they_cost(void **state) {
    struct pool_policy *policy = *state;

    for (unsigned i = 0; i < 200; i++)
        pool_policy_note_run(policy, 64);
    for (unsigned i = 0; i < 200; i++)
        pool_policy_note_run(policy, 1);
    assert_in_range(atomic_load(&policy->run), 256, 256 + 16);
}

static void where_the_file_reads_a_page_as_fast_as_the_pool_it_falls(void **state) {
    struct pool_policy *policy = *state;

    for (unsigned i = 0; i < 200; i++)
        pool_policy_note_read(policy, 64 * 3000, 64);
    assert_int_equal(after_even_hits(policy), RAM / 16);
}

static void a_slow_disk_makes_it_rise_though_the_young_are_wanted_more(void **state) {
    struct pool_policy *policy = *state;
    unsigned long fast, slow;

    for (unsigned i = 0; i < 10; i++)
        period(policy, PERIOD, PERIOD / 2, (unsigned)(policy->target * held / 4 / 16 / 20) + 1);
    fast = policy->target;
    for (unsigned i = 0; i < 200; i++)
        pool_policy_note_read(policy, 8000000, 1);
    for (unsigned i = 0; i < 10; i++)
        period(policy, PERIOD, PERIOD / 2, (unsigned)(policy->target * held / 4 / 16 / 20) + 1);
    slow = policy->target;
    assert_int_equal(fast, RAM / 16);
    assert_true(slow > RAM / 8);
}

static void pages_that_hardly_compress_are_no_gain(void **state) {
    struct pool_policy *policy = *state;
    unsigned long target = policy->target;
    struct pool_census census = {.frames = target, .pages = (target + 1) * 18 / 16, .young_pages = PERIOD};

    atomic_store(&policy->old_age, OLD_AGE);
    hit(policy, 100, 300);
    hit(policy, OLD_AGE + 10, 50);
    pool_policy_judge(policy, &census);
    assert_true(policy->target < target);
}

static void without_hits_it_stays_and_one_page_in_sixteen_is_stored(void **state) {
    struct pool_policy *policy = *state;
    unsigned long target = policy->target;
    unsigned admitted = 0;

    period(policy, PERIOD, 0, 0);
    assert_int_equal(policy->target, target);
    for (unsigned i = 0; i < 1600; i++)
        admitted += pool_policy_admits(policy, false);
    assert_int_equal(admitted, 100);
}

static void hits_end_that(void **state) {
    struct pool_policy *policy = *state;

    period(policy, PERIOD, 0, 0);
    period(policy, PERIOD / 16, PERIOD / 20, 0);
    for (unsigned i = 0; i < 100; i++)
        assert_true(pool_policy_admits(policy, false));
}

static void copies_of_what_the_file_has_are_worth_it_only_where_the_young_are_wanted_more(void **state) {
    struct pool_policy *policy = *state;

    assert_false(pool_policy_admits(policy, true));
    period(policy, PERIOD, 1000, 10);
    assert_true(pool_policy_admits(policy, true));
    for (unsigned i = 0; i < 5; i++)
        period(policy, PERIOD, 400, 400);
    assert_false(pool_policy_admits(policy, true));
    assert_true(pool_policy_admits(policy, false));
}

static void a_page_stored_at_this_moment_is_of_age_0(void **state) {
    struct pool_policy *policy = *state;

    assert_int_equal(pool_policy_age(policy, 1000001), 0);
    assert_int_equal(pool_policy_age(policy, 999000), 1000);
    atomic_store(&policy->clock, 5);
    assert_int_equal(pool_policy_age(policy, UINT32_MAX - 4), 10);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(where_what_was_just_evicted_is_wanted_the_target_falls_to_its_minimum),
        TEST(a_pool_of_which_nobody_wants_anything_gives_way_after_a_while),
        TEST(a_pool_is_not_idle_while_nothing_comes_back_soon),
        TEST(where_all_pages_are_wanted_alike_it_rises_to_the_share_if_they_compress_well),
        TEST(one_period_of_young_hits_among_old_ones_does_not_make_it_fall),
        TEST(after_runs_single_pages_count_for_what_they_cost),
        TEST(where_the_file_reads_a_page_as_fast_as_the_pool_it_falls),
        TEST(a_slow_disk_makes_it_rise_though_the_young_are_wanted_more),
        TEST(pages_that_hardly_compress_are_no_gain),
        TEST(without_hits_it_stays_and_one_page_in_sixteen_is_stored),
        TEST(hits_end_that),
        TEST(copies_of_what_the_file_has_are_worth_it_only_where_the_young_are_wanted_more),
        TEST(a_page_stored_at_this_moment_is_of_age_0),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
