/* SPDX-License-Identifier: MIT */
/*
 * Handing out and taking back, apart from the slow path (tests/spec/slow_path_test.c) and from pages in a state that
 * they must not be in (bad_page_test.c).
 */
#include "tests/unit/fake_vmscan.h"
#include "tests/unit/one_zone.h"

#include <string.h>

#include "mm/buddy.h"
#include "mm/compound.h"
#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/pcp.h"

static int setup(void **state) {
    memset(&fake_vmscan, 0, sizeof(fake_vmscan));
    return one_zone_setup(state);
}

static void a_page_comes_with_one_reference_and_nothing_left_of_its_past(void **state) {
    struct page *page = alloc_pages(m, GFP_KERNEL, 0);

    (void)state;
    page_set(page, PG_uptodate);
    page_set(page, PG_referenced);
    page_set(page, PG_error);
    page_set(page, PG_dirty);
    page->private = 5;
    atomic_store(&page->owner, 77);
    __free_pages(m, page, 0);
    assert_int_equal(page_count(page), 0);
    assert_ptr_equal(alloc_pages(m, GFP_KERNEL, 0), page);
    assert_int_equal(page_count(page), 1);
    assert_int_equal(atomic_load(&page->flags) & ~PAGE_KEPT_MASK, 0);
    assert_int_equal(page->private, 0);
    assert_int_equal(atomic_load(&page->owner), 0);
    assert_false(page_mapped(page));
    assert_int_equal(atomic_load(&m->nr_bad_pages), 0);
}

static void gfp_zero_gives_zeros_at_every_order(void **state) {
    (void)state;
    for (unsigned order = 0; order < MAX_ORDER; order++) {
        size_t size = PAGE_SIZE << order;
        struct page *page;
        char *bytes;

        memset(m->map.arena, 0xa5, fake->arena_bytes);
        page = alloc_pages(m, GFP_KERNEL | __GFP_ZERO, order);
        bytes = page_address(m, page);
        assert_int_equal((uint8_t)bytes[-1], 0xa5);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(bytes[i], 0);
        __free_pages(m, page, order);
    }
    assert_all_free();
}

static void blocks_are_aligned_and_do_not_overlap(void **state) {
    static uint8_t seen[16384];
    struct page *blocks[64];
    unsigned nr = 0;

    (void)state;
    memset(seen, 0, sizeof(seen));
    for (unsigned i = 0; i < 64; i++) {
        unsigned order = i % 8;
        struct page *page = alloc_pages(m, i % 3 ? GFP_KERNEL : GFP_HIGHUSER_MOVABLE, order);
        uint32_t pfn = page_to_pfn(m, page);

        assert_int_equal(pfn % (1u << order), 0);
        for (uint32_t k = pfn; k < pfn + (1u << order); k++)
            assert_int_equal(seen[k]++, 0);
        blocks[nr++] = page;
    }
    fake_check(fake);
    for (unsigned i = 0; i < nr; i++)
        __free_pages(m, blocks[i * 37 % 64], i * 37 % 64 % 8);
    assert_all_free();
}

static void the_last_reference_frees(void **state) {
    struct page *page = alloc_pages(m, GFP_KERNEL, 2);

    (void)state;
    get_page(page);
    __free_pages(m, page, 2);
    assert_int_equal(page_count(page), 1);
    __free_pages(m, page, 2);
    assert_all_free();
}

static void addresses_are_as_good_as_pages(void **state) {
    void *address = __get_free_pages(m, GFP_KERNEL, 3);
    void *zeroed = get_zeroed_page(m, GFP_KERNEL);

    (void)state;
    assert_int_equal(((uintptr_t)address - (uintptr_t)m->map.arena) % (8 * PAGE_SIZE), 0);
    assert_int_equal(*(char *)zeroed, 0);
    assert_null(get_zeroed_page(m, GFP_HIGHUSER));
    assert_null(__get_free_pages(m, GFP_KERNEL, MAX_ORDER));
    free_pages(m, address, 3);
    free_pages(m, zeroed, 0);
    free_pages(m, NULL, 0);
    assert_all_free();
}

