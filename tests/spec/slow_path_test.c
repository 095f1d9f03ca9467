/* SPDX-License-Identifier: MIT */
/*
 * The specification's assertions on the allocation's slow path (section 8), and a test for each row of its table of
 * scenarios. Reclaim goes by script.
 */
#include "tests/unit/fake_platform.h"
#include "tests/unit/fake_vmscan.h"

#include <string.h>

#include "mm/buddy.h"
#include "mm/memory.h"
#include "mm/oom_kill.h"
#include "mm/page_alloc.h"
#include "mm/pcp.h"

/* A machine of 64 MiB: marks 256, 320, 384; its only tasks are the current one and a hog. */
static struct fake *fake;
static struct zone *zone;
static struct task hog;
static struct mm hog_mm;
static struct page *held[16384]; /* single frames that the test has taken, for reclaim to give back */
static unsigned nr_held;

static int setup(void **state) {
    (void)state;
    fake = fake_boot(16384, 2);
    zone = fake_zone(fake, 0, ZONE_NORMAL);
    memset(&fake_vmscan, 0, sizeof(fake_vmscan));
    memset(&hog_mm, 0, sizeof(hog_mm));
    hog = (struct task){.comm = "hog", .mm = &hog_mm};
    fake_add_task(fake, &hog);
    nr_held = 0;
    assert_int_equal(zone->pages_min, 256);
    assert_int_equal(zone->pages_low, 320);
    assert_int_equal(zone->pages_high, 384);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    /* However it ended: no lock is left, no flag, and the task is as it was. */
    fake_check(fake);
    fake_finish(fake);
    return 0;
}

static struct page *take_one(void) {
    return __rmqueue(zone, 0, MIGRATE_MOVABLE);
}

static void give_back(unsigned nr) {
    for (unsigned i = 0; i < nr; i++)
        free_one_page(zone, held[--nr_held], 0);
    refresh_vm_stats(fake->machine);
}

/* Leaves exactly nr pages free, none on per-CPU lists, with all counters folded. */
static void leave_free(unsigned nr) {
    drain_all_local_pages(fake->machine);
    while (zone_page_state_exact(zone, NR_FREE_PAGES) > (long)nr)
        held[nr_held++] = take_one();
    while (zone_page_state_exact(zone, NR_FREE_PAGES) < (long)nr)
        give_back(1);
    refresh_vm_stats(fake->machine);
    assert_int_equal(zone_page_state(zone, NR_FREE_PAGES), nr);
}

static struct page *request(gfp_t gfp, unsigned order) {
    return alloc_pages(fake->machine, gfp, order);
}

/* Lets every second page go until none of the free ones have a free buddy: no block of order 1 or more. */
static void leave_free_single(unsigned nr) {
    static struct page *all[16384];
    unsigned nr_all = 0;

    nr_held = 0;
    while ((all[nr_all] = take_one()))
        if (++nr_all == 16384)
            break;
    for (unsigned i = 0; i < nr_all; i++) {
        uint32_t pfn = page_to_pfn(fake->machine, all[i]);

        if (pfn % 2 == 0 && pfn / 2 < nr)
            free_one_page(zone, all[i], 0);
        else
            held[nr_held++] = all[i];
    }
    refresh_vm_stats(fake->machine);
    assert_int_equal(zone_page_state(zone, NR_FREE_PAGES), nr);
    assert_int_equal(nr_free_blocks(zone, 0), nr);
}

/* -- What happens when reclaim is called ----------------------------------------------------------------------------
 */

static unsigned give_up_after; /* calls without progress before something gives */

static unsigned long no_progress(struct machine *m, const struct zonelist *list, unsigned order, gfp_t gfp,
                                 unsigned call) {
    (void)m, (void)list, (void)order, (void)gfp, (void)call;
    return 0;
}

static unsigned long frees_100_on_the_last_call(struct machine *m, const struct zonelist *list, unsigned order,
                                                gfp_t gfp, unsigned call) {
    (void)m, (void)list, (void)order, (void)gfp;
    if (call < give_up_after)
        return 0;
    give_back(100);
    return 100;
}

static unsigned long frees_10_each_time(struct machine *m, const struct zonelist *list, unsigned order, gfp_t gfp,
                                        unsigned call) {
    (void)m, (void)list, (void)order, (void)gfp, (void)call;
    give_back(10);
    return 10;
}

