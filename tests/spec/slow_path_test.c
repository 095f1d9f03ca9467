/* SPDX-License-Identifier: MIT */
/*
 * The specification's assertions on the allocation's slow path (section 8) and rows of its table of scenarios: rounds
 * of reclaim, with progress and without. The marks down to which a request is served, the OOM killer and machines of
 * many nodes are in files of their own.
 */
#include "tests/spec/slow_path.h"

#include "mm/page_alloc.h"
#include "mm/pcp.h"

static unsigned pcp_at_call[8];

static unsigned long watches_the_lists(struct machine *m, const struct zonelist *list, unsigned order, gfp_t gfp,
                                       unsigned call) {
    struct page *page = take_held_page();

    (void)list, (void)order, (void)gfp;
    pcp_at_call[call] = (unsigned)zone_pcp_pages(zone);
    /* Something for a drain to find, on the other CPU. */
    fake_set_cpu(1);
    atomic_store(&page->count, 1);
    __free_pages(m, page, 0);
    fake_set_cpu(0);
    return call == 4 ? frees_a_block_on_the_last_call(m, list, order, gfp, 4) : call % 2;
}

/* SPEC A17 */
static void drain_runs_once_per_reclaim_round_for_orders_above_0(void **state) {
    (void)state;
    give_up_after = 4;
    fake_vmscan.reclaim = watches_the_lists;
    leave_free_single(200);
    /* Not FS: rounds without progress come back too. */
    assert_non_null(request(GFP_NOFS, 2));
    assert_int_equal(fake_vmscan.calls, 4);
    for (unsigned call = 1; call <= 4; call++)
        assert_int_equal(pcp_at_call[call], 0);
    assert_int_equal(zone_pcp_pages(zone), 0);
}

static unsigned long takes_a_while(struct machine *machine, const struct zonelist *list, unsigned order, gfp_t gfp,
                                   unsigned call) {
    fake->now_ns += 1000;
    return frees_100_on_the_last_call(machine, list, order, gfp, call);
}

static void time_spent_reclaiming_is_counted(void **state) {
    (void)state;
    give_up_after = 4;
    fake_vmscan.reclaim = takes_a_while;
    leave_free(200);
    assert_non_null(request(GFP_NOFS, 0));
    assert_int_equal(fake_vmscan.calls, 4);
    assert_int_equal(atomic_load(&fake->machine->direct_reclaim_ns), 4000);
}

/* SPEC A17 */
static void order_0_never_drains(void **state) {
    (void)state;
    give_up_after = 4;
    fake_vmscan.reclaim = watches_the_lists;
    leave_free(200);
    assert_non_null(request(GFP_NOFS, 0));
    assert_int_equal(fake_vmscan.calls, 4);
    for (unsigned call = 1; call <= 4; call++)
        assert_int_equal(pcp_at_call[call], call - 1);
    assert_true(zone_pcp_pages(zone) >= 4);
}

static uint32_t flags_in_reclaim;
static struct reclaim_state *state_in_reclaim;
static unsigned long slab_in_reclaim;

static unsigned long looks_at_the_task(struct machine *m, const struct zonelist *list, unsigned order, gfp_t gfp,
                                       unsigned call) {
    flags_in_reclaim = atomic_load(&fake->init_task.flags);
    state_in_reclaim = fake->init_task.reclaim_state;
    slab_in_reclaim = state_in_reclaim ? state_in_reclaim->reclaimed_slab : 99;
    return frees_100_on_the_last_call(m, list, order, gfp, call);
}

/* SPEC A19 */
static void memalloc_is_set_during_reclaim_and_cleared_afterwards(void **state) {
    (void)state;
    give_up_after = 1;
    fake_vmscan.reclaim = looks_at_the_task;
    leave_free(200);
    assert_non_null(request(GFP_KERNEL, 0));
    assert_int_equal(flags_in_reclaim, PF_MEMALLOC);
    assert_non_null(state_in_reclaim);
    assert_int_equal(slab_in_reclaim, 0);
    assert_int_equal(atomic_load(&fake->init_task.flags), 0);
    assert_null(fake->init_task.reclaim_state);
    assert_int_equal(fake->yields, 2);
}

static void assert_50_rounds_of_nofs(unsigned order) {
    give_up_after = 50;
    assert_non_null(request(GFP_NOFS, order));
    assert_int_equal(fake_vmscan.calls, 50);
    assert_int_equal(fake->congestion_waits, 49);
    assert_int_equal(fake->last_congestion_wait_ns, 20000000);
    assert_int_equal(fake->nr_kills, 0);
    assert_int_equal(fake->sleeps, 0);
    /* The loop is over rebalance: kswapd is woken once a request. */
    assert_int_equal(fake_vmscan.wakes, 1);
}

