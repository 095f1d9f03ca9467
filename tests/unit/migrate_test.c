/* SPDX-License-Identifier: MIT */
/* Pages that move to other frames, one by one. */
#include "tests/unit/moving_machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/filemap.h"
#include "mm/lru.h"
#include "mm/migrate.h"
#include "mm/page_alloc.h"
#include "mm/rmap.h"
#include "mm/swap_state.h"

/* Moves an LRU page to a frame of the zone's end and puts it back. */
static enum mm_status move(struct page *old, struct page **ret_new) {
    struct page *new = alloc_pages(m, GFP_HIGHUSER_MOVABLE, 0);
    struct page_list list;
    enum mm_status status;

    assert_true(isolate_lru_page(m, old));
    status = migrate_page(m, old, new);
    page_list_init(&list);
    page_list_add(m, &list, status == MM_OK ? new : old);
    assert_int_equal(page_count(status == MM_OK ? old : new), 1);
    put_page(m, status == MM_OK ? old : new);
    putback_lru_pages(m, &list);
    *ret_new = new;
    return status;
}

static unsigned moves_told;

static void note_move(void *host, struct mm *mm, uintptr_t addr, struct page *from, struct page *to) {
    (void)host;
    assert_ptr_equal(mm, sim_mm(sim));
    assert_int_equal(addr, sim_address(0));
    assert_ptr_not_equal(from, to);
    moves_told++;
}

static void a_mapped_page_moves_with_its_entry_and_the_host_is_told(void **state) {
    struct page *old, *new;

    (void)state;
    write_movable_pages(0, 1);
    old = sim_page(sim, 0);
    page_set(old, PG_referenced);
    moves_told = 0;
    ((struct platform *)m->platform)->move_frame = note_move;
    assert_int_equal(move(old, &new), MM_OK);
    assert_int_equal(moves_told, 1);
    assert_ptr_equal(sim_page(sim, 0), new);
    assert_true(page_test(new, PG_referenced));
    assert_true(page_test(new, PG_active));
    assert_int_equal(page_owner(new), page_owner_of(sim_mm(sim), sim_address(0)));
    assert_int_equal(page_count(old), 0);
    expect_whole();
    expect_pages(sim, 0, 1);
    assert_int_equal(atomic_load(&m->pages_migrated), 1);
}

static void a_page_unmapped_but_not_yet_written_moves_and_the_host_is_told(void **state) {
    struct page *old, *new;

    (void)state;
    write_movable_pages(0, 1);
    sim_cool(sim, 0, 1, false);
    lru_add_drain_all(m);
    old = sim_page(sim, 0);
    lock_page(m, old);
    assert_true(add_to_swap(m, old));
    assert_int_equal(try_to_unmap(m, old), SWAP_SUCCESS);
    unlock_page(m, old);
    moves_told = 0;
    ((struct platform *)m->platform)->move_frame = note_move;
    assert_int_equal(move(old, &new), MM_OK);
    assert_int_equal(moves_told, 1);
    expect_whole();
    expect_pages(sim, 0, 1);
    assert_ptr_equal(sim_page(sim, 0), new);
}

static void a_parked_page_stays_parked(void **state) {
    struct page *new;

    (void)state;
    write_movable_pages(0, 4);
    sim_cool(sim, 0, 4, false);
    assert_int_equal(move(sim_page(sim, 1), &new), MM_OK);
    assert_true(sim_pte(sim, 1) & PTE_PARKED);
    assert_false(page_test(new, PG_active));
    expect_whole();
    expect_pages(sim, 0, 4);
}

static void a_page_with_a_clean_copy_in_swap_keeps_it(void **state) {
    swp_entry_t entry;
    struct page *old, *new, *found;

    (void)state;
    write_movable_pages(0, 1);
    sim_cool(sim, 0, 1, true);
    expect_pages(sim, 0, 1);
    old = sim_page(sim, 0);
    assert_true(page_test(old, PG_swapcache));
    entry.val = old->private;
    lru_add_drain_all(m);
    assert_int_equal(move(old, &new), MM_OK);
    assert_true(page_test(new, PG_swapcache));
    found = lookup_swap_cache(m, entry);
    assert_ptr_equal(found, new);
    put_page(m, found);
    expect_whole();
    sim_cool(sim, 0, 1, true);
    assert_int_equal(sim_counts(sim).writes, 1);
    expect_pages(sim, 0, 1);
}

