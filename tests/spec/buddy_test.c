/* SPDX-License-Identifier: MIT */
/* The specification's assertions on the buddy system (section 4). */
#include "tests/unit/fake_platform.h"

#include <string.h>

#include "mm/buddy.h"
#include "mm/page_alloc.h"
#include "mm/page_isolation.h"
#include "mm/pcp.h"

static struct page *take(struct zone *zone, unsigned order, unsigned type) {
    return __rmqueue(zone, order, type);
}

/* Takes everything that is free, in blocks of that order, of that type and its fallbacks. */
static unsigned take_all(struct zone *zone, unsigned order, unsigned type, struct page **pages) {
    unsigned nr = 0;

    while ((pages[nr] = take(zone, order, type)))
        nr++;
    return nr;
}

static void histogram(const struct zone *zone, unsigned long blocks[MAX_ORDER]) {
    for (unsigned order = 0; order < MAX_ORDER; order++)
        blocks[order] = nr_free_blocks(zone, order);
}

/* SPEC A8 */
static void freeing_everything_in_any_order_restores_the_histogram(void **state) {
    static struct page *pages[8192 + 1];
    struct fake *fake = fake_boot(8192, 2);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    unsigned long before[MAX_ORDER], after[MAX_ORDER];
    unsigned nr;

    (void)state;
    histogram(zone, before);
    nr = take_all(zone, 0, MIGRATE_MOVABLE, pages);
    assert_int_equal(nr, 8192);
    assert_int_equal(zone_page_state_exact(zone, NR_FREE_PAGES), 0);
    /* 4999 and 8192 have no common factor: each once, in an order that leaves holes all along. */
    for (unsigned i = 0; i < nr; i++) {
        free_one_page(zone, pages[i * 4999 % nr], 0);
        if (i % 1000 == 0)
            fake_check(fake);
    }
    histogram(zone, after);
    assert_memory_equal(before, after, sizeof(before));
    fake_check_and_finish(fake);
}

/* SPEC A8 */
static void the_buddy_is_the_index_with_one_bit_flipped(void **state) {
    static struct page *pages[4096 + 1];
    struct fake *fake = fake_boot(4096, 1);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct page *map = pfn_to_page(fake->machine, 0);

    (void)state;
    take_all(zone, 0, MIGRATE_MOVABLE, pages);
    /* 1 and 2 lie side by side, but 1's buddy is 0 and 2's is 3. */
    free_one_page(zone, map + 1, 0);
    free_one_page(zone, map + 2, 0);
    assert_int_equal(nr_free_blocks(zone, 0), 2);
    free_one_page(zone, map + 3, 0);
    assert_int_equal(nr_free_blocks(zone, 0), 1);
    assert_int_equal(nr_free_blocks(zone, 1), 1);
    free_one_page(zone, map, 0);
    assert_int_equal(nr_free_blocks(zone, 0), 0);
    assert_int_equal(nr_free_blocks(zone, 2), 1);
    assert_int_equal(buddy_order(zone, 0), 2);
    assert_int_equal(buddy_order(zone, 2), -1);
    fake_finish(fake);
}

/* SPEC A9 */
static void blocks_do_not_merge_across_a_zone_boundary(void **state) {
    const struct memory_range ranges[] = {{0, 512, 0, ZONE_DMA}, {512, 3584, 0, ZONE_NORMAL}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 2, .nr_cpus = 1, .nr_nodes = 1};
    struct fake *fake = fake_boot_map(&map);

    (void)state;
    assert_int_equal(nr_free_blocks(fake_zone(fake, 0, ZONE_DMA), 9), 1);
    assert_int_equal(nr_free_blocks(fake_zone(fake, 0, ZONE_NORMAL), 9), 1);
    assert_int_equal(nr_free_blocks(fake_zone(fake, 0, ZONE_NORMAL), 10), 3);
    fake_check_and_finish(fake);
}

