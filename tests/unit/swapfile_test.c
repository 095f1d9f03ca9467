/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_platform.h"

#include <stdlib.h>

#include "mm/swap_map.h"
#include "mm/swap_state.h"
#include "mm/swapfile.h"

static uint32_t last_freed;
static unsigned full_type;

static void note_freed(void *host, swp_entry_t entry) {
    (void)host;
    last_freed = entry.val;
}

static bool has_room(void *host, unsigned type) {
    (void)host;
    return type != full_type;
}

static struct fake *boot(void) {
    struct fake *fake = fake_boot(16384, 1);

    fake->platform.swap_slot_free = note_freed;
    fake->platform.swap_has_room = has_room;
    full_type = MAX_SWAPFILES;
    return fake;
}

static unsigned add(struct fake *fake, uint32_t nr_pages, int prio) {
    unsigned type = MAX_SWAPFILES;

    assert_int_equal(swap_add(fake->machine, nr_pages, prio, 0, &type), MM_OK);
    return type;
}

static void a_20_gib_area_costs_nothing_until_it_is_used(void **state) {
    struct fake *fake = boot();
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    long before, first;
    swp_entry_t entry;
    unsigned type;

    (void)state;
    type = add(fake, 64, 1); /* the first area brings the tables that all share */
    before = zone_page_state_exact(zone, NR_FREE_PAGES);
    add(fake, 20u << 18, 2);
    assert_true(before - zone_page_state_exact(zone, NR_FREE_PAGES) <= 64);
    first = zone_page_state_exact(zone, NR_FREE_PAGES);
    assert_int_equal(fake->machine->total_swap_pages, (20 << 18) - 1 + 63);
    entry = get_swap_page(fake->machine);
    assert_int_not_equal(swp_type(entry), type);
    /* A directory and an array of counts, by way of one batch of the per-CPU list each at most. */
    assert_true(first - zone_page_state_exact(zone, NR_FREE_PAGES) <= 64);
    swap_free(fake->machine, entry);
    fake_check_and_finish(fake);
}

static void a_slot_is_free_when_its_last_count_goes(void **state) {
    struct fake *fake = boot();
    struct machine *m = fake->machine;
    unsigned type = add(fake, 64, 1);
    swp_entry_t entry = get_swap_page(m);

    (void)state;
    assert_int_equal(swap_count(m, entry), 1);
    assert_int_equal(swap_duplicate(m, entry), MM_OK);
    last_freed = 0;
    swap_free(m, entry);
    assert_int_equal(last_freed, 0);
    assert_int_equal(swap_inuse(m, type), 1);
    swap_free(m, entry);
    assert_int_equal(last_freed, entry.val);
    assert_int_equal(swap_inuse(m, type), 0);
    assert_int_equal(swap_duplicate(m, entry), MM_INVAL);
    assert_int_equal(swap_duplicate(m, swp_entry(type, 0)), MM_INVAL);
    assert_int_equal(swap_duplicate(m, swp_entry(type, 64)), MM_INVAL);
    assert_int_equal(swap_duplicate(m, swp_entry(5, 1)), MM_INVAL);
    fake_check_and_finish(fake);
}

static void an_area_without_room_is_passed_over(void **state) {
    struct fake *fake = boot();
    unsigned high = add(fake, 64, 2), low = add(fake, 64, 1);

    (void)state;
    full_type = high;
    assert_int_equal(swp_type(get_swap_page(fake->machine)), low);
    full_type = low;
    assert_int_equal(swp_type(get_swap_page(fake->machine)), high);
    assert_int_equal(get_swap_page_below(fake->machine, high).val, 0);
    full_type = MAX_SWAPFILES;
    assert_int_equal(swp_type(get_swap_page_below(fake->machine, high)), low);
    assert_int_equal(get_swap_page_below(fake->machine, low).val, 0);
    fake_check_and_finish(fake);
}

static void a_frozen_area_gives_out_no_slots_and_keeps_what_it_has(void **state) {
    struct fake *fake = boot();
    struct machine *m = fake->machine;
    unsigned type = add(fake, 64, 1);
    swp_entry_t kept = get_swap_page(m), freed = get_swap_page(m);

    (void)state;
    assert_true(swap_slot_is_private(m, kept));
    swap_set_writable(m, type, false);
    assert_int_equal(get_swap_page(m).val, 0);
    assert_false(swap_slot_is_private(m, kept));
    swap_free(m, freed);
    assert_int_equal(m->nr_swap_pages, 0);
    assert_int_equal(m->total_swap_pages, 1);
    fake_check(fake);
    swap_set_writable(m, type, true);
    assert_int_equal(m->nr_swap_pages, 62);
    assert_int_equal(m->total_swap_pages, 63);
    assert_int_equal(swap_count(m, kept), 1);
    assert_int_equal(get_swap_page(m).val, swp_entry(type, 3).val);
    fake_check_and_finish(fake);
}

static void slots_are_short_only_where_the_area_cannot_be_extended(void **state) {
    struct fake *fake = boot();
    struct machine *m = fake->machine;
    unsigned type = add(fake, 5, 1);
    swp_entry_t entry = {0};

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        entry = get_swap_page(m);
    assert_true(vm_swap_full(m));
    assert_true(swap_gives_up_slot(m, entry));
    swap_set_limit(m, type, 8);
    assert_false(vm_swap_full(m));
    assert_false(swap_gives_up_slot(m, entry));
    fake_check(fake);
    /* What it has been extended by is no longer to come. */
    swap_extend(m, type, 6);
    assert_int_equal(m->nr_swap_growth, 2);
    swap_set_writable(m, type, false);
    assert_int_equal(m->nr_swap_growth, 0);
    swap_set_writable(m, type, true);
    fake_check(fake);
    swap_set_limit(m, type, 0);
    assert_int_equal(m->nr_swap_growth, 0);
    assert_true(swap_gives_up_slot(m, entry));
    fake_check_and_finish(fake);
}

