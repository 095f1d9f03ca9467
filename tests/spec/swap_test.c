/* SPDX-License-Identifier: MIT */
/* The specification's assertion on swap, A36, in a simulated machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lru.h"
#include "mm/mmap.h"
#include "mm/page_alloc.h"
#include "mm/swap_state.h"
#include "mm/swapfile.h"
#include "sim/sim.h"

static struct sim *machine_with(struct sim_device_config first, struct sim_device_config second) {
    const struct sim_config config = {
        .seed = 1,
        .ram_pages = 4096,
        .region_pages = 512,
        .devices = {first, second},
    };
    struct sim *sim = sim_create(&config);

    sim_allow_kswapd(sim, false);
    return sim;
}

static struct sim *machine_with_slots(uint32_t nr_slots) {
    return machine_with((struct sim_device_config){.nr_slots = nr_slots}, (struct sim_device_config){0});
}

static void free_all(struct machine *m, unsigned type, uint32_t nr_slots) {
    for (uint32_t slot = 1; slot < nr_slots; slot++)
        while (swap_count(m, swp_entry(type, slot)))
            swap_free(m, swp_entry(type, slot));
}

/* A36: a hole of 41 slots is passed over for a run of 256 free ones. */
static void slots_come_from_a_free_run_of_256(void **state) {
    struct sim *sim = machine_with_slots(2048);
    struct machine *m = sim_machine(sim);

    (void)state;
    for (uint32_t i = 1; i <= 300; i++)
        assert_int_equal(get_swap_page(m).val, swp_entry(0, i).val);
    for (uint32_t slot = 10; slot <= 50; slot++)
        swap_free(m, swp_entry(0, slot));
    for (uint32_t i = 301; i <= 1024; i++)
        assert_int_equal(get_swap_page(m).val, swp_entry(0, i).val);
    free_all(m, 0, 2048);
    assert_null(swap_check(m));
    sim_destroy(sim);
}

/* A36: where there is no such run, the first slot that is free. */
static void without_a_run_the_lowest_free_slot_is_taken(void **state) {
    struct sim *sim = machine_with_slots(600);
    struct machine *m = sim_machine(sim);

    (void)state;
    for (uint32_t i = 1; i < 600; i++)
        assert_int_not_equal(get_swap_page(m).val, 0);
    assert_int_equal(get_swap_page(m).val, 0);
    for (uint32_t slot = 599; slot > 299; slot -= 2)
        swap_free(m, swp_entry(0, slot));
    swap_free(m, swp_entry(0, 100));
    assert_int_equal(get_swap_page(m).val, swp_entry(0, 100).val);
    for (uint32_t slot = 301; slot <= 599; slot += 2)
        assert_int_equal(get_swap_page(m).val, swp_entry(0, slot).val);
    free_all(m, 0, 600);
    sim_destroy(sim);
}

/* A36 */
static void counts_saturate_at_7fff(void **state) {
    struct sim *sim = machine_with_slots(64);
    struct machine *m = sim_machine(sim);
    swp_entry_t entry = get_swap_page(m);

    (void)state;
    for (unsigned count = 1; count < SWAP_MAP_MAX; count++)
        assert_int_equal(swap_duplicate(m, entry), MM_OK);
    assert_int_equal(swap_count(m, entry), SWAP_MAP_MAX);
    assert_int_equal(swap_duplicate(m, entry), MM_OK);
    assert_int_equal(swap_count(m, entry), SWAP_MAP_MAX);
    /* A count that has reached the top is never taken down: nobody knows how many there are. */
    swap_free(m, entry);
    assert_int_equal(swap_count(m, entry), SWAP_MAP_MAX);
    sim_destroy(sim);
}

/* A36 */
static void areas_of_equal_priority_take_turns(void **state) {
    struct sim *sim = machine_with((struct sim_device_config){.nr_slots = 64, .prio = 3},
                                   (struct sim_device_config){.nr_slots = 64, .prio = 3});
    struct machine *m = sim_machine(sim);
    unsigned last = swp_type(get_swap_page(m));

    (void)state;
    for (unsigned i = 0; i < 60; i++) {
        unsigned type = swp_type(get_swap_page(m));

        assert_int_not_equal(type, last);
        last = type;
    }
    free_all(m, 0, 64);
    free_all(m, 1, 64);
    sim_destroy(sim);
}

static void a_lower_priority_is_used_only_when_the_higher_is_full(void **state) {
    struct sim *sim = machine_with((struct sim_device_config){.nr_slots = 16, .prio = 1},
                                   (struct sim_device_config){.nr_slots = 16, .prio = 2});
    struct machine *m = sim_machine(sim);

    (void)state;
    for (unsigned i = 0; i < 15; i++)
        assert_int_equal(swp_type(get_swap_page(m)), 1);
    assert_int_equal(swp_type(get_swap_page(m)), 0);
    swap_free(m, swp_entry(1, 7));
    assert_int_equal(get_swap_page(m).val, swp_entry(1, 7).val);
    free_all(m, 0, 16);
    free_all(m, 1, 16);
    sim_destroy(sim);
}

