/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_platform.h"

#include <string.h>

#include "mm/buddy.h"
#include "mm/pcp.h"
#include "mm/watermark.h"

static struct fake *fake;
static struct tunables wanted;

static int setup(void **state) {
    (void)state;
    fake = fake_boot(16384, 1);
    wanted = fake->machine->tune;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_check_and_finish(fake);
    return 0;
}

static unsigned reserve_blocks(void) {
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    unsigned nr = 0;

    for (unsigned i = 0; i < 16384 / PAGEBLOCK_PAGES; i++)
        nr += zone->pageblock_type[i] == MIGRATE_RESERVE;
    return nr;
}

static void min_free_kbytes_moves_marks_reserve_blocks_and_totalreserve(void **state) {
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);

    (void)state;
    assert_int_equal(reserve_blocks(), 1);
    assert_int_equal(fake->machine->totalreserve_pages, 384);
    /* A write is not clamped. */
    wanted.min_free_kbytes = 4 * (2 * PAGEBLOCK_PAGES + 1);
    assert_int_equal(machine_tune(fake->machine, &wanted), MM_OK);
    assert_int_equal(zone->pages_min, 1025);
    assert_int_equal(zone->pages_low, 1025 + 256);
    assert_int_equal(zone->pages_high, 1025 + 512);
    assert_int_equal(reserve_blocks(), 3);
    assert_int_equal(fake->machine->totalreserve_pages, 1537);
    wanted.min_free_kbytes = 4;
    assert_int_equal(machine_tune(fake->machine, &wanted), MM_OK);
    assert_int_equal(zone->pages_min, 1);
    assert_int_equal(reserve_blocks(), 1);
    wanted.min_free_kbytes = 0;
    assert_int_equal(machine_tune(fake->machine, &wanted), MM_OK);
    assert_int_equal(reserve_blocks(), 0);
}

static void values_out_of_range_change_nothing(void **state) {
    const struct tunables before = fake->machine->tune;

    (void)state;
#define assert_refused(field, value)                                                                                   \
    do {                                                                                                               \
        wanted = before;                                                                                               \
        wanted.min_free_kbytes = 5000;                                                                                 \
        wanted.field = value;                                                                                          \
        assert_int_equal(machine_tune(fake->machine, &wanted), MM_INVAL);                                              \
    } while (0)
    assert_refused(swappiness, 101);
    assert_refused(page_cluster, 11);
    assert_refused(percpu_pagelist_fraction, 7);
    assert_refused(panic_on_oom, 3);
    assert_refused(oom_kill_allocating_task, 2);
    assert_refused(reclaim_scope, (enum reclaim_scope)2);
    assert_refused(inactive_percent, 101);
    assert_refused(inactive_faults, 1001);
    assert_refused(probation, 2);
    assert_refused(park_neighbours, 2);
    assert_refused(fault_around_max, 513);
    assert_refused(fault_around_fresh, 513);
    assert_memory_equal(&fake->machine->tune, &before, sizeof(before));
    assert_int_equal(fake_zone(fake, 0, ZONE_NORMAL)->pages_min, 256);
}

static void an_estimate_counts_near_the_mark_as_well(void **state) {
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    unsigned long free = (unsigned long)zone_page_state_exact(zone, NR_FREE_PAGES);

    (void)state;
    assert_false(zone_watermark_ok(zone, 0, free + 99, ZONE_NORMAL, 0));
    assert_true(zone_watermark_ok_for(zone, 0, free + 99, ZONE_NORMAL, 0, free + 100));
    assert_false(zone_watermark_ok_for(zone, 0, free + 100, ZONE_NORMAL, 0, free + 100));
}

static void defaults_are_those_of_the_specification(void **state) {
    const struct tunables *tune = &fake->machine->tune;

    (void)state;
    assert_int_equal(tune->min_free_kbytes, 1024);
    assert_int_equal(tune->swappiness, 60);
    assert_int_equal(tune->page_cluster, 3);
    assert_int_equal(tune->percpu_pagelist_fraction, 0);
    assert_int_equal(tune->panic_on_oom, 0);
    assert_int_equal(tune->oom_kill_allocating_task, 0);
    assert_int_equal(tune->reclaim_scope, RECLAIM_NODE);
    assert_int_equal(tune->lowmem_reserve_ratio[ZONE_DMA], 256);
    assert_int_equal(tune->lowmem_reserve_ratio[ZONE_DMA32], 256);
    assert_int_equal(tune->lowmem_reserve_ratio[ZONE_NORMAL], 32);
    assert_int_equal(tune->lowmem_reserve_ratio[ZONE_HIGHMEM], 32);
}

static void percpu_pagelist_fraction_sizes_the_hot_lists(void **state) {
    const struct per_cpu_pages *pcp = fake_zone(fake, 0, ZONE_NORMAL)->pageset[0].pcp;

    (void)state;
    wanted.percpu_pagelist_fraction = 64;
    assert_int_equal(machine_tune(fake->machine, &wanted), MM_OK);
    assert_int_equal(pcp[PCP_HOT].high, 256);
    assert_int_equal(pcp[PCP_HOT].batch, 64);
    assert_int_equal(pcp[PCP_COLD].high, 6);
    wanted.percpu_pagelist_fraction = 8;
    assert_int_equal(machine_tune(fake->machine, &wanted), MM_OK);
    assert_int_equal(pcp[PCP_HOT].high, 2048);
    assert_int_equal(pcp[PCP_HOT].batch, 96);
    wanted.percpu_pagelist_fraction = 0;
    assert_int_equal(machine_tune(fake->machine, &wanted), MM_OK);
    assert_int_equal(pcp[PCP_HOT].high, 18);
}

