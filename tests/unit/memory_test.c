/* SPDX-License-Identifier: MIT */
/* Page faults, on a simulated machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lru.h"
#include "mm/lock.h"
#include "mm/mmap.h"
#include "mm/page_alloc.h"
#include "mm/page_list.h"
#include "mm/page_table.h"
#include "mm/park.h"
#include "mm/rmap.h"
#include "mm/swap_area.h"
#include "mm/swap_state.h"
#include "mm/swapfile.h"
#include "tests/unit/sim_pages.h"

static enum fault_result fault(struct sim *sim, uint32_t page, unsigned *ret_pages) {
    struct mm *mm = sim_mm(sim);
    const struct platform *p = mm->machine->platform;
    enum fault_result result;
    unsigned type = 99;

    read_lock(p, &mm->mmap_lock);
    result = handle_mm_fault(mm, sim_address(page), true, ret_pages, &type);
    read_unlock(p, &mm->mmap_lock);
    assert_int_equal(type, result == FAULT_MAJOR ? 0 : 99);
    return result;
}

static void each_fault_says_what_it_was(void **state) {
    struct sim *sim = sim_pages_boot_plain();
    unsigned pages = 0;

    (void)state;
    assert_int_equal(fault(sim, 5, &pages), FAULT_MINOR);
    assert_int_equal(pages, 1);
    assert_int_equal(fault(sim, 5, &pages), FAULT_SPURIOUS);
    assert_int_equal(pages, 0);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 5, 1, false);
    assert_int_equal(fault(sim, 5, &pages), FAULT_SOFT);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 5, 1, true);
    assert_int_equal(fault(sim, 5, &pages), FAULT_MAJOR);
    assert_int_equal(pages, 1);
    assert_int_equal(vm_event(sim, PGFAULT), 4);
    assert_int_equal(vm_event(sim, PGMAJFAULT), 1);
    assert_int_equal(vm_event(sim, PSWPIN), 1);
    assert_int_equal(vm_event(sim, PSWPOUT), 1);
    assert_int_equal(vm_event(sim, PGPGIN), PAGE_SIZE / 512);
    assert_int_equal(vm_event(sim, PGPGOUT), PAGE_SIZE / 512);
    sim_pages_finish(sim);
}

static void a_fault_where_nothing_is_mapped_is_left_to_the_program(void **state) {
    struct sim *sim = sim_pages_boot_plain();

    (void)state;
    sim_unmap(sim, 5, 1);
    assert_int_equal(fault(sim, 5, NULL), FAULT_SPURIOUS);
    assert_int_equal(handle_mm_fault(sim_mm(sim), SIM_BASE - PAGE_SIZE, true, NULL, NULL), FAULT_SPURIOUS);
    assert_int_equal(sim_mm(sim)->nr_rss, 0);
    sim_pages_finish(sim);
}

static void a_touched_parked_page_becomes_active(void **state) {
    struct sim *sim = sim_pages_boot_plain();

    (void)state;
    write_pages(sim, 0, 4);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 0, 4, false);
    assert_false(page_test(sim_page(sim, 2), PG_active));
    assert_int_equal(sim_mm(sim)->nr_parked, 4);
    expect_pages(sim, 2, 1);
    assert_true(page_test(sim_page(sim, 2), PG_active));
    assert_false(page_test(sim_page(sim, 3), PG_active));
    assert_int_equal(sim_mm(sim)->nr_parked, 3);
    sim_pages_finish(sim);
}

static void plenty_of_memory_gives_a_first_touch_its_chunk(void **state) {
    struct sim *sim = sim_pages_boot_plain();
    unsigned pages;

    (void)state;
    sim_machine(sim)->tune.fault_around_fresh = 16;
    assert_int_equal(fault(sim, 100, &pages), FAULT_MINOR);
    assert_int_equal(pages, 16);
    for (uint32_t i = 96; i < 112; i++)
        assert_non_null(sim_page(sim, i));
    assert_null(sim_page(sim, 95));
    assert_null(sim_page(sim, 112));
    /* Not over the edge of its area. */
    sim_map(sim, 203, 1, VM_READ | VM_WRITE | VM_NORESERVE);
    assert_int_equal(fault(sim, 200, &pages), FAULT_MINOR);
    assert_int_equal(pages, 203 - 192);
    sim_pages_finish(sim);
}

