/* SPDX-License-Identifier: MIT */
/* What must hold of page tables, the swap cache and swap areas: each broken on purpose is noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/page_table.h"
#include "mm/swap_area.h"
#include "mm/swap_state.h"
#include "tests/unit/sim_pages.h"

static struct sim *sim;
static struct machine *m;
static struct block *block;
static pte_t *ptes;

/* Page 0 is present, page 1 parked, page 2 swapped out, page 3 in the swap cache. */
static int setup(void **state) {
    (void)state;
    sim = sim_pages_boot_plain();
    m = sim_machine(sim);
    write_listed_pages(sim, 4);
    sim_cool(sim, 1, 1, false);
    sim_cool(sim, 2, 1, true);
    sim_cool(sim, 3, 1, false);
    assert_true(add_to_swap(m, sim_page(sim, 3)));
    block = find_block(sim_mm(sim), sim_address(0));
    ptes = block->table->pte;
    assert_true(ptes[2] & PTE_SWAP);
    assert_null(memory_check(m));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    assert_null(memory_check(m));
    sim_pages_finish(sim);
    return 0;
}

#define assert_wrong(text) assert_string_equal(memory_check(m), text)

static void an_entry_that_maps_what_it_may_not_is_noticed(void **state) {
    pte_t was = ptes[0];

    (void)state;
    ptes[0] = (pte_t)m->end_pfn << PTE_PFN_SHIFT | PTE_PRESENT;
    assert_wrong("page table: an entry maps a frame that does not exist");
    ptes[0] = ptes[1] & ~(pte_t)PTE_PARKED;
    assert_wrong("page table: a mapped page has another owner");
    ptes[0] = was;
    page_set(sim_page(sim, 0), PG_pcp);
    assert_wrong("page table: an entry maps a free page");
    page_clear(sim_page(sim, 0), PG_pcp);
    ptes[0] = 1u << 10;
    assert_wrong("page table: an entry is of no kind");
    ptes[0] = was;
}

static void an_entry_whose_bits_contradict_each_other_is_noticed(void **state) {
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        const pte_t bits[] = {PTE_ZERO, PTE_LOCKED, PTE_HELD};

        ptes[1] |= bits[i];
        assert_wrong("page table: a page that is kept is parked");
        ptes[1] &= ~bits[i];
    }
    ptes[0] |= PTE_HELD;
    assert_wrong("page table: PTE_HELD without holds, or holds without it");
    ptes[0] &= ~(pte_t)PTE_HELD;
    ptes[0] |= UINT64_C(1) << PTE_HOLDS_SHIFT;
    assert_wrong("page table: PTE_HELD without holds, or holds without it");
    ptes[0] &= ~(UINT64_C(1) << PTE_HOLDS_SHIFT);
}

static void an_entry_that_names_a_free_slot_is_noticed(void **state) {
    pte_t was = ptes[2];

    (void)state;
    ptes[2] = pte_of_entry(swp_entry(0, 1000));
    assert_wrong("page table: an entry names a swap slot that is free, or bad");
    ptes[2] = was;
}

static void counters_of_a_block_that_lie_are_noticed(void **state) {
    uint32_t *counters[] = {&block->nr_present, &block->nr_parked, &block->nr_swapped, &block->nr_poisoned};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        ++*counters[i];
        assert_wrong("page table: a block's counters are not what its entries are");
        --*counters[i];
    }
}

static void counters_of_an_address_space_that_lie_are_noticed(void **state) {
    struct mm *mm = sim_mm(sim);
    _Atomic long *counters[] = {&mm->nr_rss, &mm->nr_parked, &mm->nr_swapped, &mm->nr_locked};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        atomic_fetch_add(counters[i], 1);
        assert_wrong("mm: the counters of an address space are not what its entries are");
        atomic_fetch_sub(counters[i], 1);
    }
    atomic_fetch_add(&mm->nr_tables, 1);
    assert_wrong("mm: NR_PAGETABLE is not what the address spaces have");
    atomic_fetch_sub(&mm->nr_tables, 1);
}

