/* SPDX-License-Identifier: MIT */
/* swapon and swapoff, section 12.1, in a simulated machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lru.h"
#include "mm/mmap.h"
#include "mm/page_alloc.h"
#include "mm/pcp.h"
#include "mm/swap_state.h"
#include "mm/swapon.h"
#include "sim/sim.h"

#define SLOTS 600u
#define PAGES 200u

static _Alignas(4096) uint8_t header_page[PAGE_SIZE];

static const void *header_of(uint32_t last_page, uint32_t nr_bad, const uint32_t *bad) {
    const struct swap_header header = {.last_page = last_page, .nr_bad = nr_bad, .bad = bad};

    swap_header_write(&header, header_page);
    return header_page;
}

static struct sim *machine(unsigned switch_permille) {
    const struct sim_config config = {
        .seed = 1,
        .ram_pages = 1024,
        .region_pages = 1024,
        .switch_permille = switch_permille,
        .devices = {{.nr_slots = SLOTS + 1, .offline = true},
                    {.nr_slots = SLOTS + 1, .offline = true, .async = true, .latency_ns = 100000},
                    {.nr_slots = 64, .offline = true}},
    };
    struct sim *sim = sim_create(&config);

    sim_allow_kswapd(sim, false);
    atomic_store(&sim_current(sim)->flags, TASK_SYS_ADMIN);
    sim_map(sim, 0, 1024, VM_READ | VM_WRITE);
    return sim;
}

static void on(struct sim *sim, unsigned device, unsigned prio_flags) {
    const struct swap_source source = {
        .header = header_of(SLOTS, 0, NULL), .nr_pages = SLOTS + 1, .identity = 100 + device};
    enum swap_refusal why;

    assert_int_equal(sim_swapon(sim, device, &source, prio_flags, &why), MM_OK);
    assert_int_equal(why, SWAP_ACCEPTED);
}

static int prio_of(struct sim *sim, unsigned type) {
    struct swap_area_state area;

    assert_true(swap_area_state(sim_machine(sim), type, &area));
    return area.prio;
}

static void fill(struct sim *sim, uint32_t first, uint32_t nr) {
    for (uint32_t page = first; page < first + nr; page++)
        assert_int_equal(sim_write(sim, page, 8, &page, sizeof(page)), SIM_OK);
}

static void verify(struct sim *sim, uint32_t first, uint32_t nr) {
    for (uint32_t page = first; page < first + nr; page++) {
        uint32_t value = 0;

        assert_int_equal(sim_read(sim, page, 8, &value, sizeof(value)), SIM_OK);
        assert_int_equal(value, page);
    }
}

static void usable_slots_are_1_to_last_page_minus_1_without_the_bad_ones(void **state) {
    const uint32_t bad[] = {1, 2, 17, 17, SLOTS - 1};
    struct sim *sim = machine(0);
    struct machine *m = sim_machine(sim);
    const struct swap_source source = {
        .header = header_of(SLOTS, 5, bad), .nr_pages = SLOTS + 1, .identity = 1, .area_flags = SWP_EXCLUSIVE};
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
    struct sim *sim = machine(0);

    (void)state;
    on(sim, 0, 0);
    on(sim, 1, SWAP_FLAG_PREFER | 5);
    assert_int_equal(prio_of(sim, 0), -1);
    assert_int_equal(prio_of(sim, 1), 5);
    assert_int_equal(sim_swapoff(sim, 0), MM_OK);
    on(sim, 0, 0);
    assert_int_equal(prio_of(sim, 0), -2);
    assert_int_equal(swp_type(get_swap_page(sim_machine(sim))), 1);
    swap_free(sim_machine(sim), swp_entry(1, 1));
    sim_destroy(sim);
}

/* An area that comes later is used first among equals. */
static void an_area_is_inserted_before_those_of_equal_priority(void **state) {
    struct sim *sim = machine(0);

    (void)state;
    on(sim, 0, SWAP_FLAG_PREFER | 5);
    on(sim, 1, SWAP_FLAG_PREFER | 5);
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
    const uint32_t bad[] = {1, 2};
    struct sim *sim = machine(0);
    struct swap_source source = {.header = header_of(60, 0, NULL), .nr_pages = 61, .identity = 100};

    (void)state;
    on(sim, 0, 0);
    header_of(60, 0, NULL);
    assert_int_equal(refused(sim, &source, SWAP_ACTIVE), MM_BUSY);
    source.identity = 102;
    source.nr_pages = 59;
    assert_int_equal(refused(sim, &source, SWAP_TOO_SHORT), MM_INVAL);
    source.nr_pages = 61;
    source.extents = hole;
    source.nr_extents = 2;
    assert_int_equal(refused(sim, &source, SWAP_HOLES), MM_INVAL);
    source.extents = NULL;
    header_of(3, 2, bad);
    assert_int_equal(refused(sim, &source, SWAP_EMPTY), MM_INVAL);
    header_page[PAGE_SIZE - 1] = 0;
    assert_int_equal(refused(sim, &source, SWAP_NO_MAGIC), MM_INVAL);
    header_of(60, 0, NULL);
    atomic_store(&sim_current(sim)->flags, 0);
    assert_int_equal(refused(sim, &source, SWAP_NOT_ALLOWED), MM_PERM);
    assert_int_equal(sim_swapoff(sim, 0), MM_PERM);
    atomic_store(&sim_current(sim)->flags, TASK_SYS_ADMIN);
    assert_int_equal(sim_machine(sim)->total_swap_pages, SLOTS - 1);
    sim_destroy(sim);
}

