/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_platform.h"

#include "mm/gfp.h"

static struct fake *boot_all_types(void) {
    const struct memory_range ranges[] = {{0, 1024, 0, ZONE_DMA},
                                          {1024, 1024, 0, ZONE_DMA32},
                                          {2048, 2048, 0, ZONE_NORMAL},
                                          {4096, 1024, 0, ZONE_HIGHMEM},
                                          {5120, 1024, 0, ZONE_MOVABLE}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 5, .nr_cpus = 1, .nr_nodes = 1};

    return fake_boot_map(&map);
}

static void zone_bits_choose_dma_dma32_movable_highmem_normal_in_that_order(void **state) {
    struct fake *fake = boot_all_types();
    const struct machine *m = fake->machine;

    (void)state;
    assert_int_equal(gfp_zone(m, GFP_KERNEL), ZONE_NORMAL);
    assert_int_equal(gfp_zone(m, GFP_KERNEL | __GFP_MOVABLE), ZONE_NORMAL);
    assert_int_equal(gfp_zone(m, GFP_HIGHUSER), ZONE_HIGHMEM);
    assert_int_equal(gfp_zone(m, GFP_HIGHUSER_MOVABLE), ZONE_MOVABLE);
    assert_int_equal(gfp_zone(m, GFP_HIGHUSER_MOVABLE | __GFP_DMA32), ZONE_DMA32);
    assert_int_equal(gfp_zone(m, GFP_KERNEL | __GFP_DMA | __GFP_DMA32), ZONE_DMA);
    fake_finish(fake);
}

static void a_zone_bit_for_a_type_that_no_node_has_says_nothing(void **state) {
    struct fake *fake = fake_boot(4096, 1);

    (void)state;
    assert_int_equal(gfp_zone(fake->machine, GFP_KERNEL | __GFP_DMA), ZONE_NORMAL);
    assert_int_equal(gfp_zone(fake->machine, GFP_KERNEL | __GFP_DMA32), ZONE_NORMAL);
    fake_finish(fake);
}

static void mobility_bits_choose_the_migrate_type_while_grouping_is_on(void **state) {
    struct fake *fake = fake_boot(4096, 1);
    struct machine *m = fake->machine;

    (void)state;
    assert_int_equal(gfp_migratetype(m, GFP_KERNEL), MIGRATE_UNMOVABLE);
    assert_int_equal(gfp_migratetype(m, GFP_TEMPORARY), MIGRATE_RECLAIMABLE);
    assert_int_equal(gfp_migratetype(m, GFP_HIGHUSER_MOVABLE), MIGRATE_MOVABLE);
    gfp_group_by_mobility(m, false);
    assert_int_equal(gfp_migratetype(m, GFP_TEMPORARY), MIGRATE_UNMOVABLE);
    assert_int_equal(gfp_migratetype(m, GFP_HIGHUSER_MOVABLE), MIGRATE_UNMOVABLE);
    fake_finish(fake);
}

static void masks_have_the_kernels_values(void **state) {
    (void)state;
    assert_int_equal(GFP_ATOMIC, 0x20);
    assert_int_equal(GFP_NOIO, 0x10);
    assert_int_equal(GFP_NOFS, 0x50);
    assert_int_equal(GFP_KERNEL, 0xd0);
    assert_int_equal(GFP_TEMPORARY, 0x800d0);
    assert_int_equal(GFP_USER, 0x200d0);
    assert_int_equal(GFP_HIGHUSER, 0x200d2);
    assert_int_equal(GFP_HIGHUSER_MOVABLE, 0x1200d2);
    assert_int_equal(GFP_THISNODE, 0x41200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zone_bits_choose_dma_dma32_movable_highmem_normal_in_that_order),
        cmocka_unit_test(a_zone_bit_for_a_type_that_no_node_has_says_nothing),
        cmocka_unit_test(mobility_bits_choose_the_migrate_type_while_grouping_is_on),
        cmocka_unit_test(masks_have_the_kernels_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