static void a_reserve_ratio_of_0_counts_as_1(void **state) {
    (void)state;
    wanted.lowmem_reserve_ratio[ZONE_DMA] = 0;
    assert_int_equal(machine_tune(fake->machine, &wanted), MM_OK);
    assert_int_equal(fake->machine->tune.lowmem_reserve_ratio[ZONE_DMA], 1);
    assert_int_equal(fake_zone(fake, 0, ZONE_DMA)->lowmem_reserve[ZONE_NORMAL], 16384);
}

static void reserve_blocks_skip_those_of_other_types_and_reserved_pages(void **state) {
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);

    (void)state;
    wanted.min_free_kbytes = 0;
    assert_int_equal(machine_tune(fake->machine, &wanted), MM_OK);
    lock_acquire(&fake->platform, &zone->lock);
    set_pageblock_migratetype(zone, pfn_to_page(fake->machine, 0), MIGRATE_UNMOVABLE);
    lock_release(&fake->platform, &zone->lock);
    need_descriptors(zone, 512);
    page_set(pfn_to_page(fake->machine, 512), PG_reserved);
    wanted.min_free_kbytes = 4;
    assert_int_equal(machine_tune(fake->machine, &wanted), MM_OK);
    assert_int_equal(zone->pageblock_type[0], MIGRATE_UNMOVABLE);
    assert_int_equal(zone->pageblock_type[1], MIGRATE_MOVABLE);
    assert_int_equal(zone->pageblock_type[2], MIGRATE_RESERVE);
    assert_int_not_equal(nr_free_blocks_of_type(zone, 10, MIGRATE_RESERVE), 0);
    page_clear(pfn_to_page(fake->machine, 512), PG_reserved);
}

/* Each CPU's own part of the zone may have nothing; the others' counts all the same. */
static void large_blocks_count_wherever_they_are(void **state) {
    struct fake *several = fake_boot(4 * 65536, 4);
    struct zone *zone = fake_zone(several, 0, ZONE_NORMAL);

    (void)state;
    assert_true(zone->nr_shards > 1);
    for (unsigned cpu = 0; cpu < 4; cpu++) {
        struct page *page, *first = NULL;
        const struct zone_shard *own = home_shard(zone, cpu, 0);
        unsigned long before;

        fake_set_cpu(cpu);
        /* All of this CPU's own shard but a reserve: the last block is somebody else's. */
        do {
            before = own->nr_free[MAX_ORDER - 1];
            page = __rmqueue(zone, MAX_ORDER - 1, MIGRATE_MOVABLE);
            page->private = first ? page_to_pfn(several->machine, first) : UINT32_MAX;
            first = page;
        } while (own->nr_free[MAX_ORDER - 1] < before);
        assert_true(own->nr_free[MAX_ORDER - 1] < 4);
        assert_true(zone_watermark_ok(zone, MAX_ORDER - 1, 4096, ZONE_NORMAL, 0));
        while (first) {
            page = first;
            first = page->private == UINT32_MAX ? NULL : pfn_to_page(several->machine, page->private);
            page->private = 0;
            free_one_page(zone, page, MAX_ORDER - 1);
        }
    }
    fake_set_cpu(0);
    fake_check(several);
    fake_finish(several);
}

/* At most two shards a CPU, of 128 pageblocks at least, and no larger than that demands. */
static void a_zone_has_as_many_shards_as_its_cpus_want(void **state) {
    const unsigned least = 128;

    (void)state;
    for (unsigned cpus = 1; cpus <= 8; cpus++) {
        for (uint32_t start = 0; start < 5 * 512; start += 512) {
            for (uint32_t end = start + 512; end < 4000 * 512; end += 77 * 512) {
                unsigned shift, nr = buddy_shards(start, end, cpus, &shift);
                uint32_t first = start >> PAGEBLOCK_ORDER, last = (end - 1) >> PAGEBLOCK_ORDER;

                assert_int_equal(nr, (last >> shift) - (first >> shift) + 1);
                assert_true(nr <= 2 * cpus && 1u << shift >= least);
                assert_true(1u << (shift - 1) < least || (last >> (shift - 1)) - (first >> (shift - 1)) + 1 > 2 * cpus);
            }
        }
    }
}

#define watermark_unit_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        watermark_unit_test(min_free_kbytes_moves_marks_reserve_blocks_and_totalreserve),
        watermark_unit_test(values_out_of_range_change_nothing),
        watermark_unit_test(defaults_are_those_of_the_specification),
        watermark_unit_test(an_estimate_counts_near_the_mark_as_well),
        watermark_unit_test(percpu_pagelist_fraction_sizes_the_hot_lists),
        watermark_unit_test(large_blocks_count_wherever_they_are),
        watermark_unit_test(a_zone_has_as_many_shards_as_its_cpus_want),
        watermark_unit_test(a_reserve_ratio_of_0_counts_as_1),
        watermark_unit_test(reserve_blocks_skip_those_of_other_types_and_reserved_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