/* The pages of the first nr slots, evicted in order. */
static struct sim *evicted(uint32_t nr) {
    struct sim *sim = machine_with_slots(1024);

    sim_machine(sim)->tune.page_cluster = 3;
    sim_map(sim, 0, 512, VM_READ | VM_WRITE);
    for (uint64_t i = 0; i < nr; i++)
        assert_int_equal(sim_write(sim, (uint32_t)i, 0, &i, sizeof(i)), SIM_OK);
    for (uint32_t i = 0; i < nr; i++) {
        sim_cool(sim, i, 1, true);
        assert_int_equal(sim_pte(sim, i), (pte_t)swp_entry(0, i + 1).val << PTE_PFN_SHIFT | PTE_SWAP);
    }
    return sim;
}

static bool is_cached(struct machine *m, uint32_t slot) {
    struct page *page = lookup_swap_cache(m, swp_entry(0, slot));

    if (page)
        put_page(m, page);
    return page;
}

/* A36: slots 8 to 15 are one window; 12 is free, so that only 8 to 11 come along. */
static void readahead_stops_at_a_free_slot(void **state) {
    struct sim *sim = evicted(32);
    struct machine *m = sim_machine(sim);
    uint64_t value = 0;

    (void)state;
    sim_discard(sim, 12 - 1, 1);
    assert_int_equal(swap_count(m, swp_entry(0, 12)), 0);
    assert_int_equal(sim_read(sim, 14 - 1, 0, &value, sizeof(value)), SIM_OK);
    assert_int_equal(value, 13);
    for (uint32_t slot = 1; slot <= 32; slot++)
        assert_int_equal(is_cached(m, slot), (slot >= 8 && slot < 12) || slot == 14);
    assert_int_equal(sim_counts(sim).reads, 5);
    /* What was read ahead is not read again. */
    assert_int_equal(sim_read(sim, 9 - 1, 0, &value, sizeof(value)), SIM_OK);
    assert_int_equal(value, 8);
    assert_int_equal(sim_counts(sim).reads, 5);
    sim_destroy(sim);
}

/* A36: slots 8 to 15 are one window; 11 is bad, so that only 8 to 10 come along. */
static void readahead_stops_at_a_bad_slot(void **state) {
    const struct sim_config config = {
        .seed = 1, .ram_pages = 4096, .region_pages = 512, .devices = {{.nr_slots = 65, .offline = true}}};
    static _Alignas(4096) uint8_t page[PAGE_SIZE];
    const uint32_t bad[] = {11};
    const struct swap_header header = {.last_page = 64, .nr_bad = 1, .bad = bad};
    const struct swap_source source = {.header = page, .nr_pages = 65, .identity = 1};
    struct sim *sim = sim_create(&config);
    enum swap_refusal why;
    uint64_t value = 0;

    (void)state;
    sim_allow_kswapd(sim, false);
    atomic_store(&sim_current(sim)->flags, TASK_SYS_ADMIN);
    swap_header_write(&header, page);
    assert_int_equal(sim_swapon(sim, 0, &source, 0, &why), MM_OK);
    sim_map(sim, 0, 512, VM_READ | VM_WRITE);
    /* Slots 1 to 10, then 12 and on. */
    for (uint32_t i = 0; i < 20; i++) {
        assert_int_equal(sim_write(sim, i, 0, &i, sizeof(i)), SIM_OK);
        sim_cool(sim, i, 1, true);
        assert_int_equal(sim_pte(sim, i), (pte_t)swp_entry(0, i < 10 ? i + 1 : i + 2).val << PTE_PFN_SHIFT | PTE_SWAP);
    }
    assert_int_equal(sim_read(sim, 12, 0, &value, sizeof(uint32_t)), SIM_OK);
    assert_int_equal(value, 12);
    for (uint32_t slot = 1; slot <= 22; slot++)
        assert_int_equal(is_cached(sim_machine(sim), slot), (slot >= 8 && slot < 11) || slot == 14);
    sim_destroy(sim);
}

static void readahead_of_the_first_window_skips_slot_0(void **state) {
    struct sim *sim = evicted(32);
    struct machine *m = sim_machine(sim);
    uint64_t value;

    (void)state;
    assert_int_equal(sim_read(sim, 3 - 1, 0, &value, sizeof(value)), SIM_OK);
    for (uint32_t slot = 1; slot <= 32; slot++)
        assert_int_equal(is_cached(m, slot), slot < 8);
    sim_destroy(sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_come_from_a_free_run_of_256),
        cmocka_unit_test(without_a_run_the_lowest_free_slot_is_taken),
        cmocka_unit_test(counts_saturate_at_7fff),
        cmocka_unit_test(areas_of_equal_priority_take_turns),
        cmocka_unit_test(a_lower_priority_is_used_only_when_the_higher_is_full),
        cmocka_unit_test(readahead_stops_at_a_free_slot),
        cmocka_unit_test(readahead_stops_at_a_bad_slot),
        cmocka_unit_test(readahead_of_the_first_window_skips_slot_0),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
