/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_platform.h"

#include <string.h>

#include "mm/buddy.h"
#include "mm/memory_hotplug.h"
#include "mm/page_alloc.h"
#include "mm/watermark.h"

static void frames_descriptors_and_addresses_convert_into_each_other(void **state) {
    const struct memory_range range = {.start_pfn = 300, .nr_pages = 5000, .node = 0, .zone_type = ZONE_NORMAL};
    const struct memory_map map = {.ranges = &range, .nr_ranges = 1, .nr_cpus = 1, .nr_nodes = 1};
    struct fake *fake = fake_boot_map(&map);
    struct machine *m = fake->machine;

    (void)state;
    assert_int_equal(m->start_pfn, 300);
    assert_int_equal(m->end_pfn, 5300);
    for (uint32_t pfn = 300; pfn < 5300; pfn += 499) {
        struct page *page = pfn_to_page(m, pfn);

        assert_int_equal(page_to_pfn(m, page), pfn);
        assert_ptr_equal(page_address(m, page), (char *)m->map.arena + pfn * PAGE_SIZE);
        assert_ptr_equal(virt_to_page(m, (char *)page_address(m, page) + 5), page);
    }
    fake_finish(fake);
}

static void holes_belong_to_no_zone_and_are_never_handed_out(void **state) {
    const struct memory_range ranges[] = {
        {0, 1000, 0, ZONE_NORMAL}, {1100, 5000, 0, ZONE_NORMAL}, {10000, 3000, 1, ZONE_NORMAL}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 3, .nr_cpus = 1, .nr_nodes = 2};
    struct fake *fake = fake_boot_map(&map);
    struct machine *m = fake->machine;
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    unsigned nr = 0;
    struct page *page;

    (void)state;
    assert_true(pfn_valid(m, 999));
    assert_false(pfn_valid(m, 1000));
    assert_false(pfn_valid(m, 1099));
    assert_true(pfn_valid(m, 1100));
    assert_false(pfn_valid(m, 6100));
    assert_false(pfn_valid(m, 13000));
    assert_int_equal(zone->present_pages, 6000);
    assert_int_equal(zone->spanned_pages, 6100);
    assert_int_equal(m->nodes[0]->node_present_pages, 6000);
    assert_int_equal(m->nodes[0]->node_spanned_pages, 6100);
    assert_int_equal(m->nodes[1]->node_start_pfn, 10000);
    assert_ptr_equal(page_zone(m, pfn_to_page(m, 10000)), fake_zone(fake, 1, ZONE_NORMAL));
    fake_check(fake);
    atomic_store(&fake->init_task.flags, PF_MEMALLOC);
    while ((page = alloc_pages(m, GFP_HIGHUSER_MOVABLE | __GFP_NOWARN, 0))) {
        assert_true(pfn_valid(m, page_to_pfn(m, page)));
        nr++;
    }
    assert_int_equal(nr, 9000);
    atomic_store(&fake->init_task.flags, 0);
    fake_check_and_finish(fake);
}

static void whole_pageblocks_of_a_hole_exist_no_more_than_parts_of_one(void **state) {
    const struct memory_range ranges[] = {{0, 1024, 0, ZONE_NORMAL}, {4096, 1000, 0, ZONE_NORMAL}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 2, .nr_cpus = 1, .nr_nodes = 1};
    struct fake *fake = fake_boot_map(&map);
    struct machine *m = fake->machine;

    (void)state;
    fake_check(fake);
    /* The first 512 of each range have no descriptor yet. */
    assert_false(pfn_valid(m, 600));
    assert_true(frame_exists(m, 0) && frame_exists(m, 600) && frame_exists(m, 1023));
    assert_false(frame_exists(m, 1024) || frame_exists(m, 2048) || frame_exists(m, 4095));
    assert_true(frame_exists(m, 4096) && frame_exists(m, 5095));
    assert_false(frame_exists(m, 5096) || frame_exists(m, UINT32_MAX));
    fake_finish(fake);
}

