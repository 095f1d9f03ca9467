/* SPDX-License-Identifier: MIT */
/* What the host is told of the pages that a stream of faults will want next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/page_table.h"
#include "mm/swapfile.h"
#include "tests/unit/sim_pages.h"

#define NR_PAGES 1400

static struct platform platform;
static swp_entry_t hinted[512];
static unsigned nr_hinted, nr_hints;

static void note_hint(void *host, const swp_entry_t *entries, unsigned nr) {
    (void)host;
    assert_in_range(nr, 1, 512);
    for (unsigned i = 0; i < nr; i++)
        hinted[i] = entries[i];
    nr_hinted = nr;
    nr_hints++;
}

/* A program whose pages are all in swap. */
static struct sim *boot(void) {
    struct sim *sim = sim_pages_boot_plain();
    struct machine *m = sim_machine(sim);

    platform = *m->platform;
    platform.swap_prefetch = note_hint;
    m->platform = &platform;
    m->tune.fault_around_max = 32;
    write_pages(sim, 0, NR_PAGES);
    sim_cool(sim, 0, NR_PAGES, true);
    sim_settle(sim);
    nr_hints = nr_hinted = 0;
    return sim;
}

static uint64_t entry_of(struct sim *sim, uint32_t number) {
    assert_true(sim_pte(sim, number) & PTE_SWAP);
    return pte_entry(sim_pte(sim, number)).val;
}

/* The first page from number on, in steps of 1 or -1, that is swapped out. */
static uint32_t next_swapped(struct sim *sim, uint32_t number, int step) {
    while (!(sim_pte(sim, number) & PTE_SWAP))
        number += (uint32_t)step;
    return number;
}

static void a_stream_upwards_tells_what_lies_above_it(void **state) {
    struct sim *sim = boot();
    uint32_t number;

    (void)state;
    /* And past the end of a table of 512 pages. */
    expect_pages(sim, 0, 480);
    assert_true(nr_hints > 0);
    number = next_swapped(sim, 470, 1);
    assert_true(number < 512 && nr_hinted > 512 - number);
    for (unsigned i = 0; i < nr_hinted; i++)
        assert_int_equal(hinted[i].val, entry_of(sim, number + i));
    sim_pages_finish(sim);
}

static void a_stream_downwards_tells_what_lies_below_it(void **state) {
    struct sim *sim = boot();
    uint32_t number;

    (void)state;
    for (uint32_t i = 700; i > 590; i--)
        expect_pages(sim, i, 1);
    assert_true(nr_hints > 0);
    number = next_swapped(sim, 591, -1);
    assert_true(number > 512 && nr_hinted > number - 512);
    for (unsigned i = 0; i < nr_hinted; i++)
        assert_int_equal(hinted[i].val, entry_of(sim, number - i));
    sim_pages_finish(sim);
}

static void pages_that_are_there_are_passed_over(void **state) {
    struct sim *sim = boot();

    (void)state;
    for (uint32_t i = 300; i < 400; i += 7)
        expect_pages(sim, i, 1);
    expect_pages(sim, 0, 256);
    for (unsigned i = 0; i < nr_hinted; i++)
        assert_int_not_equal(hinted[i].val, 0);
    assert_true(nr_hinted > 40);
    for (uint32_t number = next_swapped(sim, 250, 1), i = 0; i < nr_hinted; i++, number++) {
        number = next_swapped(sim, number, 1);
        assert_int_equal(hinted[i].val, entry_of(sim, number));
    }
    sim_pages_finish(sim);
}

static void nothing_is_told_beyond_the_end(void **state) {
    struct sim *sim = boot();

    (void)state;
    /* What was never written is not swapped out, and beyond 2048 nothing is mapped. */
    expect_pages(sim, NR_PAGES - 200, 200 - 10);
    for (unsigned i = 0; i < nr_hinted; i++)
        assert_true(swp_offset(hinted[i]) != 0);
    expect_pages(sim, NR_PAGES - 10, 10);
    nr_hints = 0;
    expect_pages(sim, NR_PAGES - 200, 200);
    assert_int_equal(nr_hints, 0);
    sim_pages_finish(sim);
}

static void faults_here_and_there_tell_nothing(void **state) {
    struct sim *sim = boot();

    (void)state;
    for (uint32_t i = 0; i < 1000; i++)
        expect_pages(sim, i * 611 % NR_PAGES, 1);
    assert_true(vm_event(sim, PSWPIN) > 500);
    assert_int_equal(nr_hints, 0);
    sim_pages_finish(sim);
}

static void faults_at_even_distances_tell_the_pages_of_the_next_steps(void **state) {
    struct sim *sim = boot();

    (void)state;
    for (uint32_t i = 0; i < 40; i++) {
        nr_hints = 0;
        expect_pages(sim, 3 + 17 * i, 1);
        for (unsigned k = 0; nr_hints && k < nr_hinted; k++)
            assert_int_equal(hinted[k].val, entry_of(sim, 3 + 17 * (i + 1 + k)));
    }
    assert_true(nr_hinted > 16);
    /* Towards the end fewer are left, and then none. */
    for (uint32_t i = 40; 3 + 17 * i < NR_PAGES; i++)
        expect_pages(sim, 3 + 17 * i, 1);
    assert_true(nr_hinted < 16);
    sim_pages_finish(sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_upwards_tells_what_lies_above_it),
        cmocka_unit_test(a_stream_downwards_tells_what_lies_below_it),
        cmocka_unit_test(pages_that_are_there_are_passed_over),
        cmocka_unit_test(nothing_is_told_beyond_the_end),
        cmocka_unit_test(faults_at_even_distances_tell_the_pages_of_the_next_steps),
        cmocka_unit_test(faults_here_and_there_tell_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
