/* SPDX-License-Identifier: MIT */
/* Which nodes a request may use. */
#include "tests/unit/fake_platform.h"

#include "mm/cpuset.h"
#include "mm/page_alloc.h"
#include "mm/pcp.h"
#include "mm/vmscan.h"

static struct fake *fake;
static struct task task;

static int setup(void **state) {
    (void)state;
    fake = fake_boot_two_nodes(16384, 1);
    task = (struct task){.mems_allowed = 2};
    fake_set_current(&task);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_check_and_finish(fake);
    return 0;
}

static int node_of(gfp_t gfp) {
    struct page *page = alloc_pages(fake->machine, gfp, 0);
    int node;

    assert_non_null(page);
    node = page_zone(fake->machine, page)->node->node_id;
    __free_pages(fake->machine, page, 0);
    return node;
}

static void an_attempt_that_may_wait_keeps_to_the_tasks_own_nodes(void **state) {
    (void)state;
    assert_int_equal(node_of(GFP_USER), 1);
    assert_int_equal(node_of(GFP_KERNEL), 1);
    task.mems_allowed = 0;
    assert_int_equal(node_of(GFP_USER), 0);
}

static void nothing_to_do(void *host) {
    (void)host;
}

/* A list whose lock belongs to the task is taken from without further ado. */
static void a_page_at_hand_is_no_way_round_the_cpuset(void **state) {
    (void)state;
    fake->platform.barrier = nothing_to_do;
    task.mems_allowed = 0;
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(node_of(GFP_KERNEL), 0);
    assert_true(zone_pcp_pages(fake_zone(fake, 0, ZONE_NORMAL)) > 0);
    task.mems_allowed = 2;
    assert_int_equal(node_of(GFP_KERNEL), 1);
}

static void an_interrupt_and_a_victim_may_use_every_node(void **state) {
    (void)state;
    fake->in_interrupt = true;
    assert_int_equal(node_of(GFP_ATOMIC), 0);
    fake->in_interrupt = false;
    assert_int_equal(node_of(GFP_USER), 1);
    atomic_store(&task.flags, TIF_MEMDIE);
    assert_int_equal(node_of(GFP_USER), 0);
}

/* Step 5 of the slow path: without WAIT there is no ALLOC_CPUSET. */
static void an_atomic_request_goes_elsewhere_when_its_own_nodes_are_full(void **state) {
    struct zone *own = fake_zone(fake, 1, ZONE_NORMAL);
    unsigned long marks[3] = {own->pages_min, own->pages_low, own->pages_high};

    (void)state;
    own->pages_min = own->pages_low = own->pages_high = 100000;
    assert_int_equal(node_of(GFP_ATOMIC), 0);
    own->pages_min = marks[0], own->pages_low = marks[1], own->pages_high = marks[2];
}

static void the_soft_wall_reaches_to_the_next_exclusive_cpuset(void **state) {
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);

    (void)state;
    assert_true(cpuset_zone_allowed_softwall(zone, GFP_KERNEL));
    assert_false(cpuset_zone_allowed_softwall(zone, GFP_USER));
    assert_true(cpuset_zone_allowed_softwall(zone, GFP_USER | __GFP_THISNODE));
    assert_false(cpuset_zone_allowed_hardwall(zone));
    task.mems_exclusive = 2;
    assert_false(cpuset_zone_allowed_softwall(zone, GFP_KERNEL));
    atomic_store(&task.flags, PF_EXITING);
    assert_true(cpuset_zone_allowed_softwall(zone, GFP_KERNEL));
    assert_false(cpuset_zone_allowed_softwall(zone, GFP_USER));
    assert_false(cpuset_zone_allowed_hardwall(zone));
}

static void kswapd_of_a_forbidden_node_is_left_asleep(void **state) {
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    unsigned long low = zone->pages_low;

    (void)state;
    zone->pages_low = 100000;
    wakeup_kswapd(zone, 0);
    assert_int_equal(fake->kswapd_wakes, 0);
    task.mems_allowed = 3;
    wakeup_kswapd(zone, 0);
    assert_int_equal(fake->kswapd_wakes, 1);
    zone->pages_low = low;
}

#define cpuset_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cpuset_test(an_attempt_that_may_wait_keeps_to_the_tasks_own_nodes),
        cpuset_test(a_page_at_hand_is_no_way_round_the_cpuset),
        cpuset_test(an_interrupt_and_a_victim_may_use_every_node),
        cpuset_test(an_atomic_request_goes_elsewhere_when_its_own_nodes_are_full),
        cpuset_test(the_soft_wall_reaches_to_the_next_exclusive_cpuset),
        cpuset_test(kswapd_of_a_forbidden_node_is_left_asleep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