/* SPEC A9 */
static void blocks_of_unequal_order_do_not_merge(void **state) {
    static struct page *pages[4096 + 1];
    struct fake *fake = fake_boot(4096, 1);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct page *map = pfn_to_page(fake->machine, 0);

    (void)state;
    take_all(zone, 0, MIGRATE_MOVABLE, pages);
    free_one_page(zone, map + 2, 0);
    free_one_page(zone, map, 1);
    assert_int_equal(nr_free_blocks(zone, 0), 1);
    assert_int_equal(nr_free_blocks(zone, 1), 1);
    fake_finish(fake);
}

/* SPEC A10 */
static void a_split_returns_the_lowest_part_and_lists_the_upper_halves(void **state) {
    struct fake *fake = fake_boot(4096, 1);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct page *page = take(zone, 0, MIGRATE_MOVABLE);
    uint32_t pfn = page_to_pfn(fake->machine, page);

    (void)state;
    assert_int_equal(pfn % 1024, 0);
    for (unsigned order = 0; order < MAX_ORDER - 1; order++) {
        assert_int_equal(nr_free_blocks(zone, order), 1);
        assert_int_equal(buddy_order(zone, pfn + (1u << order)), order);
    }
    fake_finish(fake);
}

/* Takes all memory, then leaves one block of that order and type free. Blocks lie in pageblocks of their own. */
static struct page *leave_only(struct zone *zone, struct page *page, unsigned order, enum migratetype type) {
    lock_acquire(zone->machine->platform, &zone->lock);
    set_pageblock_migratetype(zone, page, type);
    lock_release(zone->machine->platform, &zone->lock);
    free_one_page(zone, page, order);
    return page;
}

/* SPEC A11 */
static void fallback_takes_the_largest_block_first(void **state) {
    static struct page *pages[8192 + 1];
    struct fake *fake = fake_boot(8192, 1);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct page *map = pfn_to_page(fake->machine, 0), *large;

    (void)state;
    take_all(zone, 0, MIGRATE_MOVABLE, pages);
    leave_only(zone, map + 512 * 2, 0, MIGRATE_RECLAIMABLE);
    large = leave_only(zone, map + 512 * 4, 3, MIGRATE_MOVABLE);
    assert_ptr_equal(take(zone, 0, MIGRATE_UNMOVABLE), large);
    fake_finish(fake);
}

/* SPEC A11 */
static void of_equal_blocks_each_type_takes_its_first_fallback(void **state) {
    static struct page *pages[8192 + 1];
    struct fake *fake = fake_boot(8192, 1);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct page *map = pfn_to_page(fake->machine, 0), *reclaimable, *movable, *unmovable;

    (void)state;
    take_all(zone, 0, MIGRATE_MOVABLE, pages);
    reclaimable = leave_only(zone, map + 512 * 2, 2, MIGRATE_RECLAIMABLE);
    movable = leave_only(zone, map + 512 * 4, 2, MIGRATE_MOVABLE);
    assert_ptr_equal(take(zone, 2, MIGRATE_UNMOVABLE), reclaimable);
    assert_ptr_equal(take(zone, 2, MIGRATE_UNMOVABLE), movable);
    reclaimable = leave_only(zone, map + 512 * 6, 2, MIGRATE_RECLAIMABLE);
    movable = leave_only(zone, map + 512 * 8, 2, MIGRATE_UNMOVABLE);
    assert_ptr_equal(take(zone, 2, MIGRATE_MOVABLE), reclaimable);
    assert_ptr_equal(take(zone, 2, MIGRATE_MOVABLE), movable);
    movable = leave_only(zone, map + 512 * 10, 2, MIGRATE_MOVABLE);
    unmovable = leave_only(zone, map + 512 * 12, 2, MIGRATE_UNMOVABLE);
    assert_ptr_equal(take(zone, 2, MIGRATE_RECLAIMABLE), unmovable);
    assert_ptr_equal(take(zone, 2, MIGRATE_RECLAIMABLE), movable);
    fake_finish(fake);
}

/*
 * All is taken; the pageblock of MOVABLE pages at pfn 2048 gets back a block of 2^order and enough single frames, no
 * two of them buddies, for `free` pages in all. Then a request of start_type comes.
 */
