/* SPDX-License-Identifier: MIT */
#include "swapdev/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mm/page_alloc.h"
#include "mm/swapfile.h"
#include "tests/unit/swap_pages.h"

#define NR_PAGES 8192u
#define NR_SLOTS (16u << 20)
#define AREA 3u
#define POOL_PAGES 17u /* of a pool that holds nothing, with one area */

struct fixture {
    struct fake *fake;
    struct pool *pool;
    unsigned long free_at_boot;
    char page[PAGE_SIZE], back[PAGE_SIZE];
};

static int setup_with(void **state, uint32_t nr_pages, unsigned percent) {
    struct fixture *f = test_calloc(1, sizeof(*f));

    f->fake = swap_pages_boot(nr_pages, 2);
    f->free_at_boot = swap_pages_free(f->fake);
    f->pool = pool_create(f->fake->machine, percent);
    assert_non_null(f->pool);
    assert_true(pool_open_area(f->pool, AREA, NR_SLOTS));
    *state = f;
    return 0;
}

static int setup(void **state) {
    return setup_with(state, NR_PAGES, 80);
}

static int setup_small_share(void **state) {
    return setup_with(state, NR_PAGES, 2);
}

/* Whatever a test leaves in the pool, destroying it gives every page back. */
static int teardown(void **state) {
    struct fixture *f = *state;

    pool_destroy(f->pool);
    assert_int_equal(swap_pages_free(f->fake), f->free_at_boot);
    swap_pages_finish(f->fake);
    test_free(f);
    return 0;
}

static struct pool_stats stats_of(const struct fixture *f) {
    struct pool_stats stats;

    pool_get_stats(f->pool, &stats);
    assert_true(stats.pages >= POOL_PAGES && stats.peak_pages >= stats.pages);
    return stats;
}

static enum mm_status store(struct fixture *f, uint32_t offset, uint64_t seed, unsigned noise) {
    swap_pages_fill(f->page, seed, noise);
    return pool_store(f->pool, swp_entry(AREA, offset), f->page, false);
}

static void assert_holds(struct fixture *f, uint32_t offset, uint64_t seed, unsigned noise) {
    memset(f->back, 0x5a, PAGE_SIZE);
    assert_int_equal(pool_load(f->pool, swp_entry(AREA, offset), f->back), MM_OK);
    swap_pages_fill(f->page, seed, noise);
    assert_memory_equal(f->back, f->page, PAGE_SIZE);
}

static void assert_holds_nothing(struct fixture *f, uint32_t offset) {
    assert_int_equal(pool_load(f->pool, swp_entry(AREA, offset), f->back), MM_INVAL);
}

static void a_stored_page_comes_back_and_stays_stored(void **state) {
    struct fixture *f = *state;

    assert_int_equal(store(f, 7, 1, 1000), MM_OK);
    assert_holds(f, 7, 1, 1000);
    assert_holds(f, 7, 1, 1000);
    assert_holds_nothing(f, 6);
    assert_holds_nothing(f, 8);
}

static void an_empty_pool_of_16_million_slots_takes_68_kib(void **state) {
    struct fixture *f = *state;

    assert_int_equal(stats_of(f).pages, POOL_PAGES);
    assert_int_equal(swap_pages_free(f->fake), f->free_at_boot - POOL_PAGES);
}

/* Objects of 2112 bytes: 21 in 11 pages, where 7 in 4 would take 1320. */
static void pages_that_halve_take_little_more_than_half(void **state) {
    struct fixture *f = *state;

    for (uint32_t i = 1; i <= 2310; i++)
        assert_int_equal(store(f, i, i, PAGE_SIZE / 2), MM_OK);
    assert_in_range(stats_of(f).pages, 1210, 1210 + 60);
}

static void the_last_slot_freed_gives_its_pages_back(void **state) {
    struct fixture *f = *state;

    for (uint32_t i = 1; i <= 2000; i++)
        assert_int_equal(store(f, i, i, i), MM_OK);
    assert_true(stats_of(f).pages > POOL_PAGES + 400);
    for (uint32_t i = 1; i <= 2000; i++)
        pool_slot_free(f->pool, swp_entry(AREA, i));
    /* The directory stays: one page. */
    assert_int_equal(stats_of(f).pages, POOL_PAGES + 1);
    assert_int_equal(swap_pages_free(f->fake), f->free_at_boot - POOL_PAGES - 1);
    assert_int_equal(stats_of(f).stored_pages, 0);
    assert_int_equal(stats_of(f).bytes, 0);
}

