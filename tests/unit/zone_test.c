/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_platform.h"

static void assert_zones(const struct zonelist *list, struct zone *const *zones, unsigned nr) {
    for (unsigned i = 0; i < nr; i++)
        assert_ptr_equal(list->zones[i], zones[i]);
    assert_null(list->zones[nr]);
}

static void a_nodes_list_has_its_populated_zones_from_the_type_down(void **state) {
    const struct memory_range ranges[] = {
        {0, 1024, 0, ZONE_DMA}, {1024, 4096, 0, ZONE_NORMAL}, {8192, 1024, 0, ZONE_MOVABLE}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 3, .nr_cpus = 1, .nr_nodes = 1};
    struct fake *fake = fake_boot_map(&map);
    struct zone *dma = fake_zone(fake, 0, ZONE_DMA), *normal = fake_zone(fake, 0, ZONE_NORMAL);
    struct zone *movable = fake_zone(fake, 0, ZONE_MOVABLE);
    const struct zonelist *lists = fake->machine->nodes[0]->node_zonelists;

    (void)state;
    assert_zones(&lists[ZONE_DMA], (struct zone *[]){dma}, 1);
    assert_zones(&lists[ZONE_NORMAL], (struct zone *[]){normal, dma}, 2);
    assert_zones(&lists[ZONE_HIGHMEM], (struct zone *[]){normal, dma}, 2);
    assert_zones(&lists[ZONE_MOVABLE], (struct zone *[]){movable, normal, dma}, 3);
    fake_finish(fake);
}

static void without_low_memory_all_zones_of_a_node_come_before_the_next_node(void **state) {
    const struct memory_range ranges[] = {{0, 4096, 0, ZONE_NORMAL},
                                          {4096, 1024, 0, ZONE_MOVABLE},
                                          {8192, 4096, 1, ZONE_NORMAL},
                                          {12288, 1024, 1, ZONE_MOVABLE}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 4, .nr_cpus = 1, .nr_nodes = 2};
    struct fake *fake = fake_boot_map(&map);
    struct zone *n0 = fake_zone(fake, 0, ZONE_NORMAL), *m0 = fake_zone(fake, 0, ZONE_MOVABLE);
    struct zone *n1 = fake_zone(fake, 1, ZONE_NORMAL), *m1 = fake_zone(fake, 1, ZONE_MOVABLE);

    (void)state;
    assert_zones(&fake->machine->nodes[0]->node_zonelists[ZONE_MOVABLE], (struct zone *[]){m0, n0, m1, n1}, 4);
    assert_zones(&fake->machine->nodes[1]->node_zonelists[ZONE_MOVABLE], (struct zone *[]){m1, n1, m0, n0}, 4);
    assert_zones(&fake->machine->nodes[1]->node_thisnode_zonelists[ZONE_MOVABLE], (struct zone *[]){m1, n1}, 2);
    fake_finish(fake);
}

static void a_little_low_memory_is_spared_by_zone_order(void **state) {
    const struct memory_range ranges[] = {
        {0, 1024, 0, ZONE_DMA}, {1024, 8192, 0, ZONE_NORMAL}, {16384, 8192, 1, ZONE_NORMAL}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 3, .nr_cpus = 1, .nr_nodes = 2};
    struct fake *fake = fake_boot_map(&map);
    struct zone *d0 = fake_zone(fake, 0, ZONE_DMA), *n0 = fake_zone(fake, 0, ZONE_NORMAL);
    struct zone *n1 = fake_zone(fake, 1, ZONE_NORMAL);

    (void)state;
    assert_zones(&fake->machine->nodes[0]->node_zonelists[ZONE_NORMAL], (struct zone *[]){n0, n1, d0}, 3);
    assert_zones(&fake->machine->nodes[1]->node_zonelists[ZONE_NORMAL], (struct zone *[]){n1, n0, d0}, 3);
    fake_finish(fake);
}

/* 60 % on each of two nodes of equal size: neither is larger than average. */
static void with_more_than_half_low_memory_node_order_rules(void **state) {
    const struct memory_range ranges[] = {{0, 6144, 0, ZONE_DMA32},
                                          {6144, 4096, 0, ZONE_NORMAL},
                                          {16384, 6144, 1, ZONE_DMA32},
                                          {22528, 4096, 1, ZONE_NORMAL}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 4, .nr_cpus = 1, .nr_nodes = 2};
    struct fake *fake = fake_boot_map(&map);
    struct zone *d0 = fake_zone(fake, 0, ZONE_DMA32), *n0 = fake_zone(fake, 0, ZONE_NORMAL);
    struct zone *d1 = fake_zone(fake, 1, ZONE_DMA32), *n1 = fake_zone(fake, 1, ZONE_NORMAL);

    (void)state;
    assert_zones(&fake->machine->nodes[0]->node_zonelists[ZONE_NORMAL], (struct zone *[]){n0, d0, n1, d1}, 4);
    fake_finish(fake);
}

