/* SPDX-License-Identifier: MIT */
/* The swap cache and its index. */
#include "tests/unit/fake_platform.h"

#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/page_io.h"
#include "mm/swap_index.h"
#include "mm/swap_state.h"
#include "mm/swapfile.h"

static void slot_free(void *host, swp_entry_t entry) {
    (void)host, (void)entry;
}

static bool has_room(void *host, unsigned type) {
    (void)host, (void)type;
    return true;
}

static struct fake *fake;
static struct machine *m;

static int setup(void **state) {
    unsigned type;

    (void)state;
    fake = fake_boot(8192, 1);
    m = fake->machine;
    fake->platform.swap_slot_free = slot_free;
    fake->platform.swap_has_room = has_room;
    return swap_add(m, 1u << 20, 1, 0, &type) != MM_OK;
}

static int teardown(void **state) {
    (void)state;
    fake_check_and_finish(fake);
    return 0;
}

/* A locked page of the caller's. */
static struct page *new_page(void) {
    struct page *page = alloc_pages(m, GFP_HIGHUSER_MOVABLE, 0);

    assert_non_null(page);
    assert_true(trylock_page(page));
    return page;
}

static void done_with(struct page *page) {
    unlock_page(m, page);
    put_page(m, page);
}

static void a_page_is_found_by_its_slot_and_counts_on_it(void **state) {
    struct page *page = new_page(), *found;
    struct zone *zone = page_zone(m, page);
    swp_entry_t entry;

    (void)state;
    assert_true(add_to_swap(m, page));
    entry = (swp_entry_t){page->private};
    assert_true(page_test(page, PG_swapcache) && page_test(page, PG_dirty) && page_test(page, PG_uptodate));
    assert_int_equal(page_count(page), 2);
    assert_int_equal(swap_count(m, entry), 1);
    assert_int_equal(zone_page_state_exact(zone, NR_FILE_PAGES), 1);
    found = lookup_swap_cache(m, entry);
    assert_ptr_equal(found, page);
    assert_int_equal(page_count(page), 3);
    put_page(m, found);

    delete_from_swap_cache(m, page);
    assert_null(lookup_swap_cache(m, entry));
    assert_false(page_test(page, PG_swapcache));
    assert_int_equal(page_count(page), 1);
    assert_int_equal(swap_count(m, entry), 0);
    assert_int_equal(zone_page_state_exact(zone, NR_FILE_PAGES), 0);
    done_with(page);
}

static void two_pages_cannot_have_one_slot(void **state) {
    struct page *first = new_page(), *second = new_page();
    swp_entry_t entry = get_swap_page(m);

    (void)state;
    assert_int_equal(add_to_swap_cache(m, first, entry, GFP_KERNEL), MM_OK);
    assert_int_equal(add_to_swap_cache(m, second, entry, GFP_KERNEL), MM_BUSY);
    assert_false(page_test(second, PG_swapcache));
    assert_int_equal(page_count(second), 1);
    unlock_page(m, second);
    assert_int_equal(swap_cache_prepare(m, second, entry, GFP_KERNEL), MM_BUSY);
    assert_int_equal(swap_count(m, entry), 1);
    assert_false(page_test(second, PG_locked));
    delete_from_swap_cache(m, first);
    assert_int_equal(swap_cache_prepare(m, second, entry, GFP_KERNEL), MM_INVAL);
    done_with(first);
    put_page(m, second);
}

static void only_an_unshared_page_leaves_as_exclusive(void **state) {
    struct page *page = new_page();
    swp_entry_t entry;

    (void)state;
    assert_false(remove_exclusive_swap_page(m, page));
    assert_true(add_to_swap(m, page));
    entry = (swp_entry_t){page->private};
    assert_int_equal(swap_duplicate(m, entry), MM_OK);
    assert_false(remove_exclusive_swap_page(m, page));
    swap_free(m, entry);
    page_set(page, PG_writeback);
    assert_false(remove_exclusive_swap_page(m, page));
    page_clear(page, PG_writeback);
    assert_true(remove_exclusive_swap_page(m, page));
    done_with(page);
}