static void a_table_that_is_empty_and_a_lock_that_is_held_are_noticed(void **state) {
    struct block *other;

    (void)state;
    ptl_lock(block);
    assert_wrong("lock: a page-table lock is held");
    ptl_unlock(block);
    other = block_get(sim_mm(sim), sim_address(512));
    assert_true(block_lock_table(other));
    ptl_unlock(other);
    assert_wrong("page table: an empty table has been kept");
    ptl_lock(other);
    block_unlock_table(other);
    atomic_fetch_add(&m->rmap_walkers, 1);
    assert_wrong("rmap: a walk has not ended");
    atomic_fetch_sub(&m->rmap_walkers, 1);
}

static void a_page_that_belongs_to_nobody_is_noticed(void **state) {
    struct page *page = alloc_pages(m, GFP_KERNEL, 0);

    (void)state;
    atomic_store(&page->mapcount, 0);
    assert_wrong("rmap: a mapped page has no owner");
    atomic_store(&page->mapcount, -1);
    __free_pages(m, page, 0);
}

static void a_swap_cache_that_does_not_know_its_pages_is_noticed(void **state) {
    struct page *page = sim_page(sim, 3), *stranger = alloc_pages(m, GFP_KERNEL, 0);
    swp_entry_t entry = {page->private};

    (void)state;
    page_clear(page, PG_swapcache);
    assert_wrong("swap cache: its count of pages is wrong");
    page_set(page, PG_swapcache);
    stranger->private = page->private;
    page_set(stranger, PG_swapcache);
    assert_wrong("swap cache: a page says that it is in the cache, and is not found there");
    page_clear(stranger, PG_swapcache);
    stranger->private = 0;
    __free_pages(m, stranger, 0);
    assert_true(swap_map_set(m, &m->swap_areas[0].map, swp_offset(entry), 0));
    assert_wrong("swap cache: a page's slot is free");
    assert_true(swap_map_set(m, &m->swap_areas[0].map, swp_offset(entry), 1));
}

static void a_swap_area_that_miscounts_is_noticed(void **state) {
    struct swap_info *area = &m->swap_areas[0];
    uint32_t lowest = area->lowest_bit, highest = area->highest_bit;

    (void)state;
    area->inuse_pages++;
    assert_string_equal(swap_check(m), "a swap area's inuse_pages is not the number of its slots in use");
    area->inuse_pages--;
    area->lowest_bit = highest;
    assert_string_equal(swap_check(m), "a free swap slot lies outside lowest_bit..highest_bit");
    area->lowest_bit = lowest;
    area->highest_bit = lowest - 1;
    assert_string_equal(swap_check(m), "a free swap slot lies outside lowest_bit..highest_bit");
    area->highest_bit = highest;
    m->nr_swap_pages++;
    assert_string_equal(swap_check(m), "free and used swap slots do not add up to total_swap_pages");
    m->nr_swap_pages--;
    m->nr_swap_growth++;
    assert_string_equal(swap_check(m), "nr_swap_growth is not what the swap areas may still be extended by");
    m->nr_swap_growth--;
    assert_null(swap_check(m));
}

#define check_unit_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        check_unit_test(an_entry_that_maps_what_it_may_not_is_noticed),
        check_unit_test(an_entry_whose_bits_contradict_each_other_is_noticed),
        check_unit_test(an_entry_that_names_a_free_slot_is_noticed),
        check_unit_test(counters_of_a_block_that_lie_are_noticed),
        check_unit_test(counters_of_an_address_space_that_lie_are_noticed),
        check_unit_test(a_table_that_is_empty_and_a_lock_that_is_held_are_noticed),
        check_unit_test(a_page_that_belongs_to_nobody_is_noticed),
        check_unit_test(a_swap_cache_that_does_not_know_its_pages_is_noticed),
        check_unit_test(a_swap_area_that_miscounts_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
