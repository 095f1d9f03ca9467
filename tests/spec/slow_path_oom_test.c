/* SPDX-License-Identifier: MIT */
/* The slow path (section 8 of the specification): who comes to the OOM killer, and under its lock. */
#include "tests/spec/slow_path.h"

#include "mm/memory.h"
#include "mm/oom_kill.h"

/* SPEC A23 */
static void order_4_without_progress_takes_and_releases_the_oom_lock_and_fails(void **state) {
    (void)state;
    fake_vmscan.reclaim = no_progress;
    leave_free_single(200);
    assert_null(request(GFP_KERNEL, 4));
    assert_int_equal(fake_vmscan.calls, 1);
    assert_int_equal(fake->nr_kills, 0);
    assert_int_equal(fake->failures, 1);
    assert_false(zone_is_oom_locked(zone));
    /* Even with NOFAIL. */
    assert_null(request(GFP_KERNEL | __GFP_NOFAIL, 4));
    assert_int_equal(fake_vmscan.calls, 2);
    assert_int_equal(fake->sleeps, 0);
}

static void other_task_is_done(struct fake *f) {
    if (f->sleeps == 2) {
        clear_zonelist_oom(f->machine, &f->machine->nodes[0]->node_zonelists[ZONE_NORMAL]);
        give_back(300);
    }
}

/* SPEC A24 */
static void while_another_task_holds_the_oom_lock_the_request_sleeps_a_tick_and_restarts(void **state) {
    (void)state;
    fake_vmscan.reclaim = no_progress;
    leave_free(200);
    assert_true(try_set_zone_oom(fake->machine, &fake->machine->nodes[0]->node_zonelists[ZONE_NORMAL]));
    fake->on_sleep = other_task_is_done;
    assert_non_null(request(GFP_KERNEL, 0));
    assert_int_equal(fake->sleeps, 2);
    assert_int_equal(fake->last_sleep_ns, TICK_NS);
    assert_int_equal(fake_vmscan.calls, 2);
    /* A restart wakes kswapd again; the last one was served before that. */
    assert_int_equal(fake_vmscan.wakes, 2);
    assert_int_equal(fake->nr_kills, 0);
}

static bool locked_at_try;

static unsigned long looks_at_the_oom_lock(void *host) {
    (void)host;
    locked_at_try = zone_is_oom_locked(zone);
    return 1; /* the kill is called off */
}

static unsigned given_meanwhile;

static unsigned long frees_plenty_but_claims_none(struct machine *m, const struct zonelist *list, unsigned order,
                                                  gfp_t gfp, unsigned call) {
    (void)m, (void)list, (void)order, (void)gfp, (void)call;
    /* Somebody else's doing, say: the request itself has made no progress. */
    give_back(given_meanwhile);
    return 0;
}

/* SPEC A25 */
static void the_try_before_a_kill_uses_the_high_mark(void **state) {
    (void)state;
    fake_vmscan.reclaim = frees_plenty_but_claims_none;
    leave_free(200);
    given_meanwhile = 184;
    fake->platform.oom_notify = looks_at_the_oom_lock;
    fake->on_sleep = NULL;
    /* 384 free: not above the high mark, so that it comes to the kill; the restart is then served at the low one. */
    assert_non_null(request(GFP_KERNEL, 0));
    assert_true(locked_at_try);
    assert_int_equal(fake_vmscan.calls, 1);

    locked_at_try = false;
    leave_free(200);
    given_meanwhile = 185;
    assert_non_null(request(GFP_KERNEL, 0));
    assert_false(locked_at_try);
    assert_false(zone_is_oom_locked(zone));
    assert_int_equal(fake->nr_kills, 0);
}

static void the_kill_frees_memory(struct fake *f) {
    assert_int_equal(f->nr_kills, 1);
    give_back(300);
}

static void kernel_order_0_without_progress_kills_and_restarts(void **state) {
    (void)state;
    fake_vmscan.reclaim = no_progress;
    leave_free(200);
    fake->on_sleep = the_kill_frees_memory;
    assert_non_null(request(GFP_KERNEL, 0));
    assert_int_equal(fake->nr_kills, 1);
    assert_ptr_equal(fake->kills[0].task, &hog);
    assert_true(fake->kills[0].memdie);
    assert_int_equal(fake->sleeps, 1);
    assert_int_equal(fake->last_sleep_ns, TICK_NS);
    assert_false(zone_is_oom_locked(zone));
}

#define scenario(test) cmocka_unit_test_setup_teardown(test, slow_path_setup, slow_path_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        scenario(order_4_without_progress_takes_and_releases_the_oom_lock_and_fails),
        scenario(while_another_task_holds_the_oom_lock_the_request_sleeps_a_tick_and_restarts),
        scenario(the_try_before_a_kill_uses_the_high_mark),
        scenario(kernel_order_0_without_progress_kills_and_restarts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
