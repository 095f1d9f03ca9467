/* SPDX-License-Identifier: MIT */
/* The specification's assertions on counters and their text (sections 14 and 15). */
#include "tests/unit/fake_platform.h"

#include <string.h>

#include "mm/page_alloc.h"

/* SPEC A39 */
static void thresholds_are_8_30_and_10_and_at_most_125(void **state) {
    (void)state;
    assert_int_equal(vmstat_threshold(1, 262143), 8);
    assert_int_equal(vmstat_threshold(4, 262144), 30);
    assert_int_equal(vmstat_threshold(16, 32767), 10);
    assert_int_equal(vmstat_threshold(4096, 1ul << 32), 125);
}

static long published(struct zone *zone, enum zone_stat_item item) {
    assert_int_equal(atomic_load(&zone->vm_stat[item]), atomic_load(&zone->machine->vm_stat[item]));
    return atomic_load(&zone->vm_stat[item]);
}

/* SPEC A39 */
static void an_overstep_publishes_value_plus_half_the_threshold_and_stores_minus_half(void **state) {
    struct fake *fake = fake_boot(16384, 1);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    _Atomic int8_t *diff = &zone->pageset[0].vm_stat_diff[NR_ANON_PAGES];
    int t = zone->pageset[0].stat_threshold;

    (void)state;
    assert_int_equal(t, 2);
    for (int i = 0; i < t; i++)
        inc_zone_page_state(zone, NR_ANON_PAGES);
    assert_int_equal(published(zone, NR_ANON_PAGES), 0);
    assert_int_equal(atomic_load(diff), t);
    inc_zone_page_state(zone, NR_ANON_PAGES);
    assert_int_equal(published(zone, NR_ANON_PAGES), t + 1 + t / 2);
    assert_int_equal(atomic_load(diff), -t / 2);
    for (int i = 0; i < t - t / 2; i++)
        dec_zone_page_state(zone, NR_ANON_PAGES);
    assert_int_equal(atomic_load(diff), -t);
    dec_zone_page_state(zone, NR_ANON_PAGES);
    assert_int_equal(published(zone, NR_ANON_PAGES), 0);
    assert_int_equal(atomic_load(diff), t / 2);
    assert_int_equal(zone_page_state_exact(zone, NR_ANON_PAGES), 1);
    fake_finish(fake);
}

/* SPEC A39: mod has no overstep. */
static void mod_publishes_past_the_threshold_and_stores_0(void **state) {
    struct fake *fake = fake_boot(16384, 1);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    _Atomic int8_t *diff = &zone->pageset[0].vm_stat_diff[NR_FILE_PAGES];

    (void)state;
    mod_zone_page_state(zone, NR_FILE_PAGES, 2);
    assert_int_equal(atomic_load(diff), 2);
    mod_zone_page_state(zone, NR_FILE_PAGES, 500);
    assert_int_equal(atomic_load(diff), 0);
    assert_int_equal(published(zone, NR_FILE_PAGES), 502);
    mod_zone_page_state(zone, NR_FILE_PAGES, -503);
    assert_int_equal(published(zone, NR_FILE_PAGES), -1);
    /* A moment's view may be below zero; what is shown is not. */
    assert_int_equal(zone_page_state(zone, NR_FILE_PAGES), 0);
    assert_int_equal(global_page_state(fake->machine, NR_FILE_PAGES), 0);
    fake_finish(fake);
}

/* SPEC A40 */
static void buddyinfo_is_the_kernels_byte_for_byte(void **state) {
    const struct memory_range ranges[] = {{0, 16, 0, ZONE_DMA}, {16, 12288 - 16, 0, ZONE_NORMAL}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 2, .nr_cpus = 1, .nr_nodes = 1};
    static const char wanted[] =
        "Node 0, zone      DMA      0      0      0      0      1      0      0      0      0      0      0 \n"
        "Node 0, zone   Normal      0      0      0      0      1      1      1      1      1      1     11 \n";
    struct fake *fake = fake_boot_map(&map);
    char buf[256];

    (void)state;
    assert_int_equal(buddyinfo_text(fake->machine, buf, sizeof(buf)), strlen(wanted));
    assert_string_equal(buf, wanted);
    fake_finish(fake);
}