/* Only node 1 has CPUs. */
static void of_equal_nodes_a_later_one_and_one_without_cpus_is_preferred(void **state) {
    static const uint8_t cpu_node[] = {1};
    const struct memory_range ranges[] = {
        {0, 4096, 0, ZONE_NORMAL}, {4096, 4096, 1, ZONE_NORMAL}, {8192, 4096, 2, ZONE_NORMAL}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 3, .nr_cpus = 1, .nr_nodes = 3, .cpu_node = cpu_node};
    struct fake *fake = fake_boot_map(&map);
    struct zone *n0 = fake_zone(fake, 0, ZONE_NORMAL), *n1 = fake_zone(fake, 1, ZONE_NORMAL);
    struct zone *n2 = fake_zone(fake, 2, ZONE_NORMAL);

    (void)state;
    assert_zones(&fake->machine->nodes[0]->node_zonelists[ZONE_NORMAL], (struct zone *[]){n0, n2, n1}, 3);
    assert_zones(&fake->machine->nodes[1]->node_zonelists[ZONE_NORMAL], (struct zone *[]){n1, n2, n0}, 3);
    fake_finish(fake);
}

/* 40 % low memory in all, but 80 % of the one node that is larger than average. */
static void a_large_node_of_low_memory_makes_for_node_order(void **state) {
    const struct memory_range ranges[] = {{0, 8192, 0, ZONE_DMA32},
                                          {8192, 2048, 0, ZONE_NORMAL},
                                          {16384, 5120, 1, ZONE_NORMAL},
                                          {32768, 5120, 2, ZONE_NORMAL}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 4, .nr_cpus = 1, .nr_nodes = 3};
    struct fake *fake = fake_boot_map(&map);

    (void)state;
    assert_ptr_equal(fake->machine->nodes[0]->node_zonelists[ZONE_NORMAL].zones[1], fake_zone(fake, 0, ZONE_DMA32));
    fake_finish(fake);
}

static void nearer_nodes_come_first_and_peers_take_turns(void **state) {
    static const uint8_t distance[] = {10, 15, 20, 20, 15, 10, 20, 20, 20, 20, 10, 15, 20, 20, 15, 10};
    static const uint8_t cpu_node[] = {0, 1, 2, 3};
    struct memory_range ranges[4];
    struct memory_map map = {.ranges = ranges, .nr_ranges = 4, .nr_cpus = 4, .nr_nodes = 4};
    const struct zonelist *list;
    struct fake *fake;
    int far0, far1;

    (void)state;
    for (unsigned n = 0; n < 4; n++)
        ranges[n] = (struct memory_range){n * 4096, 4096, (uint8_t)n, ZONE_NORMAL};
    map.node_distance = distance;
    map.cpu_node = cpu_node;
    fake = fake_boot_map(&map);
    list = &fake->machine->nodes[0]->node_zonelists[ZONE_NORMAL];
    assert_int_equal(list->zones[0]->node->node_id, 0);
    assert_int_equal(list->zones[1]->node->node_id, 1);
    far0 = list->zones[2]->node->node_id;
    list = &fake->machine->nodes[1]->node_zonelists[ZONE_NORMAL];
    assert_int_equal(list->zones[0]->node->node_id, 1);
    assert_int_equal(list->zones[1]->node->node_id, 0);
    far1 = list->zones[2]->node->node_id;
    /* Nodes 2 and 3 are equally far from both; the first to fall back on one makes the second take the other. */
    assert_int_equal(far0, 2);
    assert_int_equal(far1, 3);
    fake_finish(fake);
}

static void a_node_without_memory_uses_the_others(void **state) {
    const struct memory_range ranges[] = {{0, 4096, 1, ZONE_NORMAL}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 1, .nr_cpus = 1, .nr_nodes = 2};
    struct fake *fake = fake_boot_map(&map);

    (void)state;
    assert_zones(&fake->machine->nodes[0]->node_zonelists[ZONE_NORMAL],
                 (struct zone *[]){fake_zone(fake, 1, ZONE_NORMAL)}, 1);
    assert_null(fake->machine->nodes[0]->node_thisnode_zonelists[ZONE_NORMAL].zones[0]);
    fake_finish(fake);
}

static void each_type_of_zone_has_the_name_that_the_kernel_gives_it(void **state) {
    (void)state;
    assert_string_equal(zone_name(ZONE_DMA), "DMA");
    assert_string_equal(zone_name(ZONE_DMA32), "DMA32");
    assert_string_equal(zone_name(ZONE_NORMAL), "Normal");
    assert_string_equal(zone_name(ZONE_HIGHMEM), "HighMem");
    assert_string_equal(zone_name(ZONE_MOVABLE), "Movable");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_nodes_list_has_its_populated_zones_from_the_type_down),
        cmocka_unit_test(without_low_memory_all_zones_of_a_node_come_before_the_next_node),
        cmocka_unit_test(a_little_low_memory_is_spared_by_zone_order),
        cmocka_unit_test(with_more_than_half_low_memory_node_order_rules),
        cmocka_unit_test(of_equal_nodes_a_later_one_and_one_without_cpus_is_preferred),
        cmocka_unit_test(a_large_node_of_low_memory_makes_for_node_order),
        cmocka_unit_test(nearer_nodes_come_first_and_peers_take_turns),
        cmocka_unit_test(a_node_without_memory_uses_the_others),
        cmocka_unit_test(each_type_of_zone_has_the_name_that_the_kernel_gives_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
