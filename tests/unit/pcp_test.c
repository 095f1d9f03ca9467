/* SPDX-License-Identifier: MIT */
/* What the assertions in tests/spec leave open about per-CPU lists. */
#include "tests/unit/fake_platform.h"

#include "mm/buddy.h"
#include "mm/page_alloc.h"
#include "mm/pcp.h"
#include "mm/watermark.h"

static struct fake *fake;
static struct zone *zone;
static struct page *pages[64];

static int setup(void **state) {
    (void)state;
    fake = fake_boot(65536, 2); /* batch 15, high 90 */
    zone = fake_zone(fake, 0, ZONE_NORMAL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_finish(fake);
    return 0;
}

static const struct per_cpu_pages *list_of(unsigned cpu, enum pcp_temperature which) {
    return &zone->pageset[cpu].pcp[which];
}

static void an_empty_list_is_refilled_by_one_batch(void **state) {
    (void)state;
    assert_int_equal(pcp_alloc(zone, PCP_HOT, MIGRATE_MOVABLE, 1, pages), 1);
    assert_int_equal(list_of(0, PCP_HOT)->count, 14);
    assert_int_equal(pcp_alloc(zone, PCP_COLD, MIGRATE_MOVABLE, 1, pages), 1);
    assert_int_equal(list_of(0, PCP_COLD)->count, 6);
    assert_int_equal(list_of(1, PCP_HOT)->count, 0);
    fake_set_cpu(1);
    assert_int_equal(pcp_alloc(zone, PCP_HOT, MIGRATE_MOVABLE, 1, pages), 1);
    assert_int_equal(list_of(1, PCP_HOT)->count, 14);
    fake_check(fake);
}

/* What lies below a list's array comes before a refill. */
static void a_long_list_gives_all_that_it_has(void **state) {
    static struct page *many[2000];
    struct tunables tune = fake->machine->tune;
    unsigned long listed, got;

    (void)state;
    tune.percpu_pagelist_fraction = 8;
    assert_int_equal(machine_tune(fake->machine, &tune), MM_OK);
    for (unsigned i = 0; i < 2000; i++)
        many[i] = alloc_pages(fake->machine, GFP_HIGHUSER_MOVABLE, 0);
    for (unsigned i = 0; i < 2000; i++)
        atomic_store(&many[i]->count, 0);
    drain_all_local_pages(fake->machine);
    pcp_free(zone, PCP_HOT, many, 2000);
    assert_true(list_of(0, PCP_HOT)->nr_older > 0);
    listed = zone_pcp_pages(zone);
    assert_int_equal(listed, 2000);
    got = pcp_alloc(zone, PCP_HOT, MIGRATE_MOVABLE, 1900, many);
    assert_int_equal(got, 1900);
    assert_int_equal(zone_pcp_pages(zone), 100);
    pcp_free(zone, PCP_HOT, many, 1900);
    fake_check(fake);
}

static void many_at_once_come_from_the_list_and_one_refill(void **state) {
    (void)state;
    assert_int_equal(pcp_alloc(zone, PCP_HOT, MIGRATE_MOVABLE, 10, pages), 10);
    assert_int_equal(pcp_alloc(zone, PCP_HOT, MIGRATE_MOVABLE, 64, pages + 10), 20);
    assert_int_equal(list_of(0, PCP_HOT)->count, 0);
    for (unsigned i = 0; i < 15; i++)
        assert_int_equal(page_to_pfn(fake->machine, pages[i]), page_to_pfn(fake->machine, pages[0]) + i);
    for (unsigned i = 0; i < 30; i++) {
        assert_false(page_test(pages[i], PG_pcp));
        for (unsigned j = 0; j < i; j++)
            assert_ptr_not_equal(pages[i], pages[j]);
    }
    fake_check(fake);
}

static void a_request_of_another_type_refills_though_the_list_has_pages(void **state) {
    (void)state;
    pcp_alloc(zone, PCP_HOT, MIGRATE_MOVABLE, 1, pages);
    assert_int_equal(pcp_alloc(zone, PCP_HOT, MIGRATE_UNMOVABLE, 1, pages), 1);
    assert_int_equal(list_of(0, PCP_HOT)->count, 28);
    assert_int_equal(list_of(0, PCP_HOT)->type[27], MIGRATE_UNMOVABLE);
    assert_int_equal(list_of(0, PCP_HOT)->type[0], MIGRATE_MOVABLE);
    /* Movable ones are still there, behind the unmovable ones. */
    assert_int_equal(pcp_alloc(zone, PCP_HOT, MIGRATE_MOVABLE, 1, pages), 1);
    assert_int_equal(list_of(0, PCP_HOT)->count, 27);
    assert_int_equal(list_of(0, PCP_HOT)->type[13], MIGRATE_UNMOVABLE);
    assert_int_equal(list_of(0, PCP_HOT)->type[14], MIGRATE_UNMOVABLE);
}

static void with_nothing_else_left_a_page_of_another_type_is_given(void **state) {
    struct page *page;

    (void)state;
    pcp_alloc(zone, PCP_HOT, MIGRATE_MOVABLE, 1, pages);
    do
        page = __rmqueue(zone, 0, MIGRATE_MOVABLE);
    while (page);
    for (unsigned i = 0; i < 14; i++) {
        assert_int_equal(list_of(0, PCP_HOT)->type[0], MIGRATE_MOVABLE);
        assert_int_equal(pcp_alloc(zone, PCP_HOT, MIGRATE_UNMOVABLE, 2, pages), 1);
    }
    assert_int_equal(pcp_alloc(zone, PCP_HOT, MIGRATE_UNMOVABLE, 1, pages), 0);
}

static void drain_empties_the_lists_of_all_cpus_and_zones(void **state) {
    const struct memory_range ranges[] = {{0, 65536, 0, ZONE_DMA}, {65536, 65536, 0, ZONE_NORMAL}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 2, .nr_cpus = 2, .nr_nodes = 1};

    (void)state;
    fake_finish(fake);
    fake = fake_boot_map(&map);
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        fake_set_cpu(cpu);
        for (unsigned which = PCP_HOT; which <= PCP_COLD; which++) {
            zone = fake_zone(fake, 0, ZONE_DMA);
            pcp_free(zone, which, pages, pcp_alloc(zone, which, MIGRATE_MOVABLE, 3, pages));
            zone = fake_zone(fake, 0, ZONE_NORMAL);
            pcp_free(zone, which, pages, pcp_alloc(zone, which, MIGRATE_MOVABLE, 3, pages));
        }
    }
    assert_int_equal(zone_pcp_pages(zone), 44);
    drain_all_local_pages(fake->machine);
    assert_int_equal(zone_pcp_pages(zone), 0);
    assert_int_equal(zone_pcp_pages(fake_zone(fake, 0, ZONE_DMA)), 0);
    assert_int_equal(nr_free_blocks(zone, 10), 64);
    assert_int_equal(nr_free_blocks(fake_zone(fake, 0, ZONE_DMA), 10), 64);
    fake_check(fake);
}

