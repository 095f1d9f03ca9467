/* SPDX-License-Identifier: MIT */
/* The page cache: what an index holds, and how it loses it, on a simulated machine with a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/page_writeback.h"
#include "tests/spec/file_machine.h"

static void an_index_holds_one_page(void **state) {
    struct page *page = alloc_pages(m, GFP_HIGHUSER_MOVABLE, 0);

    (void)state;
    read_word(9);
    lock_page(m, page);
    assert_int_equal(add_to_page_cache(sim_file_mapping(file), page, 9, GFP_KERNEL), MM_BUSY);
    assert_int_equal(page_count(page), 1);
    assert_null(page_mapping(page));
    assert_int_equal(add_to_page_cache(sim_file_mapping(file), page, UINT32_MAX, GFP_KERNEL), MM_OK);
    unlock_page(m, page);
    assert_ptr_equal(page_at(UINT32_MAX), page);
    assert_ptr_equal(page_mapping(page), sim_file_mapping(file));
    assert_ptr_equal(find_get_next_page(sim_file_mapping(file), 10), page);
    put_page(m, page);
    put_page(m, page);
}

static void invalidation_spares_dirty_locked_mapped_and_used_pages(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 6; i++)
        read_word(i);
    lru_add_drain_all(m);
    write_word(0, 1);
    lock_page(m, page_at(1));
    touch(2);
    get_page(page_at(3));
    assert_int_equal(invalidate_mapping_pages(sim_file_mapping(file), 0, 4), 1);
    assert_null(page_at(4));
    assert_non_null(page_at(5));
    unlock_page(m, page_at(1));
    put_page(m, page_at(3));
    assert_int_equal(invalidate_mapping_pages(sim_file_mapping(file), 0, UINT32_MAX), 3);
    /* The last one before the end of the range, and the next one not. */
    read_word(100);
    read_word(200);
    lru_add_drain_all(m);
    assert_int_equal(invalidate_mapping_pages(sim_file_mapping(file), 50, 150), 1);
    assert_non_null(page_at(200));
}

static void truncation_drops_dirty_pages_unwritten(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 4; i++)
        write_word(i, i);
    truncate_inode_pages(sim_file_mapping(file), 2);
    assert_non_null(page_at(1));
    assert_null(page_at(2));
    assert_null(page_at(3));
    assert_int_equal(sim_file_counts(file).writes, 0);
    assert_int_equal(zone_page_state_exact(normal_zone(sim), NR_FILE_DIRTY), 2);
}

static void several_mappings_count_once(void **state) {
    (void)state;
    read_word(0);
    page_add_file_rmap(m, page_at(0));
    page_add_file_rmap(m, page_at(0));
    assert_int_equal(zone_page_state_exact(normal_zone(sim), NR_FILE_MAPPED), 1);
    page_remove_file_rmap(m, page_at(0));
    assert_int_equal(zone_page_state_exact(normal_zone(sim), NR_FILE_MAPPED), 1);
    page_remove_file_rmap(m, page_at(0));
    assert_int_equal(zone_page_state_exact(normal_zone(sim), NR_FILE_MAPPED), 0);
}

static unsigned nr_released;

static bool release(struct address_space *mapping, struct page *page, gfp_t gfp) {
    (void)mapping, (void)gfp;
    nr_released++;
    page_clear(page, PG_private);
    return true;
}

static void truncation_asks_for_what_the_host_keeps_at_a_page(void **state) {
    struct address_space_operations with_release = *sim_file_mapping(file)->ops;

    (void)state;
    with_release.releasepage = release;
    sim_file_mapping(file)->ops = &with_release;
    nr_released = 0;
    read_word(0);
    read_word(1);
    page_set(page_at(1), PG_private);
    truncate_inode_pages(sim_file_mapping(file), 0);
    assert_int_equal(nr_released, 1);
    assert_null(page_at(1));
}

static bool looked_up;

static void look_up(struct sim *of, void *arg) {
    (void)of, (void)arg;
    assert_null(find_lock_page(sim_file_mapping(file), 7));
    looked_up = true;
}

