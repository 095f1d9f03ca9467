/* SPDX-License-Identifier: MIT */
#include "swapdev/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mm/page_alloc.h"
#include "tests/unit/swap_pages.h"

#define NR_PAGES 4096u
#define NR_SLOTS (64u << 20)

struct fixture {
    struct fake *fake;
    struct digest_table *table;
    unsigned long free_at_boot;
    char page[PAGE_SIZE];
};

static int setup(void **state) {
    struct fixture *f = test_calloc(1, sizeof(*f));

    f->fake = swap_pages_boot(NR_PAGES, 2);
    f->free_at_boot = swap_pages_free(f->fake);
    f->table = digest_create(f->fake->machine, NR_SLOTS);
    assert_non_null(f->table);
    swap_pages_fill(f->page, 1, PAGE_SIZE);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;

    digest_destroy(f->table);
    assert_int_equal(swap_pages_free(f->fake), f->free_at_boot);
    swap_pages_finish(f->fake);
    test_free(f);
    return 0;
}

static void an_unchanged_page_matches(void **state) {
    struct fixture *f = *state;

    digest_set(f->table, 5, f->page);
    assert_true(digest_matches(f->table, 5, f->page));
    assert_false(digest_matches(f->table, 4, f->page));
    assert_false(digest_matches(f->table, 6, f->page));
}

static void any_changed_bit_is_noticed(void **state) {
    struct fixture *f = *state;

    digest_set(f->table, 5, f->page);
    for (unsigned bit = 0; bit < PAGE_SIZE * 8; bit += 61) {
        f->page[bit / 8] = (char)(f->page[bit / 8] ^ 1 << bit % 8);
        assert_false(digest_matches(f->table, 5, f->page));
        f->page[bit / 8] = (char)(f->page[bit / 8] ^ 1 << bit % 8);
    }
    assert_true(digest_matches(f->table, 5, f->page));
}

static void a_cleared_slot_never_matches(void **state) {
    struct fixture *f = *state;

    digest_set(f->table, 5, f->page);
    digest_clear(f->table, 5);
    assert_false(digest_matches(f->table, 5, f->page));
    digest_clear(f->table, 5);
    digest_clear(f->table, 100000);
}

static void a_slot_set_again_has_the_newer_hash(void **state) {
    struct fixture *f = *state;
    char newer[PAGE_SIZE];

    swap_pages_fill(newer, 2, PAGE_SIZE);
    digest_set(f->table, 5, f->page);
    digest_set(f->table, 5, newer);
    assert_true(digest_matches(f->table, 5, newer));
    assert_false(digest_matches(f->table, 5, f->page));
    digest_clear(f->table, 5);
    assert_int_equal(digest_pages(f->table), 2);
}

static void offsets_outside_the_table_are_ignored(void **state) {
    struct fixture *f = *state;

    digest_set(f->table, NR_SLOTS, f->page);
    assert_false(digest_matches(f->table, NR_SLOTS, f->page));
    digest_clear(f->table, NR_SLOTS);
    digest_set(f->table, NR_SLOTS - 1, f->page);
    assert_true(digest_matches(f->table, NR_SLOTS - 1, f->page));
    assert_int_equal(digest_pages(f->table), 3);
}

static void a_page_of_hashes_serves_256_slots_and_goes_with_the_last(void **state) {
    struct fixture *f = *state;

    assert_int_equal(digest_pages(f->table), 1);
    for (uint32_t i = 256; i < 512; i++)
        digest_set(f->table, i, f->page);
    /* The table, a directory, one chunk. */
    assert_int_equal(digest_pages(f->table), 3);
    digest_set(f->table, 512, f->page);
    assert_int_equal(digest_pages(f->table), 4);
    for (uint32_t i = 256; i < 511; i++)
        digest_clear(f->table, i);
    assert_true(digest_matches(f->table, 511, f->page));
    assert_int_equal(digest_pages(f->table), 4);
    digest_clear(f->table, 511);
    assert_int_equal(digest_pages(f->table), 3);
    assert_true(digest_matches(f->table, 512, f->page));
}

static void without_free_memory_a_slot_never_matches(void **state) {
    struct fixture *f = *state;
    struct page **taken = test_calloc(NR_PAGES, sizeof(*taken));
    unsigned nr = 0;

    digest_set(f->table, 1, f->page);
    while ((taken[nr] = alloc_pages(f->fake->machine, __GFP_HIGH | __GFP_NOWARN, 0)))
        nr++;
    digest_set(f->table, 1000, f->page);
    assert_false(digest_matches(f->table, 1000, f->page));
    assert_true(digest_matches(f->table, 1, f->page));
    while (nr)
        __free_pages(f->fake->machine, taken[--nr], 0);
    test_free(taken);
    digest_after_fork(f->table);
    digest_set(f->table, 1000, f->page);
    assert_true(digest_matches(f->table, 1000, f->page));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_unchanged_page_matches),
        TEST(any_changed_bit_is_noticed),
        TEST(a_cleared_slot_never_matches),
        TEST(a_slot_set_again_has_the_newer_hash),
        TEST(offsets_outside_the_table_are_ignored),
        TEST(a_page_of_hashes_serves_256_slots_and_goes_with_the_last),
        TEST(without_free_memory_a_slot_never_matches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