static void the_33rd_area_is_refused(void **state) {
    struct sim *sim = machine(0);
    const struct swap_source source = {.header = header_of(60, 0, NULL), .nr_pages = 61, .identity = 102};
    unsigned types[MAX_SWAPFILES];

    (void)state;
    for (unsigned i = 0; i < MAX_SWAPFILES; i++)
        assert_int_equal(swap_add(sim_machine(sim), 8, 0, 0, &types[i]), MM_OK);
    assert_int_equal(refused(sim, &source, SWAP_NO_AREA_LEFT), MM_PERM);
    assert_int_equal(swap_remove(sim_machine(sim), types[7]), MM_OK);
    header_of(60, 0, NULL);
    assert_int_equal(sim_swapon(sim, 2, &source, 0, &(enum swap_refusal){0}), MM_OK);
    sim_destroy(sim);
}

/* The area's pages lie backwards on the device, in runs of 50. */
static void pages_go_where_the_extents_say(void **state) {
    struct swap_extent runs[SLOTS / 50];
    struct sim *sim = machine(0);
    struct swap_source source = {
        .header = header_of(SLOTS, 0, NULL), .nr_pages = SLOTS + 1, .identity = 1, .is_regular = true, .extents = runs};
    enum swap_refusal why;

    (void)state;
    source.nr_extents = SLOTS / 50;
    for (uint32_t i = 0; i < SLOTS / 50; i++)
        runs[i] = (struct swap_extent){i * 50, 50, SLOTS - 50 * (i + 1) + 1};
    assert_int_equal(sim_swapon(sim, 0, &source, 0, &why), MM_OK);
    assert_int_equal(map_swap_page(sim_machine(sim), swp_entry(0, 1)), SLOTS - 50 + 2);
    fill(sim, 0, PAGES);
    sim_cool(sim, 0, PAGES, true);
    assert_int_equal(swap_inuse(sim_machine(sim), 0), PAGES);
    verify(sim, 0, PAGES);
    assert_null(sim_check(sim));
    sim_destroy(sim);
}