static void an_extended_area_gives_out_its_new_slots(void **state) {
    struct fake *fake = boot();
    struct machine *m = fake->machine;
    unsigned type = add(fake, 4, 1);

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        assert_int_not_equal(get_swap_page(m).val, 0);
    assert_int_equal(get_swap_page(m).val, 0);
    swap_extend(m, type, 6);
    assert_int_equal(m->nr_swap_pages, 2);
    assert_int_equal(get_swap_page(m).val, swp_entry(type, 4).val);
    assert_int_equal(get_swap_page(m).val, swp_entry(type, 5).val);
    assert_int_equal(get_swap_page(m).val, 0);
    fake_check_and_finish(fake);
}

static void an_area_in_use_cannot_be_removed(void **state) {
    struct fake *fake = boot();
    struct machine *m = fake->machine;
    unsigned type = add(fake, 64, 1);
    swp_entry_t entry = get_swap_page(m);

    (void)state;
    assert_int_equal(swap_remove(m, type), MM_BUSY);
    swap_free(m, entry);
    assert_int_equal(swap_remove(m, type), MM_OK);
    assert_int_equal(swap_remove(m, type), MM_INVAL);
    assert_int_equal(m->total_swap_pages, 0);
    assert_int_equal(get_swap_page(m).val, 0);
    assert_int_equal(add(fake, 64, 1), type);
    fake_check_and_finish(fake);
}

static void swap_is_full_when_less_than_half_is_free(void **state) {
    struct fake *fake = boot();
    struct machine *m = fake->machine;
    swp_entry_t entry = {0};

    (void)state;
    assert_false(vm_swap_full(m));
    add(fake, 11, 1);
    for (unsigned i = 0; i < 5; i++)
        entry = get_swap_page(m);
    assert_false(vm_swap_full(m));
    assert_false(swap_gives_up_slot(m, entry));
    entry = get_swap_page(m);
    assert_true(vm_swap_full(m));
    assert_true(swap_gives_up_slot(m, entry));
    fake_finish(fake);
}

struct used {
    uint32_t slots[8];
    unsigned nr;
};

static void note_used(uint32_t offset, void *arg) {
    struct used *used = arg;

    used->slots[used->nr++] = offset;
}

static void the_slots_in_use_are_walked_in_ascending_order(void **state) {
    struct fake *fake = boot();
    struct machine *m = fake->machine;
    unsigned type = add(fake, 8192, 1);
    struct used used = {.nr = 0};

    (void)state;
    for (uint32_t i = 1; i < 5000; i++)
        assert_int_equal(swp_offset(get_swap_page(m)), i);
    for (uint32_t i = 1; i < 5000; i++)
        if (i != 3 && i != 2048 && i != 4999)
            swap_free(m, swp_entry(type, i));
    swap_for_each_used(m, type, note_used, &used);
    assert_int_equal(used.nr, 3);
    assert_int_equal(used.slots[0], 3);
    assert_int_equal(used.slots[1], 2048);
    assert_int_equal(used.slots[2], 4999);
    fake_finish(fake);
}

/* The first slot of the first free run, found the slow way. */
static uint32_t naive_run(const bool *used, uint32_t from, uint32_t to, uint32_t nr) {
    for (uint32_t start = from; start + nr <= to + 1; start++) {
        uint32_t run = 0;

        while (run < nr && !used[start + run])
            run++;
        if (run == nr)
            return start;
    }
    return 0;
}

static void a_run_is_found_wherever_it_begins(void **state) {
    enum { SLOTS = 8192 };
    struct fake *fake = boot();
    struct swap_map map;
    bool *used = calloc(SLOTS, sizeof(bool));

    (void)state;
    srand(7);
    assert_true(swap_map_init(fake->machine, &map));
    for (unsigned round = 0; round < 300; round++) {
        uint32_t slot = (uint32_t)rand() % SLOTS, from = 1 + (uint32_t)rand() % 1000;

        used[slot] = !used[slot];
        assert_true(swap_map_set(fake->machine, &map, slot, used[slot]));
        assert_int_equal(swap_map_find_run(&map, from, SLOTS - 1, 256), naive_run(used, from, SLOTS - 1, 256));
        assert_int_equal(swap_map_find_run(&map, 1, slot, 300), naive_run(used, 1, slot, 300));
        assert_int_equal(swap_map_find_free(&map, slot, SLOTS - 1),
                         used[slot] && slot == SLOTS - 1 ? 0 : naive_run(used, slot, SLOTS - 1, 1));
    }
    swap_map_finish(fake->machine, &map);
    free(used);
    fake_check_and_finish(fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_20_gib_area_costs_nothing_until_it_is_used),
        cmocka_unit_test(a_slot_is_free_when_its_last_count_goes),
        cmocka_unit_test(an_area_without_room_is_passed_over),
        cmocka_unit_test(a_frozen_area_gives_out_no_slots_and_keeps_what_it_has),
        cmocka_unit_test(slots_are_short_only_where_the_area_cannot_be_extended),
        cmocka_unit_test(an_extended_area_gives_out_its_new_slots),
        cmocka_unit_test(an_area_in_use_cannot_be_removed),
        cmocka_unit_test(swap_is_full_when_less_than_half_is_free),
        cmocka_unit_test(the_slots_in_use_are_walked_in_ascending_order),
        cmocka_unit_test(a_run_is_found_wherever_it_begins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