static enum migratetype type_after_fallback(unsigned order, unsigned free, enum migratetype start_type) {
    static struct page *pages[8192 + 1];
    struct fake *fake = fake_boot(8192, 1);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct page *block = pfn_to_page(fake->machine, 0) + 2048;
    enum migratetype type;

    take_all(zone, 0, MIGRATE_MOVABLE, pages);
    free_one_page(zone, block, order);
    for (unsigned i = 0; i < free - (1u << order); i++)
        free_one_page(zone, block + (2u << order) + 2 * i, 0);
    assert_int_equal(zone_page_state_exact(zone, NR_FREE_PAGES), free);
    assert_ptr_equal(take(zone, 0, start_type), block);
    type = get_pageblock_migratetype(zone, block);
    fake_check_and_finish(fake);
    return type;
}

/* SPEC A12 */
static void a_pageblock_is_retagged_when_half_its_pages_moved(void **state) {
    (void)state;
    assert_int_equal(type_after_fallback(7, 256, MIGRATE_UNMOVABLE), MIGRATE_UNMOVABLE);
    assert_int_equal(type_after_fallback(7, 255, MIGRATE_UNMOVABLE), MIGRATE_MOVABLE);
    assert_int_equal(type_after_fallback(4, 255, MIGRATE_UNMOVABLE), MIGRATE_MOVABLE);
}

/* SPEC A12 */
static void a_small_block_moves_its_pageblock_only_for_a_reclaimable_request(void **state) {
    static struct page *pages[8192 + 1];
    struct fake *fake = fake_boot(8192, 1);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct page *block = pfn_to_page(fake->machine, 0) + 2048;
    unsigned long movable = 0;

    (void)state;
    take_all(zone, 0, MIGRATE_MOVABLE, pages);
    for (unsigned i = 0; i < 64; i++)
        free_one_page(zone, block + 8 * i, 3 - 1);
    /* 256 pages in blocks of 4: too small for an unmovable request to take them all along. */
    assert_non_null(take(zone, 0, MIGRATE_UNMOVABLE));
    assert_int_equal(get_pageblock_migratetype(zone, block), MIGRATE_MOVABLE);
    assert_int_not_equal(nr_free_blocks_of_type(zone, 2, MIGRATE_MOVABLE), 0);
    /* The rest of the block taken stays with the donor. */
    assert_int_not_equal(nr_free_blocks_of_type(zone, 0, MIGRATE_MOVABLE), 0);
    assert_int_equal(nr_free_blocks_of_type(zone, 0, MIGRATE_UNMOVABLE), 0);

    free_one_page(zone, block + 4 + 8 * 63, 0);
    assert_non_null(take(zone, 0, MIGRATE_RECLAIMABLE));
    assert_int_equal(get_pageblock_migratetype(zone, block), MIGRATE_RECLAIMABLE);
    for (unsigned order = 0; order < MAX_ORDER; order++)
        movable += nr_free_blocks_of_type(zone, order, MIGRATE_MOVABLE);
    assert_int_equal(movable, 0);
    fake_check_and_finish(fake);
}

/* Section 4, fallback step 2: from half a pageblock's order on, what is left of a block changes type with it. */
static void the_rest_of_a_block_of_order_4_goes_to_the_request_and_of_order_3_to_the_donor(void **state) {
    static struct page *pages[8192 + 1];
    struct fake *fake = fake_boot(8192, 1);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);

    (void)state;
    take_all(zone, 0, MIGRATE_MOVABLE, pages);
    free_one_page(zone, pfn_to_page(fake->machine, 0) + 2048, 4);
    assert_non_null(take(zone, 0, MIGRATE_UNMOVABLE));
    assert_int_not_equal(nr_free_blocks_of_type(zone, 3, MIGRATE_UNMOVABLE), 0);
    take_all(zone, 0, MIGRATE_UNMOVABLE, pages);
    free_one_page(zone, pfn_to_page(fake->machine, 0) + 4096, 3);
    assert_non_null(take(zone, 0, MIGRATE_UNMOVABLE));
    assert_int_not_equal(nr_free_blocks_of_type(zone, 2, MIGRATE_MOVABLE), 0);
    assert_int_equal(nr_free_blocks_of_type(zone, 2, MIGRATE_UNMOVABLE), 0);
    fake_finish(fake);
}

