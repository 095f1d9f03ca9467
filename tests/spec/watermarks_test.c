/* SPDX-License-Identifier: MIT */
/* The specification's assertions on watermarks and reserves (section 3). */
#include "tests/unit/fake_platform.h"

#include "mm/buddy.h"
#include "mm/watermark.h"

/* SPEC A1 */
static void a_zone_of_1_gib_gets_marks_1024_1280_1536(void **state) {
    struct fake *fake = fake_boot(262144, 1);
    const struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);

    (void)state;
    assert_int_equal(fake->machine->tune.min_free_kbytes, 4096);
    assert_int_equal(zone->pages_min, 1024);
    assert_int_equal(zone->pages_low, 1280);
    assert_int_equal(zone->pages_high, 1536);
    fake_check_and_finish(fake);
}

/* SPEC A2 */
static void min_free_kbytes_is_the_root_of_16_times_kib_within_128_and_65536(void **state) {
    static const unsigned long kib[][2] = {{64ul << 10, 1024}, {512ul << 10, 2896},  {1ul << 20, 4096},
                                           {4ul << 20, 8192},  {16ul << 20, 16384},  {1023, 128},
                                           {1041, 129},        {256ul << 20, 65536}, {257ul << 20, 65536},
                                           {0, 128},           {255ul << 20, 65407}};

    (void)state;
    for (unsigned i = 0; i < sizeof(kib) / sizeof(kib[0]); i++)
        assert_int_equal(min_free_kbytes_at_boot(kib[i][0]), kib[i][1]);
    for (unsigned long x = 0; x < 5000; x++)
        assert_true(int_sqrt(x) * int_sqrt(x) <= x && (int_sqrt(x) + 1) * (int_sqrt(x) + 1) > x);
}

/* SPEC A2: the memory counted is what an ordinary request may use. */
static void memory_above_normal_does_not_raise_min_free_kbytes(void **state) {
    const struct memory_range ranges[] = {{0, 16384, 0, ZONE_NORMAL}, {16384, 65536, 0, ZONE_HIGHMEM}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 2, .nr_cpus = 1, .nr_nodes = 1};
    struct fake *fake = fake_boot_map(&map);

    (void)state;
    assert_int_equal(fake->machine->tune.min_free_kbytes, 1024);
    fake_finish(fake);
}

/* SPEC A3 */
static void highmem_min_is_clamped_but_low_and_high_use_the_uncapped_share(void **state) {
    static const uint32_t highmem[][2] = {{8192, 32}, {65536, 64}, {262144, 128}};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        const struct memory_range ranges[] = {{0, 65536, 0, ZONE_NORMAL}, {65536, highmem[i][0], 0, ZONE_HIGHMEM}};
        const struct memory_map map = {.ranges = ranges, .nr_ranges = 2, .nr_cpus = 1, .nr_nodes = 1};
        struct fake *fake = fake_boot_map(&map);
        const struct zone *zone = fake_zone(fake, 0, ZONE_HIGHMEM);
        unsigned long tmp = (unsigned long)fake->machine->tune.min_free_kbytes / 4 * highmem[i][0] / 65536;

        assert_int_equal(zone->pages_min, highmem[i][1]);
        assert_int_equal(zone->pages_low, highmem[i][1] + tmp / 4);
        assert_int_equal(zone->pages_high, highmem[i][1] + tmp / 2);
        fake_finish(fake);
    }
}

/* SPEC A4 */
static void lowmem_reserves_are_880_1008_and_1024(void **state) {
    const struct memory_range ranges[] = {
        {0, 4096, 0, ZONE_DMA}, {4096, 225280, 0, ZONE_NORMAL}, {229376, 32768, 0, ZONE_HIGHMEM}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 3, .nr_cpus = 1, .nr_nodes = 1};
    struct fake *fake = fake_boot_map(&map);
    const struct zone *dma = fake_zone(fake, 0, ZONE_DMA), *normal = fake_zone(fake, 0, ZONE_NORMAL);

    (void)state;
    assert_int_equal(dma->lowmem_reserve[ZONE_DMA], 0);
    assert_int_equal(dma->lowmem_reserve[ZONE_NORMAL], 880);
    assert_int_equal(dma->lowmem_reserve[ZONE_HIGHMEM], 1008);
    assert_int_equal(normal->lowmem_reserve[ZONE_DMA], 0);
    assert_int_equal(normal->lowmem_reserve[ZONE_NORMAL], 0);
    assert_int_equal(normal->lowmem_reserve[ZONE_HIGHMEM], 1024);
    fake_finish(fake);
}

