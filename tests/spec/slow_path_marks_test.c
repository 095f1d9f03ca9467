/* SPDX-License-Identifier: MIT */
/* The slow path (section 8 of the specification): down to which mark each kind of request is served. */
#include "tests/spec/slow_path.h"

#include "mm/page_alloc.h"

/* SPEC A18 */
static void memalloc_never_reclaims(void **state) {
    struct page *page;

    (void)state;
    leave_free(1);
    atomic_store(&fake->init_task.flags, PF_MEMALLOC);
    page = request(GFP_KERNEL, 0);
    assert_non_null(page);
    assert_null(request(GFP_KERNEL, 0));
    assert_int_equal(fake->failures, 1);
    __free_pages(fake->machine, page, 0);
    leave_free(0);
    give_back(10);
    assert_null(request(GFP_KERNEL | __GFP_NOMEMALLOC, 0));
    assert_int_equal(fake->failures, 2);
    assert_int_equal(fake_vmscan.calls, 0);
    atomic_store(&fake->init_task.flags, 0);
}

/* SPEC A18: the victim of the OOM killer needs memory to get out. */
static void the_victim_may_use_the_reserves_as_well(void **state) {
    (void)state;
    leave_free(1);
    atomic_store(&fake->init_task.flags, TIF_MEMDIE);
    assert_non_null(request(GFP_KERNEL, 0));
    assert_int_equal(fake_vmscan.calls, 0);
    atomic_store(&fake->init_task.flags, 0);
}

/* Section 8, step 6: an interrupt that comes over a task in reclaim is not that task. */
static void an_interrupt_gets_nothing_from_the_task_that_it_interrupts(void **state) {
    (void)state;
    leave_free(50);
    atomic_store(&fake->init_task.flags, PF_MEMALLOC);
    fake->in_interrupt = true;
    assert_null(request(GFP_ATOMIC, 0));
    fake->in_interrupt = false;
    assert_non_null(request(GFP_ATOMIC, 0));
    atomic_store(&fake->init_task.flags, 0);
}

static void free_on_the_third_wait(struct fake *f) {
    if (f->congestion_waits == 3)
        give_back(1);
}

/* Section 8, step 6a */
static void memalloc_nofail_waits_20_ms_for_a_free_page(void **state) {
    (void)state;
    leave_free(0);
    atomic_store(&fake->init_task.flags, PF_MEMALLOC);
    fake->on_congestion_wait = free_on_the_third_wait;
    assert_non_null(request(GFP_NOFS | __GFP_NOFAIL, 0));
    assert_int_equal(fake->congestion_waits, 3);
    assert_int_equal(fake->last_congestion_wait_ns, 20000000);
    assert_int_equal(fake_vmscan.calls, 0);
    atomic_store(&fake->init_task.flags, 0);
}

/* SPEC A20, and the table's row: served while free > 3/8 min. */
static void atomic_goes_down_to_three_eighths_of_min_and_neither_reclaims_nor_sleeps(void **state) {
    (void)state;
    leave_free(97);
    assert_non_null(request(GFP_ATOMIC, 0));
    assert_int_equal(fake->failures, 0);
    leave_free(96);
    assert_null(request(GFP_ATOMIC, 0));
    assert_int_equal(fake->failures, 1);
    assert_null(request(GFP_ATOMIC | __GFP_NOWARN, 0));
    assert_int_equal(fake->failures, 1);
    assert_int_equal(fake_vmscan.calls, 0);
    assert_int_equal(fake->sleeps + fake->congestion_waits, 0);
    assert_int_equal(fake_vmscan.wakes, 3);
}

static void above_the_low_mark_kswapd_is_left_alone(void **state) {
    (void)state;
    leave_free(321);
    assert_non_null(request(GFP_KERNEL, 0));
    assert_int_equal(fake_vmscan.wakes, 0);
    leave_free(320);
    assert_non_null(request(GFP_KERNEL, 0));
    assert_int_equal(fake_vmscan.wakes, 1);
    assert_int_equal(fake_vmscan.calls, 0);
}

static void nowait_and_real_time_are_served_down_to_three_quarters_of_min(void **state) {
    (void)state;
    leave_free(193);
    assert_non_null(request(GFP_NOWAIT, 0));
    leave_free(192);
    assert_null(request(GFP_NOWAIT, 0));
    assert_int_equal(fake_vmscan.calls, 0);

    atomic_store(&fake->init_task.flags, TASK_REALTIME);
    leave_free(193);
    assert_non_null(request(GFP_KERNEL, 0));
    assert_int_equal(fake_vmscan.calls, 0);
    give_up_after = 1;
    fake_vmscan.reclaim = frees_100_on_the_last_call;
    leave_free(192);
    assert_non_null(request(GFP_KERNEL, 0));
    assert_int_equal(fake_vmscan.calls, 1);
    atomic_store(&fake->init_task.flags, 0);
}

static void an_ordinary_request_is_served_down_to_min(void **state) {
    (void)state;
    give_up_after = 1;
    fake_vmscan.reclaim = frees_100_on_the_last_call;
    leave_free(257);
    assert_non_null(request(GFP_KERNEL, 0));
    assert_int_equal(fake_vmscan.calls, 0);
    leave_free(256);
    assert_non_null(request(GFP_KERNEL, 0));
    assert_int_equal(fake_vmscan.calls, 1);
}

#define scenario(test) cmocka_unit_test_setup_teardown(test, slow_path_setup, slow_path_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        scenario(memalloc_never_reclaims),
        scenario(the_victim_may_use_the_reserves_as_well),
        scenario(an_interrupt_gets_nothing_from_the_task_that_it_interrupts),
        scenario(memalloc_nofail_waits_20_ms_for_a_free_page),
        scenario(atomic_goes_down_to_three_eighths_of_min_and_neither_reclaims_nor_sleeps),
        scenario(above_the_low_mark_kswapd_is_left_alone),
        scenario(nowait_and_real_time_are_served_down_to_three_quarters_of_min),
        scenario(an_ordinary_request_is_served_down_to_min),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