/* Section 4, fallback step 3. */
static void taking_a_whole_pageblock_retags_it_in_any_case(void **state) {
    assert_int_equal(type_after_fallback(9, 512, MIGRATE_UNMOVABLE), MIGRATE_UNMOVABLE);
    (void)state;
}

/* SPEC A13 */
static void reserve_is_used_last(void **state) {
    static struct page *pages[8192 + 1];
    struct fake *fake = fake_boot(8192, 1);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    unsigned nr;

    (void)state;
    nr = take_all(zone, 0, MIGRATE_MOVABLE, pages);
    assert_int_equal(nr, 8192);
    for (unsigned i = 0; i < nr; i++) {
        bool reserve = get_pageblock_migratetype(zone, pages[i]) == MIGRATE_RESERVE;

        /* Frame 0 begins the reserve; an order 10 block of it holds one pageblock more. */
        assert_int_equal(page_to_pfn(fake->machine, pages[i]) < 1024, i >= nr - 1024);
        assert_true(!reserve || i >= nr - 1024);
    }
    fake_finish(fake);
}

/* SPEC A13 */
static void isolate_is_never_allocated_from(void **state) {
    static struct page *pages[8192 + 1];
    struct fake *fake = fake_boot(8192, 1);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct page *block = pfn_to_page(fake->machine, 0) + 4096 + 512, *single, *again;
    unsigned nr;

    (void)state;
    /* Break the largest blocks up, so that the pageblock's free pages are blocks of its own. */
    nr = take_all(zone, 9, MIGRATE_MOVABLE, pages);
    for (unsigned i = 0; i < nr; i++)
        if (pages[i] != block)
            free_one_page(zone, pages[i], 9);
    for (unsigned i = 0; i < 256; i++)
        free_one_page(zone, block + 2 * i, 0);
    assert_int_equal(set_migratetype_isolate(zone, block), MM_OK);
    assert_int_equal(set_migratetype_isolate(zone, block), MM_BUSY);
    single = block + 1;
    atomic_store(&single->count, 1);
    __free_pages(fake->machine, single, 0);
    assert_int_equal(buddy_order(zone, page_to_pfn(fake->machine, single - 1)), 1);

    for (unsigned type = MIGRATE_UNMOVABLE; type <= MIGRATE_MOVABLE; type++) {
        nr = take_all(zone, 0, type, pages);
        for (unsigned i = 0; i < nr; i++)
            assert_false(pages[i] >= block && pages[i] < block + 512);
    }
    assert_int_equal(zone_page_state_exact(zone, NR_FREE_PAGES), 257);
    unset_migratetype_isolate(zone, block);
    again = take(zone, 0, MIGRATE_MOVABLE);
    assert_true(again >= block && again < block + 512);
    fake_finish(fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(freeing_everything_in_any_order_restores_the_histogram),
        cmocka_unit_test(the_buddy_is_the_index_with_one_bit_flipped),
        cmocka_unit_test(blocks_do_not_merge_across_a_zone_boundary),
        cmocka_unit_test(blocks_of_unequal_order_do_not_merge),
        cmocka_unit_test(a_split_returns_the_lowest_part_and_lists_the_upper_halves),
        cmocka_unit_test(fallback_takes_the_largest_block_first),
        cmocka_unit_test(of_equal_blocks_each_type_takes_its_first_fallback),
        cmocka_unit_test(a_pageblock_is_retagged_when_half_its_pages_moved),
        cmocka_unit_test(a_small_block_moves_its_pageblock_only_for_a_reclaimable_request),
        cmocka_unit_test(the_rest_of_a_block_of_order_4_goes_to_the_request_and_of_order_3_to_the_donor),
        cmocka_unit_test(taking_a_whole_pageblock_retags_it_in_any_case),
        cmocka_unit_test(reserve_is_used_last),
        cmocka_unit_test(isolate_is_never_allocated_from),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