static void a_compound_page_is_freed_through_any_of_its_frames(void **state) {
    struct page *page = alloc_pages(m, GFP_KERNEL | __GFP_COMP, 4);

    (void)state;
    assert_int_equal(compound_order(page), 4);
    assert_int_equal(compound_order(page + 3), 0);
    for (unsigned i = 0; i < 16; i++) {
        assert_ptr_equal(compound_head(m, page + i), page);
        assert_true(page_test(page + i, PG_compound));
    }
    assert_ptr_equal(compound_head(m, page + 16), page + 16);
    get_page(page);
    put_page(m, page + 7);
    assert_int_equal(page_count(page), 1);
    put_page(m, page + 15);
    assert_int_equal(page_count(page), 0);
    assert_all_free();
    /* At order 0 there is nothing to compound. */
    page = alloc_pages(m, GFP_KERNEL | __GFP_COMP, 0);
    assert_false(page_test(page, PG_compound));
    put_page(m, page);
    assert_all_free();
}

static void a_split_block_is_freed_frame_by_frame(void **state) {
    struct page *page = alloc_pages(m, GFP_KERNEL, 3);

    (void)state;
    split_page(page, 3);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(page_count(page + i), 1);
        __free_pages(m, page + i, 0);
    }
    assert_all_free();
}

static void put_page_takes_a_page_off_its_lru_list(void **state) {
    struct page *page = alloc_pages(m, GFP_HIGHUSER_MOVABLE, 0);

    (void)state;
    lock_acquire(&fake->platform, &zone->lru_lock);
    page_list_add(m, &zone->inactive_list, page);
    page_set(page, PG_lru);
    inc_zone_page_state(zone, NR_INACTIVE);
    lock_release(&fake->platform, &zone->lru_lock);
    fake_check(fake);
    put_page(m, page);
    assert_true(page_list_empty(&zone->inactive_list));
    assert_int_equal(zone_page_state_exact(zone, NR_INACTIVE), 0);
    assert_int_equal(atomic_load(&m->nr_bad_pages), 0);
    assert_all_free();
}

static void a_bulk_allocation_gives_what_single_ones_would(void **state) {
    struct page *pages[300];
    unsigned nr = alloc_pages_bulk(m, GFP_HIGHUSER_MOVABLE | __GFP_ZERO, 300, pages);

    (void)state;
    assert_int_equal(nr, 300);
    for (unsigned i = 0; i < nr; i++) {
        assert_int_equal(page_count(pages[i]), 1);
        assert_int_equal(*(char *)page_address(m, pages[i]), 0);
        for (unsigned j = 0; j < i; j++)
            assert_ptr_not_equal(pages[i], pages[j]);
        atomic_store(&pages[i]->count, 0);
    }
    free_cold_pages(m, pages, nr);
    assert_true(zone->pageset[0].pcp[PCP_COLD].count > 0);
    assert_int_equal(alloc_pages_bulk(m, GFP_KERNEL, 0, pages), 0);
    assert_all_free();
}

static void a_bulk_allocation_stops_at_the_low_mark_and_the_next_one_wakes_kswapd_and_at_the_min_mark(void **state) {
    static struct page *pages[16384];
    unsigned nr = alloc_pages_bulk(m, GFP_HIGHUSER_MOVABLE, 16384, pages);
    static struct page *more[16384];
    unsigned nr_more;

    (void)state;
    /* Down to the low mark, give or take a refill and the counter's slack. */
    assert_true(16384 - nr <= zone->pages_low + 3 + 3);
    assert_true(16384 - nr + 6 >= zone->pages_low);
    assert_int_equal(fake_vmscan.wakes, 0);
    /* The first of the next ones goes through the slow path, and like that the rest gets what is above min. */
    drain_all_local_pages(m);
    refresh_vm_stats(m);
    while (zone_page_state(zone, NR_FREE_PAGES) > zone->pages_low) {
        pages[nr++] = alloc_pages(m, GFP_HIGHUSER_MOVABLE, 0);
        refresh_vm_stats(m);
    }
    nr_more = alloc_pages_bulk(m, GFP_HIGHUSER_MOVABLE, 16384, more);
    assert_int_equal(fake_vmscan.wakes, 1);
    assert_true(nr_more <= zone->pages_low - zone->pages_min + 6);
    assert_true(nr_more + 6 >= zone->pages_low - zone->pages_min);
    for (unsigned i = 0; i < nr_more; i++)
        __free_pages(m, more[i], 0);
    for (unsigned i = 0; i < nr; i++)
        __free_pages(m, pages[i], 0);
    assert_all_free();
}