/* Makes the zone look as if it had that many pages free, in single frames. */
static struct zone *zone_with_free(struct fake *fake, unsigned long free) {
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);

    for (unsigned order = 0; order < MAX_ORDER; order++)
        zone->shards[0].nr_free[order] = 0;
    zone->shards[0].nr_free[0] = free;
    atomic_store(&zone->vm_stat[NR_FREE_PAGES], (long)free);
    return zone;
}

static bool ok(struct fake *fake, unsigned long free, unsigned long mark, unsigned flags) {
    return zone_watermark_ok(zone_with_free(fake, free), 0, mark, ZONE_NORMAL, flags);
}

/* SPEC A5 */
static void mark_1024_order_0_fails_with_1024_free_and_passes_with_1025(void **state) {
    struct fake *fake = fake_boot(16384, 1);

    (void)state;
    assert_false(ok(fake, 1024, 1024, 0));
    assert_true(ok(fake, 1025, 1024, 0));
    fake_finish(fake);
}

/* SPEC A6 */
static void high_and_harder_lower_the_mark_by_a_half_and_a_quarter(void **state) {
    struct fake *fake = fake_boot(16384, 1);

    (void)state;
    assert_false(ok(fake, 384, 1024, ALLOC_HIGH | ALLOC_HARDER));
    assert_true(ok(fake, 385, 1024, ALLOC_HIGH | ALLOC_HARDER));
    assert_false(ok(fake, 768, 1024, ALLOC_HARDER));
    assert_true(ok(fake, 769, 1024, ALLOC_HARDER));
    assert_false(ok(fake, 500, 1000, ALLOC_HIGH));
    assert_true(ok(fake, 501, 1000, ALLOC_HIGH));
    fake_finish(fake);
}

/* SPEC A6: the reserve of the class zone comes on top, and is not lowered. */
static void the_lowmem_reserve_of_the_class_zone_is_added(void **state) {
    struct fake *fake = fake_boot(16384, 1);
    struct zone *zone = zone_with_free(fake, 1124);

    (void)state;
    zone->lowmem_reserve[ZONE_MOVABLE] = 100;
    assert_false(zone_watermark_ok(zone, 0, 1024, ZONE_MOVABLE, 0));
    assert_true(zone_watermark_ok(zone, 0, 1024, ZONE_NORMAL, 0));
    atomic_store(&zone->vm_stat[NR_FREE_PAGES], 485);
    assert_true(zone_watermark_ok(zone, 0, 1024, ZONE_MOVABLE, ALLOC_HIGH | ALLOC_HARDER));
    atomic_store(&zone->vm_stat[NR_FREE_PAGES], 484);
    assert_false(zone_watermark_ok(zone, 0, 1024, ZONE_MOVABLE, ALLOC_HIGH | ALLOC_HARDER));
    fake_finish(fake);
}

/* SPEC A7 */
static void ten_five_and_three_blocks_pass_mark_8_at_order_2(void **state) {
    struct fake *fake = fake_boot(16384, 1);
    struct zone *zone = zone_with_free(fake, 10);

    (void)state;
    zone->shards[0].nr_free[1] = 5;
    zone->shards[0].nr_free[2] = 3;
    atomic_store(&zone->vm_stat[NR_FREE_PAGES], 32);
    assert_true(zone_watermark_ok(zone, 2, 8, ZONE_NORMAL, 0));
    /* The mark halves from order to order: 29 > 12, 19 > 6, 9 > 3. */
    assert_true(zone_watermark_ok(zone, 2, 12, ZONE_NORMAL, 0));
    /* 29 - 18 - 10 leaves 1 page in blocks that are large enough: not more than 8 / 4. */
    zone->shards[0].nr_free[0] = 18;
    zone->shards[0].nr_free[1] = 5;
    zone->shards[0].nr_free[2] = 1;
    assert_false(zone_watermark_ok(zone, 2, 8, ZONE_NORMAL, 0));
    fake_finish(fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zone_of_1_gib_gets_marks_1024_1280_1536),
        cmocka_unit_test(min_free_kbytes_is_the_root_of_16_times_kib_within_128_and_65536),
        cmocka_unit_test(memory_above_normal_does_not_raise_min_free_kbytes),
        cmocka_unit_test(highmem_min_is_clamped_but_low_and_high_use_the_uncapped_share),
        cmocka_unit_test(lowmem_reserves_are_880_1008_and_1024),
        cmocka_unit_test(mark_1024_order_0_fails_with_1024_free_and_passes_with_1025),
        cmocka_unit_test(high_and_harder_lower_the_mark_by_a_half_and_a_quarter),
        cmocka_unit_test(the_lowmem_reserve_of_the_class_zone_is_added),
        cmocka_unit_test(ten_five_and_three_blocks_pass_mark_8_at_order_2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
