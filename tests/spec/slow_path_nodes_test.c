/* SPDX-License-Identifier: MIT */
/* The slow path (section 8 of the specification) on two nodes of 64 MiB each, the task on the first. */
#include "tests/spec/slow_path.h"

#include "mm/buddy.h"
#include "mm/page_alloc.h"

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
static struct page *taken[16384]; /* node 1's */
static unsigned nr_taken;

static unsigned long progress_on_node_1(struct machine *m, const struct zonelist *list, unsigned order, gfp_t gfp,
                                        unsigned call) {
    (void)m, (void)order, (void)gfp;
    first_zone_of_call[call] = list->zones[0];
    if (list->zones[0]->node->node_id == 0)
        return 0;
    assert_null(list->zones[1]);
    for (unsigned i = 0; i < 300; i++)
        free_one_page(fake_zone(fake, 1, ZONE_NORMAL), taken[--nr_taken], 0);
    refresh_vm_stats(m);
    return 300;
}

static void empty_both_nodes(void) {
    struct zone *distant = fake_zone(fake, 1, ZONE_NORMAL);

    leave_free(0);
    nr_taken = 0;
    while ((taken[nr_taken] = __rmqueue(distant, 0, MIGRATE_MOVABLE)))
        if (++nr_taken == 16384)
            break;
    refresh_vm_stats(fake->machine);
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

static unsigned nr_zones_of_call[4];

static unsigned long no_progress_but_counted(struct machine *m, const struct zonelist *list, unsigned order, gfp_t gfp,
                                             unsigned call) {
    unsigned nr = 0;

    (void)m, (void)order, (void)gfp;
    while (list->zones[nr])
        nr++;
    nr_zones_of_call[call % 4] = nr;
    return 0;
}

/* Each further node once, however many zones it has. */
static void a_node_of_two_zones_is_reclaimed_as_one(void **state) {
    static const struct memory_range ranges[] = {{0, 4096, 0, ZONE_DMA},
                                                 {4096, 12288, 0, ZONE_NORMAL},
                                                 {16384, 4096, 1, ZONE_DMA},
                                                 {20480, 12288, 1, ZONE_NORMAL}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 4, .nr_cpus = 1, .nr_nodes = 2};

    (void)state;
    fake_finish(fake);
    fake = fake_boot_map(&map);
    fake->machine->tune.zonelist_order = ZONELIST_NODE;
    build_all_zonelists(fake->machine);
    for_each_populated_zone(fake->machine, zone) while (__rmqueue(zone, 0, MIGRATE_MOVABLE));
    refresh_vm_stats(fake->machine);
    fake_vmscan.reclaim = no_progress_but_counted;
    assert_null(request(GFP_NOFS | __GFP_NORETRY, 0));
    assert_int_equal(fake_vmscan.calls, 2);
    assert_int_equal(nr_zones_of_call[1], 4);
    assert_int_equal(nr_zones_of_call[2], 2);
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

#define scenario(test) cmocka_unit_test_setup_teardown(test, slow_path_setup_two_nodes, slow_path_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        scenario(this_node_below_low_is_null_without_a_wake_or_a_warning),
        scenario(with_node_scope_the_next_node_is_reclaimed_before_anybody_is_killed),
        scenario(a_node_of_two_zones_is_reclaimed_as_one),
        scenario(with_zonelist_scope_there_is_one_call_a_round),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