static void a_pagevec_is_freed_cold_and_empty_afterwards(void **state) {
    struct pagevec pvec = {.nr = 3};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        pvec.pages[i] = alloc_pages(m, GFP_HIGHUSER_MOVABLE, 0);
        atomic_store(&pvec.pages[i]->count, 0);
    }
    __pagevec_free(m, &pvec);
    assert_int_equal(pvec.nr, 0);
    assert_all_free();
}

static void a_cold_request_leaves_the_hot_list_alone(void **state) {
    struct page *page = alloc_pages(m, GFP_KERNEL | __GFP_COLD, 0);

    (void)state;
    assert_int_equal(zone->pageset[0].pcp[PCP_HOT].count, 0);
    atomic_store(&page->count, 0);
    free_cold_page(m, page);
    assert_int_equal(zone->pageset[0].pcp[PCP_HOT].count, 0);
    page = alloc_pages(m, GFP_KERNEL, 0);
    assert_int_equal(zone->pageset[0].pcp[PCP_HOT].count, 2);
    __free_pages(m, page, 0);
    assert_int_equal(zone->pageset[0].pcp[PCP_HOT].count, 3);
}

static uint32_t told[64];
static unsigned nr_told;

static void note_frame(void *host, uint32_t pfn) {
    (void)host;
    told[nr_told++] = pfn;
}

static void a_frame_that_had_the_cores_bytes_is_announced_when_it_becomes_mapped_memory(void **state) {
    struct page *page, *block;

    (void)state;
    nr_told = 0;
    fake->platform.frame_to_user = note_frame;
    page = alloc_pages(m, GFP_KERNEL, 0);
    __free_pages(m, page, 0);
    drain_all_local_pages(m);
    /* All the same if it has been through the buddy lists; and once only. */
    page = alloc_pages(m, GFP_HIGHUSER_MOVABLE, 0);
    while (nr_told == 0)
        page = alloc_pages(m, GFP_HIGHUSER_MOVABLE, 0);
    assert_int_equal(nr_told, 1);
    assert_int_equal(told[0], page_to_pfn(m, page));
    __free_pages(m, page, 0);
    assert_ptr_equal(alloc_pages(m, GFP_HIGHUSER_MOVABLE, 0), page);
    assert_int_equal(nr_told, 1);
    block = alloc_pages(m, GFP_KERNEL, 3);
    __free_pages(m, block, 3);
    nr_told = 0;
    for (unsigned pfn = page_to_pfn(m, block); pfn < page_to_pfn(m, block) + 8; pfn++)
        assert_true(page_in_arena(m, pfn_to_page(m, pfn)));
}

static void events_count_pages_by_zone(void **state) {
    unsigned long events[NR_VM_EVENT_ITEMS];
    struct page *page = alloc_pages(m, GFP_KERNEL, 0), *block = alloc_pages(m, GFP_KERNEL, 3);

    (void)state;
    __free_pages(m, page, 0);
    all_vm_events(m, events);
    assert_int_equal(events[PGALLOC + ZONE_NORMAL], 9);
    assert_int_equal(events[PGFREE], 1);
    __free_pages(m, block, 3);
    all_vm_events(m, events);
    assert_int_equal(events[PGFREE], 9);
    assert_int_equal(events[PGALLOC + ZONE_DMA], 0);
}

#define alloc_unit_test(test) cmocka_unit_test_setup_teardown(test, setup, one_zone_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        alloc_unit_test(a_page_comes_with_one_reference_and_nothing_left_of_its_past),
        alloc_unit_test(gfp_zero_gives_zeros_at_every_order),
        alloc_unit_test(blocks_are_aligned_and_do_not_overlap),
        alloc_unit_test(the_last_reference_frees),
        alloc_unit_test(addresses_are_as_good_as_pages),
        alloc_unit_test(a_compound_page_is_freed_through_any_of_its_frames),
        alloc_unit_test(a_split_block_is_freed_frame_by_frame),
        alloc_unit_test(put_page_takes_a_page_off_its_lru_list),
        alloc_unit_test(a_bulk_allocation_gives_what_single_ones_would),
        alloc_unit_test(a_bulk_allocation_stops_at_the_low_mark_and_the_next_one_wakes_kswapd_and_at_the_min_mark),
        alloc_unit_test(a_pagevec_is_freed_cold_and_empty_afterwards),
        alloc_unit_test(a_cold_request_leaves_the_hot_list_alone),
        alloc_unit_test(a_frame_that_had_the_cores_bytes_is_announced_when_it_becomes_mapped_memory),
        alloc_unit_test(events_count_pages_by_zone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
