/* SPDX-License-Identifier: MIT */
/* File pages: sections 9 and 10.2 of the specification, on a simulated machine with a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/page_list.h"
#include "mm/page_writeback.h"
#include "mm/vmscan.h"
#include "sim/sim.h"

#define FILE_PAGES 2048

static struct sim *sim;
static struct machine *m;
static struct sim_file *file;

static int boot_with(uint64_t latency_ns) {
    const struct sim_config config = {.seed = 1, .ram_pages = 4096};
    const struct sim_file_config file_config = {.nr_pages = FILE_PAGES, .latency_ns = latency_ns, .queue = 16};

    sim = sim_create(&config);
    sim_allow_kswapd(sim, false);
    m = sim_machine(sim);
    file = sim_file_create(sim, &file_config);
    return 0;
}

static int boot(void **state) {
    (void)state;
    return boot_with(0);
}

static int boot_slow(void **state) {
    (void)state;
    return boot_with(1000000);
}

static int finish(void **state) {
    const char *wrong;

    (void)state;
    sim_settle(sim);
    wrong = sim_check(sim);
    if (wrong)
        fail_msg("%s", wrong);
    sim_file_destroy(file);
    sim_destroy(sim);
    return 0;
}

static struct zone *zone(void) {
    return &m->nodes[0]->node_zones[ZONE_NORMAL];
}

static struct scan_control scan_control(void) {
    return (struct scan_control){.gfp_mask = GFP_KERNEL,
                                 .may_writepage = true,
                                 .may_swap = true,
                                 .swap_cluster_max = SWAP_CLUSTER_MAX,
                                 .swappiness = 60};
}

static unsigned long event(unsigned item) {
    unsigned long events[NR_VM_EVENT_ITEMS];

    all_vm_events(m, events);
    return events[item];
}

static uint64_t read_word(uint32_t index) {
    uint64_t value = 0;

    assert_int_equal(sim_file_read(file, index, 0, &value, sizeof(value)), SIM_OK);
    return value;
}

static void write_word(uint32_t index, uint64_t value) {
    assert_int_equal(sim_file_write(file, index, 0, &value, sizeof(value)), SIM_OK);
}

static void touch(uint32_t index) {
    uint64_t value;

    assert_int_equal(sim_file_touch(file, index, 0, &value, sizeof(value), false), SIM_OK);
}

/* The page at index; the cache's reference keeps it. */
static struct page *page_at(uint32_t index) {
    struct page *page = find_get_page(sim_file_mapping(file), index);

    if (page)
        put_page_testzero(page);
    return page;
}

/* What shrink_page_list() makes of the page: freed, or back on a list. */
static unsigned long shrink_one(struct page *page, struct scan_control *sc) {
    struct page_list list;
    unsigned long freed;

    lru_add_drain_all(m);
    page_list_init(&list);
    assert_true(isolate_lru_page(m, page));
    page_clear(page, PG_active);
    page_list_add(m, &list, page);
    freed = shrink_page_list(m, &list, sc);
    assert_int_equal(freed, page_list_empty(&list));
    putback_lru_pages(m, &list);
    return freed;
}

static void a_file_page_enters_inactive_and_a_second_read_activates_it(void **state) {
    (void)state;
    read_word(3);
    lru_add_drain_all(m);
    assert_false(page_test(page_at(3), PG_active));
    /* The first read counted while the page was in its pagevec. */
    assert_true(page_test(page_at(3), PG_referenced));
    assert_int_equal(zone_page_state_exact(zone(), NR_FILE_PAGES), 1);
    read_word(3);
    assert_true(page_test(page_at(3), PG_active));
    assert_false(page_test(page_at(3), PG_referenced));
    assert_int_equal(sim_file_counts(file).reads, 1);
}

