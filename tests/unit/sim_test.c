/* SPDX-License-Identifier: MIT */
/* The simulator's own promises, without which tests on it would show nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/page_table.h"
#include "tests/unit/sim_pages.h"

static void evict_all(struct sim *sim, uint32_t nr) {
    lru_add_drain_all(sim_machine(sim));
    sim_cool(sim, 0, nr, true);
    sim_settle(sim);
    assert_int_equal(sim_mm(sim)->nr_rss, 0);
}

static void expect_lost(struct sim *sim, uint32_t first, uint32_t nr) {
    uint64_t word;

    for (uint32_t page = first; page < first + nr; page++)
        assert_int_equal(sim_read(sim, page, 0, &word, sizeof(word)), SIM_SIGBUS);
}

static void a_lost_write_is_found_out_when_it_is_read(void **state) {
    struct sim *sim = sim_pages_boot((struct sim_device_config){.nr_slots = 64, .lost_permille = 1000});

    (void)state;
    /* Page 0 would hold zeros, as the medium does. */
    write_pages(sim, 1, 4);
    evict_all(sim, 5);
    assert_int_equal(sim_counts(sim).lost, 4);
    assert_int_equal(sim_counts(sim).write_errors, 0);
    expect_lost(sim, 1, 4);
    assert_int_equal(sim_counts(sim).corrupt, 4);
    sim_pages_finish(sim);
}

static void a_torn_write_is_found_out_where_it_matters(void **state) {
    struct sim *sim = sim_pages_boot((struct sim_device_config){.nr_slots = 64, .torn_permille = 1000});
    uint64_t last = 9;

    (void)state;
    for (uint32_t page = 0; page < 4; page++)
        assert_int_equal(sim_write(sim, page, PAGE_SIZE - sizeof(last), &last, sizeof(last)), SIM_OK);
    evict_all(sim, 4);
    assert_int_equal(sim_counts(sim).torn, 4);
    expect_lost(sim, 0, 4);
    assert_int_equal(sim_counts(sim).corrupt, 4);
    sim_pages_finish(sim);
}

static struct sim *boot_tracking(void) {
    const struct sim_config config = {
        .seed = 1,
        .ram_pages = 4096,
        .region_pages = SIM_PAGES_REGION,
        .tracks_writes = true,
        .devices = {{.nr_slots = 64}},
    };
    struct sim *sim = sim_create(&config);

    sim_allow_kswapd(sim, false);
    sim_map(sim, 0, SIM_PAGES_REGION, VM_READ | VM_WRITE);
    return sim;
}

/* The first write to what keeps a copy, and no other, faults; what has not been written to is dropped unwritten. */
static void pages_mapped_clean_fault_on_their_first_write(void **state) {
    struct sim *sim = boot_tracking();

    (void)state;
    write_pages(sim, 0, 4);
    evict_all(sim, 4);
    expect_pages(sim, 0, 4);
    assert_int_equal(sim_counts(sim).write_faults, 0);
    write_pages(sim, 2, 1);
    write_pages(sim, 2, 1);
    assert_int_equal(sim_counts(sim).write_faults, 1);
    assert_int_equal(sim_counts(sim).writes, 4);
    evict_all(sim, 4);
    assert_int_equal(sim_counts(sim).writes, 5);
    assert_int_equal(sim_counts(sim).clean, 3);
    expect_pages(sim, 0, 4);
    sim_pages_finish(sim);
}

static void so_many_allocations_fail_as_were_asked_to(void **state) {
    struct sim *sim = sim_pages_boot_plain();
    struct machine *m = sim_machine(sim);

    (void)state;
    sim_fail_allocations(sim, 2, 3);
    for (unsigned i = 0; i < 10; i++) {
        struct page *page = alloc_pages(m, GFP_KERNEL, 0);

        assert_int_equal(page == NULL, i >= 2 && i < 5);
        if (page)
            __free_pages(m, page, 0);
    }
    assert_int_equal(sim_counts(sim).alloc_failures, 3);
    sim_pages_finish(sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_write_is_found_out_when_it_is_read),
        cmocka_unit_test(a_torn_write_is_found_out_where_it_matters),
        cmocka_unit_test(pages_mapped_clean_fault_on_their_first_write),
        cmocka_unit_test(so_many_allocations_fail_as_were_asked_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