static void a_zone_that_comes_later_is_found_by_requests_and_by_its_pages(void **state) {
    static const bool offline[] = {true, false, true};
    const struct memory_range ranges[] = {
        {0, 512, 0, ZONE_DMA}, {512, 2048, 0, ZONE_NORMAL}, {2560, 65536, 0, ZONE_NORMAL}};
    const struct memory_map map = {
        .ranges = ranges, .nr_ranges = 3, .nr_cpus = 1, .nr_nodes = 1, .range_offline = offline};
    struct fake *fake = fake_boot_map(&map);
    struct machine *m = fake->machine;
    struct zone *dma = fake_zone(fake, 0, ZONE_DMA), *normal = fake_zone(fake, 0, ZONE_NORMAL);
    struct page *page;

    (void)state;
    assert_int_equal(gfp_zone(m, GFP_KERNEL | __GFP_DMA), ZONE_NORMAL);
    assert_false(frame_exists(m, 0));
    assert_int_equal(online_pages(m, 0, 512), MM_OK);
    fake_check(fake);
    assert_int_equal(gfp_zone(m, GFP_KERNEL | __GFP_DMA), ZONE_DMA);
    page = alloc_pages(m, GFP_KERNEL | __GFP_DMA, 0);
    assert_ptr_equal(page_zone(m, page), dma);
    __free_pages(m, page, 0);
    /* What shards keep unpublished goes with the zone's size. */
    assert_int_equal(normal->free_batch, vmstat_threshold(1, 2048));
    assert_int_equal(online_pages(m, 2560, 65536), MM_OK);
    assert_int_equal(normal->free_batch, vmstat_threshold(1, 2048 + 65536));
    assert_int_not_equal(normal->free_batch, vmstat_threshold(1, 2048));
    fake_check_and_finish(fake);
}

static void node_spans_cover_all_their_zones(void **state) {
    const struct memory_range ranges[] = {
        {0, 1024, 0, ZONE_MOVABLE}, {1024, 1024, 0, ZONE_DMA}, {4096, 1024, 0, ZONE_NORMAL}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 3, .nr_cpus = 1, .nr_nodes = 1};
    struct fake *fake = fake_boot_map(&map);
    const struct pglist_data *node = fake->machine->nodes[0];

    (void)state;
    assert_int_equal(node->node_start_pfn, 0);
    assert_int_equal(node->node_spanned_pages, 5120);
    assert_int_equal(node->node_present_pages, 3072);
    assert_int_equal(node->nr_zones, ZONE_MOVABLE + 1);
    assert_int_equal(fake->machine->zone_types, 1 << ZONE_DMA | 1 << ZONE_NORMAL | 1 << ZONE_MOVABLE);
    assert_int_equal(fake->machine->vm_total_pages, 3072);
    fake_finish(fake);
}

static void a_map_that_makes_no_sense_is_refused(void **state) {
    static const uint8_t bad_cpu_node[] = {0, 2};
    const struct memory_range good[] = {{0, 1024, 0, ZONE_NORMAL}, {1024, 1024, 1, ZONE_NORMAL}};
    const struct memory_range overlap[] = {{0, 1025, 0, ZONE_NORMAL}, {1024, 1024, 1, ZONE_NORMAL}};
    const struct memory_range node[] = {{0, 1024, 2, ZONE_NORMAL}};
    const struct memory_range type[] = {{0, 1024, 0, MAX_NR_ZONES}};
    const struct memory_range empty[] = {{0, 0, 0, ZONE_NORMAL}};
    const struct memory_range wrap[] = {{UINT32_MAX - 1024, 1024, 0, ZONE_NORMAL}};
    const struct memory_map base = {.ranges = good, .nr_ranges = 2, .nr_cpus = 2, .nr_nodes = 2};
    struct memory_map map = base;

    (void)state;
    assert_int_not_equal(machine_boot_bytes(&map), 0);
    map.ranges = overlap;
    assert_int_equal(machine_boot_bytes(&map), 0);
    map.nr_ranges = 1;
    map.ranges = node;
    assert_int_equal(machine_boot_bytes(&map), 0);
    map.ranges = type;
    assert_int_equal(machine_boot_bytes(&map), 0);
    map.ranges = empty;
    assert_int_equal(machine_boot_bytes(&map), 0);
    map.ranges = wrap;
    assert_int_equal(machine_boot_bytes(&map), 0);
    map = base;
    map.cpu_node = bad_cpu_node;
    assert_int_equal(machine_boot_bytes(&map), 0);
    map = base;
    map.nr_cpus = 0;
    assert_int_equal(machine_boot_bytes(&map), 0);
    map = base;
    map.nr_nodes = MAX_NUMNODES + 1;
    assert_int_equal(machine_boot_bytes(&map), 0);
    map = base;
    map.nr_ranges = 0;
    assert_null(machine_boot(NULL, &map, &map));
}

