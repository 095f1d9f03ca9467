/* SPDX-License-Identifier: MIT */
/* The pool as a cache in front of files: its areas, what is written back from it, and objects moved together. */
#include "swapdev/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mm/swapfile.h"
#include "tests/unit/swap_pages.h"

#define NR_PAGES 8192u
#define NR_SLOTS (1u << 20)
#define BACKED 2u
#define OTHER 5u
/* Compresses to this and a little. */
#define NOISE 2000u

struct fixture {
    struct fake *fake;
    struct pool *pool;
    char page[PAGE_SIZE], back[PAGE_SIZE];
};

static int setup(void **state) {
    struct fixture *f = test_calloc(1, sizeof(*f));

    f->fake = swap_pages_boot(NR_PAGES, 2);
    f->pool = pool_create(f->fake->machine, 80);
    assert_non_null(f->pool);
    assert_true(pool_open_area(f->pool, BACKED, NR_SLOTS));
    assert_true(pool_open_area(f->pool, OTHER, NR_SLOTS));
    pool_set_backed(f->pool, BACKED);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;

    pool_destroy(f->pool);
    swap_pages_finish(f->fake);
    test_free(f);
    return 0;
}

static enum mm_status store(struct fixture *f, unsigned area, uint32_t offset, uint64_t seed, bool copied) {
    swap_pages_fill(f->page, seed, NOISE);
    return pool_store(f->pool, swp_entry(area, offset), f->page, copied);
}

static void assert_holds(struct fixture *f, unsigned area, uint32_t offset, uint64_t seed) {
    assert_int_equal(pool_load(f->pool, swp_entry(area, offset), f->back), MM_OK);
    swap_pages_fill(f->page, seed, NOISE);
    assert_memory_equal(f->back, f->page, PAGE_SIZE);
}

static void assert_holds_nothing(struct fixture *f, unsigned area, uint32_t offset) {
    assert_int_equal(pool_load(f->pool, swp_entry(area, offset), f->back), MM_INVAL);
    assert_int_equal(pool_holds(f->pool, swp_entry(area, offset)), POOL_NOTHING);
}

static struct pool_stats stats_of(const struct fixture *f) {
    struct pool_stats stats;

    pool_get_stats(f->pool, &stats);
    return stats;
}

/* Takes up a page to be written back and sees that it is that one. */
static swp_entry_t take_up(struct fixture *f, uint32_t min_age, uint32_t offset, uint64_t seed) {
    swp_entry_t entry;

    assert_int_equal(pool_writeback_next(f->pool, min_age, &entry, f->back), POOL_SWEEP_WRITE);
    assert_int_equal(entry.val, swp_entry(BACKED, offset).val);
    swap_pages_fill(f->page, seed, NOISE);
    assert_memory_equal(f->back, f->page, PAGE_SIZE);
    return entry;
}

static void assert_nothing_to_take_up(struct fixture *f, uint32_t min_age) {
    swp_entry_t entry;

    assert_int_equal(pool_writeback_next(f->pool, min_age, &entry, f->back), POOL_SWEEP_END);
}

static void one_offset_in_two_areas_is_two_slots(void **state) {
    struct fixture *f = *state;

    assert_int_equal(store(f, BACKED, 7, 1, false), MM_OK);
    assert_holds_nothing(f, OTHER, 7);
    assert_int_equal(store(f, OTHER, 7, 2, false), MM_OK);
    assert_holds(f, BACKED, 7, 1);
    pool_slot_free(f->pool, swp_entry(BACKED, 7));
    assert_holds_nothing(f, BACKED, 7);
    assert_holds(f, OTHER, 7, 2);
}

static void an_area_that_is_closed_gives_all_back_and_can_be_opened_again(void **state) {
    struct fixture *f = *state;
    uint64_t pages = stats_of(f).pages;

    for (uint32_t i = 1; i < 1000; i++)
        assert_int_equal(store(f, OTHER, i, i, false), MM_OK);
    assert_int_equal(store(f, BACKED, 1, 5, false), MM_OK);
    pool_close_area(f->pool, OTHER);
    assert_int_equal(stats_of(f).stored_pages, 1);
    assert_int_equal(store(f, OTHER, 1, 1, false), MM_INVAL);
    assert_true(pool_open_area(f->pool, OTHER, NR_SLOTS));
    assert_holds_nothing(f, OTHER, 1);
    assert_holds(f, BACKED, 1, 5);
    pool_slot_free(f->pool, swp_entry(BACKED, 1));
    /* The directory of the slots stays. */
    assert_int_equal(stats_of(f).pages, pages + 1);
}

