/* SPDX-License-Identifier: MIT */
/* Pages that come back from swap on probation, on a simulated machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lru.h"
#include "mm/mmap.h"
#include "mm/page_list.h"
#include "mm/rmap.h"
#include "mm/probation.h"
#include "tests/unit/sim_pages.h"

#define NR_PAGES 1600
#define RAM_PAGES 1100

/* A program that has written more pages than there is memory, on a machine with probation or without. */
static struct sim *boot(unsigned probation) {
    struct sim *sim = sim_pages_boot_parking(RAM_PAGES, SIM_PAGES_REGION);

    sim_machine(sim)->tune.fault_around_max = 32;
    sim_machine(sim)->tune.probation = probation;
    write_pages(sim, 0, NR_PAGES);
    return sim;
}

static unsigned long faults_of_scans(struct sim *sim, unsigned nr) {
    unsigned long before = vm_event(sim, PSWPIN);

    for (unsigned i = 0; i < nr; i++)
        expect_pages(sim, 0, NR_PAGES);
    return vm_event(sim, PSWPIN) - before;
}

static void part_of_a_loop_larger_than_memory_stays(void **state) {
    unsigned long read[2];

    (void)state;
    for (unsigned probation = 0; probation < 2; probation++) {
        struct sim *sim = boot(probation);

        faults_of_scans(sim, 2);
        read[probation] = faults_of_scans(sim, 10);
        sim_pages_finish(sim);
    }
    /* Without it, nearly every page is read each time. */
    assert_true(read[0] > 10 * NR_PAGES * 9 / 10);
    assert_true(read[1] < 10 * NR_PAGES * 3 / 4);
}

/* What was active before has its time, and then makes room: by chance alone it would take two hundred scans. */
static void a_new_loop_that_fits_gets_memory_in_the_end(void **state) {
    struct sim *sim = boot(1);
    unsigned long read = NR_PAGES;

    (void)state;
    faults_of_scans(sim, 3);
    for (unsigned i = 0; i < 20 && read > 0; i++) {
        unsigned long before = vm_event(sim, PSWPIN);

        expect_pages(sim, 0, 700);
        read = vm_event(sim, PSWPIN) - before;
    }
    assert_int_equal(read, 0);
    sim_pages_finish(sim);
}

/* Half of memory is touched again and again; single touches elsewhere must not drive it out. */
static void what_is_used_again_outlives_what_is_touched_once(void **state) {
    unsigned long read[2];

    (void)state;
    for (unsigned probation = 0; probation < 2; probation++) {
        struct sim *sim = boot(probation);
        uint64_t random = 1;
        unsigned long before = 0;

        for (unsigned i = 0; i < 60000; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            /* Every third page is in use, 9 times of 10. */
            expect_pages(sim,
                         (uint32_t)(random >> 33) % 10 ? (uint32_t)(random >> 40) % (NR_PAGES / 3) * 3
                                                       : (uint32_t)(random >> 40) % NR_PAGES,
                         1);
            if (i == 20000)
                before = vm_event(sim, PSWPIN);
        }
        read[probation] = vm_event(sim, PSWPIN) - before;
        sim_pages_finish(sim);
    }
    assert_true(read[1] < read[0] * 9 / 10);
}

static struct page *page_on_probation(struct sim *sim, uint32_t number) {
    struct page *page = sim_page(sim, number);

    assert_true(isolate_lru_page(sim_machine(sim), page));
    page_clear(page, PG_active);
    page_set(page, PG_probation);
    return page;
}

static void a_page_on_probation_is_parked_and_goes_round_once_more(void **state) {
    struct sim *sim = sim_pages_boot_plain();
    struct machine *m = sim_machine(sim);
    struct page_list list, again;
    struct page *asked, *other;

    (void)state;
    write_pages(sim, 0, 2);
    lru_add_drain_all(m);
    page_list_init(&list);
    page_list_init(&again);
    asked = page_on_probation(sim, 0);
    list_add_tail(m, &list, asked);
    other = page_on_probation(sim, 1);
    page_clear(other, PG_probation);
    list_add_tail(m, &list, other);

    park_on_probation(m, &list, &again);
    assert_ptr_equal(list_page(m, again.head), asked);
    assert_ptr_equal(list_page(m, list.head), other);
    assert_int_equal(list.head, list.tail);
    assert_true(sim_pte(sim, 0) & PTE_PARKED);
    assert_false(sim_pte(sim, 1) & PTE_PARKED);
    putback_lru_pages(m, &list);
    putback_lru_pages(m, &again);

    /* Asked once: next time it is as any other. */
    assert_true(isolate_lru_page(m, asked));
    list_add_tail(m, &list, asked);
    park_on_probation(m, &list, &again);
    assert_true(page_list_empty(&again));
    putback_lru_pages(m, &list);
    /* Touched, it is in use. */
    expect_pages(sim, 0, 1);
    assert_true(page_test(asked, PG_active));
    sim_pages_finish(sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(part_of_a_loop_larger_than_memory_stays),
        cmocka_unit_test(a_new_loop_that_fits_gets_memory_in_the_end),
        cmocka_unit_test(what_is_used_again_outlives_what_is_touched_once),
        cmocka_unit_test(a_page_on_probation_is_parked_and_goes_round_once_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
