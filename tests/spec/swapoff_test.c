/* SPDX-License-Identifier: MIT */
/* swapoff, section 12.1, in a simulated machine. */
#include "tests/spec/swap_machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lru.h"
#include "mm/mmap.h"
#include "mm/page_alloc.h"
#include "mm/pcp.h"
#include "mm/swap_state.h"

/* Swapped out, parked on the way out, still mapped with a copy, read ahead: all of it comes back. */
static void swapoff_brings_everything_back(void **state) {
    for (unsigned device = 0; device < 2; device++) {
        struct sim *sim = swap_machine(0);
        struct machine *m = sim_machine(sim);
        unsigned type = 0;

        (void)state;
        area_on(sim, device, 0);
        write_pages(sim, 0, PAGES);
        sim_cool(sim, 0, PAGES, true);
        expect_pages(sim, 40, 30);
        expect_pages(sim, 100, 1);
        write_pages(sim, 50, 5);
        assert_true(swap_inuse(m, type) > PAGES / 2);
        assert_int_equal(sim_swapoff(sim, device), MM_OK);
        assert_int_equal(atomic_load(&sim_current(sim)->flags), TASK_SYS_ADMIN);
        assert_int_equal(m->total_swap_pages, 0);
        assert_false(swap_area_state(m, type, &(struct swap_area_state){0}));
        assert_null(sim_check(sim));
        assert_int_equal(sim_mm(sim)->nr_swapped, 0);
        expect_pages(sim, 0, PAGES);
        area_on(sim, device, 0);
        sim_cool(sim, 0, PAGES, true);
        assert_int_equal(sim_mm(sim)->nr_swapped, PAGES);
        expect_pages(sim, 0, PAGES);
        sim_destroy(sim);
    }
}

static void with_another_area_what_does_not_fit_moves_there(void **state) {
    struct sim *sim = swap_machine(0);

    (void)state;
    sim_unmap(sim, 0, 1024);
    area_on(sim, 0, 0);
    sim_map(sim, 0, 1024, VM_READ | VM_WRITE);
    write_pages(sim, 0, 1024);
    area_on(sim, 1, 0);
    assert_true(swap_inuse(sim_machine(sim), 0) > 0);
    assert_int_equal(sim_swapoff(sim, 0), MM_OK);
    assert_true(swap_inuse(sim_machine(sim), 1) > 0);
    sim_settle(sim);
    assert_null(sim_check(sim));
    expect_pages(sim, 0, 1024);
    sim_destroy(sim);
}

/* The commit check comes first: nothing has been touched when it says no. */
static void swapoff_says_no_memory_if_what_is_swapped_cannot_fit(void **state) {
    struct sim *sim = swap_machine(0);
    struct machine *m = sim_machine(sim);
    long total;
    unsigned long reads;

    (void)state;
    area_on(sim, 0, 0);
    write_pages(sim, 0, 1024);
    total = m->total_swap_pages;
    reads = sim_counts(sim).reads;
    assert_int_equal(sim_swapoff(sim, 0), MM_NOMEM);
    assert_int_equal(m->total_swap_pages, total);
    assert_int_equal(sim_counts(sim).reads, reads);
    assert_null(sim_check(sim));
    expect_pages(sim, 0, 1024);
    sim_destroy(sim);
}

/* A machine all of whose PAGES are in its one area. */
static struct sim *swapped_out(void) {
    struct sim *sim = swap_machine(0);

    area_on(sim, 0, 0);
    write_pages(sim, 0, PAGES);
    sim_cool(sim, 0, PAGES, true);
    return sim;
}

static void an_interrupted_swapoff_leaves_the_area_in_use(void **state) {
    struct sim *sim = swapped_out();
    struct machine *m = sim_machine(sim);

    (void)state;
    sim_signal(sim, true);
    assert_int_equal(sim_swapoff(sim, 0), MM_INTERRUPTED);
    sim_signal(sim, false);
    assert_int_equal(atomic_load(&sim_current(sim)->flags), TASK_SYS_ADMIN);
    assert_int_equal(m->total_swap_pages, SLOTS - 1);
    assert_null(sim_check(sim));
    assert_int_not_equal(swp_offset(get_swap_page(m)), 0);
    swap_free(m, swp_entry(0, PAGES + 1));
    atomic_fetch_or(&sim_current(sim)->flags, TIF_MEMDIE);
    assert_int_equal(sim_swapoff(sim, 0), MM_INTERRUPTED);
    atomic_store(&sim_current(sim)->flags, TASK_SYS_ADMIN);
    expect_pages(sim, 0, PAGES);
    sim_destroy(sim);
}

