/* SPDX-License-Identifier: MIT */
/* The specification's assertions on per-CPU page lists (section 6). */
#include "tests/unit/fake_platform.h"

#include "mm/buddy.h"
#include "mm/check.h"
#include "mm/page_alloc.h"
#include "mm/pcp.h"
#include "mm/watermark.h"

/* SPEC A14 */
static void batch_sizes_are_those_of_the_table(void **state) {
    static const unsigned long batches[][2] = {{4096, 0},    {8192, 1},     {16384, 3}, {32768, 7}, {65536, 15},
                                               {131072, 31}, {1048576, 31}, {12288, 3}, {1, 0}};

    (void)state;
    for (unsigned i = 0; i < sizeof(batches) / sizeof(batches[0]); i++)
        assert_int_equal(zone_batchsize(batches[i][0]), batches[i][1]);
}

static void assert_sizes(struct fake *fake, int hot_high, int hot_batch, int cold_high, int cold_batch) {
    const struct per_cpu_pages *pcp = fake_zone(fake, 0, ZONE_NORMAL)->pageset[0].pcp;

    assert_int_equal(pcp[PCP_HOT].high, hot_high);
    assert_int_equal(pcp[PCP_HOT].batch, hot_batch);
    assert_int_equal(pcp[PCP_COLD].high, cold_high);
    assert_int_equal(pcp[PCP_COLD].batch, cold_batch);
}

/* SPEC A14 */
static void a_large_zone_has_hot_186_31_and_cold_62_15(void **state) {
    struct fake *fake = fake_boot(131072, 1);

    (void)state;
    assert_sizes(fake, 186, 31, 62, 15);
    fake_finish(fake);
    fake = fake_boot(4096, 1);
    assert_sizes(fake, 0, 1, 0, 1);
    fake_finish(fake);
}

static void lists_that_become_shorter_give_back_what_they_had(void **state) {
    struct fake *fake = fake_boot(131072, 1);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct tunables tune = fake->machine->tune;
    struct page *pages[400];

    (void)state;
    tune.percpu_pagelist_fraction = 8;
    assert_int_equal(machine_tune(fake->machine, &tune), MM_OK);
    for (unsigned i = 0; i < 400; i++)
        pages[i] = alloc_pages(fake->machine, GFP_HIGHUSER_MOVABLE, 0);
    for (unsigned i = 0; i < 400; i++)
        __free_pages(fake->machine, pages[i], 0);
    assert_true(zone_pcp_pages(zone) >= 400);
    tune.percpu_pagelist_fraction = 0;
    assert_int_equal(machine_tune(fake->machine, &tune), MM_OK);
    assert_int_equal(zone_pcp_pages(zone), 0);
    assert_null(mm_check(fake->machine));
    fake_finish(fake);
}

/* SPEC A15 */
static void reaching_high_returns_batch_pages_from_the_tail(void **state) {
    struct fake *fake = fake_boot(16384, 1);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct per_cpu_pages *hot = &zone->pageset[0].pcp[PCP_HOT];
    struct page *pages[18];
    unsigned long free_before;

    (void)state;
    for (unsigned i = 0; i < 18; i++)
        pages[i] = alloc_pages(fake->machine, GFP_HIGHUSER_MOVABLE, 0);
    drain_all_local_pages(fake->machine);
    free_before = (unsigned long)zone_page_state_exact(zone, NR_FREE_PAGES);
    for (unsigned i = 0; i < 17; i++)
        __free_pages(fake->machine, pages[i], 0);
    assert_int_equal(hot->count, 17);
    assert_int_equal(zone_page_state_exact(zone, NR_FREE_PAGES), free_before);
    __free_pages(fake->machine, pages[17], 0);
    assert_int_equal(hot->count, 15);
    assert_int_equal(zone_page_state_exact(zone, NR_FREE_PAGES), free_before + 3);
    for (unsigned i = 0; i < 18; i++)
        assert_int_equal(page_test(pages[i], PG_pcp), i >= 3);
    fake_check_and_finish(fake);
}

/* SPEC A15 */
static void allocation_takes_the_page_freed_last(void **state) {
    struct fake *fake = fake_boot(16384, 1);
    struct page *pages[4];

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        pages[i] = alloc_pages(fake->machine, GFP_HIGHUSER_MOVABLE, 0);
    for (unsigned i = 0; i < 4; i++)
        __free_pages(fake->machine, pages[i], 0);
    for (unsigned i = 4; i-- > 0;)
        assert_ptr_equal(alloc_pages(fake->machine, GFP_HIGHUSER_MOVABLE, 0), pages[i]);
    fake_finish(fake);
}

/* Section 6: with batch 0 every free is flushed at once. */
static void a_small_zone_flushes_every_free_at_once(void **state) {
    struct fake *fake = fake_boot(4096, 1);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct page *page = alloc_pages(fake->machine, GFP_HIGHUSER_MOVABLE, 0);

    (void)state;
    __free_pages(fake->machine, page, 0);
    assert_int_equal(zone_pcp_pages(zone), 0);
    assert_int_equal(zone_page_state_exact(zone, NR_FREE_PAGES), 4096);
    fake_finish(fake);
}

/* SPEC A16 */
static void pages_on_per_cpu_lists_are_not_counted_free(void **state) {
    struct fake *fake = fake_boot(16384, 2);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct page *page = alloc_pages(fake->machine, GFP_HIGHUSER_MOVABLE, 0);

    (void)state;
    assert_int_equal(zone_pcp_pages(zone), 2);
    assert_int_equal(zone_page_state_exact(zone, NR_FREE_PAGES), 16384 - 3);
    fake_set_cpu(1);
    __free_pages(fake->machine, page, 0);
    assert_int_equal(zone_pcp_pages(zone), 3);
    assert_int_equal(zone_page_state_exact(zone, NR_FREE_PAGES), 16384 - 3);
    drain_all_local_pages(fake->machine);
    assert_int_equal(zone_pcp_pages(zone), 0);
    assert_int_equal(zone_page_state_exact(zone, NR_FREE_PAGES), 16384);
    fake_check_and_finish(fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_sizes_are_those_of_the_table),
        cmocka_unit_test(a_large_zone_has_hot_186_31_and_cold_62_15),
        cmocka_unit_test(lists_that_become_shorter_give_back_what_they_had),
        cmocka_unit_test(reaching_high_returns_batch_pages_from_the_tail),
        cmocka_unit_test(allocation_takes_the_page_freed_last),
        cmocka_unit_test(a_small_zone_flushes_every_free_at_once),
        cmocka_unit_test(pages_on_per_cpu_lists_are_not_counted_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
