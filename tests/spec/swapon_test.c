/* SPDX-License-Identifier: MIT */
/* swapon, section 12.1, in a simulated machine. */
#include "tests/spec/swap_machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "mm/page_alloc.h"
#include "mm/pcp.h"
#include "mm/swapon.h"

static int prio_of(struct sim *sim, unsigned type) {
    struct swap_area_state area;

    assert_true(swap_area_state(sim_machine(sim), type, &area));
    return area.prio;
}

static void usable_slots_are_1_to_last_page_minus_1_without_the_bad_ones(void **state) {
    const uint32_t bad[] = {1, 2, 17, 17, SLOTS - 1};
    struct sim *sim = swap_machine(0);
    struct machine *m = sim_machine(sim);
    const struct swap_source source = {.header = swap_machine_header(SLOTS, 5, bad),
                                       .nr_pages = SLOTS + 1,
                                       .identity = 1,
                                       .area_flags = SWP_EXCLUSIVE};
    enum swap_refusal why;
    bool given[SLOTS] = {false};

    (void)state;
    assert_int_equal(sim_swapon(sim, 0, &source, 0, &why), MM_OK);
    assert_int_equal(m->total_swap_pages, SLOTS - 1 - 4);
    for (unsigned i = 0; i < SLOTS - 1 - 4; i++)
        given[swp_offset(get_swap_page(m))] = true;
    for (uint32_t offset = 0; offset < SLOTS; offset++)
        assert_int_equal(given[offset], offset > 2 && offset != 17 && offset != SLOTS - 1);
    assert_int_equal(get_swap_page(m).val, 0);
    assert_int_equal(swap_count(m, swp_entry(0, 17)), SWAP_MAP_BAD);
    assert_int_equal(swap_duplicate(m, swp_entry(0, 17)), MM_INVAL);
    assert_null(swap_check(m));
    for (uint32_t offset = 3; offset < SLOTS - 1; offset++)
        if (offset != 17)
            swap_free(m, swp_entry(0, offset));
    assert_int_equal(swap_next_used(m, 0, 1), 0);
    assert_int_equal(sim_swapoff(sim, 0), MM_OK);
    assert_int_equal(m->total_swap_pages, 0);
    sim_destroy(sim);
}

static void without_a_priority_each_area_comes_after_all_before(void **state) {
    struct sim *sim = swap_machine(0);

    (void)state;
    area_on(sim, 0, 0);
    area_on(sim, 1, SWAP_FLAG_PREFER | 5);
    assert_int_equal(prio_of(sim, 0), -1);
    assert_int_equal(prio_of(sim, 1), 5);
    assert_int_equal(sim_swapoff(sim, 0), MM_OK);
    area_on(sim, 0, 0);
    assert_int_equal(prio_of(sim, 0), -2);
    assert_int_equal(swp_type(get_swap_page(sim_machine(sim))), 1);
    swap_free(sim_machine(sim), swp_entry(1, 1));
    sim_destroy(sim);
}

/* An area that comes later is used first among equals. */
static void an_area_is_inserted_before_those_of_equal_priority(void **state) {
    struct sim *sim = swap_machine(0);

    (void)state;
    area_on(sim, 0, SWAP_FLAG_PREFER | 5);
    area_on(sim, 1, SWAP_FLAG_PREFER | 5);
    assert_int_equal(swp_type(get_swap_page(sim_machine(sim))), 1);
    swap_free(sim_machine(sim), swp_entry(1, 1));
    sim_destroy(sim);
}

static enum mm_status refused(struct sim *sim, const struct swap_source *source, enum swap_refusal wanted) {
    long free_before = zone_page_state_exact(first_populated_zone(sim_machine(sim)), NR_FREE_PAGES);
    enum swap_refusal why = SWAP_ACCEPTED;
    enum mm_status status = sim_swapon(sim, 2, source, 0, &why);

    assert_int_equal(why, wanted);
    drain_all_local_pages(sim_machine(sim));
    assert_true(zone_page_state_exact(first_populated_zone(sim_machine(sim)), NR_FREE_PAGES) >= free_before);
    assert_null(sim_check(sim));
    return status;
}