static void scarce_memory_gives_a_first_touch_one_page(void **state) {
    struct sim *sim = sim_pages_boot_plain();
    struct zone *zone = normal_zone(sim);
    unsigned pages;

    (void)state;
    sim_machine(sim)->tune.fault_around_fresh = 16;
    zone->pages_high = zone_page_state(zone, NR_FREE_PAGES) - 8 * 16;
    assert_int_equal(fault(sim, 100, &pages), FAULT_MINOR);
    assert_int_equal(pages, 1);
    sim_pages_finish(sim);
}

static void a_stream_of_faults_widens_its_window(void **state) {
    struct sim *sim = sim_pages_boot_plain();
    unsigned pages, expected = 1;

    (void)state;
    write_pages(sim, 0, 256);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 0, 256, true);
    sim_machine(sim)->tune.fault_around_max = 32;
    /* The first fault begins a stream; each of the next doubles what is read. */
    for (uint32_t at = 0; at < 127; at += pages) {
        assert_int_equal(fault(sim, at, &pages), FAULT_MAJOR);
        assert_int_equal(pages, expected);
        expected = expected * 2 < 32 ? expected * 2 : 32;
    }
    /* Towards lower addresses as well; where a stream turns it starts small again. */
    assert_int_equal(fault(sim, 254, &pages), FAULT_MAJOR);
    assert_int_equal(pages, 1);
    assert_int_equal(fault(sim, 253, &pages), FAULT_MAJOR);
    assert_int_equal(pages, 2);
    assert_non_null(sim_page(sim, 252));
    sim_machine(sim)->tune.fault_around_max = 1;
    expect_pages(sim, 0, 256);
    sim_pages_finish(sim);
}

static void a_failed_read_poisons_the_page_and_keeps_its_neighbours(void **state) {
    struct sim *sim = sim_pages_boot((struct sim_device_config){.nr_slots = 4096, .read_error_permille = 1000});
    uint64_t value;

    (void)state;
    write_pages(sim, 0, 3);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 0, 3, true);
    assert_int_equal(fault(sim, 1, NULL), FAULT_SIGBUS);
    assert_int_equal(sim_pte(sim, 1) & (PTE_POISON | PTE_SWAP | PTE_PRESENT), PTE_POISON);
    assert_int_equal(fault(sim, 1, NULL), FAULT_SIGBUS);
    assert_int_equal(sim_read(sim, 1, 0, &value, sizeof(value)), SIM_SIGBUS);
    sim_inject(sim, false);
    expect_pages(sim, 0, 1);
    expect_pages(sim, 2, 1);
    assert_int_equal(sim_read(sim, 1, 0, &value, sizeof(value)), SIM_SIGBUS);
    /* The program can have the address anew. */
    sim_discard(sim, 1, 1);
    assert_int_equal(sim_read(sim, 1, 0, &value, sizeof(value)), SIM_OK);
    assert_int_equal(value, 0);
    sim_pages_finish(sim);
}

static void a_page_under_writeback_comes_back_without_a_read(void **state) {
    struct sim *sim =
        sim_pages_boot((struct sim_device_config){.nr_slots = 4096, .async = true, .latency_ns = 1000000});

    (void)state;
    write_pages(sim, 0, 8);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 0, 8, true);
    assert_true(sim_pte(sim, 3) & PTE_SWAP);
    assert_int_equal(fault(sim, 3, NULL), FAULT_SOFT);
    expect_pages(sim, 0, 8);
    assert_int_equal(sim_counts(sim).reads, 0);
    sim_pages_finish(sim);
}

static void a_clean_page_is_dropped_without_writing(void **state) {
    struct sim *sim = sim_pages_boot_plain();
    uint64_t value = 77;

    (void)state;
    write_pages(sim, 0, 8);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 0, 8, true);
    assert_int_equal(sim_counts(sim).writes, 8);
    expect_pages(sim, 0, 8);
    assert_int_equal(sim_write(sim, 3, 8, &value, sizeof(value)), SIM_OK);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 0, 8, true);
    assert_int_equal(sim_mm(sim)->nr_rss, 0);
    assert_int_equal(sim_counts(sim).writes, 9);
    expect_pages(sim, 4, 4);
    assert_int_equal(sim_read(sim, 3, 8, &value, sizeof(value)), SIM_OK);
    assert_int_equal(value, 77);
    sim_pages_finish(sim);
}