static void a_same_filled_page_takes_no_storage_but_its_slot(void **state) {
    struct fixture *f = *state;
    uint64_t words[] = {0, 1, UINT64_MAX, 0x3ff0000000000000u, 0x8000000000000000u, 0x123456789abcdef0u};
    unsigned nr = sizeof(words) / sizeof(words[0]);
    uint64_t page[PAGE_SIZE / 8];

    for (unsigned i = 0; i < nr; i++) {
        for (unsigned j = 0; j < PAGE_SIZE / 8; j++)
            page[j] = words[i];
        assert_int_equal(pool_store(f->pool, swp_entry(AREA, i + 1), page, false), MM_OK);
    }
    /* A directory and a chunk, however many there are. */
    assert_int_equal(stats_of(f).pages, POOL_PAGES + 2);
    assert_int_equal(stats_of(f).same_pages, nr);
    assert_int_equal(stats_of(f).bytes, 0);
    for (unsigned i = 0; i < nr; i++) {
        for (unsigned j = 0; j < PAGE_SIZE / 8; j++)
            page[j] = words[i];
        assert_int_equal(pool_load(f->pool, swp_entry(AREA, i + 1), f->back), MM_OK);
        assert_memory_equal(f->back, page, PAGE_SIZE);
    }
    pool_slot_free(f->pool, swp_entry(AREA, 1));
    assert_holds_nothing(f, 1);
    assert_int_equal(stats_of(f).same_pages, nr - 1);
}

static void one_different_byte_is_not_same_filled(void **state) {
    struct fixture *f = *state;

    for (unsigned at = 0; at < PAGE_SIZE; at += 511) {
        memset(f->page, 0, PAGE_SIZE);
        f->page[at] = 1;
        assert_int_equal(pool_store(f->pool, swp_entry(AREA, 1), f->page, false), MM_OK);
        assert_int_equal(stats_of(f).same_pages, 0);
        assert_int_equal(pool_load(f->pool, swp_entry(AREA, 1), f->back), MM_OK);
        assert_memory_equal(f->back, f->page, PAGE_SIZE);
    }
}

static void a_page_that_does_not_compress_to_three_quarters_is_rejected(void **state) {
    struct fixture *f = *state;

    assert_int_equal(store(f, 1, 1, PAGE_SIZE), MM_REJECTED);
    assert_int_equal(store(f, 1, 1, 3200), MM_REJECTED);
    assert_int_equal(stats_of(f).pages, POOL_PAGES);
    assert_int_equal(store(f, 1, 1, 2900), MM_OK);
    assert_true(stats_of(f).bytes > 2900 && stats_of(f).bytes <= 3072);
}

static void an_offset_stored_again_holds_the_newer_page(void **state) {
    struct fixture *f = *state;

    assert_int_equal(store(f, 9, 1, 2000), MM_OK);
    assert_int_equal(store(f, 9, 2, 100), MM_OK);
    assert_holds(f, 9, 2, 100);
    assert_int_equal(stats_of(f).stored_pages, 1);
    assert_int_equal(store(f, 9, 3, 0), MM_OK);
    assert_holds(f, 9, 3, 0);
    assert_int_equal(stats_of(f).bytes, 0);
}

static void an_offset_whose_newer_page_is_rejected_holds_nothing(void **state) {
    struct fixture *f = *state;

    assert_int_equal(store(f, 9, 1, 2000), MM_OK);
    assert_int_equal(store(f, 9, 2, PAGE_SIZE), MM_REJECTED);
    assert_holds_nothing(f, 9);
    assert_int_equal(stats_of(f).stored_pages, 0);
}

static void offsets_outside_the_area_are_refused(void **state) {
    struct fixture *f = *state;

    assert_int_equal(store(f, 0, 1, 100), MM_INVAL);
    assert_int_equal(store(f, NR_SLOTS, 1, 100), MM_INVAL);
    assert_int_equal(store(f, NR_SLOTS - 1, 1, 100), MM_OK);
    assert_holds(f, NR_SLOTS - 1, 1, 100);
    assert_holds_nothing(f, NR_SLOTS);
    pool_slot_free(f->pool, swp_entry(AREA, NR_SLOTS));
}