static void the_oldest_pages_are_taken_up_in_order_of_slots(void **state) {
    struct fixture *f = *state;

    for (uint32_t i = 1; i <= 500; i++)
        assert_int_equal(store(f, BACKED, i * 5, i, false), MM_OK);
    pool_note_evictions(f->pool, 1000);
    for (uint32_t i = 1; i <= 500; i++)
        assert_int_equal(store(f, BACKED, i * 5 + 1, i, false), MM_OK);
    assert_in_range(pool_age_of_oldest(f->pool, 450), 1400, 1600);
    for (uint32_t i = 1; i <= 500; i++)
        pool_writeback_done(f->pool, take_up(f, 1400, i * 5, i), true);
    assert_nothing_to_take_up(f, 1400);
    for (uint32_t i = 1; i <= 500; i++) {
        assert_holds_nothing(f, BACKED, i * 5);
        assert_holds(f, BACKED, i * 5 + 1, i);
    }
    assert_int_equal(stats_of(f).written_back_pages, 500);
}

static void until_it_is_written_a_page_stays_and_its_slot_takes_no_other(void **state) {
    struct fixture *f = *state;
    swp_entry_t entry;

    assert_int_equal(store(f, BACKED, 9, 1, false), MM_OK);
    entry = take_up(f, 0, 9, 1);
    assert_nothing_to_take_up(f, 0);
    assert_int_equal(pool_holds(f->pool, entry), POOL_ONLY);
    assert_int_equal(store(f, BACKED, 9, 2, false), MM_BUSY);
    assert_false(pool_forget(f->pool, entry));
    pool_came_back(f->pool, entry, true);
    assert_holds(f, BACKED, 9, 1);
    assert_true(pool_writeback_done(f->pool, entry, true));
    assert_holds_nothing(f, BACKED, 9);
    assert_true(pool_forget(f->pool, entry));
    assert_int_equal(store(f, BACKED, 9, 2, false), MM_OK);
    assert_holds(f, BACKED, 9, 2);
}

static void a_page_whose_write_failed_stays_and_is_taken_up_again(void **state) {
    struct fixture *f = *state;

    assert_int_equal(store(f, BACKED, 9, 1, false), MM_OK);
    assert_true(pool_writeback_done(f->pool, take_up(f, 0, 9, 1), false));
    assert_holds(f, BACKED, 9, 1);
    assert_int_equal(stats_of(f).written_back_pages, 0);
    assert_true(pool_writeback_done(f->pool, take_up(f, 0, 9, 1), true));
    assert_holds_nothing(f, BACKED, 9);
}

static void a_slot_freed_while_it_is_written_holds_nothing_and_is_busy_until_that_ends(void **state) {
    struct fixture *f = *state;

    for (int written = 0; written < 2; written++) {
        swp_entry_t entry;

        assert_int_equal(store(f, BACKED, 9, 1, false), MM_OK);
        entry = take_up(f, 0, 9, 1);
        pool_slot_free(f->pool, entry);
        assert_int_equal(pool_load(f->pool, entry, f->back), MM_INVAL);
        assert_int_equal(store(f, BACKED, 9, 2, false), MM_BUSY);
        assert_false(pool_writeback_done(f->pool, entry, written));
        assert_holds_nothing(f, BACKED, 9);
        assert_int_equal(stats_of(f).stored_pages, 0);
    }
}

static void a_page_that_the_file_has_is_dropped_without_writing(void **state) {
    struct fixture *f = *state;
    swp_entry_t entry;

    assert_int_equal(store(f, BACKED, 9, 1, true), MM_OK);
    assert_int_equal(pool_holds(f->pool, swp_entry(BACKED, 9)), POOL_COPY);
    assert_holds(f, BACKED, 9, 1);
    assert_int_equal(pool_writeback_next(f->pool, 0, &entry, f->back), POOL_SWEEP_DROPPED);
    assert_int_equal(entry.val, swp_entry(BACKED, 9).val);
    assert_holds_nothing(f, BACKED, 9);
    assert_nothing_to_take_up(f, 0);
}