/* Progress, but of a kind that no request for more than a page can use: until the last call. */
static unsigned long frees_a_block_on_the_last_call(struct machine *m, const struct zonelist *list, unsigned order,
                                                    gfp_t gfp, unsigned call) {
    (void)m, (void)list, (void)order, (void)gfp;
    if (call < give_up_after)
        return 1;
    while (nr_held)
        give_back(1);
    return 1;
}

/* -- Assertions ------------------------------------------------------------------------------------------------------
 */

static unsigned pcp_at_call[8];

static unsigned long watches_the_lists(struct machine *m, const struct zonelist *list, unsigned order, gfp_t gfp,
                                       unsigned call) {
    struct page *page = held[--nr_held];

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

static bool locked_at_try;

static unsigned long high_mark_seen;

static unsigned long frees_plenty_but_claims_none(struct machine *m, const struct zonelist *list, unsigned order,
                                                  gfp_t gfp, unsigned call) {
    (void)m, (void)list, (void)order, (void)gfp, (void)call;
    /* Somebody else's doing, say: the request itself has made no progress. */
    give_back((unsigned)high_mark_seen);
    return 0;
}

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

static unsigned long looks_at_the_oom_lock(void *host) {
    (void)host;
    locked_at_try = zone_is_oom_locked(zone);
    return 1; /* the kill is called off */
}

/* SPEC A25 */
static void the_try_before_a_kill_uses_the_high_mark(void **state) {
    (void)state;
    fake_vmscan.reclaim = frees_plenty_but_claims_none;
    leave_free(200);
    high_mark_seen = 184;
    fake->platform.oom_notify = looks_at_the_oom_lock;
    fake->on_sleep = NULL;
    /* 384 free: not above the high mark, so that it comes to the kill; the restart is then served at the low one. */
    assert_non_null(request(GFP_KERNEL, 0));
    assert_true(locked_at_try);
    assert_int_equal(fake_vmscan.calls, 1);

    locked_at_try = false;
    leave_free(200);
    high_mark_seen = 185;
    assert_non_null(request(GFP_KERNEL, 0));
    assert_false(locked_at_try);
    assert_false(zone_is_oom_locked(zone));
    assert_int_equal(fake->nr_kills, 0);
}

/* -- The table's other rows ------------------------------------------------------------------------------------------
 */

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

/* -- Two nodes: 64 MiB each, the task on node 0 -----------------------------------------------------------------------
 */

static struct fake *boot_two_nodes(void) {
    static const uint8_t cpu_node[] = {0, 1};
    const struct memory_range ranges[] = {{0, 16384, 0, ZONE_NORMAL}, {16384, 16384, 1, ZONE_NORMAL}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 2, .nr_cpus = 2, .nr_nodes = 2, .cpu_node = cpu_node};

    return fake_boot_map(&map);
}

static int setup_two_nodes(void **state) {
    setup(state);
    fake_finish(fake);
    fake = boot_two_nodes();
    fake_add_task(fake, &hog);
    zone = fake_zone(fake, 0, ZONE_NORMAL);
    return 0;
}

static void this_node_below_low_is_null_without_a_wake_or_a_warning(void **state) {
    struct page *page;

    (void)state;
    leave_free((unsigned)zone->pages_low + 1);
    page = request(GFP_THISNODE | GFP_KERNEL, 0);
    assert_non_null(page);
    assert_int_equal(page_node(page), 0);
    leave_free((unsigned)zone->pages_low);
    assert_null(request(GFP_THISNODE | GFP_KERNEL, 0));
    assert_int_equal(fake_vmscan.wakes + fake_vmscan.calls + fake->failures, 0);
    page = request(GFP_KERNEL, 0);
    assert_int_equal(page_node(page), 1);
    assert_int_equal(fake_vmscan.wakes, 0);
}

static const struct zone *first_zone_of_call[4];

static unsigned long progress_on_node_1(struct machine *m, const struct zonelist *list, unsigned order, gfp_t gfp,
                                        unsigned call) {
    (void)m, (void)order, (void)gfp;
    first_zone_of_call[call] = list->zones[0];
    if (list->zones[0]->node->node_id == 0)
        return 0;
    assert_null(list->zones[1]);
    /* held[] has the frames of both nodes, node 1's last. */
    for (unsigned i = 0; i < 300; i++)
        free_one_page(fake_zone(fake, 1, ZONE_NORMAL), held[--nr_held], 0);
    refresh_vm_stats(m);
    return 300;
}

static void empty_both_nodes(void) {
    static struct page *taken[32768];
    unsigned nr = 0;

    leave_free(0);
    zone = fake_zone(fake, 1, ZONE_NORMAL);
    while ((taken[nr] = take_one()))
        nr++;
    for (unsigned i = 0; i < 400; i++)
        held[16384 - 400 + i] = taken[i];
    nr_held = 16384;
    refresh_vm_stats(fake->machine);
    zone = fake_zone(fake, 0, ZONE_NORMAL);
}

/* Section 0: reclaim looks at one node; the request tries the others before it kills. */
static void with_node_scope_the_next_node_is_reclaimed_before_anybody_is_killed(void **state) {
    (void)state;
    empty_both_nodes();
    fake_vmscan.reclaim = progress_on_node_1;
    assert_int_equal(page_node(request(GFP_KERNEL, 0)), 1);
    assert_int_equal(fake_vmscan.calls, 2);
    assert_ptr_equal(first_zone_of_call[1], fake_zone(fake, 0, ZONE_NORMAL));
    assert_ptr_equal(first_zone_of_call[2], fake_zone(fake, 1, ZONE_NORMAL));
    assert_int_equal(fake->nr_kills, 0);
}

/* Section 0: reclaim itself goes over the list. */
static void with_zonelist_scope_there_is_one_call_a_round(void **state) {
    (void)state;
    empty_both_nodes();
    fake->machine->tune.reclaim_scope = RECLAIM_ZONELIST;
    fake_vmscan.reclaim = progress_on_node_1;
    assert_null(request(GFP_NOFS | __GFP_NORETRY, 0));
    assert_int_equal(fake_vmscan.calls, 1);
}

#define scenario_two_nodes(test) cmocka_unit_test_setup_teardown(test, setup_two_nodes, teardown)
#define scenario(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        scenario(drain_runs_once_per_reclaim_round_for_orders_above_0),
        scenario(order_0_never_drains),
        scenario(memalloc_never_reclaims),
        scenario(the_victim_may_use_the_reserves_as_well),
        scenario(an_interrupt_gets_nothing_from_the_task_that_it_interrupts),
        scenario(memalloc_nofail_waits_20_ms_for_a_free_page),
        scenario(memalloc_is_set_during_reclaim_and_cleared_afterwards),
        scenario(atomic_goes_down_to_three_eighths_of_min_and_neither_reclaims_nor_sleeps),
        scenario(nofs_order_0_without_progress_loops_with_20_ms_waits_and_never_kills),
        scenario(nofs_order_3_without_progress_loops_with_20_ms_waits_and_never_kills),
        scenario(noretry_without_progress_is_one_reclaim_no_kill_and_null),
        scenario(order_4_without_progress_takes_and_releases_the_oom_lock_and_fails),
        scenario(while_another_task_holds_the_oom_lock_the_request_sleeps_a_tick_and_restarts),
        scenario(the_try_before_a_kill_uses_the_high_mark),
        scenario(above_the_low_mark_kswapd_is_left_alone),
        scenario(nowait_and_real_time_are_served_down_to_three_quarters_of_min),
        scenario(an_ordinary_request_is_served_down_to_min),
        scenario(kernel_order_0_with_progress_loops_until_it_is_served),
        scenario(kernel_order_4_repeat_with_progress_but_no_block_loops),
        scenario(kernel_order_4_with_progress_but_no_block_tries_once),
        scenario(kernel_order_0_without_progress_kills_and_restarts),
        scenario(an_order_beyond_the_largest_block_is_null_at_once),
        scenario(an_empty_zonelist_is_null_silently),
        scenario_two_nodes(this_node_below_low_is_null_without_a_wake_or_a_warning),
        scenario_two_nodes(with_node_scope_the_next_node_is_reclaimed_before_anybody_is_killed),
        scenario_two_nodes(with_zonelist_scope_there_is_one_call_a_round),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