static void an_unmapped_page_becomes_inactive_without_a_look_at_its_referenced_bit(void **state) {
    struct scan_control sc = scan_control();

    (void)state;
    for (uint32_t i = 0; i < 32; i++)
        read_word(i);
    lru_add_drain_all(m);
    for (uint32_t i = 0; i < 32; i++)
        read_word(i), read_word(i);
    refresh_vm_stats(m);
    assert_int_equal(zone_page_state(zone(), NR_ACTIVE), 32);
    assert_true(page_test(page_at(0), PG_referenced));
    sc.may_swap = false;
    atomic_store(&zone()->nr_scan_active, SWAP_CLUSTER_MAX);
    atomic_store(&zone()->nr_scan_inactive, 0);
    shrink_zone(DEF_PRIORITY, zone(), &sc);
    assert_false(page_test(page_at(0), PG_active));
    assert_true(page_test(page_at(0), PG_referenced));
    assert_int_equal(event(PGDEACTIVATE), 32);
}

static void a_clean_unmapped_page_is_freed_at_first_sight_even_if_referenced(void **state) {
    struct scan_control sc = scan_control();

    (void)state;
    read_word(0);
    assert_true(page_test(page_at(0), PG_referenced));
    assert_int_equal(shrink_one(page_at(0), &sc), 1);
    assert_null(page_at(0));
    assert_int_equal(sc.nr_scanned, 1);
}

static void a_referenced_page_of_a_mapped_file_is_activated(void **state) {
    struct scan_control sc = scan_control();

    (void)state;
    read_word(0);
    atomic_store(&sim_file_mapping(file)->nr_mmaps, 1);
    assert_int_equal(shrink_one(page_at(0), &sc), 0);
    assert_true(page_test(page_at(0), PG_active));
    /* With nothing more to say for it, it goes. */
    assert_int_equal(shrink_one(page_at(0), &sc), 1);
}

static void a_costly_order_takes_referenced_pages_too(void **state) {
    struct scan_control sc = scan_control();

    (void)state;
    read_word(0);
    atomic_store(&sim_file_mapping(file)->nr_mmaps, 1);
    sc.order = PAGE_ALLOC_COSTLY_ORDER + 1;
    assert_int_equal(shrink_one(page_at(0), &sc), 1);
}

static void a_mapped_page_stays_where_mapped_pages_are_skipped(void **state) {
    struct scan_control sc = scan_control();

    (void)state;
    touch(0);
    sim_file_clear_accessed(file);
    sc.may_swap = false;
    assert_int_equal(shrink_one(page_at(0), &sc), 0);
    assert_false(page_test(page_at(0), PG_active));
    assert_int_equal(zone_page_state_exact(zone(), NR_FILE_MAPPED), 1);
    sc.may_swap = true;
    sc.nr_scanned = 0;
    assert_int_equal(shrink_one(page_at(0), &sc), 1);
    /* A mapped page counts twice for the caches' share. */
    assert_int_equal(sc.nr_scanned, 2);
    assert_int_equal(zone_page_state_exact(zone(), NR_FILE_MAPPED), 0);
}

static void a_mapped_page_touched_again_is_activated(void **state) {
    struct scan_control sc = scan_control();

    (void)state;
    touch(0);
    assert_int_equal(shrink_one(page_at(0), &sc), 0);
    assert_true(page_test(page_at(0), PG_active));
    assert_int_equal(event(PGACTIVATE), 1);
    /* The same where the order is costly, and only the unmapping finds out. */
    touch(0);
    sc.order = PAGE_ALLOC_COSTLY_ORDER + 1;
    sim_file_mapping(file);
    page_clear(page_at(0), PG_referenced);
    assert_int_equal(shrink_one(page_at(0), &sc), 1);
}

/* Unlike an anonymous page, which needs somewhere to go. */
static void without_swap_mapped_file_pages_are_deactivated_and_mapped_anonymous_ones_not(void **state) {
    struct scan_control sc = scan_control();

    (void)state;
    for (uint32_t i = 0; i < 32; i++) {
        touch(i);
        lru_add_drain_all(m);
        activate_page(m, page_at(i));
    }
    sim_file_clear_accessed(file);
    refresh_vm_stats(m);
    sc.swappiness = 100;
    atomic_store(&zone()->nr_scan_active, SWAP_CLUSTER_MAX);
    shrink_zone(DEF_PRIORITY, zone(), &sc);
    assert_int_equal(event(PGDEACTIVATE), 32);
}