static void pages_of_an_isolated_block_do_not_stay_on_the_lists(void **state) {
    struct page *page;

    (void)state;
    pcp_alloc(zone, PCP_HOT, MIGRATE_MOVABLE, 1, &page);
    lock_acquire(&fake->platform, &zone->lock);
    set_pageblock_migratetype(zone, page, MIGRATE_ISOLATE);
    lock_release(&fake->platform, &zone->lock);
    pcp_free(zone, PCP_HOT, &page, 1);
    assert_int_equal(list_of(0, PCP_HOT)->count, 14);
    assert_true(frame_is_free(zone, page_to_pfn(fake->machine, page)));
}

static void a_list_longer_than_its_array_is_still_last_in_first_out(void **state) {
    static struct page *many[1100];
    struct per_cpu_pages *pcp = &zone->pageset[0].pcp[PCP_HOT];
    unsigned long nr;

    (void)state;
    pcp_set_sizes(zone, 8);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(pcp_alloc(zone, PCP_HOT, MIGRATE_MOVABLE, 1, many + i), 1);
    drain_all_local_pages(fake->machine);
    for (unsigned i = 0; i < 1000; i++)
        pcp_free(zone, PCP_HOT, many + i, 1);
    assert_int_equal(pcp_count(pcp), 1000);
    assert_true(pcp->nr_older >= 1000 - PCP_ROOM);
    assert_null(pcp_check(zone, &nr));
    assert_int_equal(nr, 1000);
    pcp->nr_older++;
    assert_string_equal(pcp_check(zone, &nr), "pcp: the frames below an array are not as many as counted");
    pcp->nr_older--;
    for (unsigned i = 1000; i-- > 0;) {
        struct page *page;

        assert_int_equal(pcp_alloc(zone, PCP_HOT, MIGRATE_MOVABLE, 1, &page), 1);
        assert_ptr_equal(page, many[i]);
    }
    pcp_free(zone, PCP_HOT, many, 1000);
    drain_all_local_pages(fake->machine);
    assert_int_equal(zone_pcp_pages(zone), 0);
    fake_check(fake);
}

static void the_check_notices_a_wrong_count_or_mark(void **state) {
    struct per_cpu_pages *pcp = &zone->pageset[0].pcp[PCP_HOT];
    unsigned long nr;
    struct page *head;

    (void)state;
    pcp_alloc(zone, PCP_HOT, MIGRATE_MOVABLE, 1, pages);
    head = pfn_to_page(fake->machine, pcp->pfn[pcp->count - 1]);
    assert_null(pcp_check(zone, &nr));
    assert_int_equal(nr, 14);
    pcp->count += PCP_ROOM;
    assert_string_equal(pcp_check(zone, &nr), "pcp: a list has more frames than room");
    pcp->count -= PCP_ROOM;
    page_clear(head, PG_pcp);
    assert_string_equal(pcp_check(zone, &nr), "pcp: a frame on a list is not marked as such");
    page_set(head, PG_pcp);
    pcp->pfn[0] = UINT32_MAX / 2;
    assert_string_equal(pcp_check(zone, &nr), "pcp: a frame on the list of a zone that it does not belong to");
    pcp->count = 0;
    pcp->high = -10;
    pcp->batch = 1;
    assert_string_equal(pcp_check(zone, &nr), "pcp: a list is longer than a refill can make it");
}

#define pcp_unit_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        pcp_unit_test(an_empty_list_is_refilled_by_one_batch),
        pcp_unit_test(many_at_once_come_from_the_list_and_one_refill),
        pcp_unit_test(a_long_list_gives_all_that_it_has),
        pcp_unit_test(a_request_of_another_type_refills_though_the_list_has_pages),
        pcp_unit_test(with_nothing_else_left_a_page_of_another_type_is_given),
        pcp_unit_test(drain_empties_the_lists_of_all_cpus_and_zones),
        pcp_unit_test(pages_of_an_isolated_block_do_not_stay_on_the_lists),
        pcp_unit_test(a_list_longer_than_its_array_is_still_last_in_first_out),
        pcp_unit_test(the_check_notices_a_wrong_count_or_mark),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