static void slots_that_the_host_keeps_make_swapoff_busy(void **state) {
    struct sim *sim = swapped_out();
    struct machine *m = sim_machine(sim);

    (void)state;
    assert_int_equal(swap_duplicate(m, swp_entry(0, 7)), MM_OK);
    assert_int_equal(sim_swapoff(sim, 0), MM_BUSY);
    assert_int_equal(swap_inuse(m, 0), 1);
    assert_int_equal(m->total_swap_pages, SLOTS - 1);
    swap_free(m, swp_entry(0, 7));
    assert_int_equal(sim_swapoff(sim, 0), MM_OK);
    assert_int_equal(sim_swapoff(sim, 0), MM_INVAL);
    expect_pages(sim, 0, PAGES);
    sim_destroy(sim);
}

static void a_page_that_cannot_be_read_back_is_lost_and_does_not_hold_swapoff_up(void **state) {
    const struct sim_config config = {
        .seed = 1,
        .ram_pages = 1024,
        .region_pages = 512,
        .devices = {{.nr_slots = SLOTS + 1, .offline = true, .read_error_permille = 100}},
    };
    struct sim *sim = sim_create(&config);
    unsigned lost = 0;

    (void)state;
    sim_allow_kswapd(sim, false);
    atomic_store(&sim_current(sim)->flags, TASK_SYS_ADMIN);
    sim_map(sim, 0, 512, VM_READ | VM_WRITE);
    area_on(sim, 0, 0);
    write_pages(sim, 0, PAGES);
    sim_cool(sim, 0, PAGES, true);
    assert_int_equal(sim_swapoff(sim, 0), MM_OK);
    for (uint32_t page = 0; page < PAGES; page++) {
        uint32_t value;
        enum sim_result result = sim_read(sim, page, 8, &value, sizeof(value));

        lost += result == SIM_SIGBUS;
        assert_true(result == SIM_SIGBUS || (result == SIM_OK && value == page));
    }
    assert_true(lost > 0 && lost < PAGES / 2);
    assert_null(sim_check(sim));
    sim_destroy(sim);
}

/* -- swapoff while others use the memory. -- */

static unsigned running;

static void use_memory(struct sim *sim, void *arg) {
    uint32_t first = (uint32_t)(uintptr_t)arg;

    for (unsigned i = 0; i < 300; i++) {
        uint32_t page = first + sim_random(sim, 100), value = 0;

        switch (sim_random(sim, 4)) {
        case 0:
            sim_cool(sim, page, 1, true);
            break;
        case 1:
            assert_int_equal(sim_write(sim, page, 8, &page, sizeof(page)), SIM_OK);
            break;
        default:
            assert_int_equal(sim_read(sim, page, 8, &value, sizeof(value)), SIM_OK);
            assert_int_equal(value, page);
        }
    }
    running--;
}

static void swapoff_works_while_others_fault_and_evict(void **state) {
    struct sim *sim = swap_machine(200);
    unsigned device = 0;

    (void)state;
    area_on(sim, 0, 0);
    write_pages(sim, 0, 400);
    sim_cool(sim, 0, 400, true);
    running = 4;
    for (uintptr_t i = 0; i < 4; i++)
        sim_spawn(sim, use_memory, (void *)(i * 100));
    while (running) {
        area_on(sim, 1 - device, 0);
        assert_int_equal(sim_swapoff(sim, device), MM_OK);
        device = 1 - device;
    }
    sim_join(sim);
    sim_settle(sim);
    assert_null(sim_check(sim));
    expect_pages(sim, 0, 400);
    sim_destroy(sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(swapoff_brings_everything_back),
        cmocka_unit_test(with_another_area_what_does_not_fit_moves_there),
        cmocka_unit_test(swapoff_says_no_memory_if_what_is_swapped_cannot_fit),
        cmocka_unit_test(an_interrupted_swapoff_leaves_the_area_in_use),
        cmocka_unit_test(slots_that_the_host_keeps_make_swapoff_busy),
        cmocka_unit_test(a_page_that_cannot_be_read_back_is_lost_and_does_not_hold_swapoff_up),
        cmocka_unit_test(swapoff_works_while_others_fault_and_evict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
