/* SPDX-License-Identifier: MIT */
/* Dirty file pages in reclaim: section 10.2 of the specification, on a simulated machine with a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/page_writeback.h"
#include "tests/spec/dirty_pages.h"
#include "tests/spec/file_machine.h"

static void a_dirty_page_is_written_and_freed(void **state) {
    struct scan_control sc = full_scan_control();

    (void)state;
    write_word(0, 77);
    page_clear(page_at(0), PG_referenced);
    assert_int_equal(zone_page_state_exact(normal_zone(sim), NR_FILE_DIRTY), 1);
    assert_int_equal(shrink_one(page_at(0), &sc), 1);
    assert_int_equal(*(const uint64_t *)(const void *)sim_file_disk(file, 0), 77);
    assert_int_equal(zone_page_state_exact(normal_zone(sim), NR_FILE_DIRTY), 0);
    assert_int_equal(zone_page_state_exact(normal_zone(sim), NR_VMSCAN_WRITE), 1);
    assert_int_equal(read_word(0), 77);
}

static void a_dirty_page_is_kept_if_referenced_or_not_to_be_written(void **state) {
    struct scan_control sc = full_scan_control();

    (void)state;
    write_word(0, 77);
    assert_int_equal(shrink_one(page_at(0), &sc), 0); /* referenced */
    write_word(0, 77);
    sc.order = PAGE_ALLOC_COSTLY_ORDER; /* the last that is not costly */
    assert_int_equal(shrink_one(page_at(0), &sc), 0);
    sc.order = 0;
    sc.may_writepage = false;
    assert_int_equal(shrink_one(page_at(0), &sc), 0);
    sc.may_writepage = true;
    sc.gfp_mask = GFP_NOFS;
    assert_int_equal(shrink_one(page_at(0), &sc), 0);
    assert_false(page_test(page_at(0), PG_active));
    assert_int_equal(sim_file_counts(file).writes, 0);
    sc.gfp_mask = GFP_KERNEL;
    assert_int_equal(shrink_one(page_at(0), &sc), 1);
}

static void a_page_that_somebody_else_uses_is_kept_and_not_written(void **state) {
    struct scan_control sc = full_scan_control();
    struct page *page;

    (void)state;
    write_word(0, 77);
    page = page_at(0);
    page_clear(page, PG_referenced);
    get_page(page);
    assert_int_equal(shrink_one(page, &sc), 0);
    assert_int_equal(sim_file_counts(file).writes, 0);
    put_page(m, page);
}

static void a_page_under_writeback_is_rotated_to_the_tail_when_it_ends(void **state) {
    struct scan_control sc = full_scan_control();

    (void)state;
    for (uint32_t i = 1; i < 8; i++)
        read_word(i);
    write_word(0, 77);
    page_clear(page_at(0), PG_referenced);
    assert_int_equal(shrink_one(page_at(0), &sc), 0);
    assert_ptr_equal(page_list_first(m, &normal_zone(sim)->inactive_list), page_at(0));
    assert_true(page_test(page_at(0), PG_writeback));
    assert_true(page_test(page_at(0), PG_reclaim));
    assert_int_equal(zone_page_state_exact(normal_zone(sim), NR_WRITEBACK), 1);
    sim_settle(sim);
    lru_add_drain_all(m);
    assert_false(page_test(page_at(0), PG_writeback));
    assert_ptr_equal(page_list_last(m, &normal_zone(sim)->inactive_list), page_at(0));
    assert_int_equal(vm_event(sim, PGROTATED), 1);
    assert_int_equal(zone_page_state_exact(normal_zone(sim), NR_WRITEBACK), 0);
}

static void a_failed_write_leaves_the_page_dirty_and_in_error(void **state) {
    struct page *page;

    (void)state;
    write_word(0, 77);
    page = page_at(0);
    lock_page(m, page);
    assert_true(clear_page_dirty_for_io(m, page));
    assert_false(clear_page_dirty_for_io(m, page));
    assert_int_equal(write_page(m, page), MM_SUBMITTED);
    unlock_page(m, page);
    page_set(page, PG_reclaim);
    /* As the disk would have it, but for the result. */
    sim_settle(sim);
    page_set(page, PG_writeback);
    inc_zone_page_state(normal_zone(sim), NR_WRITEBACK);
    atomic_fetch_add(&sim_file_mapping(file)->bdi->nr_writeback, 1);
    end_page_writeback(m, page, MM_IO);
    assert_true(page_test(page, PG_dirty));
    assert_true(page_test(page, PG_error));
    assert_false(page_test(page, PG_reclaim));
}

