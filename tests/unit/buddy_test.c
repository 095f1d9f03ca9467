/* SPDX-License-Identifier: MIT */
/* What the assertions in tests/spec leave open about the buddy system. */
#include "tests/unit/fake_platform.h"

#include "mm/buddy.h"
#include "mm/page_isolation.h"

static struct fake *fake;
static struct zone *zone;

static int setup(void **state) {
    (void)state;
    fake = fake_boot(8192 + 300, 1);
    zone = fake_zone(fake, 0, ZONE_NORMAL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_finish(fake);
    return 0;
}

static struct page *take(unsigned order, unsigned type) {
    return __rmqueue(zone, order, type);
}

static void freeing_both_buddies_restores_the_parent(void **state) {
    struct page *parent, *low, *high;

    (void)state;
    /* The zone's odd end has a block of order 5 that has no buddy. */
    take(5, MIGRATE_MOVABLE);
    parent = take(6, MIGRATE_MOVABLE);
    free_one_page(zone, parent, 5);
    free_one_page(zone, parent + 32, 5);
    assert_true(buddy_order(zone, page_to_pfn(fake->machine, parent)) >= 6);
    assert_int_equal(buddy_order(zone, page_to_pfn(fake->machine, parent + 32)), -1);
    low = take(5, MIGRATE_MOVABLE);
    high = take(5, MIGRATE_MOVABLE);
    assert_ptr_equal(high, low + 32);
    free_one_page(zone, low, 5);
    free_one_page(zone, high, 5);
    fake_check(fake);
}

static void a_block_of_order_10_does_not_merge_further(void **state) {
    unsigned long blocks = nr_free_blocks(zone, 10);
    struct page *a = take(10, MIGRATE_MOVABLE), *b = take(10, MIGRATE_MOVABLE);

    (void)state;
    free_one_page(zone, a, 10);
    free_one_page(zone, b, 10);
    assert_int_equal(nr_free_blocks(zone, 10), blocks);
    fake_check(fake);
}

static void freed_blocks_are_reused_last_in_first_out(void **state) {
    struct page *a, *b;

    (void)state;
    a = take(10, MIGRATE_MOVABLE);
    b = take(10, MIGRATE_MOVABLE);
    free_one_page(zone, a, 10);
    free_one_page(zone, b, 10);
    assert_ptr_equal(take(10, MIGRATE_MOVABLE), b);
    assert_ptr_equal(take(10, MIGRATE_MOVABLE), a);
}

static void a_refill_hands_out_frames_in_a_row(void **state) {
    uint32_t pfns[31];

    (void)state;
    /* Small leftovers first. */
    while (nr_free_blocks(zone, 8) + nr_free_blocks(zone, 5) + nr_free_blocks(zone, 3) + nr_free_blocks(zone, 2) > 0)
        take(0, MIGRATE_MOVABLE);
    assert_int_equal(rmqueue_bulk(zone, 31, MIGRATE_MOVABLE, pfns), 31);
    for (unsigned i = 0; i < 31; i++) {
        assert_int_equal(pfns[i], pfns[0] + i);
        assert_false(frame_is_free(zone, pfns[i]));
    }
    free_pages_bulk(zone, 31, pfns);
    fake_check(fake);
}

static void a_refill_gives_what_there_is(void **state) {
    uint32_t pfns[31];

    (void)state;
    while (zone_page_state_exact(zone, NR_FREE_PAGES) > 5)
        take(0, MIGRATE_UNMOVABLE);
    assert_int_equal(rmqueue_bulk(zone, 31, MIGRATE_UNMOVABLE, pfns), 5);
    assert_int_equal(rmqueue_bulk(zone, 31, MIGRATE_UNMOVABLE, pfns), 0);
    assert_null(take(0, MIGRATE_UNMOVABLE));
    free_pages_bulk(zone, 5, pfns);
    assert_int_equal(zone_page_state_exact(zone, NR_FREE_PAGES), 5);
}

static void a_pageblock_that_overruns_the_zone_is_not_moved(void **state) {
    struct page *last = pfn_to_page(fake->machine, 8192 + 256);

    (void)state;
    lock_acquire(&fake->platform, &zone->lock);
    assert_int_equal(move_freepages_block(zone, last, MIGRATE_RECLAIMABLE), 0);
    assert_int_equal(move_freepages_block(zone, pfn_to_page(fake->machine, 4096), MIGRATE_RECLAIMABLE), 1024);
    lock_release(&fake->platform, &zone->lock);
    assert_int_equal(nr_free_blocks_of_type(zone, 10, MIGRATE_RECLAIMABLE), 1);
    fake_check(fake);
}

static void a_freed_block_goes_to_the_list_of_its_pageblock(void **state) {
    struct page *page = take(4, MIGRATE_MOVABLE);

    (void)state;
    lock_acquire(&fake->platform, &zone->lock);
    set_pageblock_migratetype(zone, page, MIGRATE_RECLAIMABLE);
    assert_int_equal(get_pageblock_migratetype(zone, page + 15), MIGRATE_RECLAIMABLE);
    lock_release(&fake->platform, &zone->lock);
    take(4, MIGRATE_MOVABLE);
    free_one_page(zone, page, 4);
    assert_int_equal(nr_free_blocks_of_type(zone, 4, MIGRATE_RECLAIMABLE), 1);
    assert_ptr_equal(take(4, MIGRATE_RECLAIMABLE), page);
    free_one_page(zone, page, 4);
    fake_check(fake);
}

/* 1 GiB and two CPUs: each has half of the shards. */
static void cpus_take_from_shards_of_their_own_until_there_is_nothing_else(void **state) {
    enum { NR = 262144, BATCH = 31 };
    static uint32_t pfns[NR];
    unsigned long before[MAX_ORDER];
    unsigned shard[2], nr = 0, got;

    (void)state;
    fake_finish(fake);
    fake = fake_boot(NR, 2);
    zone = fake_zone(fake, 0, ZONE_NORMAL);
    assert_true(zone->nr_shards > 1);
    for (unsigned order = 0; order < MAX_ORDER; order++)
        before[order] = nr_free_blocks(zone, order);
    for (unsigned i = 0; i < 2000; i++) {
        fake_set_cpu(i % 2);
        got = rmqueue_bulk(zone, BATCH, MIGRATE_MOVABLE, pfns + nr);
        assert_int_equal(got, BATCH);
        shard[i % 2] = (pfns[nr] >> 9) >> zone->shard_shift;
        assert_true(i == 0 || shard[0] != shard[1]);
        nr += got;
    }
    fake_check(fake);
    fake_set_cpu(0);
    while ((got = rmqueue_bulk(zone, BATCH, MIGRATE_MOVABLE, pfns + nr)))
        nr += got;
    assert_int_equal(nr, NR);
    for (unsigned order = 0; order < MAX_ORDER; order++)
        assert_int_equal(nr_free_blocks(zone, order), 0);
    /* In an order that mixes shards within a batch: 4999 and 262144 have no common factor. */
    for (uint32_t i = 0; i < NR; i++)
        pfns[i] = (uint32_t)((uint64_t)i * 4999 % NR);
    for (uint32_t i = 0; i < NR; i += got) {
        got = NR - i < 100 ? NR - i : 100;
        free_pages_bulk(zone, got, pfns + i);
    }
    fake_check(fake);
    for (unsigned order = 0; order < MAX_ORDER; order++)
        assert_int_equal(nr_free_blocks(zone, order), before[order]);
}

/* Fullest first: a frame comes from the pageblock with fewest free frames, and no whole one is broken for it. */
static void a_frame_comes_from_the_fullest_pageblock(void **state) {
    struct page *blocks[2], *page;
    unsigned long whole;

    (void)state;
    /* The zone's odd end, which is the fullest of all. */
    for (unsigned i = 0; i < 300 / 4; i++)
        take(2, MIGRATE_MOVABLE);
    blocks[0] = take(9, MIGRATE_MOVABLE);
    blocks[1] = take(9, MIGRATE_MOVABLE);
    whole = nr_free_blocks(zone, 10);
    free_one_page(zone, blocks[0], 8);
    free_one_page(zone, blocks[1], 4);
    free_one_page(zone, blocks[1] + 64, 3);
    for (unsigned i = 0; i < 24; i++) {
        page = take(0, MIGRATE_MOVABLE);
        assert_true(page >= blocks[1] && page < blocks[1] + 512);
    }
    page = take(0, MIGRATE_MOVABLE);
    assert_true(page >= blocks[0] && page < blocks[0] + 512);
    assert_int_equal(nr_free_blocks(zone, 10), whole);
}

static const char *check(void) {
    unsigned long free;

    return buddy_check(zone, &free);
}

static void the_check_notices_each_thing_that_can_be_wrong(void **state) {
    struct pageblock *block = &zone->pageblocks[2], *next = &zone->pageblocks[4], good = *block;
    struct zone_shard *shard = &zone->shards[0];
    uint64_t *map = zone->pageblock_maps[2];

    (void)state;
    assert_null(check());
    map[0] ^= 1;
    assert_string_equal(check(), "buddy: a pageblock's counts are not what its free frames make");
    map[0] ^= 1;
    block->nr_free--;
    assert_string_equal(check(), "buddy: a pageblock has not as many free frames as it says");
    *block = good;
    block->full = 0;
    assert_string_equal(check(), "buddy: the words of free frames are not those noted");
    *block = good;
    block->list_type = MIGRATE_TYPES;
    assert_string_equal(check(), "buddy: a pageblock serves a type that does not exist");
    *block = good;
    block->place--;
    assert_string_equal(check(), "buddy: a pageblock is not on the list where it belongs");
    *block = good;
    block->prev = PAGEBLOCK_NONE;
    block->next = 6;
    assert_string_equal(check(), "buddy: a list's links do not agree");
    *block = good;
    shard->orders[MIGRATE_MOVABLE] = 0;
    assert_string_equal(check(), "buddy: a list is not among those that a search looks at");
    shard->orders[MIGRATE_MOVABLE] = 1u << 10 | 1u << 8;
    next->list_type = MIGRATE_RECLAIMABLE;
    assert_non_null(check());
    next->list_type = MIGRATE_MOVABLE;
    assert_null(check());
    shard->nr_free[3]++;
    assert_string_equal(check(), "buddy: nr_free is not the number of free blocks");
    shard->nr_free[3]--;
    assert_null(check());
}

static void a_free_block_can_be_taken_by_its_first_frame(void **state) {
    unsigned long blocks = nr_free_blocks(zone, 10);
    struct page *block;

    (void)state;
    assert_int_equal(buddy_order(zone, 2048), 10);
    assert_int_equal(buddy_take_block(zone, 2048, 9), 0);
    assert_int_equal(buddy_take_block(zone, 2560, 10), 0);
    assert_false(pfn_valid(fake->machine, 2048));
    assert_int_equal(buddy_take_block(zone, 2048, 10), 1024);
    assert_true(pfn_valid(fake->machine, 2048) && pfn_valid(fake->machine, 3071));
    assert_int_equal(buddy_order(zone, 2048), -1);
    assert_int_equal(buddy_order(zone, 2560), -1);
    assert_int_equal(nr_free_blocks(zone, 10), blocks - 1);
    fake_check(fake);
    block = pfn_to_page(fake->machine, 2048);
    free_one_page(zone, block + 8, 3);
    assert_int_equal(buddy_take_block(zone, 2056, 3), 8);
    assert_int_equal(buddy_take_block(zone, 2056, 3), 0);
    free_one_page(zone, block, 10);
    assert_int_equal(nr_free_blocks(zone, 10), blocks);
    fake_check(fake);
}

static void an_isolated_pageblock_is_not_half_of_a_larger_block(void **state) {
    struct page *page = pfn_to_page(fake->machine, 2048);

    (void)state;
    assert_int_equal(set_migratetype_isolate(zone, page), MM_OK);
    assert_int_equal(buddy_order(zone, 2048), 9);
    assert_int_equal(nr_free_blocks_of_type(zone, 9, MIGRATE_ISOLATE), 1);
    assert_int_equal(buddy_take_block(zone, 2048, 10), 0);
    fake_check(fake);
    /* The other half comes and goes, and takes the isolated one nowhere. */
    assert_int_equal(buddy_take_block(zone, 2560, 10), 512);
    free_one_page(zone, page + 512, 9);
    assert_int_equal(nr_free_blocks_of_type(zone, 9, MIGRATE_ISOLATE), 1);
    assert_int_equal(set_migratetype_isolate(zone, page + 512), MM_OK);
    assert_int_equal(nr_free_blocks_of_type(zone, 10, MIGRATE_ISOLATE), 1);
    fake_check(fake);
    unset_migratetype_isolate(zone, page);
    unset_migratetype_isolate(zone, page + 512);
    assert_int_equal(buddy_order(zone, 2048), 10);
    fake_check(fake);
}

static void a_range_goes_whole_or_not_at_all(void **state) {
    struct machine *m = fake->machine;
    struct page *page;
    bool removed[3];

    (void)state;
    take(0, MIGRATE_UNMOVABLE);
    page = pfn_to_page(m, 2048);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(set_migratetype_isolate(zone, page + i * 512), MM_OK);
    lock_acquire(&fake->platform, &zone->lock);
    /* The third is not isolated: somebody might take from it. */
    removed[0] = buddy_remove_range(zone, 2048, 1536);
    removed[1] = frame_exists(m, 2048);
    removed[2] = buddy_remove_range(zone, 2048, 1024);
    lock_release(&fake->platform, &zone->lock);
    assert_false(removed[0]);
    assert_true(removed[1]);
    assert_true(removed[2]);
    assert_false(frame_exists(m, 2048) || frame_exists(m, 3071));
    assert_true(frame_exists(m, 2047) && frame_exists(m, 3072));
    zone->present_pages -= 1024;
    fake_check(fake);
    buddy_add_range(zone, 2048, 1024);
    zone->present_pages += 1024;
    assert_true(frame_exists(m, 2048));
    fake_check(fake);
}

#define buddy_unit_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        buddy_unit_test(freeing_both_buddies_restores_the_parent),
        buddy_unit_test(a_block_of_order_10_does_not_merge_further),
        buddy_unit_test(freed_blocks_are_reused_last_in_first_out),
        buddy_unit_test(a_refill_hands_out_frames_in_a_row),
        buddy_unit_test(a_refill_gives_what_there_is),
        buddy_unit_test(a_pageblock_that_overruns_the_zone_is_not_moved),
        buddy_unit_test(a_freed_block_goes_to_the_list_of_its_pageblock),
        buddy_unit_test(cpus_take_from_shards_of_their_own_until_there_is_nothing_else),
        buddy_unit_test(a_frame_comes_from_the_fullest_pageblock),
        buddy_unit_test(a_free_block_can_be_taken_by_its_first_frame),
        buddy_unit_test(an_isolated_pageblock_is_not_half_of_a_larger_block),
        buddy_unit_test(a_range_goes_whole_or_not_at_all),
        buddy_unit_test(the_check_notices_each_thing_that_can_be_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
