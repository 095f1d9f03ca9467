/* SPDX-License-Identifier: MIT */
/* Pages that are handed out or taken back in a state that they must not be in (section 4, page checks). */
#include "tests/unit/one_zone.h"

#include "mm/buddy.h"
#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/pcp.h"

static void assert_one_bad_page(void) {
    assert_int_equal(atomic_load(&m->nr_bad_pages), 1);
    atomic_store(&m->nr_bad_pages, 0);
}

static void a_page_freed_in_use_is_reported_and_repaired(void **state) {
    static const enum page_flag bad[] = {PG_private, PG_locked, PG_active, PG_slab, PG_swapcache, PG_writeback};
    struct page *page = NULL;

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        page = alloc_pages(m, GFP_KERNEL, 0);
        page_set(page, bad[i]);
        __free_pages(m, page, 0);
        assert_one_bad_page();
        assert_true(page_test(page, PG_pcp));
        assert_false(page_test(page, bad[i]));
    }
    page = alloc_pages(m, GFP_KERNEL, 0);
    atomic_store(&page->mapcount, 0);
    __free_pages(m, page, 0);
    assert_one_bad_page();
    assert_false(page_mapped(page));
    page = alloc_pages(m, GFP_KERNEL, 0);
    free_hot_page(m, page);
    assert_one_bad_page();
    assert_all_free();
}

static void blocks_in_a_state_that_they_must_not_be_in_are_repaired_or_kept_out(void **state) {
    struct page *block = alloc_pages(m, GFP_KERNEL, 2), *pages[3];

    (void)state;
    page_set(block, PG_private);
    __free_pages(m, block, 2);
    assert_one_bad_page();
    assert_false(page_test(block, PG_private));
    assert_true(frame_is_free(zone, page_to_pfn(m, block)));
    /* One that is free already stays where it is. */
    atomic_store(&block->count, 1);
    __free_pages(m, block, 2);
    assert_one_bad_page();
    assert_true(frame_is_free(zone, page_to_pfn(m, block)));
    /* Flags that do no harm are forgotten, in passing. */
    block = alloc_pages(m, GFP_KERNEL, 2);
    page_set(block, PG_uptodate);
    __free_pages(m, block, 2);
    assert_int_equal(atomic_load(&m->nr_bad_pages), 0);
    assert_false(page_test(block, PG_uptodate));
    page_set(block, PG_uptodate);
    assert_ptr_equal(alloc_pages(m, GFP_KERNEL, 2), block);
    assert_int_equal(atomic_load(&m->nr_bad_pages), 0);
    assert_false(page_test(block, PG_uptodate));
    __free_pages(m, block, 2);
    /* Among many, the bad one is left out. */
    for (unsigned i = 0; i < 3; i++)
        pages[i] = alloc_pages(m, GFP_KERNEL, 0);
    page_set(pages[1], PG_reserved);
    release_pages(m, pages, 3, true);
    assert_int_equal(atomic_load(&m->nr_bad_pages), 0);
    assert_true(page_test(pages[0], PG_pcp) && page_test(pages[2], PG_pcp));
    assert_false(page_test(pages[1], PG_pcp));
    page_clear(pages[1], PG_reserved);
    free_hot_page(m, pages[1]);
    assert_all_free();
}

static void a_page_that_is_on_a_list_is_not_freed_again(void **state) {
    struct page *page = alloc_pages(m, GFP_KERNEL, 0);

    (void)state;
    __free_pages(m, page, 0);
    free_hot_page(m, page);
    assert_one_bad_page();
    drain_all_local_pages(m);
    assert_true(frame_is_free(zone, 0));
    free_hot_page(m, pfn_to_page(m, 0));
    assert_one_bad_page();
    assert_all_free();
}

static void a_page_found_bad_when_it_is_handed_out_is_repaired(void **state) {
    struct page *page = alloc_pages(m, GFP_KERNEL, 0);

    (void)state;
    __free_pages(m, page, 0);
    atomic_store(&page->count, -1);
    assert_ptr_equal(alloc_pages(m, GFP_KERNEL, 0), page);
    assert_one_bad_page();
    assert_int_equal(page_count(page), 1);
    __free_pages(m, page, 0);
    assert_all_free();
}

static void a_reserved_page_is_neither_freed_nor_handed_out(void **state) {
    struct page *page = alloc_pages(m, GFP_KERNEL, 0), *block;

    (void)state;
    page_set(page, PG_reserved);
    __free_pages(m, page, 0);
    assert_false(page_test(page, PG_pcp));
    assert_int_equal(atomic_load(&m->nr_bad_pages), 0);
    page_clear(page, PG_reserved);
    free_hot_page(m, page);

    block = alloc_pages(m, GFP_KERNEL, 2);
    __free_pages(m, block, 2);
    page_set(block, PG_reserved);
    assert_ptr_not_equal(alloc_pages(m, GFP_KERNEL, 2), block);
    assert_int_equal(atomic_load(&m->nr_bad_pages), 0);
}

#define bad_page_unit_test(test) cmocka_unit_test_setup_teardown(test, one_zone_setup, one_zone_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        bad_page_unit_test(a_page_freed_in_use_is_reported_and_repaired),
        bad_page_unit_test(blocks_in_a_state_that_they_must_not_be_in_are_repaired_or_kept_out),
        bad_page_unit_test(a_page_that_is_on_a_list_is_not_freed_again),
        bad_page_unit_test(a_page_found_bad_when_it_is_handed_out_is_repaired),
        bad_page_unit_test(a_reserved_page_is_neither_freed_nor_handed_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
