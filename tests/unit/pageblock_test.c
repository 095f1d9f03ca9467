/* SPDX-License-Identifier: MIT */
/* A pageblock's free frames against a naive model: a byte per frame, blocks found by looking. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "mm/pageblock.h"

static struct pageblock block;
static pageblock_map map;
static uint8_t model[PAGEBLOCK_PAGES]; /* 1: free */
static uint32_t seed = 1;

static uint32_t below(uint32_t n) {
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)seed * n >> 32);
}

static bool run_is_free(unsigned at, unsigned order) {
    for (unsigned i = at; i < at + (1u << order); i++)
        if (!model[i])
            return false;
    return true;
}

/* The order of the largest aligned free run that frame is in, or -1. */
static int model_order(unsigned at) {
    int order = -1;

    for (unsigned o = 0; o <= PAGEBLOCK_ORDER && run_is_free(at & ~((1u << o) - 1), o); o++)
        order = (int)o;
    return order;
}

static void assert_as_model(void) {
    unsigned counts[PAGEBLOCK_ORDER + 1] = {0}, free = 0;

    for (unsigned at = 0; at < PAGEBLOCK_PAGES; at++) {
        int order = model_order(at);

        assert_int_equal(pageblock_order_at(map, at), order);
        free += order >= 0;
        if (order >= 0 && at % (1u << order) == 0)
            counts[order]++;
    }
    for (unsigned order = 0; order <= PAGEBLOCK_ORDER; order++)
        assert_int_equal(block_count(block.counts, order), counts[order]);
    assert_int_equal(block.nr_free, free);
    assert_true(pageblock_count(map).packed == block.counts.packed);
    for (unsigned i = 0; i < PAGEBLOCK_WORDS; i++)
        assert_int_equal(block.full >> i & 1, run_is_free(i * 64, 6));
}

static int all_in_use(void **state) {
    (void)state;
    memset(&block, 0, sizeof(block));
    memset(map, 0, sizeof(map));
    memset(model, 0, sizeof(model));
    return 0;
}

static void give(unsigned at, unsigned order) {
    if (order > 0 || pageblock_give_single(&block, map, at) == PAGEBLOCK_ORDER)
        pageblock_give(&block, map, at, order);
    memset(model + at, 1, 1u << order);
}

/* A block in use of that order, if one is found quickly. */
static void give_something(void) {
    unsigned order = below(4) ? below(3) : below(PAGEBLOCK_ORDER + 1), at = below(PAGEBLOCK_PAGES) >> order << order;

    for (unsigned i = at; i < at + (1u << order); i++)
        if (model[i])
            return;
    give(at, order);
}

static void take_something(void) {
    unsigned order = below(4) ? below(3) : below(PAGEBLOCK_ORDER + 1);
    int from = smallest_block(block.counts, order);
    unsigned at;

    if (from < 0)
        return;
    at = pageblock_take(&block, map, order, (unsigned)from);
    assert_int_equal(at % (1u << order), 0);
    assert_int_equal(model_order(at), from);
    assert_int_equal(at % (1u << from), 0);
    memset(model + at, 0, 1u << order);
}

/* The block around some frame, if it is free. */
static void take_what_is_there(void) {
    unsigned at = below(PAGEBLOCK_PAGES);
    int order = model_order(at);

    if (order < 0)
        return;
    at &= ~((1u << order) - 1);
    pageblock_take_at(&block, map, at, (unsigned)order);
    memset(model + at, 0, 1u << order);
}

static void blocks_come_and_go_as_in_the_model(void **state) {
    (void)state;
    for (unsigned round = 0; round < 4000; round++) {
        unsigned what = below(8);

        if (what == 0)
            take_what_is_there();
        else if (what < 5)
            give_something();
        else
            take_something();
        assert_as_model();
    }
}

static void single_frames_come_from_broken_words_first(void **state) {
    uint32_t pfns[PAGEBLOCK_PAGES];

    (void)state;
    give(0, 6);
    give(69, 0);
    assert_int_equal(pageblock_take_singles(&block, map, 1, 0, pfns), 1);
    assert_int_equal(pfns[0], 69);
    all_in_use(NULL);
    give(0, PAGEBLOCK_ORDER);
    pageblock_take(&block, map, 0, PAGEBLOCK_ORDER);
    model[0] = 0;
    assert_int_equal(pageblock_take_singles(&block, map, 70, 5120, pfns), 70);
    for (unsigned i = 0; i < 70; i++) {
        assert_int_equal(pfns[i], 5121 + i);
        model[1 + i] = 0;
    }
    assert_as_model();
    give(3, 0);
    assert_int_equal(pageblock_take_singles(&block, map, 1, 5120, pfns), 1);
    assert_int_equal(pfns[0], 5123);
    model[3] = 0;
    assert_int_equal(pageblock_take_singles(&block, map, 1000, 0, pfns), PAGEBLOCK_PAGES - 71);
    assert_int_equal(block.nr_free, 0);
    assert_int_equal(largest_block(block.counts), -1);
}

static void neighbours_given_together_are_as_if_given_one_by_one(void **state) {
    (void)state;
    for (unsigned round = 0; round < 500; round++) {
        unsigned word = below(PAGEBLOCK_WORDS), nr = 0;
        uint64_t frames = 0;

        for (unsigned i = 0; i < 64; i++) {
            if (!model[word * 64 + i] && below(3)) {
                frames |= UINT64_C(1) << i;
                model[word * 64 + i] = 1;
                nr++;
            }
        }
        if (nr > 0)
            pageblock_give_singles(&block, map, word, frames, nr);
        assert_as_model();
        take_something();
        if (round % 16 == 0)
            all_in_use(NULL);
    }
}

static void a_frame_that_fills_its_word_is_left_to_the_general_way(void **state) {
    (void)state;
    for (unsigned i = 0; i < 63; i++)
        assert_true(pageblock_give_single(&block, map, 64 + i) < 6);
    assert_int_equal(block.nr_free, 63);
    assert_int_equal(pageblock_give_single(&block, map, 127), PAGEBLOCK_ORDER);
    assert_int_equal(block.nr_free, 63);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(blocks_come_and_go_as_in_the_model, all_in_use),
        cmocka_unit_test_setup(single_frames_come_from_broken_words_first, all_in_use),
        cmocka_unit_test_setup(neighbours_given_together_are_as_if_given_one_by_one, all_in_use),
        cmocka_unit_test_setup(a_frame_that_fills_its_word_is_left_to_the_general_way, all_in_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