static void a_congested_device_gets_no_more_but_from_its_own_writers(void **state) {
    struct scan_control sc = full_scan_control();
    struct backing_dev_info *bdi = sim_file_mapping(file)->bdi;

    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        write_word(i, 77);
        page_clear(page_at(i), PG_referenced);
    }
    atomic_store(&bdi->congested, true);
    assert_int_equal(shrink_one(page_at(0), &sc), 0);
    assert_int_equal(sim_file_counts(file).writes, 0);
    sim_current(sim)->backing_dev_info = bdi;
    assert_int_equal(shrink_one(page_at(0), &sc), 1);
    sim_current(sim)->backing_dev_info = NULL;
    atomic_store(&sim_current(sim)->flags, PF_SWAPWRITE);
    assert_int_equal(shrink_one(page_at(1), &sc), 1);
    atomic_store(&sim_current(sim)->flags, 0);
    atomic_store(&bdi->congested, false);
    assert_int_equal(shrink_one(page_at(2), &sc), 1);
}

/* -- a file of the test's own. -- */

static enum mm_status write_result;
static bool release_result;

static enum mm_status own_writepage(struct address_space *mapping, struct page *page) {
    (void)mapping, (void)page;
    return write_result;
}

static bool own_releasepage(struct address_space *mapping, struct page *page, gfp_t gfp) {
    (void)mapping, (void)gfp;
    if (!release_result)
        return false;
    page_clear(page, PG_private);
    put_page(m, page);
    return true;
}

static void a_file_that_does_not_write_or_refuses_gets_its_page_activated(void **state) {
    static const struct address_space_operations none = {0};
    static const struct address_space_operations own = {.writepage = own_writepage};
    struct address_space no_writer = {0}, refuses = {0};
    struct backing_dev_info bdi = {0};
    struct scan_control sc = full_scan_control();
    struct page *page;

    (void)state;
    bdi_init(m, &bdi, 16);
    address_space_init(m, &no_writer, &none, &bdi);
    address_space_init(m, &refuses, &own, &bdi);
    page = add_dirty_page(&no_writer, 5);
    assert_int_equal(shrink_one(page, &sc), 0);
    assert_true(page_test(page, PG_active));

    page = add_dirty_page(&refuses, 5);
    write_result = MM_REJECTED;
    assert_int_equal(shrink_one(page, &sc), 0);
    assert_true(page_test(page, PG_active));
    assert_true(page_test(page, PG_dirty));
    write_result = MM_IO;
    assert_int_equal(shrink_one(page, &sc), 0);
    assert_false(page_test(page, PG_active));
    assert_true(page_test(page, PG_dirty));
    assert_true(page_test(page, PG_error));
    write_result = MM_OK;
    assert_int_equal(shrink_one(page, &sc), 1);
    address_space_destroy(&no_writer);
    address_space_destroy(&refuses);
    bdi_destroy(&bdi);
}

static void private_data_must_be_released_before_a_page_can_go(void **state) {
    static const struct address_space_operations own = {.writepage = own_writepage, .releasepage = own_releasepage};
    struct address_space mapping = {0};
    struct backing_dev_info bdi = {0};
    struct scan_control sc = full_scan_control();
    struct page *page;

    (void)state;
    bdi_init(m, &bdi, 16);
    address_space_init(m, &mapping, &own, &bdi);
    page = add_dirty_page(&mapping, 1);
    page_set(page, PG_private);
    get_page(page);
    write_result = MM_OK;
    release_result = false;
    assert_int_equal(shrink_one(page, &sc), 0);
    assert_true(page_test(page, PG_active));
    assert_false(page_test(page, PG_dirty));
    release_result = true;
    assert_int_equal(shrink_one(page, &sc), 1);
    assert_int_equal(mapping.nrpages, 0);
    address_space_destroy(&mapping);
    bdi_destroy(&bdi);
}

static unsigned long flush_asked;

static void note_flush(void *host, unsigned long nr_pages) {
    (void)host;
    flush_asked = nr_pages;
}

static void a_filesystem_without_memory_has_the_flusher_write_and_clean_pages_go(void **state) {
    unsigned long stalls;

    (void)state;
    ((struct platform *)m->platform)->wake_flusher = note_flush;
    for (uint32_t i = 0; i < 200; i++)
        read_word(i);
    lru_add_drain_all(m);
    flush_asked = 0;
    stalls = vm_event(sim, ALLOCSTALL);
    free_more_memory(m);
    assert_int_equal(flush_asked, 1024);
    assert_int_equal(vm_event(sim, ALLOCSTALL), stalls + 1);
    assert_true(sim_file_mapping(file)->nrpages <= 200 - 32);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FAST(a_filesystem_without_memory_has_the_flusher_write_and_clean_pages_go),
        FAST(a_dirty_page_is_written_and_freed),
        FAST(a_dirty_page_is_kept_if_referenced_or_not_to_be_written),
        FAST(a_page_that_somebody_else_uses_is_kept_and_not_written),
        SLOW(a_page_under_writeback_is_rotated_to_the_tail_when_it_ends),
        SLOW(a_failed_write_leaves_the_page_dirty_and_in_error),
        FAST(a_congested_device_gets_no_more_but_from_its_own_writers),
        FAST(a_file_that_does_not_write_or_refuses_gets_its_page_activated),
        FAST(private_data_must_be_released_before_a_page_can_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