static void a_machine_costs_less_than_1_percent_of_its_memory(void **state) {
    (void)state;
    for (uint32_t nr_pages = 16384; nr_pages <= 16777216; nr_pages *= 4) {
        const struct memory_range range = {.start_pfn = 0, .nr_pages = nr_pages, .node = 0, .zone_type = ZONE_NORMAL};
        const struct memory_map map = {.ranges = &range, .nr_ranges = 1, .nr_cpus = 1, .nr_nodes = 1};

        assert_true(machine_boot_bytes(&map) * 100 <= (size_t)nr_pages << PAGE_SHIFT);
    }
}

static void boot_stays_within_the_memory_that_it_asked_for(void **state) {
    const struct memory_range ranges[] = {{0, 1000, 0, ZONE_DMA}, {1000, 5000, 1, ZONE_NORMAL}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 2, .nr_cpus = 3, .nr_nodes = 2};
    /* fake_boot_map() allocates exactly that much, which the sanitizers watch; here the far end is looked at. */
    struct fake *fake = fake_boot_map(&map);
    const char *end = (const char *)fake->boot + machine_boot_bytes(&map);

    (void)state;
    assert_true((const char *)pfn_to_page(fake->machine, fake->machine->end_pfn) <= end);
    assert_true((const char *)pfn_to_page(fake->machine, fake->machine->end_pfn) > end - PAGE_SIZE);
    fake_finish(fake);
}

static void two_machines_in_one_process_never_meet(void **state) {
    struct fake *a = fake_boot(4096, 1), *b = fake_boot(4096, 1);

    (void)state;
    assert_non_null(alloc_pages(a->machine, GFP_KERNEL, 3));
    assert_int_equal(zone_page_state_exact(fake_zone(a, 0, ZONE_NORMAL), NR_FREE_PAGES), 4088);
    assert_int_equal(zone_page_state_exact(fake_zone(b, 0, ZONE_NORMAL), NR_FREE_PAGES), 4096);
    fake_check(a);
    fake_check(b);
    fake_finish(a);
    fake_finish(b);
}

static void grouping_by_mobility_is_off_below_five_pageblocks(void **state) {
    struct fake *fake = fake_boot(PAGEBLOCK_PAGES * 5 - 1, 1);

    (void)state;
    assert_int_equal(gfp_migratetype(fake->machine, GFP_HIGHUSER_MOVABLE), MIGRATE_UNMOVABLE);
    fake_finish(fake);
    fake = fake_boot(PAGEBLOCK_PAGES * 5, 1);
    assert_int_equal(gfp_migratetype(fake->machine, GFP_HIGHUSER_MOVABLE), MIGRATE_MOVABLE);
    fake_finish(fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_descriptors_and_addresses_convert_into_each_other),
        cmocka_unit_test(holes_belong_to_no_zone_and_are_never_handed_out),
        cmocka_unit_test(whole_pageblocks_of_a_hole_exist_no_more_than_parts_of_one),
        cmocka_unit_test(a_zone_that_comes_later_is_found_by_requests_and_by_its_pages),
        cmocka_unit_test(node_spans_cover_all_their_zones),
        cmocka_unit_test(a_map_that_makes_no_sense_is_refused),
        cmocka_unit_test(a_machine_costs_less_than_1_percent_of_its_memory),
        cmocka_unit_test(boot_stays_within_the_memory_that_it_asked_for),
        cmocka_unit_test(two_machines_in_one_process_never_meet),
        cmocka_unit_test(grouping_by_mobility_is_off_below_five_pageblocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
