/* SPDX-License-Identifier: MIT */
/* Each invariant, broken on purpose, is noticed. */
#include "tests/unit/fake_platform.h"

#include "mm/buddy.h"
#include "mm/check.h"
#include "mm/oom_kill.h"
#include "mm/page_alloc.h"
#include "mm/shard.h"

static struct fake *fake;
static struct machine *m;
static struct zone *zone;

static int setup(void **state) {
    (void)state;
    fake = fake_boot(16384, 1);
    m = fake->machine;
    zone = fake_zone(fake, 0, ZONE_NORMAL);
    __free_pages(m, alloc_pages(m, GFP_HIGHUSER_MOVABLE, 0), 0);
    assert_null(mm_check(m));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_finish(fake);
    return 0;
}

static void free_counters_that_lie_are_noticed(void **state) {
    (void)state;
    mod_zone_page_state(zone, NR_FREE_PAGES, 1);
    assert_string_equal(mm_check(m), "vmstat: NR_FREE_PAGES is not the number of free pages");
    mod_zone_page_state(zone, NR_FREE_PAGES, -1);
    atomic_fetch_add(&m->vm_stat[NR_FREE_PAGES], 1);
    assert_string_equal(mm_check(m), "vmstat: a global counter is not the sum over the zones");
}

static void counters_of_pages_in_use_that_lie_are_noticed(void **state) {
    static const struct {
        enum zone_stat_item item;
        const char *wrong;
    } counters[] = {
        {NR_ANON_PAGES, "vmstat: NR_ANON_PAGES is not the number of mapped pages without a file"},
        {NR_FILE_PAGES, "vmstat: NR_FILE_PAGES is not the number of pages in files and the swap cache"},
        {NR_WRITEBACK, "vmstat: NR_WRITEBACK is not the number of pages that are being written"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        mod_zone_page_state(zone, counters[i].item, 1);
        assert_string_equal(mm_check(m), counters[i].wrong);
        mod_zone_page_state(zone, counters[i].item, -1);
    }
}

static void links_that_do_not_agree_are_noticed(void **state) {
    uint32_t index = PAGEBLOCK_NONE, next, was;

    (void)state;
    for (uint32_t i = 0; i < 16384 / PAGEBLOCK_PAGES; i++)
        if (zone->pageblocks[i].place != PLACE_NONE && zone->pageblocks[i].next != PAGEBLOCK_NONE)
            index = i;
    assert_int_not_equal(index, PAGEBLOCK_NONE);
    next = zone->pageblocks[index].next;
    was = zone->pageblocks[next].prev;
    for (uint32_t i = 0; i < 2; i++) {
        zone->pageblocks[next].prev = (uint32_t[]){PAGEBLOCK_NONE, next}[i];
        assert_string_equal(shard_check(zone, index), "buddy: a list's links do not agree");
        zone->pageblocks[next].prev = was;
    }
}

static void a_delta_beyond_its_threshold_is_noticed(void **state) {
    (void)state;
    atomic_store(&zone->pageset[0].vm_stat_diff[NR_BOUNCE], 3);
    assert_string_equal(mm_check(m), "vmstat: a per-CPU delta is beyond its threshold");
    atomic_store(&zone->pageset[0].vm_stat_diff[NR_BOUNCE], -3);
    assert_string_equal(mm_check(m), "vmstat: a per-CPU delta is beyond its threshold");
}

static void marks_out_of_order_and_a_wrong_priority_are_noticed(void **state) {
    (void)state;
    zone->pages_min = zone->pages_low + 1;
    assert_string_equal(mm_check(m), "zone: min <= low <= high does not hold");
    zone->pages_min = 0;
    zone->pages_high = zone->pages_low - 1;
    assert_string_equal(mm_check(m), "zone: min <= low <= high does not hold");
    zone->pages_high = zone->pages_low;
    atomic_store(&zone->prev_priority, 13);
    assert_string_equal(mm_check(m), "zone: prev_priority is not in 0..12");
    atomic_store(&zone->prev_priority, -1);
    assert_string_equal(mm_check(m), "zone: prev_priority is not in 0..12");
}

static void what_a_task_left_behind_is_noticed(void **state) {
    struct reclaim_state reclaim_state = {0};

    (void)state;
    assert_true(try_set_zone_oom(m, &m->nodes[0]->node_zonelists[ZONE_NORMAL]));
    assert_string_equal(mm_check(m), "zone: ZONE_OOM_LOCKED or ZONE_RECLAIM_LOCKED has been left set");
    clear_zonelist_oom(m, &m->nodes[0]->node_zonelists[ZONE_NORMAL]);
    lock_acquire(&fake->platform, &zone->lock);
    assert_string_equal(mm_check(m), "lock: a zone's lock is held");
    lock_release(&fake->platform, &zone->lock);
    bias_acquire(&fake->platform, &zone->pageset[0].lock, &fake->init_task);
    assert_string_equal(mm_check(m), "lock: a per-CPU list's lock is held");
    bias_release(&fake->platform, &zone->pageset[0].lock, NULL, &fake->init_task);
    atomic_store(&fake->init_task.flags, PF_MEMALLOC);
    assert_string_equal(mm_check(m), "task: PF_MEMALLOC has been left set");
    atomic_store(&fake->init_task.flags, 0);
    fake->init_task.reclaim_state = &reclaim_state;
    assert_string_equal(mm_check(m), "task: reclaim_state has been left installed");
    fake->init_task.reclaim_state = NULL;
    assert_null(mm_check(m));
}

static void a_page_in_two_places_is_noticed(void **state) {
    struct page *on_pcp = pfn_to_page(m, zone->pageset[0].pcp[0].pfn[0]);

    (void)state;
    page_set(on_pcp, PG_lru);
    assert_string_equal(mm_check(m), "page: one page in two of buddy lists, per-CPU lists and LRU lists");
    page_clear(on_pcp, PG_lru);
    atomic_store(&on_pcp->count, 1);
    assert_string_equal(mm_check(m), "page: a page on a per-CPU list is in use");
    atomic_store(&on_pcp->count, 0);
    atomic_store(&on_pcp->mapcount, 0);
    assert_string_equal(mm_check(m), "page: a page on a per-CPU list is in use");
}

static void a_mark_without_a_list_is_noticed(void **state) {
    struct page *page = alloc_pages(m, GFP_KERNEL, 0);

    (void)state;
    page_set(page, PG_pcp);
    atomic_store(&page->count, 0);
    assert_string_equal(mm_check(m), "pcp: a page is marked as on a per-CPU list but on none, or on two");
    page_clear(page, PG_pcp);
    page_set(page, PG_lru);
    assert_string_equal(mm_check(m), "page: a page on an LRU list has no reference");
    atomic_store(&page->count, 1);
    assert_string_equal(mm_check(m), "lru: a page is marked as on an LRU list but on none, or on two");
    page_clear(page, PG_lru);
    atomic_store(&page->count, -1);
    assert_string_equal(mm_check(m), "page: a negative reference count");
}

static void something_in_use_within_a_free_block_is_noticed(void **state) {
    struct page *page = pfn_to_page(m, 5);

    (void)state;
    need_descriptors(zone, 5);
    atomic_store(&page->count, 1);
    assert_string_equal(mm_check(m), "page: a page within a free block is in use");
    atomic_store(&page->count, 0);
    atomic_store(&page->mapcount, 0);
    assert_string_equal(mm_check(m), "page: a page within a free block is in use");
    atomic_store(&page->mapcount, -1);
    page_set(page, PG_dirty);
    assert_string_equal(mm_check(m), "page: a page within a free block has flags");
    page_clear(page, PG_dirty);
    assert_null(mm_check(m));
}

static void a_bad_page_taints(void **state) {
    struct page *page = alloc_pages(m, GFP_KERNEL, 0);

    (void)state;
    page_set(page, PG_slab);
    __free_pages(m, page, 0);
    assert_string_equal(mm_check(m), "page: a page in a bad state was freed or handed out");
}

#define check_unit_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        check_unit_test(free_counters_that_lie_are_noticed),
        check_unit_test(counters_of_pages_in_use_that_lie_are_noticed),
        check_unit_test(links_that_do_not_agree_are_noticed),
        check_unit_test(a_delta_beyond_its_threshold_is_noticed),
        check_unit_test(marks_out_of_order_and_a_wrong_priority_are_noticed),
        check_unit_test(what_a_task_left_behind_is_noticed),
        check_unit_test(a_page_in_two_places_is_noticed),
        check_unit_test(a_mark_without_a_list_is_noticed),
        check_unit_test(something_in_use_within_a_free_block_is_noticed),
        check_unit_test(a_bad_page_taints),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
