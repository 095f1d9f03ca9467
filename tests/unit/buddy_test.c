/* SPDX-License-Identifier: MIT */
/* What the assertions in tests/spec leave open about the buddy system. */
#include "tests/unit/fake_platform.h"

#include "mm/buddy.h"

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
    struct page *page;

    lock_acquire(&fake->platform, &zone->lock);
    page = __rmqueue(zone, order, type);
    lock_release(&fake->platform, &zone->lock);
    return page;
}

static void freeing_both_buddies_restores_the_parent(void **state) {
    struct page *parent, *low, *high;

    (void)state;
    /* The zone's odd end has a block of order 5 that has no buddy. */
    take(5, MIGRATE_MOVABLE);
    parent = take(6, MIGRATE_MOVABLE);
    free_one_page(zone, parent, 5);
    free_one_page(zone, parent + 32, 5);
    assert_true(page_test(parent, PG_buddy));
    assert_false(page_test(parent + 32, PG_buddy));
    assert_true(buddy_order(parent) >= 6);
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
    struct machine *m = fake->machine;
    struct page_list list;
    uint32_t pfn;

    (void)state;
    page_list_init(&list);
    /* Small leftovers first. */
    while (nr_free_blocks(zone, 8) + nr_free_blocks(zone, 5) + nr_free_blocks(zone, 3) + nr_free_blocks(zone, 2) > 0)
        take(0, MIGRATE_MOVABLE);
    assert_int_equal(rmqueue_bulk(zone, 31, MIGRATE_MOVABLE, &list), 31);
    pfn = list.head;
    for (struct page *page = page_list_first(m, &list); page; page = page_list_next(m, page)) {
        assert_int_equal(page_to_pfn(m, page), pfn++);
        assert_int_equal(page->private, MIGRATE_MOVABLE);
        assert_false(page_test(page, PG_buddy));
    }
    free_pages_bulk(zone, 31, &list);
    assert_true(page_list_empty(&list));
    fake_check(fake);
}

static void a_refill_gives_what_there_is(void **state) {
    struct page_list list;

    (void)state;
    page_list_init(&list);
    while (zone_page_state_exact(zone, NR_FREE_PAGES) > 5)
        take(0, MIGRATE_UNMOVABLE);
    assert_int_equal(rmqueue_bulk(zone, 31, MIGRATE_UNMOVABLE, &list), 5);
    assert_int_equal(rmqueue_bulk(zone, 31, MIGRATE_UNMOVABLE, &list), 0);
    assert_null(take(0, MIGRATE_UNMOVABLE));
    free_pages_bulk(zone, 5, &list);
    assert_int_equal(zone_page_state_exact(zone, NR_FREE_PAGES), 5);
}

static void a_pageblock_that_overruns_the_zone_is_not_moved(void **state) {
    struct page *last = pfn_to_page(fake->machine, 8192 + 256);

    (void)state;
    lock_acquire(&fake->platform, &zone->lock);
    assert_int_equal(move_freepages_block(zone, last, MIGRATE_RECLAIMABLE), 0);
    assert_int_equal(move_freepages_block(zone, pfn_to_page(fake->machine, 4096), MIGRATE_RECLAIMABLE), 1024);
    lock_release(&fake->platform, &zone->lock);
    assert_int_not_equal(zone->free_area[10].free_list[MIGRATE_RECLAIMABLE].head, PFN_NONE);
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
    assert_int_equal(zone->free_area[4].free_list[MIGRATE_RECLAIMABLE].head, page_to_pfn(fake->machine, page));
    fake_check(fake);
}

static const char *check(void) {
    unsigned long free;
    const char *wrong;

    lock_acquire(&fake->platform, &zone->lock);
    wrong = buddy_check(zone, &free);
    lock_release(&fake->platform, &zone->lock);
    return wrong;
}

static void the_check_notices_each_thing_that_can_be_wrong(void **state) {
    struct free_area *area = &zone->free_area[10];
    struct page *page = pfn_to_page(fake->machine, area->free_list[MIGRATE_MOVABLE].head);
    struct page *half, *next;
    uint32_t tail = area->free_list[MIGRATE_MOVABLE].tail;

    (void)state;
    assert_null(check());
    page->private ++;
    assert_string_equal(check(), "buddy: a listed block is not marked as what its list says");
    page->private --;
    area->nr_free++;
    assert_string_equal(check(), "buddy: nr_free is not the number of blocks on the lists");
    area->nr_free--;
    area->free_list[MIGRATE_MOVABLE].tail = area->free_list[MIGRATE_MOVABLE].head;
    assert_string_equal(check(), "buddy: a free list's tail is not its last block");
    area->free_list[MIGRATE_MOVABLE].tail = tail;
    next = pfn_to_page(fake->machine, page->lru_next);
    next->lru_prev++;
    assert_string_equal(check(), "buddy: a free list's links do not agree");
    next->lru_prev--;
    page->lru_next = 100000;
    assert_string_equal(check(), "buddy: a free list leads to a frame that does not exist");
    page->lru_next = page_to_pfn(fake->machine, next);
    assert_null(check());

    /* Two buddies, one of them put on the list behind the merger's back. */
    page = take(10, MIGRATE_MOVABLE);
    half = page + 512;
    free_one_page(zone, page, 9);
    page_set(half, PG_buddy);
    half->private = 9 | MIGRATE_MOVABLE << 8;
    page_list_add_tail(fake->machine, &zone->free_area[9].free_list[MIGRATE_MOVABLE], half);
    zone->free_area[9].nr_free++;
    assert_string_equal(check(), "buddy: two mergeable buddies are both free");
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
        buddy_unit_test(the_check_notices_each_thing_that_can_be_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