static void a_page_back_from_an_exclusive_area_gives_up_its_slot(void **state) {
    struct sim *sim = sim_pages_boot((struct sim_device_config){.nr_slots = 4096, .flags = SWP_EXCLUSIVE});

    (void)state;
    write_pages(sim, 0, 8);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 0, 8, true);
    assert_int_equal(swap_inuse(sim_machine(sim), 0), 8);
    expect_pages(sim, 0, 3);
    assert_int_equal(swap_inuse(sim_machine(sim), 0), 5);
    assert_int_equal(swap_cache_pages(sim_machine(sim)), 0);
    sim_pages_finish(sim);
}

static void a_range_is_clipped_to_the_managed_one(void **state) {
    struct sim *sim = sim_pages_boot_plain();
    struct mm *mm = sim_mm(sim);

    (void)state;
    write_pages(sim, 0, 4);
    write_pages(sim, SIM_PAGES_REGION - 4, 4);
    read_lock(mm->machine->platform, &mm->mmap_lock);
    zap_page_range(mm, mm->start - 16 * PAGE_SIZE, mm->end + 16 * PAGE_SIZE);
    read_unlock(mm->machine->platform, &mm->mmap_lock);
    assert_int_equal(mm->nr_rss, 0);
    sim_pages_finish(sim);
}

static void a_page_that_cannot_be_read_cannot_be_held_or_locked(void **state) {
    struct sim *sim = sim_pages_boot((struct sim_device_config){.nr_slots = 4096, .read_error_permille = 1000});

    (void)state;
    write_listed_pages(sim, 8);
    sim_cool(sim, 0, 8, true);
    assert_int_equal(sim_hold(sim, 3), MM_IO);
    assert_int_equal(sim_mlock(sim, 4, 2), MM_IO);
    assert_int_equal(sim_mm(sim)->nr_locked, 0);
    sim_munlock(sim, 4, 2);
    sim_pages_finish(sim);
}

/* Between swapped pages there are others, whose frames' numbers are those of slots in use. */
static void a_stream_reads_only_what_is_swapped(void **state) {
    struct sim *sim = sim_pages_boot_plain();
    swp_entry_t others[4096];
    unsigned nr_others = 0;
    unsigned long reads;

    (void)state;
    write_pages(sim, 0, 1024);
    lru_add_drain(sim_machine(sim));
    sim_cool(sim, 0, 1024, true);
    while ((others[nr_others] = get_swap_page(sim_machine(sim))).val)
        nr_others++;
    for (uint32_t page = 700; page < 704; page++)
        expect_pages(sim, page, 1);
    for (uint32_t page = 700; page < 704; page++)
        assert_int_not_equal(swap_count(sim_machine(sim), pte_entry(sim_pte(sim, page))), 0);
    sim_machine(sim)->tune.fault_around_max = 32;
    reads = sim_counts(sim).reads;
    for (uint32_t page = 690; page < 700; page++)
        expect_pages(sim, page, 1);
    assert_int_equal(sim_counts(sim).reads, reads + 10);
    for (uint32_t page = 713; page >= 704; page--)
        expect_pages(sim, page, 1);
    assert_int_equal(sim_counts(sim).reads, reads + 20);
    while (nr_others)
        swap_free(sim_machine(sim), others[--nr_others]);
    sim_pages_finish(sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_says_what_it_was),
        cmocka_unit_test(a_stream_reads_only_what_is_swapped),
        cmocka_unit_test(a_range_is_clipped_to_the_managed_one),
        cmocka_unit_test(a_page_that_cannot_be_read_cannot_be_held_or_locked),
        cmocka_unit_test(a_fault_where_nothing_is_mapped_is_left_to_the_program),
        cmocka_unit_test(a_touched_parked_page_becomes_active),
        cmocka_unit_test(plenty_of_memory_gives_a_first_touch_its_chunk),
        cmocka_unit_test(scarce_memory_gives_a_first_touch_one_page),
        cmocka_unit_test(a_stream_of_faults_widens_its_window),
        cmocka_unit_test(a_failed_read_poisons_the_page_and_keeps_its_neighbours),
        cmocka_unit_test(a_page_under_writeback_comes_back_without_a_read),
        cmocka_unit_test(a_clean_page_is_dropped_without_writing),
        cmocka_unit_test(a_page_back_from_an_exclusive_area_gives_up_its_slot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
