/* SPDX-License-Identifier: MIT */
/* Pressure-stall information, section 18, behind its tunable. */
#include "tests/unit/fake_platform.h"

#include <string.h>

#include "mm/mmap.h"
#include "mm/psi.h"
#include "sim/sim.h"

#define SECOND UINT64_C(1000000000)

static struct fake *fake;

static int setup(void **state) {
    (void)state;
    fake = fake_boot(4096, 1);
    fake->machine->tune.psi = 1;
    fake->now_ns = 1000 * SECOND;
    psi_update(fake->machine);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_check_and_finish(fake);
    return 0;
}

static void stall_for(uint64_t ns) {
    bool entered = psi_memstall_enter(fake->machine);

    fake->now_ns += ns;
    psi_memstall_leave(fake->machine, entered);
}

static void assert_text(const char *wanted) {
    char buf[256];

    assert_int_equal(psi_text(fake->machine, buf, sizeof(buf)), strlen(wanted));
    assert_string_equal(buf, wanted);
}

static void the_text_is_that_of_proc_pressure_memory(void **state) {
    (void)state;
    assert_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
                "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
    psi_set_running(fake->machine, 1);
    stall_for(SECOND / 2);
    fake->now_ns += 3 * SECOND / 2;
    /* A quarter of one period of 2 s: 25 * (1 - 1/e^0.2), and so on, rounded up in the last of 11 bits. */
    assert_text("some avg10=4.52 avg60=0.81 avg300=0.17 total=500000\n"
                "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
}

static void averages_rise_to_the_share_of_time_and_fall_again(void **state) {
    struct machine *m = fake->machine;

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        stall_for(SECOND / 4);
        fake->now_ns += 3 * SECOND / 4;
    }
    for (unsigned i = 0; i < PSI_AVERAGES; i++) {
        assert_in_range(psi_average(m, PSI_SOME, (enum psi_average)i), 2490, 2510);
        assert_in_range(psi_average(m, PSI_FULL, (enum psi_average)i), 2490, 2510);
    }
    assert_int_equal(psi_total_ns(m, PSI_SOME), 500 * SECOND);
    fake->now_ns += 10 * SECOND;
    assert_in_range(psi_average(m, PSI_SOME, PSI_AVG10), 25 * 36, 25 * 38); /* 1/e */
    fake->now_ns += 50 * SECOND;
    assert_in_range(psi_average(m, PSI_SOME, PSI_AVG60), 25 * 36, 25 * 38);
    fake->now_ns += 100000 * SECOND;
    assert_int_equal(psi_average(m, PSI_SOME, PSI_AVG300), 0);
}

static void full_is_when_nobody_gets_on(void **state) {
    struct machine *m = fake->machine;
    bool entered;

    (void)state;
    psi_set_running(m, 2);
    entered = psi_memstall_enter(m);
    fake->now_ns += SECOND;
    psi_set_running(m, 0);
    fake->now_ns += 3 * SECOND;
    psi_set_running(m, 1);
    fake->now_ns += SECOND;
    psi_memstall_leave(m, entered);
    assert_int_equal(psi_total_ns(m, PSI_SOME), 5 * SECOND);
    assert_int_equal(psi_total_ns(m, PSI_FULL), 3 * SECOND);
}

static void sections_nest_and_overlap(void **state) {
    struct machine *m = fake->machine;
    struct task other = {0};
    bool outer, inner, another;

    (void)state;
    outer = psi_memstall_enter(m);
    inner = psi_memstall_enter(m);
    assert_true(outer && !inner);
    fake->now_ns += SECOND;
    fake_set_current(&other);
    another = psi_memstall_enter(m);
    fake->now_ns += SECOND;
    fake_set_current(NULL);
    psi_memstall_leave(m, inner);
    psi_memstall_leave(m, outer);
    fake->now_ns += SECOND;
    fake_set_current(&other);
    psi_memstall_leave(m, another);
    assert_int_equal(atomic_load(&other.flags), 0);
    fake->now_ns += SECOND;
    assert_int_equal(psi_total_ns(m, PSI_SOME), 3 * SECOND);
}

static void switched_off_nothing_is_counted(void **state) {
    (void)state;
    fake->machine->tune.psi = 0;
    stall_for(SECOND);
    assert_int_equal(psi_total_ns(fake->machine, PSI_SOME), 0);
}

/* A section that goes on counts while it goes on, over any number of periods. */
static void a_stall_that_never_ends_is_100_percent(void **state) {
    (void)state;
    psi_memstall_enter(fake->machine);
    fake->now_ns += 20000 * SECOND;
    assert_int_equal(psi_average(fake->machine, PSI_SOME, PSI_AVG300), 10000);
    assert_int_equal(psi_average(fake->machine, PSI_FULL, PSI_AVG10), 10000);
    assert_text("some avg10=100.00 avg60=100.00 avg300=100.00 total=20000000000\n"
                "full avg10=100.00 avg60=100.00 avg300=100.00 total=20000000000\n");
    atomic_store(&fake->init_task.flags, 0);
}

static void waiting_for_a_swapped_page_and_reclaiming_are_stalls(void **state) {
    const struct sim_config config = {
        .seed = 1, .ram_pages = 512, .region_pages = 1024, .devices = {{.nr_slots = 2048, .latency_ns = 1000000}}};
    struct sim *sim = sim_create(&config);
    struct machine *m = sim_machine(sim);
    uint64_t before;
    uint32_t value = 1;

    (void)state;
    sim_allow_kswapd(sim, false);
    m->tune.psi = 1;
    sim_map(sim, 0, 1024, VM_READ | VM_WRITE);
    for (uint32_t page = 0; page < 100; page++)
        assert_int_equal(sim_write(sim, page, 0, &value, sizeof(value)), SIM_OK);
    assert_int_equal(psi_total_ns(m, PSI_SOME), 0);
    sim_cool(sim, 5, 1, true);
    assert_int_equal(sim_read(sim, 5, 0, &value, sizeof(value)), SIM_OK);
    before = psi_total_ns(m, PSI_SOME);
    assert_in_range(before, 1000000, 2000000);
    /* Who reclaims for itself waits for congestion now and then. */
    for (uint32_t page = 100; page < 1024; page++)
        assert_int_equal(sim_write(sim, page, 0, &value, sizeof(value)), SIM_OK);
    assert_true(psi_total_ns(m, PSI_SOME) > before);
    assert_int_equal(atomic_load(&sim_current(sim)->flags), 0);
    sim_destroy(sim);
}

static void after_a_reset_nobody_has_ever_waited(void **state) {
    (void)state;
    psi_set_running(fake->machine, 1);
    stall_for(4 * SECOND);
    assert_true(psi_average(fake->machine, PSI_SOME, PSI_AVG10) > 0);
    psi_reset(fake->machine);
    assert_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
                "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
    /* Nor is anybody known to run. */
    stall_for(SECOND);
    assert_int_equal(psi_total_ns(fake->machine, PSI_FULL), SECOND);
}

#define psi_fact(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        psi_fact(the_text_is_that_of_proc_pressure_memory),
        psi_fact(averages_rise_to_the_share_of_time_and_fall_again),
        psi_fact(full_is_when_nobody_gets_on),
        psi_fact(sections_nest_and_overlap),
        psi_fact(switched_off_nothing_is_counted),
        psi_fact(a_stall_that_never_ends_is_100_percent),
        psi_fact(after_a_reset_nobody_has_ever_waited),
        cmocka_unit_test(waiting_for_a_swapped_page_and_reclaiming_are_stalls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