static void a_page_that_somebody_looked_up_is_not_taken_from_him(void **state) {
    struct page *page = new_page(), *found;

    (void)state;
    assert_true(add_to_swap(m, page));
    assert_false(remove_from_swap_cache(m, page)); /* dirty */
    page_clear(page, PG_dirty);
    found = lookup_swap_cache(m, (swp_entry_t){page->private});
    assert_false(remove_from_swap_cache(m, page));
    put_page(m, found);
    assert_true(remove_from_swap_cache(m, page));
    assert_int_equal(swap_inuse(m, 0), 0);
    done_with(page);
}

static void the_end_of_a_write_moves_the_page_to_where_it_is_freed_next(void **state) {
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct page *page = new_page(), *newer = new_page();

    (void)state;
    lru_cache_add(m, newer);
    lru_cache_add(m, page);
    lru_add_drain(m);
    assert_true(add_to_swap(m, page));
    unlock_page(m, page);
    for (unsigned failed = 0; failed < 2; failed++) {
        page_clear(page, PG_dirty);
        page_set(page, PG_reclaim);
        page_set(page, PG_writeback);
        inc_zone_page_state(zone, NR_WRITEBACK);
        end_swap_write(m, page, failed ? MM_IO : MM_OK);
        assert_false(page_test(page, PG_writeback) || page_test(page, PG_reclaim));
        assert_int_equal(page_test(page, PG_dirty), failed);
        assert_int_equal(page_test(page, PG_error), failed);
        assert_int_equal(zone_page_state_exact(zone, NR_WRITEBACK), 0);
        lru_add_drain(m);
        assert_ptr_equal(page_list_last(m, &zone->inactive_list), page);
    }
    lock_page(m, page);
    delete_from_swap_cache(m, page);
    done_with(page);
    done_with(newer);
}

static void no_swap_no_slot(void **state) {
    struct page *page = new_page();

    (void)state;
    swap_set_writable(m, 0, false);
    assert_false(add_to_swap(m, page));
    assert_false(page_test(page, PG_swapcache));
    assert_int_equal(page_count(page), 1);
    swap_set_writable(m, 0, true);
    done_with(page);
}

static void the_index_gives_back_leaves_that_are_empty(void **state) {
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct swap_index *index = get_zeroed_page(m, GFP_KERNEL);
    long before, most;
    void *spare;

    (void)state;
    before = zone_page_state_exact(zone, NR_FREE_PAGES);
    for (uint32_t leaf = 0; leaf < 256; leaf++) {
        enum mm_status status;

        do {
            spare = get_zeroed_page(m, GFP_KERNEL);
            status = swap_index_insert(m, index, swp_entry(3, leaf * 1024 + leaf), leaf, &spare);
            free_pages(m, spare, 0);
        } while (status == MM_NOMEM);
        assert_int_equal(status, MM_OK);
    }
    most = before - zone_page_state_exact(zone, NR_FREE_PAGES);
    assert_true(most >= 200);
    for (uint32_t leaf = 0; leaf < 256; leaf++) {
        assert_int_equal(swap_index_find(index, swp_entry(3, leaf * 1024 + leaf)), leaf);
        assert_int_equal(swap_index_find(index, swp_entry(3, leaf * 1024 + leaf + 1)), PFN_NONE);
        assert_int_equal(swap_index_find(index, swp_entry(2, leaf * 1024 + leaf)), PFN_NONE);
    }
    for (uint32_t leaf = 0; leaf < 256; leaf++)
        swap_index_remove(m, index, swp_entry(3, leaf * 1024 + leaf));
    assert_int_equal(index->nr_empty_leaves, 8);
    assert_true(before - zone_page_state_exact(zone, NR_FREE_PAGES) < 100);
    assert_int_equal(swap_index_find(index, swp_entry(3, 0)), PFN_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_page_is_found_by_its_slot_and_counts_on_it, setup, teardown),
        cmocka_unit_test_setup_teardown(two_pages_cannot_have_one_slot, setup, teardown),
        cmocka_unit_test_setup_teardown(only_an_unshared_page_leaves_as_exclusive, setup, teardown),
        cmocka_unit_test_setup_teardown(a_page_that_somebody_looked_up_is_not_taken_from_him, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_of_a_write_moves_the_page_to_where_it_is_freed_next, setup, teardown),
        cmocka_unit_test_setup_teardown(no_swap_no_slot, setup, teardown),
        cmocka_unit_test_setup_teardown(the_index_gives_back_leaves_that_are_empty, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
