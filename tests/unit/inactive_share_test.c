/* SPDX-License-Identifier: MIT */
#include "mm/inactive_share.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/mmap.h"
#include "tests/unit/sim_pages.h"

#define PRESENT 6400u
#define PERIOD (PRESENT / 64u)

static struct machine machine;
static struct zone zone;

static int setup(void **state) {
    (void)state;
    machine = (struct machine){.tune = {.inactive_percent = 25, .inactive_faults = 3}};
    zone = (struct zone){.machine = &machine, .present_pages = PRESENT};
    return 0;
}

static void pass(unsigned touched, unsigned freed) {
    while (touched--)
        inactive_share_note_touch(&zone);
    inactive_share_note_freed(&zone, freed);
}

static void it_is_what_the_tunable_says_until_there_is_something_to_judge(void **state) {
    (void)state;
    assert_int_equal(inactive_share(&zone), 25);
    pass(10 * PERIOD, PERIOD - 1);
    assert_int_equal(inactive_share(&zone), 25);
    pass(0, 1);
    assert_int_equal(inactive_share(&zone), 18);
}

static void it_shortens_as_long_as_too_many_touches_come_for_a_page_freed(void **state) {
    (void)state;
    pass(3 * PERIOD, PERIOD);
    assert_int_equal(inactive_share(&zone), 25);
    for (unsigned i = 0; i < 20; i++)
        pass(3 * PERIOD + 1, PERIOD);
    assert_int_equal(inactive_share(&zone), INACTIVE_SHARE_MIN);
}

static void it_grows_by_a_percent_where_few_are_touched_up_to_the_tunable(void **state) {
    (void)state;
    for (unsigned i = 0; i < 20; i++)
        pass(4 * PERIOD, PERIOD);
    pass(3 * PERIOD / 2, PERIOD);
    assert_int_equal(inactive_share(&zone), INACTIVE_SHARE_MIN);
    pass(3 * PERIOD / 2 - 1, PERIOD);
    assert_int_equal(inactive_share(&zone), INACTIVE_SHARE_MIN + 1);
    for (unsigned i = 0; i < 40; i++)
        pass(0, PERIOD);
    assert_int_equal(inactive_share(&zone), 25);
}

static void without_a_limit_it_stays(void **state) {
    (void)state;
    machine.tune.inactive_faults = 0;
    pass(100 * PERIOD, PERIOD);
    assert_int_equal(inactive_share(&zone), 25);
    machine.tune.inactive_percent = 0;
    assert_int_equal(inactive_share(&zone), 0);
}

static void with_its_limit_taken_away_it_is_as_long_as_the_tunable_says(void **state) {
    (void)state;
    pass(4 * PERIOD, PERIOD);
    assert_int_equal(inactive_share(&zone), 18);
    machine.tune.inactive_faults = 0;
    assert_int_equal(inactive_share(&zone), 25);
    /* What is touched meanwhile is not held against it later. */
    pass(100 * PERIOD, PERIOD);
    machine.tune.inactive_faults = 3;
    pass(PERIOD, PERIOD);
    assert_int_equal(inactive_share(&zone), 19);
}

static void it_never_exceeds_a_tunable_that_has_been_lowered(void **state) {
    (void)state;
    for (unsigned i = 0; i < 20; i++)
        pass(4 * PERIOD, PERIOD);
    machine.tune.inactive_percent = 10;
    assert_int_equal(inactive_share(&zone), INACTIVE_SHARE_MIN);
    machine.tune.inactive_percent = 2;
    assert_int_equal(inactive_share(&zone), 2);
    pass(4 * PERIOD, PERIOD);
    assert_int_equal(inactive_share(&zone), 2);
    machine.tune.inactive_percent = 0;
    assert_int_equal(inactive_share(&zone), 0);
}

/* -- on a whole machine: what is in use nearly fills memory, and beside it pages are touched once each. -------------
 */

#define RAM_PAGES 8000
#define IN_USE 6000
#define NR_PAGES 12000
#define REGION 16384

/* Returns how many pages became active again for each hundred that were read, and so freed. */
static unsigned long activations_per_hundred(unsigned inactive_faults, unsigned long *ret_read) {
    struct sim *sim = sim_pages_boot_parking(RAM_PAGES, REGION);
    struct tunables *tune = &sim_machine(sim)->tune;
    unsigned long activated, read;
    uint64_t random = 1;

    tune->probation = 1;
    tune->park_neighbours = 1;
    tune->inactive_faults = inactive_faults;
    write_pages(sim, 0, NR_PAGES);
    expect_pages(sim, 0, IN_USE);
    activated = vm_event(sim, PGACTIVATE);
    read = vm_event(sim, PSWPIN);
    for (unsigned i = 0; i < 1000000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        expect_pages(sim, (uint32_t)(random >> 40) % IN_USE, 1);
        if (i % 400 == 0)
            expect_pages(sim, IN_USE + i / 400 % (NR_PAGES - IN_USE), 1);
    }
    activated = vm_event(sim, PGACTIVATE) - activated;
    read = vm_event(sim, PSWPIN) - read;
    sim_pages_finish(sim);
    *ret_read = read;
    return activated * 100 / read;
}

static void what_is_in_use_does_not_go_round_for_every_page_that_is_freed(void **state) {
    unsigned long read[2], without = activations_per_hundred(0, &read[0]), with = activations_per_hundred(3, &read[1]);

    (void)state;
    assert_true(without > 800);
    assert_true(with < without * 6 / 10);
    /* And it is not read from swap instead. */
    assert_true(read[1] < read[0] * 11 / 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_is_what_the_tunable_says_until_there_is_something_to_judge, setup),
        cmocka_unit_test_setup(it_shortens_as_long_as_too_many_touches_come_for_a_page_freed, setup),
        cmocka_unit_test_setup(it_grows_by_a_percent_where_few_are_touched_up_to_the_tunable, setup),
        cmocka_unit_test_setup(without_a_limit_it_stays, setup),
        cmocka_unit_test_setup(with_its_limit_taken_away_it_is_as_long_as_the_tunable_says, setup),
        cmocka_unit_test_setup(it_never_exceeds_a_tunable_that_has_been_lowered, setup),
        cmocka_unit_test(what_is_in_use_does_not_go_round_for_every_page_that_is_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
