/* SPDX-License-Identifier: MIT */
/* The specification's assertions on zone flags (sections 1.3 and 13.1). A28's first half is tested with vmscan. */
#include "tests/unit/fake_platform.h"

#include "mm/oom_kill.h"
#include "mm/page_alloc.h"
#include "mm/pcp.h"

/* SPEC A26 */
static void zone_test_and_set_flag_returns_the_old_state(void **state) {
    struct fake *fake = fake_boot(4096, 1);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);

    (void)state;
    assert_false(zone_test_and_set_flag(zone, ZONE_RECLAIM_LOCKED));
    assert_true(zone_test_and_set_flag(zone, ZONE_RECLAIM_LOCKED));
    assert_true(zone_is_reclaim_locked(zone));
    assert_false(zone_is_all_unreclaimable(zone));
    assert_false(zone_is_oom_locked(zone));
    zone_clear_flag(zone, ZONE_RECLAIM_LOCKED);
    assert_false(zone_is_reclaim_locked(zone));
    zone_set_flag(zone, ZONE_OOM_LOCKED);
    assert_int_equal(atomic_load(&zone->flags), 4);
    assert_false(zone_test_and_set_flag(zone, ZONE_ALL_UNRECLAIMABLE));
    assert_int_equal(atomic_load(&zone->flags), 5);
    fake_finish(fake);
}

/* SPEC A27 */
static void try_set_zone_oom_is_all_or_nothing(void **state) {
    const struct memory_range ranges[] = {
        {0, 4096, 0, ZONE_DMA}, {4096, 8192, 0, ZONE_NORMAL}, {12288, 4096, 0, ZONE_HIGHMEM}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 3, .nr_cpus = 1, .nr_nodes = 1};
    struct fake *fake = fake_boot_map(&map);
    struct machine *m = fake->machine;
    const struct zonelist *normal = &m->nodes[0]->node_zonelists[ZONE_NORMAL];
    const struct zonelist *highmem = &m->nodes[0]->node_zonelists[ZONE_HIGHMEM];

    (void)state;
    assert_true(try_set_zone_oom(m, normal));
    assert_true(zone_is_oom_locked(fake_zone(fake, 0, ZONE_DMA)));
    assert_true(zone_is_oom_locked(fake_zone(fake, 0, ZONE_NORMAL)));
    assert_false(try_set_zone_oom(m, highmem));
    assert_false(zone_is_oom_locked(fake_zone(fake, 0, ZONE_HIGHMEM)));
    assert_false(try_set_zone_oom(m, normal));
    clear_zonelist_oom(m, normal);
    assert_false(zone_is_oom_locked(fake_zone(fake, 0, ZONE_DMA)));
    assert_true(try_set_zone_oom(m, highmem));
    assert_false(try_set_zone_oom(m, normal));
    clear_zonelist_oom(m, highmem);
    fake_check_and_finish(fake);
}

static void mark_unreclaimable(struct zone *zone) {
    zone_set_flag(zone, ZONE_ALL_UNRECLAIMABLE);
    atomic_store(&zone->pages_scanned, 1000);
}

static void assert_reclaimable(struct zone *zone, bool is) {
    assert_int_equal(zone_is_all_unreclaimable(zone), !is);
    assert_int_equal(atomic_load(&zone->pages_scanned), is ? 0 : 1000);
}

/* SPEC A28, second half */
static void any_block_freed_into_the_buddy_lists_makes_a_zone_reclaimable(void **state) {
    struct fake *fake = fake_boot(16384, 1);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct page *block = alloc_pages(fake->machine, GFP_KERNEL, 3);
    struct page *page = alloc_pages(fake->machine, GFP_KERNEL, 0);

    (void)state;
    mark_unreclaimable(zone);
    __free_pages(fake->machine, block, 3);
    assert_reclaimable(zone, true);

    mark_unreclaimable(zone);
    __free_pages(fake->machine, page, 0);
    assert_reclaimable(zone, false);
    drain_all_local_pages(fake->machine);
    assert_reclaimable(zone, true);
    fake_finish(fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zone_test_and_set_flag_returns_the_old_state),
        cmocka_unit_test(try_set_zone_oom_is_all_or_nothing),
        cmocka_unit_test(any_block_freed_into_the_buddy_lists_makes_a_zone_reclaimable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