static void who_waits_for_a_page_that_goes_meanwhile_finds_none(void **state) {
    struct page *page;

    (void)state;
    read_word(7);
    lru_add_drain_all(m);
    page = find_lock_page(sim_file_mapping(file), 7);
    looked_up = false;
    sim_spawn(sim, look_up, NULL);
    sim_sleep(sim, 1000);
    assert_false(looked_up);
    remove_from_page_cache(page);
    unlock_page(m, page);
    put_page(m, page);
    sim_join(sim);
    assert_true(looked_up);
}

static void write_all(struct sim *of, void *arg) {
    (void)of, (void)arg;
    writeback_pages(m, NULL, 1000);
}

/* The slow disk takes 64 writes at a time. */
static void a_file_goes_when_nobody_writes_it_any_more(void **state) {
    const struct sim_file_config config = {.nr_pages = 128, .latency_ns = 1000000, .queue = 256};
    struct sim_file *other = sim_file_create(sim, &config);

    (void)state;
    for (uint32_t i = 0; i < 128; i++)
        assert_int_equal(sim_file_write(other, i, 0, &(uint64_t){i}, 8), SIM_OK);
    sim_spawn(sim, write_all, NULL);
    sim_sleep(sim, 100);
    assert_true(atomic_load(&sim_file_mapping(other)->users) > 0);
    sim_file_destroy(other);
    sim_join(sim);
}

static void look_for_a_while(struct sim *of, void *arg) {
    struct address_space *mapping = arg;

    atomic_fetch_add(&mapping->users, 1);
    sim_sleep(of, 5000);
    looked_up = true;
    put_file(mapping);
}

static void a_file_goes_when_nobody_looks_at_it_any_more(void **state) {
    const struct sim_file_config config = {.nr_pages = 1};
    struct sim_file *other = sim_file_create(sim, &config);

    (void)state;
    looked_up = false;
    sim_spawn(sim, look_for_a_while, sim_file_mapping(other));
    while (atomic_load(&sim_file_mapping(other)->users) == 0)
        sim_sleep(sim, 10);
    sim_file_destroy(other);
    assert_true(looked_up);
    sim_join(sim);
}

static void check_notices_a_page_that_says_it_is_elsewhere(void **state) {
    (void)state;
    read_word(0);
    page_at(0)->private = 1;
    assert_string_equal(sim_check(sim), "file: a page of the cache says that it is elsewhere");
    page_at(0)->private = 0;
    page_set(page_at(0), PG_dirty);
    assert_string_equal(sim_check(sim), "file: its count of dirty pages is wrong");
    page_clear(page_at(0), PG_dirty);
    sim_file_mapping(file)->nrpages++;
    assert_string_equal(sim_check(sim), "file: its counts of pages and shadows are wrong");
    sim_file_mapping(file)->nrpages--;
    sim_file_mapping(file)->nr_shadows++;
    assert_string_equal(sim_check(sim), "file: its counts of pages and shadows are wrong");
    sim_file_mapping(file)->nr_shadows--;
    atomic_fetch_add(&m->nr_shadows, 1);
    assert_string_equal(sim_check(sim), "workingset: the number of shadows is wrong");
    atomic_fetch_sub(&m->nr_shadows, 1);
    inc_zone_page_state(normal_zone(sim), NR_FILE_MAPPED);
    assert_string_equal(sim_check(sim), "vmstat: NR_FILE_MAPPED is not the number of mapped file pages");
    dec_zone_page_state(normal_zone(sim), NR_FILE_MAPPED);
    inc_zone_page_state(normal_zone(sim), NR_FILE_PAGES);
    assert_string_equal(sim_check(sim), "vmstat: NR_FILE_PAGES is not the number of pages in files and the swap cache");
    dec_zone_page_state(normal_zone(sim), NR_FILE_PAGES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FAST(an_index_holds_one_page),
        FAST(invalidation_spares_dirty_locked_mapped_and_used_pages),
        FAST(truncation_drops_dirty_pages_unwritten),
        FAST(several_mappings_count_once),
        FAST(truncation_asks_for_what_the_host_keeps_at_a_page),
        FAST(who_waits_for_a_page_that_goes_meanwhile_finds_none),
        SLOW(a_file_goes_when_nobody_writes_it_any_more),
        FAST(a_file_goes_when_nobody_looks_at_it_any_more),
        FAST(check_notices_a_page_that_says_it_is_elsewhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