static void a_full_share_rejects_and_a_freed_slot_takes_again(void **state) {
    struct fixture *f = *state;
    unsigned long limit = NR_PAGES * 2 / 100;
    uint32_t offset = 1;

    assert_true(pool_has_room(f->pool));
    while (store(f, offset, offset, 2000) == MM_OK)
        offset++;
    assert_false(pool_has_room(f->pool));
    assert_true(stats_of(f).peak_pages <= limit);
    assert_true(stats_of(f).pages + 4 > limit);
    assert_holds_nothing(f, offset);
    for (uint32_t i = 1; i < offset; i++)
        assert_holds(f, i, i, 2000);
    pool_slot_free(f->pool, swp_entry(AREA, 3));
    assert_int_equal(store(f, offset, 77, 2000), MM_OK);
    assert_holds(f, offset, 77, 2000);
}

static void without_free_memory_pages_are_rejected_and_nothing_is_lost(void **state) {
    struct fixture *f = *state;
    struct page **taken = test_calloc(NR_PAGES, sizeof(*taken));
    unsigned nr = 0;

    assert_int_equal(store(f, 1, 1, 100), MM_OK);
    while ((taken[nr] = alloc_pages(f->fake->machine, __GFP_HIGH | __GFP_NOWARN, 0)))
        nr++;
    /* Another chunk, another class: neither can be had. */
    assert_int_equal(store(f, 5000, 2, 0), MM_REJECTED);
    assert_int_equal(store(f, 2, 2, 2000), MM_REJECTED);
    assert_int_equal(store(f, 3, 3, 100), MM_OK);
    assert_holds(f, 1, 1, 100);
    assert_int_equal(stats_of(f).stored_pages, 2);
    while (nr)
        __free_pages(f->fake->machine, taken[--nr], 0);
    test_free(taken);
    assert_int_equal(store(f, 5000, 2, 0), MM_OK);
}

static void a_share_that_does_not_hold_the_pool_itself_makes_none(void **state) {
    struct fixture *f = *state;
    unsigned long free = swap_pages_free(f->fake);

    assert_null(pool_create(f->fake->machine, 0));
    assert_int_equal(swap_pages_free(f->fake), free);
}

/* Wherever in the arena the needle lies, what is there now makes no sense to LZ4. */
static unsigned damage(struct fixture *f, const char *needle, size_t len) {
    char *end = (char *)f->fake->map.arena + f->fake->arena_bytes, *at = f->fake->map.arena;
    unsigned nr = 0;

    while ((at = memmem(at, (size_t)(end - at), needle, len))) {
        memset(at - 1, 0xff, len + 1);
        nr++;
    }
    return nr;
}

static void a_damaged_object_is_noticed(void **state) {
    static const char needle[] = "QxZ7-kWv3_pLm9+jRt2";
    struct fixture *f = *state;

    memset(f->page, 0, PAGE_SIZE);
    memcpy(f->page, needle, sizeof(needle));
    assert_int_equal(pool_store(f->pool, swp_entry(AREA, 1), f->page, false), MM_OK);
    assert_int_equal(pool_load(f->pool, swp_entry(AREA, 1), f->back), MM_OK);
    assert_true(damage(f, needle, sizeof(needle)) > 0);
    assert_int_equal(pool_load(f->pool, swp_entry(AREA, 1), f->back), MM_IO);
}

/* What the model knows of a slot: the page is made again from it. */
struct model_slot {
    uint64_t seed;
    unsigned noise;
    bool used;
};

