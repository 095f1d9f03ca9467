/* SPDX-License-Identifier: MIT */
/* The specification's section 2, and what section 7 makes of a list: which zones are tried, in which order. */
#include "tests/unit/fake_platform.h"

#include "mm/page_alloc.h"
#include "mm/watermark.h"
#include "mm/zonelist_cache.h"

static struct fake *fake;
static struct machine *m;
static struct zone *local, *distant;

static int boot(void **state) {
    (void)state;
    fake = fake_boot_two_nodes(4096, 2);
    m = fake->machine;
    m->tune.zone_reclaim_mode = 0;
    local = fake_zone(fake, 0, ZONE_NORMAL);
    distant = fake_zone(fake, 1, ZONE_NORMAL);
    return 0;
}

static int finish(void **state) {
    (void)state;
    fake_check_and_finish(fake);
    return 0;
}

static void a_zone_found_full_is_passed_over_for_a_second(void **state) {
    const struct zonelist *list = gfp_zonelist(m, GFP_KERNEL);
    struct page *page;

    (void)state;
    fake->now_ns = 5 * ZONELIST_CACHE_NS;
    fake_fill_zone(fake, local, local->pages_low - 1);
    page = alloc_pages(m, GFP_KERNEL, 0);
    assert_ptr_equal(page_zone(m, page), distant);
    /* The first look found the hint too old, and began it anew. */
    assert_int_equal(atomic_load(&list->cache->full_zones), 0);
    alloc_pages(m, GFP_KERNEL, 0);
    assert_int_equal(atomic_load(&list->cache->full_zones), 1);
}

static void with_all_others_marked_full_the_list_is_tried_again_without_the_hint(void **state) {
    struct zonelist_cache *cache = gfp_zonelist(m, GFP_KERNEL)->cache;
    const struct zonelist *list = gfp_zonelist(m, GFP_KERNEL);
    struct page *page;

    (void)state;
    fake->now_ns = 5 * ZONELIST_CACHE_NS;
    atomic_store(&cache->last_full_zap_ns, fake->now_ns);
    /* The first zone is always tried; a third node would be needed to see one passed over, so the mark is on it. */
    fake_fill_zone(fake, local, local->pages_low - 1);
    atomic_store(&cache->full_zones, 2);
    /* Both are out of the question, so that the list is gone through once more without the hint. */
    page = get_page_from_freelist(m, GFP_KERNEL, 0, list, ALLOC_WMARK_LOW);
    assert_ptr_equal(page_zone(m, page), distant);
    put_page(m, page);
}

static void of_three_nodes_the_one_marked_full_is_skipped(void **state) {
    const struct memory_range ranges[] = {
        {0, 4096, 0, ZONE_NORMAL}, {4096, 4096, 1, ZONE_NORMAL}, {8192, 4096, 2, ZONE_NORMAL}};
    static const uint8_t distances[] = {10, 15, 20, 15, 10, 15, 20, 15, 10};
    const struct memory_map map = {
        .ranges = ranges, .nr_ranges = 3, .nr_cpus = 1, .nr_nodes = 3, .node_distance = distances};
    struct fake *three = fake_boot_map(&map);
    struct machine *machine = three->machine;
    struct zone *first = fake_zone(three, 0, ZONE_NORMAL);
    struct zonelist_cache *cache = gfp_zonelist(machine, GFP_KERNEL)->cache;
    struct page *page;

    (void)state;
    three->now_ns = 5 * ZONELIST_CACHE_NS;
    atomic_store(&cache->last_full_zap_ns, three->now_ns);
    first->pages_low = 10000;
    atomic_store(&cache->full_zones, 2);
    page = alloc_pages(machine, GFP_KERNEL, 0);
    assert_int_equal(page_node(page), 2);
    three->now_ns += ZONELIST_CACHE_NS + 1;
    page = alloc_pages(machine, GFP_KERNEL, 0);
    assert_int_equal(page_node(page), 1);
    /* A list for one node keeps none. */
    assert_null(gfp_zonelist(machine, GFP_KERNEL | __GFP_THISNODE)->cache);
    fake_finish(three);
}

static void on_one_node_nothing_is_remembered(void **state) {
    struct fake *one = fake_boot(4096, 1);

    (void)state;
    assert_null(gfp_zonelist(one->machine, GFP_KERNEL)->cache);
    fake_finish(one);
}

static void a_policy_list_is_held_to_the_masks_zone(void **state) {
    const struct memory_range ranges[] = {{0, 4096, 0, ZONE_DMA}, {4096, 8192, 0, ZONE_NORMAL}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 2, .nr_cpus = 1, .nr_nodes = 1};
    struct fake *two = fake_boot_map(&map);
    struct zonelist policy = {.zones = {fake_zone(two, 0, ZONE_NORMAL), fake_zone(two, 0, ZONE_DMA), NULL},
                              .is_policy = true};
    struct page *page;

    (void)state;
    page = get_page_from_freelist(two->machine, __GFP_DMA, 0, &policy, ALLOC_NO_WATERMARKS);
    assert_int_equal(page_zone_type(page), ZONE_DMA);
    policy.is_policy = false;
    page = get_page_from_freelist(two->machine, __GFP_DMA, 0, &policy, ALLOC_NO_WATERMARKS);
    assert_int_equal(page_zone_type(page), ZONE_NORMAL);
    fake_finish(two);
}

static void assert_zone(const struct zonelist *list, unsigned i, unsigned node, enum zone_type type) {
    assert_int_equal(list->zones[i]->node->node_id, node);
    assert_int_equal(list->zones[i]->type, type);
}

static void zonelists_go_by_node_or_by_zone_as_told(void **state) {
    const struct memory_range ranges[] = {
        {0, 4096, 0, ZONE_DMA}, {4096, 12288, 0, ZONE_NORMAL}, {16384, 16384, 1, ZONE_NORMAL}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 3, .nr_cpus = 1, .nr_nodes = 2};
    struct fake *two = fake_boot_map(&map);
    const struct zonelist *list = &two->machine->nodes[0]->node_zonelists[ZONE_NORMAL];
    struct tunables tune = two->machine->tune;

    (void)state;
    /* An eighth of memory is DMA: by zone. */
    assert_zone(list, 1, 1, ZONE_NORMAL);
    assert_zone(list, 2, 0, ZONE_DMA);
    tune.zonelist_order = ZONELIST_NODE;
    assert_int_equal(machine_tune(two->machine, &tune), MM_OK);
    assert_zone(list, 0, 0, ZONE_NORMAL);
    assert_zone(list, 1, 0, ZONE_DMA);
    assert_zone(list, 2, 1, ZONE_NORMAL);
    assert_null(list->zones[3]);
    tune.zonelist_order = ZONELIST_ZONE;
    assert_int_equal(machine_tune(two->machine, &tune), MM_OK);
    assert_zone(list, 1, 1, ZONE_NORMAL);
    tune.zonelist_order = 3;
    assert_int_equal(machine_tune(two->machine, &tune), MM_INVAL);
    fake_finish(two);
}

#define NODES(test) cmocka_unit_test_setup_teardown(test, boot, finish)

int main(void) {
    const struct CMUnitTest tests[] = {
        NODES(a_zone_found_full_is_passed_over_for_a_second),
        NODES(with_all_others_marked_full_the_list_is_tried_again_without_the_hint),
        cmocka_unit_test(of_three_nodes_the_one_marked_full_is_skipped),
        cmocka_unit_test(on_one_node_nothing_is_remembered),
        cmocka_unit_test(a_policy_list_is_held_to_the_masks_zone),
        cmocka_unit_test(zonelists_go_by_node_or_by_zone_as_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