/* SPEC A21 */
static void nofs_order_0_without_progress_loops_with_20_ms_waits_and_never_kills(void **state) {
    (void)state;
    fake_vmscan.reclaim = frees_100_on_the_last_call;
    leave_free(200);
    assert_50_rounds_of_nofs(0);
}

/* SPEC A21 */
static void nofs_order_3_without_progress_loops_with_20_ms_waits_and_never_kills(void **state) {
    (void)state;
    fake_vmscan.reclaim = frees_a_block_on_the_last_call;
    leave_free_single(200);
    assert_50_rounds_of_nofs(3);
}

/* SPEC A22 */
static void noretry_without_progress_is_one_reclaim_no_kill_and_null(void **state) {
    (void)state;
    fake_vmscan.reclaim = no_progress;
    leave_free(200);
    assert_null(request(GFP_KERNEL | __GFP_NORETRY, 0));
    assert_int_equal(fake_vmscan.calls, 1);
    assert_int_equal(fake->nr_kills, 0);
    assert_int_equal(fake->failures, 1);
    /* It beats NOFAIL. */
    assert_null(request(GFP_KERNEL | __GFP_NORETRY | __GFP_NOFAIL, 0));
    assert_int_equal(fake_vmscan.calls, 2);
    assert_int_equal(fake->congestion_waits, 0);
}

static void kernel_order_0_with_progress_loops_until_it_is_served(void **state) {
    (void)state;
    fake_vmscan.reclaim = frees_10_each_time;
    leave_free(0);
    assert_non_null(request(GFP_KERNEL, 0));
    assert_int_equal(fake_vmscan.calls, 26);
    assert_int_equal(fake->congestion_waits, 25);
    assert_int_equal(fake_vmscan.wakes, 1);
    assert_int_equal(fake->nr_kills, 0);
}

static void kernel_order_4_repeat_with_progress_but_no_block_loops(void **state) {
    (void)state;
    give_up_after = 30;
    fake_vmscan.reclaim = frees_a_block_on_the_last_call;
    leave_free_single(200);
    assert_non_null(request(GFP_KERNEL | __GFP_REPEAT, 4));
    assert_int_equal(fake_vmscan.calls, 30);
    assert_int_equal(fake->congestion_waits, 29);
}

static void kernel_order_4_with_progress_but_no_block_tries_once(void **state) {
    (void)state;
    give_up_after = 30;
    fake_vmscan.reclaim = frees_a_block_on_the_last_call;
    leave_free_single(200);
    assert_null(request(GFP_KERNEL, 4));
    assert_int_equal(fake_vmscan.calls, 1);
    assert_int_equal(fake->congestion_waits, 0);
}

static void an_order_beyond_the_largest_block_is_null_at_once(void **state) {
    (void)state;
    assert_null(request(GFP_KERNEL, MAX_ORDER));
    assert_non_null(request(GFP_KERNEL, MAX_ORDER - 1));
    assert_int_equal(fake_vmscan.wakes + fake_vmscan.calls, 0);
}

static void an_empty_zonelist_is_null_silently(void **state) {
    const struct zonelist none = {.zones = {NULL}};

    (void)state;
    assert_null(__alloc_pages(fake->machine, GFP_KERNEL, 0, &none));
    assert_int_equal(fake->failures + fake_vmscan.calls, 0);
}

#define scenario(test) cmocka_unit_test_setup_teardown(test, slow_path_setup, slow_path_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        scenario(drain_runs_once_per_reclaim_round_for_orders_above_0),
        scenario(order_0_never_drains),
        scenario(time_spent_reclaiming_is_counted),
        scenario(memalloc_is_set_during_reclaim_and_cleared_afterwards),
        scenario(nofs_order_0_without_progress_loops_with_20_ms_waits_and_never_kills),
        scenario(nofs_order_3_without_progress_loops_with_20_ms_waits_and_never_kills),
        scenario(noretry_without_progress_is_one_reclaim_no_kill_and_null),
        scenario(kernel_order_0_with_progress_loops_until_it_is_served),
        scenario(kernel_order_4_repeat_with_progress_but_no_block_loops),
        scenario(kernel_order_4_with_progress_but_no_block_tries_once),
        scenario(an_order_beyond_the_largest_block_is_null_at_once),
        scenario(an_empty_zonelist_is_null_silently),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