static void swapon_refuses_with_the_status_of_each_reason(void **state) {
    const struct swap_extent hole[] = {{0, 10, 0}, {12, 100, 12}};
    const uint32_t bad[] = {1, 2}, outside[] = {60};
    struct sim *sim = swap_machine(0);
    struct swap_source source = {.header = swap_machine_header(60, 0, NULL), .nr_pages = 61, .identity = 100};

    (void)state;
    area_on(sim, 0, 0);
    swap_machine_header(60, 0, NULL);
    assert_int_equal(refused(sim, &source, SWAP_ACTIVE), MM_BUSY);
    source.identity = 102;
    source.nr_pages = 59;
    assert_int_equal(refused(sim, &source, SWAP_TOO_SHORT), MM_INVAL);
    source.nr_pages = 61;
    source.extents = hole;
    source.nr_extents = 2;
    assert_int_equal(refused(sim, &source, SWAP_HOLES), MM_INVAL);
    source.extents = NULL;
    swap_machine_header(3, 2, bad);
    assert_int_equal(refused(sim, &source, SWAP_EMPTY), MM_INVAL);
    swap_machine_header(60, 1, outside);
    assert_int_equal(refused(sim, &source, SWAP_BAD_MISPLACED), MM_INVAL);
    swap_machine_header(60, 1, bad);
    source.is_regular = true;
    assert_int_equal(refused(sim, &source, SWAP_BAD_IN_FILE), MM_INVAL);
    source.is_regular = false;
    /* As many as there is room for, and one. */
    memcpy(swap_machine_header(60, 0, NULL) + 1032, &(uint32_t){SWAP_HEADER_BAD_MOST + 1}, sizeof(uint32_t));
    assert_int_equal(refused(sim, &source, SWAP_TOO_MANY_BAD), MM_INVAL);
    swap_machine_header(60, 0, NULL)[1024] = 2;
    assert_int_equal(refused(sim, &source, SWAP_BAD_VERSION), MM_INVAL);
    memcpy(swap_machine_header(60, 0, NULL) + PAGE_SIZE - 10, "SWAP-SPACE", 10);
    assert_int_equal(refused(sim, &source, SWAP_OLD_FORMAT), MM_INVAL);
    swap_machine_header(60, 0, NULL)[PAGE_SIZE - 1] = 0;
    assert_int_equal(refused(sim, &source, SWAP_NO_MAGIC), MM_INVAL);
    swap_machine_header(60, 0, NULL);
    atomic_store(&sim_current(sim)->flags, 0);
    assert_int_equal(refused(sim, &source, SWAP_NOT_ALLOWED), MM_PERM);
    assert_int_equal(sim_swapoff(sim, 0), MM_PERM);
    atomic_store(&sim_current(sim)->flags, TASK_SYS_ADMIN);
    assert_int_equal(sim_machine(sim)->total_swap_pages, SLOTS - 1);
    sim_destroy(sim);
}

static void the_33rd_area_is_refused(void **state) {
    struct sim *sim = swap_machine(0);
    const struct swap_source source = {.header = swap_machine_header(60, 0, NULL), .nr_pages = 61, .identity = 102};
    unsigned types[MAX_SWAPFILES];

    (void)state;
    for (unsigned i = 0; i < MAX_SWAPFILES; i++)
        assert_int_equal(swap_add(sim_machine(sim), 8, 0, 0, &types[i]), MM_OK);
    assert_int_equal(refused(sim, &source, SWAP_NO_AREA_LEFT), MM_PERM);
    assert_int_equal(swap_remove(sim_machine(sim), types[7]), MM_OK);
    swap_machine_header(60, 0, NULL);
    assert_int_equal(sim_swapon(sim, 2, &source, 0, &(enum swap_refusal){0}), MM_OK);
    sim_destroy(sim);
}

/* The area's pages lie backwards on the device, in runs of 50. */
static void pages_go_where_the_extents_say(void **state) {
    struct swap_extent runs[SLOTS / 50];
    struct sim *sim = swap_machine(0);
    struct swap_source source = {.header = swap_machine_header(SLOTS, 0, NULL),
                                 .nr_pages = SLOTS + 1,
                                 .identity = 1,
                                 .is_regular = true,
                                 .extents = runs};
    enum swap_refusal why;

    (void)state;
    source.nr_extents = SLOTS / 50;
    for (uint32_t i = 0; i < SLOTS / 50; i++)
        runs[i] = (struct swap_extent){i * 50, 50, SLOTS - 50 * (i + 1) + 1};
    assert_int_equal(sim_swapon(sim, 0, &source, 0, &why), MM_OK);
    assert_int_equal(map_swap_page(sim_machine(sim), swp_entry(0, 1)), SLOTS - 50 + 2);
    write_pages(sim, 0, PAGES);
    sim_cool(sim, 0, PAGES, true);
    assert_int_equal(swap_inuse(sim_machine(sim), 0), PAGES);
    expect_pages(sim, 0, PAGES);
    assert_null(sim_check(sim));
    sim_destroy(sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usable_slots_are_1_to_last_page_minus_1_without_the_bad_ones),
        cmocka_unit_test(without_a_priority_each_area_comes_after_all_before),
        cmocka_unit_test(an_area_is_inserted_before_those_of_equal_priority),
        cmocka_unit_test(swapon_refuses_with_the_status_of_each_reason),
        cmocka_unit_test(the_33rd_area_is_refused),
        cmocka_unit_test(pages_go_where_the_extents_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