/* Section 15; as Linux prints it, Reserve and Isolate aside. */
static void pagetypeinfo_is_the_kernels_byte_for_byte(void **state) {
    const struct memory_range ranges[] = {{0, 16, 0, ZONE_DMA}, {16, 12288 - 16, 0, ZONE_NORMAL}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 2, .nr_cpus = 1, .nr_nodes = 1};
    static const char wanted[] =
        "Page block order: 9\n"
        "Pages per block:  512\n"
        "\n"
        "Free pages count per migrate type at order       0      1      2      3      4      5      6      7      8    "
        "  9     "
        "10 \n"
        "Node    0, zone      DMA, type    Unmovable      0      0      0      0      0      0      0      0      0    "
        "  0      "
        "0 \n"
        "Node    0, zone      DMA, type  Reclaimable      0      0      0      0      0      0      0      0      0    "
        "  0      "
        "0 \n"
        "Node    0, zone      DMA, type      Movable      0      0      0      0      1      0      0      0      0    "
        "  0      "
        "0 \n"
        "Node    0, zone      DMA, type      Reserve      0      0      0      0      0      0      0      0      0    "
        "  0      "
        "0 \n"
        "Node    0, zone      DMA, type      Isolate      0      0      0      0      0      0      0      0      0    "
        "  0      "
        "0 \n"
        "Node    0, zone   Normal, type    Unmovable      0      0      0      0      0      0      0      0      0    "
        "  0      "
        "0 \n"
        "Node    0, zone   Normal, type  Reclaimable      0      0      0      0      0      0      0      0      0    "
        "  0      "
        "0 \n"
        "Node    0, zone   Normal, type      Movable      0      0      0      0      0      0      0      0      0    "
        "  1     "
        "11 \n"
        "Node    0, zone   Normal, type      Reserve      0      0      0      0      1      1      1      1      1    "
        "  0      "
        "0 \n"
        "Node    0, zone   Normal, type      Isolate      0      0      0      0      0      0      0      0      0    "
        "  0      "
        "0 \n"
        "\n"
        "Number of blocks type     Unmovable  Reclaimable      Movable      Reserve      Isolate \n"
        "Node 0, zone      DMA            0            0            1            0            0 \n"
        "Node 0, zone   Normal            0            0           23            1            0 \n";
    struct fake *fake = fake_boot_map(&map);
    char buf[4096];

    (void)state;
    assert_int_equal(pagetypeinfo_text(fake->machine, buf, sizeof(buf)), strlen(wanted));
    assert_string_equal(buf, wanted);
    fake_finish(fake);
}

static void pagetypeinfo_follows_a_block_that_changes_its_type(void **state) {
    struct fake *fake = fake_boot(8192, 1);
    struct page *page;
    char buf[4096];

    (void)state;
    page = alloc_pages(fake->machine, GFP_KERNEL, 0);
    assert_non_null(page);
    pagetypeinfo_text(fake->machine, buf, sizeof(buf));
    assert_non_null(strstr(buf, "\nNode 0, zone   Normal            1            0           14            1 "));
    __free_pages(fake->machine, page, 0);
    fake_finish(fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thresholds_are_8_30_and_10_and_at_most_125),
        cmocka_unit_test(an_overstep_publishes_value_plus_half_the_threshold_and_stores_minus_half),
        cmocka_unit_test(mod_publishes_past_the_threshold_and_stores_0),
        cmocka_unit_test(buddyinfo_is_the_kernels_byte_for_byte),
        cmocka_unit_test(pagetypeinfo_is_the_kernels_byte_for_byte),
        cmocka_unit_test(pagetypeinfo_follows_a_block_that_changes_its_type),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