/* Read ahead into the swap cache: nobody maps it, and its bytes are at page_address(). */
static void a_page_read_ahead_moves_with_its_bytes(void **state) {
    struct page *old, *new, *found;
    swp_entry_t entry;

    (void)state;
    write_movable_pages(0, 1);
    sim_cool(sim, 0, 1, true);
    entry.val = (uint32_t)(sim_pte(sim, 0) >> PTE_PFN_SHIFT);
    assert_int_equal(swapin_readahead(m, entry, GFP_HIGHUSER_MOVABLE, &old), MM_OK);
    put_page(m, old);
    lru_add_drain_all(m);
    assert_false(page_mapped(old));
    assert_int_equal(move(old, &new), MM_OK);
    found = lookup_swap_cache(m, entry);
    assert_ptr_equal(found, new);
    put_page(m, found);
    assert_true(page_test(new, PG_uptodate));
    assert_true(page_in_arena(m, new));
    expect_pages(sim, 0, 1);
}

static void a_file_page_moves_dirty_as_it_is_and_its_mappings_go(void **state) {
    const struct sim_file_config config = {.nr_pages = 16};
    struct sim_file *file = sim_file_create(sim, &config);
    uint64_t value = 5;
    struct page *old, *new;

    (void)state;
    assert_int_equal(sim_file_touch(file, 3, 0, &value, sizeof(value), true), SIM_OK);
    lru_add_drain_all(m);
    old = find_get_page(sim_file_mapping(file), 3);
    put_page(m, old);
    /* Touched a moment ago: it is not torn away. */
    assert_int_equal(move(old, &new), MM_BUSY);
    sim_file_clear_accessed(file);
    /* Nor while the host keeps something at it. */
    page_set(old, PG_private);
    assert_int_equal(move(old, &new), MM_BUSY);
    page_clear(old, PG_private);
    /* Nor while somebody uses it. */
    get_page(old);
    assert_int_equal(move(old, &new), MM_BUSY);
    put_page(m, old);
    assert_ptr_equal(page_mapping(old), sim_file_mapping(file));
    assert_int_equal(move(old, &new), MM_OK);
    assert_false(page_mapped(new));
    assert_true(page_test(new, PG_dirty));
    assert_true(page_in_arena(m, old) && page_in_arena(m, new));
    expect_whole();
    value = 0;
    assert_int_equal(sim_file_read(file, 3, 0, &value, sizeof(value)), SIM_OK);
    assert_int_equal(value, 5);
    assert_int_equal(sim_file_counts(file).reads, 1);
    sim_file_destroy(file);
}

static void held_locked_and_known_pages_do_not_move(void **state) {
    struct page *page, *new;

    (void)state;
    write_movable_pages(0, 3);
    assert_int_equal(sim_hold(sim, 0), MM_OK);
    assert_int_equal(move(sim_page(sim, 0), &new), MM_BUSY);
    sim_release(sim, 0);
    page = sim_page(sim, 1);
    lock_page(m, page);
    assert_int_equal(move(page, &new), MM_BUSY);
    unlock_page(m, page);
    get_page(page);
    assert_int_equal(move(page, &new), MM_BUSY);
    put_page_testzero(page);
    mm_still(sim_mm(sim), sim_address(0), sim_address(512));
    assert_int_equal(move(page, &new), MM_BUSY);
    mm_still_end(sim_mm(sim));
    /* Locked in memory is not locked in place. */
    assert_int_equal(sim_mlock(sim, 2, 1), MM_OK);
    assert_int_equal(move(sim_page(sim, 2), &new), MM_OK);
    assert_true(sim_pte(sim, 2) & PTE_LOCKED);
    expect_pages(sim, 0, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        MOVING(a_mapped_page_moves_with_its_entry_and_the_host_is_told),
        MOVING(a_page_unmapped_but_not_yet_written_moves_and_the_host_is_told),
        MOVING(a_parked_page_stays_parked),
        MOVING(a_page_with_a_clean_copy_in_swap_keeps_it),
        MOVING(a_page_read_ahead_moves_with_its_bytes),
        MOVING(a_file_page_moves_dirty_as_it_is_and_its_mappings_go),
        MOVING(held_locked_and_known_pages_do_not_move),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