/* Swapped out, parked on the way out, still mapped with a copy, read ahead: all of it comes back. */
static void swapoff_brings_everything_back(void **state) {
    for (unsigned device = 0; device < 2; device++) {
        struct sim *sim = machine(0);
        struct machine *m = sim_machine(sim);
        unsigned type = 0;

        (void)state;
        on(sim, device, 0);
        fill(sim, 0, PAGES);
        sim_cool(sim, 0, PAGES, true);
        verify(sim, 40, 30);
        verify(sim, 100, 1);
        fill(sim, 50, 5);
        assert_true(swap_inuse(m, type) > PAGES / 2);
        assert_int_equal(sim_swapoff(sim, device), MM_OK);
        assert_int_equal(atomic_load(&sim_current(sim)->flags), TASK_SYS_ADMIN);
        assert_int_equal(m->total_swap_pages, 0);
        assert_false(swap_area_state(m, type, &(struct swap_area_state){0}));
        assert_null(sim_check(sim));
        assert_int_equal(sim_mm(sim)->nr_swapped, 0);
        verify(sim, 0, PAGES);
        on(sim, device, 0);
        sim_cool(sim, 0, PAGES, true);
        assert_int_equal(sim_mm(sim)->nr_swapped, PAGES);
        verify(sim, 0, PAGES);
        sim_destroy(sim);
    }
}

static void with_another_area_what_does_not_fit_moves_there(void **state) {
    struct sim *sim = machine(0);

    (void)state;
    sim_unmap(sim, 0, 1024);
    on(sim, 0, 0);
    sim_map(sim, 0, 1024, VM_READ | VM_WRITE);
    fill(sim, 0, 1024);
    on(sim, 1, 0);
    assert_true(swap_inuse(sim_machine(sim), 0) > 0);
    assert_int_equal(sim_swapoff(sim, 0), MM_OK);
    assert_true(swap_inuse(sim_machine(sim), 1) > 0);
    sim_settle(sim);
    assert_null(sim_check(sim));
    verify(sim, 0, 1024);
    sim_destroy(sim);
}

/* The commit check comes first: nothing has been touched when it says no. */
static void swapoff_says_no_memory_if_what_is_swapped_cannot_fit(void **state) {
    struct sim *sim = machine(0);
    struct machine *m = sim_machine(sim);
    long total;
    unsigned long reads;

    (void)state;
    on(sim, 0, 0);
    fill(sim, 0, 1024);
    total = m->total_swap_pages;
    reads = sim_counts(sim).reads;
    assert_int_equal(sim_swapoff(sim, 0), MM_NOMEM);
    assert_int_equal(m->total_swap_pages, total);
    assert_int_equal(sim_counts(sim).reads, reads);
    assert_null(sim_check(sim));
    verify(sim, 0, 1024);
    sim_destroy(sim);
}

static void an_interrupted_swapoff_leaves_the_area_in_use(void **state) {
    struct sim *sim = machine(0);
    struct machine *m = sim_machine(sim);

    (void)state;
    on(sim, 0, 0);
    fill(sim, 0, PAGES);
    sim_cool(sim, 0, PAGES, true);
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
    verify(sim, 0, PAGES);
    sim_destroy(sim);
}

static void slots_that_the_host_keeps_make_swapoff_busy(void **state) {
    struct sim *sim = machine(0);
    struct machine *m = sim_machine(sim);

    (void)state;
    on(sim, 0, 0);
    fill(sim, 0, PAGES);
    sim_cool(sim, 0, PAGES, true);
    assert_int_equal(swap_duplicate(m, swp_entry(0, 7)), MM_OK);
    assert_int_equal(sim_swapoff(sim, 0), MM_BUSY);
    assert_int_equal(swap_inuse(m, 0), 1);
    assert_int_equal(m->total_swap_pages, SLOTS - 1);
    swap_free(m, swp_entry(0, 7));
    assert_int_equal(sim_swapoff(sim, 0), MM_OK);
    assert_int_equal(sim_swapoff(sim, 0), MM_INVAL);
    verify(sim, 0, PAGES);
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
    on(sim, 0, 0);
    fill(sim, 0, PAGES);
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
    struct sim *sim = machine(200);
    unsigned device = 0;

    (void)state;
    on(sim, 0, 0);
    fill(sim, 0, 400);
    sim_cool(sim, 0, 400, true);
    running = 4;
    for (uintptr_t i = 0; i < 4; i++)
        sim_spawn(sim, use_memory, (void *)(i * 100));
    while (running) {
        on(sim, 1 - device, 0);
        assert_int_equal(sim_swapoff(sim, device), MM_OK);
        device = 1 - device;
    }
    sim_join(sim);
    sim_settle(sim);
    assert_null(sim_check(sim));
    verify(sim, 0, 400);
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