static void other_areas_and_same_filled_pages_are_not_written_back(void **state) {
    struct fixture *f = *state;

    assert_int_equal(store(f, OTHER, 9, 1, false), MM_OK);
    memset(f->page, 0, PAGE_SIZE);
    assert_int_equal(pool_store(f->pool, swp_entry(BACKED, 3), f->page, false), MM_OK);
    assert_nothing_to_take_up(f, 0);
    assert_int_equal(store(f, BACKED, 3, 4, false), MM_OK);
    pool_set_backed(f->pool, -1);
    assert_nothing_to_take_up(f, 0);
    assert_int_equal(pool_age_of_oldest(f->pool, 10), 0);
    pool_set_backed(f->pool, BACKED);
    pool_writeback_done(f->pool, take_up(f, 0, 3, 4), true);
}

static void a_page_that_came_back_is_gone(void **state) {
    struct fixture *f = *state;

    assert_int_equal(store(f, BACKED, 9, 1, false), MM_OK);
    pool_came_back(f->pool, swp_entry(BACKED, 9), true);
    assert_holds_nothing(f, BACKED, 9);
    assert_int_equal(stats_of(f).stored_pages, 0);
}

static void objects_left_over_in_sparse_pages_are_moved_together(void **state) {
    struct fixture *f = *state;
    enum { STORED = 4000 };
    uint64_t random = 1;
    bool kept[STORED + 1];

    for (uint32_t i = 1; i <= STORED; i++)
        assert_int_equal(store(f, i % 2 ? BACKED : OTHER, i, i, i % 3 == 0), MM_OK);
    for (uint32_t i = 1; i <= STORED; i++) {
        kept[i] = swap_pages_random(&random) % 4 == 0;
        if (!kept[i])
            pool_slot_free(f->pool, swp_entry(i % 2 ? BACKED : OTHER, i));
    }
    assert_true(stats_of(f).pages * PAGE_SIZE > stats_of(f).bytes + stats_of(f).bytes / 2);
    while (pool_compact(f->pool))
        continue;
    assert_true(stats_of(f).pages * PAGE_SIZE < stats_of(f).bytes + stats_of(f).bytes / 4);
    for (uint32_t i = 1; i <= STORED; i++) {
        unsigned area = i % 2 ? BACKED : OTHER;

        if (!kept[i]) {
            assert_holds_nothing(f, area, i);
            continue;
        }
        assert_holds(f, area, i, i);
        assert_int_equal(pool_holds(f->pool, swp_entry(area, i)), i % 3 == 0 ? POOL_COPY : POOL_ONLY);
    }
}

static void what_is_wanted_young_makes_the_pool_smaller_what_is_wanted_old_larger(void **state) {
    struct fixture *f = *state;
    uint64_t target = stats_of(f).target_pages, smaller;

    for (uint32_t i = 1; i <= 3000; i++) {
        assert_int_equal(store(f, BACKED, i, i, false), MM_OK);
        if (i % 2)
            pool_came_back(f->pool, swp_entry(BACKED, i), true);
        pool_judge(f->pool);
    }
    smaller = stats_of(f).target_pages;
    assert_true(smaller < target);
    pool_set_target(f->pool, stats_of(f).pages);
    smaller = stats_of(f).target_pages;
    for (uint32_t i = 1; i <= 6000; i++) {
        assert_int_equal(store(f, BACKED, 3000 + i, i, false), MM_OK);
        if (i % 2 && i < 3000)
            pool_came_back(f->pool, swp_entry(BACKED, i + 1), true);
        pool_judge(f->pool);
    }
    assert_true(stats_of(f).target_pages > smaller);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(one_offset_in_two_areas_is_two_slots),
        TEST(an_area_that_is_closed_gives_all_back_and_can_be_opened_again),
        TEST(the_oldest_pages_are_taken_up_in_order_of_slots),
        TEST(until_it_is_written_a_page_stays_and_its_slot_takes_no_other),
        TEST(a_page_whose_write_failed_stays_and_is_taken_up_again),
        TEST(a_slot_freed_while_it_is_written_holds_nothing_and_is_busy_until_that_ends),
        TEST(a_page_that_the_file_has_is_dropped_without_writing),
        TEST(other_areas_and_same_filled_pages_are_not_written_back),
        TEST(a_page_that_came_back_is_gone),
        TEST(objects_left_over_in_sparse_pages_are_moved_together),
        TEST(what_is_wanted_young_makes_the_pool_smaller_what_is_wanted_old_larger),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