static void random_operations_agree_with_a_model(void **state) {
    struct fixture *f = *state;
    enum { SLOTS = 3000, OPERATIONS = 60000 };
    struct model_slot *model = test_calloc(SLOTS, sizeof(*model));
    uint64_t random = 42, used = 0;

    for (unsigned i = 0; i < OPERATIONS; i++) {
        uint32_t slot = (uint32_t)(swap_pages_random(&random) % SLOTS);
        uint32_t offset = 1 + slot * 37; /* several chunks */
        unsigned what = (unsigned)(swap_pages_random(&random) % 8);

        if (what < 3) {
            unsigned noise = (unsigned)(swap_pages_random(&random) % 3400);
            enum mm_status status = store(f, offset, random, noise < 200 ? 0 : noise);

            used -= model[slot].used;
            model[slot] = (struct model_slot){random, noise < 200 ? 0 : noise, status == MM_OK};
            used += model[slot].used;
            assert_true(status == MM_OK || (status == MM_REJECTED && noise > 2900));
        } else if (what < 5) {
            pool_slot_free(f->pool, swp_entry(AREA, offset));
            used -= model[slot].used;
            model[slot].used = false;
        } else if (model[slot].used) {
            assert_holds(f, offset, model[slot].seed, model[slot].noise);
        } else {
            assert_holds_nothing(f, offset);
        }
        assert_int_equal(stats_of(f).stored_pages, used);
    }
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        if (model[slot].used)
            assert_holds(f, 1 + slot * 37, model[slot].seed, model[slot].noise);
        pool_slot_free(f->pool, swp_entry(AREA, 1 + slot * 37));
    }
    assert_int_equal(stats_of(f).pages, POOL_PAGES + 1);
    test_free(model);
}

static void objects_of_all_sizes_are_packed_with_little_waste(void **state) {
    struct fixture *f = *state;
    struct pool_stats stats;

    for (uint32_t i = 1; i <= 5600; i++)
        assert_int_equal(store(f, i, i, i % 2800), MM_OK);
    stats = stats_of(f);
    assert_true((stats.pages - POOL_PAGES) * PAGE_SIZE < stats.bytes + stats.bytes / 8);
}

static jmp_buf escape;

static unsigned leave_by_a_side_door(void *host) {
    (void)host;
    longjmp(escape, 1);
}

static void fail_instead_of_waiting(void *host, _Atomic uint32_t *word, uint32_t seen) {
    (void)host, (void)word, (void)seen;
    fail_msg("nobody is there who could wake this thread");
}

static void what_fork_caught_in_use_is_free_in_the_child(void **state) {
    struct fixture *f = *state;
    unsigned (*cpu)(void *) = f->fake->platform.cpu;

    assert_int_equal(store(f, 1, 1, 500), MM_OK);
    f->fake->platform.lock_wait = fail_instead_of_waiting;
    /* Threads that do not exist after the fork were about to allocate a page for what they had just compressed. */
    f->fake->platform.cpu = leave_by_a_side_door;
    for (volatile uint32_t i = 2; i < 5; i++)
        if (!setjmp(escape))
            store(f, i, i, i * 600);
    f->fake->platform.cpu = cpu;
    pool_after_fork(f->pool);
    assert_holds(f, 1, 1, 500);
    assert_int_equal(store(f, 9, 2, 500), MM_OK);
    assert_holds(f, 9, 2, 500);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_SMALL(name) cmocka_unit_test_setup_teardown(name, setup_small_share, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_stored_page_comes_back_and_stays_stored),
        TEST(an_empty_pool_of_16_million_slots_takes_68_kib),
        TEST(pages_that_halve_take_little_more_than_half),
        TEST(the_last_slot_freed_gives_its_pages_back),
        TEST(a_same_filled_page_takes_no_storage_but_its_slot),
        TEST(one_different_byte_is_not_same_filled),
        TEST(a_page_that_does_not_compress_to_three_quarters_is_rejected),
        TEST(an_offset_stored_again_holds_the_newer_page),
        TEST(an_offset_whose_newer_page_is_rejected_holds_nothing),
        TEST(offsets_outside_the_area_are_refused),
        TEST_SMALL(a_full_share_rejects_and_a_freed_slot_takes_again),
        TEST(without_free_memory_pages_are_rejected_and_nothing_is_lost),
        TEST(a_share_that_does_not_hold_the_pool_itself_makes_none),
        TEST(a_damaged_object_is_noticed),
        TEST(random_operations_agree_with_a_model),
        TEST(objects_of_all_sizes_are_packed_with_little_waste),
        TEST(what_fork_caught_in_use_is_free_in_the_child),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
