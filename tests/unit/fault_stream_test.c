/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/fault_stream.h"
#include "sim/sim.h"

static struct sim *sim;

static int setup(void **state) {
    const struct sim_config config = {.seed = 1, .ram_pages = 4096, .region_pages = 512};

    (void)state;
    sim = sim_create(&config);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    sim_destroy(sim);
    return 0;
}

static void expect(uint32_t page, unsigned max, uint32_t start, uint32_t end, bool stream) {
    struct fault_window window = fault_stream_window(sim_mm(sim), sim_address(page), 1, max);

    assert_int_equal(window.start, sim_address(start));
    assert_int_equal(window.end, sim_address(end));
    assert_int_equal(window.stream, stream);
}

static void without_a_maximum_every_fault_is_alone(void **state) {
    (void)state;
    expect(10, 0, 10, 11, false);
    expect(11, 0, 11, 12, false);
    expect(11, 8, 11, 12, false); /* and none was remembered */
}

static void an_ascending_walk_doubles_its_window_to_the_maximum(void **state) {
    (void)state;
    expect(10, 8, 10, 11, false);
    expect(11, 8, 11, 13, true);
    expect(13, 8, 13, 17, true);
    expect(17, 8, 17, 25, true);
    expect(25, 8, 25, 33, true);
}

static void a_descending_walk_does_so_too(void **state) {
    (void)state;
    expect(100, 4, 100, 101, false);
    expect(99, 4, 98, 100, true);
    expect(97, 4, 94, 98, true);
    expect(93, 4, 90, 94, true);
}

static void a_window_cut_short_is_continued_without_doubling(void **state) {
    (void)state;
    expect(10, 8, 10, 11, false);
    expect(11, 8, 11, 13, true);
    expect(12, 8, 12, 14, true);
}

static void a_stream_that_turns_starts_small(void **state) {
    (void)state;
    expect(10, 8, 10, 11, false);
    expect(11, 8, 11, 13, true);
    expect(13, 8, 13, 17, true);
    expect(12, 8, 12, 13, true);
    expect(11, 8, 10, 12, true);
}

static void faults_far_apart_are_no_stream(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 100; i++)
        expect(i * 37 % 101 * 5, 8, i * 37 % 101 * 5, i * 37 % 101 * 5 + 1, false);
}

static void sixteen_streams_go_on_side_by_side(void **state) {
    (void)state;
    for (uint32_t i = 0; i < FAULT_STREAMS; i++)
        expect(i * 30, 8, i * 30, i * 30 + 1, false);
    for (uint32_t i = 0; i < FAULT_STREAMS; i++)
        expect(i * 30 + 1, 8, i * 30 + 1, i * 30 + 3, true);
    /* One more pushes out the one that has waited longest. */
    expect(500, 8, 500, 501, false);
    expect(33, 8, 33, 37, true);
    expect(3, 8, 3, 4, false);
}

static void a_first_touch_outside_a_stream_gets_an_aligned_chunk(void **state) {
    struct fault_window window;

    (void)state;
    window = fault_stream_window(sim_mm(sim), sim_address(21), 16, 64);
    assert_int_equal(window.start, sim_address(16));
    assert_int_equal(window.end, sim_address(32));
    window = fault_stream_window(sim_mm(sim), sim_address(32), 16, 64);
    assert_int_equal(window.start, sim_address(32));
    assert_int_equal(window.end, sim_address(64));
}

static intptr_t stride_at(uint32_t page) {
    return fault_stream_window(sim_mm(sim), sim_address(page), 1, 8).stride / (intptr_t)PAGE_SIZE;
}

static void faults_at_even_distances_have_a_stride(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 7; i++)
        assert_int_equal(stride_at(10 + 17 * i), 0);
    for (uint32_t i = 7; i < 20; i++)
        assert_int_equal(stride_at(10 + 17 * i), 17);
    /* One that is out of step is borne with; its way there and back is two. */
    assert_int_equal(stride_at(3), 0);
}

static void a_stride_downwards_is_negative_and_may_leap(void **state) {
    static const uint32_t leaps[] = {0, 1, 2, 4, 5, 8, 9, 10, 11, 15, 16};

    (void)state;
    for (unsigned i = 0; i < 11; i++)
        assert_int_equal(stride_at(500 - 5 * leaps[i]), i < 7 ? 0 : -5);
}

static void neither_random_faults_nor_neighbours_have_a_stride(void **state) {
    uint64_t random = 1;

    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        assert_int_equal(stride_at((uint32_t)(random >> 40) % 512), 0);
    }
    for (uint32_t i = 0; i < 200; i++)
        assert_int_equal(stride_at(i), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_a_maximum_every_fault_is_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(an_ascending_walk_doubles_its_window_to_the_maximum, setup, teardown),
        cmocka_unit_test_setup_teardown(a_descending_walk_does_so_too, setup, teardown),
        cmocka_unit_test_setup_teardown(a_window_cut_short_is_continued_without_doubling, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stream_that_turns_starts_small, setup, teardown),
        cmocka_unit_test_setup_teardown(faults_far_apart_are_no_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(sixteen_streams_go_on_side_by_side, setup, teardown),
        cmocka_unit_test_setup_teardown(a_first_touch_outside_a_stream_gets_an_aligned_chunk, setup, teardown),
        cmocka_unit_test_setup_teardown(faults_at_even_distances_have_a_stride, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stride_downwards_is_negative_and_may_leap, setup, teardown),
        cmocka_unit_test_setup_teardown(neither_random_faults_nor_neighbours_have_a_stride, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