static void a_file_page_that_somebody_has_locked_counts_as_referenced(void **state) {
    (void)state;
    read_word(0);
    page_clear(page_at(0), PG_referenced);
    assert_int_equal(page_referenced_unlocked(m, page_at(0)), 0);
    lock_page(m, page_at(0));
    assert_int_equal(page_referenced_unlocked(m, page_at(0)), 1);
    unlock_page(m, page_at(0));
}

static void a_dirty_page_is_written_and_freed(void **state) {
    struct scan_control sc = scan_control();

    (void)state;
    write_word(0, 77);
    page_clear(page_at(0), PG_referenced);
    assert_int_equal(zone_page_state_exact(zone(), NR_FILE_DIRTY), 1);
    assert_int_equal(shrink_one(page_at(0), &sc), 1);
    assert_int_equal(*(const uint64_t *)(const void *)sim_file_disk(file, 0), 77);
    assert_int_equal(zone_page_state_exact(zone(), NR_FILE_DIRTY), 0);
    assert_int_equal(zone_page_state_exact(zone(), NR_VMSCAN_WRITE), 1);
    assert_int_equal(read_word(0), 77);
}

static void a_dirty_page_is_kept_if_referenced_or_not_to_be_written(void **state) {
    struct scan_control sc = scan_control();

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
    struct scan_control sc = scan_control();
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
    struct scan_control sc = scan_control();

    (void)state;
    for (uint32_t i = 1; i < 8; i++)
        read_word(i);
    write_word(0, 77);
    page_clear(page_at(0), PG_referenced);
    assert_int_equal(shrink_one(page_at(0), &sc), 0);
    assert_ptr_equal(page_list_first(m, &zone()->inactive_list), page_at(0));
    assert_true(page_test(page_at(0), PG_writeback));
    assert_true(page_test(page_at(0), PG_reclaim));
    assert_int_equal(zone_page_state_exact(zone(), NR_WRITEBACK), 1);
    sim_settle(sim);
    lru_add_drain_all(m);
    assert_false(page_test(page_at(0), PG_writeback));
    assert_ptr_equal(page_list_last(m, &zone()->inactive_list), page_at(0));
    assert_int_equal(event(PGROTATED), 1);
    assert_int_equal(zone_page_state_exact(zone(), NR_WRITEBACK), 0);
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
    inc_zone_page_state(zone(), NR_WRITEBACK);
    atomic_fetch_add(&sim_file_mapping(file)->bdi->nr_writeback, 1);
    end_page_writeback(m, page, MM_IO);
    assert_true(page_test(page, PG_dirty));
    assert_true(page_test(page, PG_error));
    assert_false(page_test(page, PG_reclaim));
}

static void a_congested_device_gets_no_more_but_from_its_own_writers(void **state) {
    struct scan_control sc = scan_control();
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

static struct page *own_page(struct address_space *mapping, uint32_t index) {
    struct page *page = alloc_pages(m, GFP_HIGHUSER_MOVABLE, 0);

    lock_page(m, page);
    assert_int_equal(add_to_page_cache_lru(mapping, page, index, GFP_KERNEL), MM_OK);
    unlock_page(m, page);
    put_page(m, page);
    return page;
}

static void dirty(struct page *page) {
    lock_page(m, page);
    assert_true(set_page_dirty(m, page));
    assert_false(set_page_dirty(m, page));
    unlock_page(m, page);
}

static void a_file_that_does_not_write_or_refuses_gets_its_page_activated(void **state) {
    static const struct address_space_operations none = {0};
    static const struct address_space_operations own = {.writepage = own_writepage};
    struct address_space no_writer = {0}, refuses = {0};
    struct backing_dev_info bdi = {0};
    struct scan_control sc = scan_control();
    struct page *page;

    (void)state;
    bdi_init(m, &bdi, 16);
    address_space_init(m, &no_writer, &none, &bdi);
    address_space_init(m, &refuses, &own, &bdi);
    page = own_page(&no_writer, 5);
    dirty(page);
    assert_int_equal(shrink_one(page, &sc), 0);
    assert_true(page_test(page, PG_active));

    page = own_page(&refuses, 5);
    dirty(page);
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
    struct scan_control sc = scan_control();
    struct page *page;

    (void)state;
    bdi_init(m, &bdi, 16);
    address_space_init(m, &mapping, &own, &bdi);
    page = own_page(&mapping, 1);
    dirty(page);
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

/* -- the cache. -- */

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
    assert_int_equal(zone_page_state_exact(zone(), NR_FILE_DIRTY), 2);
}

static void several_mappings_count_once(void **state) {
    (void)state;
    read_word(0);
    page_add_file_rmap(m, page_at(0));
    page_add_file_rmap(m, page_at(0));
    assert_int_equal(zone_page_state_exact(zone(), NR_FILE_MAPPED), 1);
    page_remove_file_rmap(m, page_at(0));
    assert_int_equal(zone_page_state_exact(zone(), NR_FILE_MAPPED), 1);
    page_remove_file_rmap(m, page_at(0));
    assert_int_equal(zone_page_state_exact(zone(), NR_FILE_MAPPED), 0);
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
    inc_zone_page_state(zone(), NR_FILE_MAPPED);
    assert_string_equal(sim_check(sim), "vmstat: NR_FILE_MAPPED is not the number of mapped file pages");
    dec_zone_page_state(zone(), NR_FILE_MAPPED);
    inc_zone_page_state(zone(), NR_FILE_PAGES);
    assert_string_equal(sim_check(sim), "vmstat: NR_FILE_PAGES is not the number of pages in files and the swap cache");
    dec_zone_page_state(zone(), NR_FILE_PAGES);
}

#define FAST(test) cmocka_unit_test_setup_teardown(test, boot, finish)
#define SLOW(test) cmocka_unit_test_setup_teardown(test, boot_slow, finish)

int main(void) {
    const struct CMUnitTest tests[] = {
        FAST(a_file_page_enters_inactive_and_a_second_read_activates_it),
        FAST(an_unmapped_page_becomes_inactive_without_a_look_at_its_referenced_bit),
        FAST(a_clean_unmapped_page_is_freed_at_first_sight_even_if_referenced),
        FAST(a_referenced_page_of_a_mapped_file_is_activated),
        FAST(a_costly_order_takes_referenced_pages_too),
        FAST(a_mapped_page_stays_where_mapped_pages_are_skipped),
        FAST(a_mapped_page_touched_again_is_activated),
        FAST(without_swap_mapped_file_pages_are_deactivated_and_mapped_anonymous_ones_not),
        FAST(a_file_page_that_somebody_has_locked_counts_as_referenced),
        FAST(a_dirty_page_is_written_and_freed),
        FAST(a_dirty_page_is_kept_if_referenced_or_not_to_be_written),
        FAST(a_page_that_somebody_else_uses_is_kept_and_not_written),
        SLOW(a_page_under_writeback_is_rotated_to_the_tail_when_it_ends),
        SLOW(a_failed_write_leaves_the_page_dirty_and_in_error),
        FAST(a_congested_device_gets_no_more_but_from_its_own_writers),
        FAST(a_file_that_does_not_write_or_refuses_gets_its_page_activated),
        FAST(private_data_must_be_released_before_a_page_can_go),
        FAST(an_index_holds_one_page),
        FAST(invalidation_spares_dirty_locked_mapped_and_used_pages),
        FAST(truncation_drops_dirty_pages_unwritten),
        FAST(several_mappings_count_once),
        FAST(check_notices_a_page_that_says_it_is_elsewhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
