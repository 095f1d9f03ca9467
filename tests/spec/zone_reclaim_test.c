/* SPDX-License-Identifier: MIT */
/* The specification's sections 2.4, 7 and 11: with many nodes, freeing local memory first. */
#include "tests/unit/fake_platform.h"

#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/page_writeback.h"
#include "mm/shrinker.h"
#include "mm/watermark.h"
#include "mm/vmscan.h"
#include "mm/zone_reclaim.h"

static struct fake *fake;
static struct machine *m;
static struct zone *local, *distant;
static struct address_space mapping;
static struct backing_dev_info bdi;
static unsigned written;

static enum mm_status writepage(struct address_space *of, struct page *page) {
    (void)of, (void)page;
    written++;
    return MM_OK;
}

static unsigned referenced(struct address_space *of, struct page *page) {
    (void)of, (void)page;
    return 0;
}

static enum unmap_result unmap(struct address_space *of, struct page *page) {
    page_remove_file_rmap(of->machine, page);
    return SWAP_SUCCESS;
}

static const struct address_space_operations ops = {.writepage = writepage, .referenced = referenced, .unmap = unmap};

static int boot(void **state) {
    (void)state;
    fake = fake_boot_two_nodes(4096, 2);
    m = fake->machine;
    local = fake_zone(fake, 0, ZONE_NORMAL);
    distant = fake_zone(fake, 1, ZONE_NORMAL);
    mapping = (struct address_space){0};
    bdi = (struct backing_dev_info){0};
    written = 0;
    bdi_init(m, &bdi, 128);
    address_space_init(m, &mapping, &ops, &bdi);
    m->tune.zone_reclaim_mode = RECLAIM_ZONE;
    return 0;
}

static int finish(void **state) {
    (void)state;
    fake_check(fake);
    address_space_destroy(&mapping);
    bdi_destroy(&bdi);
    fake_finish(fake);
    return 0;
}

/* nr clean file pages on this CPU's node. */
static void cache_pages(uint32_t nr) {
    for (uint32_t i = 0; i < nr; i++) {
        struct page *page = alloc_pages(m, GFP_HIGHUSER_MOVABLE, 0);

        lock_page(m, page);
        assert_int_equal(add_to_page_cache_lru(&mapping, page, i, GFP_KERNEL), MM_OK);
        unlock_page(m, page);
        put_page(m, page);
    }
    lru_add_drain_all(m);
    refresh_vm_stats(m);
}

static void the_ratios_set_what_is_left_alone(void **state) {
    struct tunables tune = m->tune;

    (void)state;
    assert_int_equal(local->min_unmapped_pages, 40);
    assert_int_equal(local->min_slab_pages, 204);
    tune.min_unmapped_ratio = 10;
    tune.min_slab_ratio = 100;
    assert_int_equal(machine_tune(m, &tune), MM_OK);
    assert_int_equal(local->min_unmapped_pages, 409);
    assert_int_equal(local->min_slab_pages, 4096);
    tune.min_unmapped_ratio = 101;
    assert_int_equal(machine_tune(m, &tune), MM_INVAL);
}

static void it_frees_unmapped_file_pages_of_the_zone(void **state) {
    (void)state;
    cache_pages(1000);
    m->swap_token.mm_id = 1;
    assert_true(zone_reclaim(local, GFP_KERNEL, 0));
    assert_int_equal(m->swap_token.mm_id, 0); /* who lacks memory at home spares nobody */
    assert_true(mapping.nrpages <= 1000 - 32);
    /* It is content with a chunk. */
    assert_true(mapping.nrpages > 800);
    assert_false(zone_is_reclaim_locked(local));
    assert_int_equal(fake->init_task.flags, 0);
    assert_null(fake->init_task.reclaim_state);
}

static void with_few_unmapped_pages_and_little_slab_it_does_nothing(void **state) {
    (void)state;
    cache_pages(40);
    assert_false(zone_reclaim(local, GFP_KERNEL, 0));
    assert_int_equal(fake->yields, 0);
    assert_int_equal(mapping.nrpages, 40);
}

static void it_declines_where_the_specification_says_so(void **state) {
    (void)state;
    cache_pages(1000);
    zone_set_flag(local, ZONE_ALL_UNRECLAIMABLE);
    assert_false(zone_reclaim(local, GFP_KERNEL, 0));
    zone_clear_flag(local, ZONE_ALL_UNRECLAIMABLE);
    assert_false(zone_reclaim(local, GFP_ATOMIC, 0));
    fake->init_task.flags = PF_MEMALLOC;
    assert_false(zone_reclaim(local, GFP_KERNEL, 0));
    fake->init_task.flags = 0;
    /* The node has CPUs of its own, and this is none of them. */
    fake_set_cpu(1);
    assert_false(zone_reclaim(local, GFP_KERNEL, 0));
    fake_set_cpu(0);
    assert_false(zone_test_and_set_flag(local, ZONE_RECLAIM_LOCKED));
    assert_false(zone_reclaim(local, GFP_KERNEL, 0));
    assert_true(zone_is_reclaim_locked(local));
    zone_clear_flag(local, ZONE_RECLAIM_LOCKED);
    assert_int_equal(mapping.nrpages, 1000);
    assert_true(zone_reclaim(local, GFP_KERNEL, 0));
}

static void exactly_as_many_pages_as_asked_for_are_enough(void **state) {
    (void)state;
    cache_pages(100);
    for (uint32_t i = 1; i < 100; i++)
        assert_non_null(find_get_page(&mapping, i));
    assert_true(zone_reclaim(local, GFP_KERNEL, 0));
    assert_int_equal(mapping.nrpages, 99);
    for (uint32_t i = 1; i < 100; i++) {
        struct page *page = find_get_page(&mapping, i);

        put_page(m, page);
        put_page(m, page);
    }
}

/* The disagreement's last row: direct reclaim goes on where zone_reclaim() would not. */
static void direct_reclaim_and_kswapd_ignore_the_lock(void **state) {
    (void)state;
    cache_pages(1000);
    zone_set_flag(local, ZONE_RECLAIM_LOCKED);
    assert_true(try_to_free_pages(m, gfp_zonelist(m, GFP_KERNEL), 0, GFP_KERNEL) >= 32);
    assert_true(mapping.nrpages < 1000);
    local->pages_high = zone_page_state(local, NR_FREE_PAGES) + 100;
    assert_true(balance_pgdat(m->nodes[0], 0) >= 32);
    assert_true(zone_is_reclaim_locked(local));
    zone_clear_flag(local, ZONE_RECLAIM_LOCKED);
}

static void mapped_and_dirty_pages_need_their_mode_bits(void **state) {
    (void)state;
    cache_pages(200);
    for (uint32_t i = 0; i < 200; i++) {
        struct page *page = find_get_page(&mapping, i);

        lock_page(m, page);
        set_page_dirty(m, page);
        unlock_page(m, page);
        put_page(m, page);
    }
    assert_false(zone_reclaim(local, GFP_KERNEL, 0));
    assert_int_equal(written, 0);
    m->tune.zone_reclaim_mode = RECLAIM_ZONE | RECLAIM_WRITE;
    assert_true(zone_reclaim(local, GFP_KERNEL, 0));
    assert_true(written >= 32);
    written = 0;
    writeback_pages(m, NULL, 1000);
    for (uint32_t i = 0; i < 200; i++) {
        struct page *page = find_get_page(&mapping, i);

        if (!page)
            continue;
        page_add_file_rmap(m, page);
        put_page(m, page);
    }
    refresh_vm_stats(m);
    local->min_unmapped_pages = 0;
    zone_page_state_add(1, local, NR_FILE_PAGES);
    assert_false(zone_reclaim(local, GFP_KERNEL, 0));
    m->tune.zone_reclaim_mode = RECLAIM_ZONE | RECLAIM_SWAP;
    assert_true(zone_reclaim(local, GFP_KERNEL, 0));
    zone_page_state_add(-1, local, NR_FILE_PAGES);
    for (uint32_t i = 0; i < 200; i++) {
        struct page *page = find_get_page(&mapping, i);

        if (!page)
            continue;
        if (page_mapped(page))
            page_remove_file_rmap(m, page);
        put_page(m, page);
    }
}

/* -- slab. -- */

static unsigned long given;

static long give_slab(struct shrinker *shrinker, long nr, gfp_t gfp) {
    (void)shrinker, (void)gfp;
    if (nr) {
        zone_page_state_add(-1, local, NR_SLAB_RECLAIMABLE);
        given++;
    }
    return 10000 - (long)given;
}

/* A reclaim that has file pages to look at, and what it took of the slab beyond its ordinary share: none. */
static unsigned long shake_only_pages(void) {
    unsigned long before = given;

    zone_reclaim(local, GFP_KERNEL, 0);
    return given - before;
}

static void slab_above_its_share_is_shaken_until_enough_has_come(void **state) {
    struct shrinker shrinker = {.shrink = give_slab, .seeks = DEFAULT_SEEKS};

    (void)state;
    given = 0;
    register_shrinker(m, &shrinker);
    zone_page_state_add(204, local, NR_SLAB_RECLAIMABLE);
    assert_false(zone_reclaim(local, GFP_KERNEL, 2));
    assert_int_equal(given, 0);
    /* File pages that can go do not change that. */
    cache_pages(100);
    atomic_store(&shrinker.backlog, 0);
    assert_int_equal(shake_only_pages(), 0);
    zone_page_state_add(1, local, NR_SLAB_RECLAIMABLE);
    assert_true(zone_reclaim(local, GFP_KERNEL, 2));
    assert_true(given >= 4);
    unregister_shrinker(m, &shrinker);
}

/* -- the allocator. -- */

static void a_request_reclaims_at_home_before_it_goes_away(void **state) {
    struct page *page;

    (void)state;
    cache_pages(1000);
    fake_fill_zone(fake, local, local->pages_low - 1);
    page = alloc_pages(m, GFP_KERNEL, 0);
    assert_ptr_equal(page_zone(m, page), local);
    assert_true(mapping.nrpages < 1000);
    m->tune.zone_reclaim_mode = 0;
    fake_fill_zone(fake, local, local->pages_low - 1);
    page = alloc_pages(m, GFP_KERNEL, 0);
    assert_ptr_equal(page_zone(m, page), distant);
}

/* -- boot. -- */

static void a_distance_above_20_turns_zone_reclaim_on(void **state) {
    static const uint8_t near[] = {10, 20, 20, 10}, far[] = {10, 21, 21, 10};
    const struct memory_range ranges[] = {{0, 4096, 0, ZONE_NORMAL}, {4096, 4096, 1, ZONE_NORMAL}};
    struct memory_map map = {.ranges = ranges, .nr_ranges = 2, .nr_cpus = 1, .nr_nodes = 2, .node_distance = near};
    struct fake *two = fake_boot_map(&map);

    (void)state;
    assert_int_equal(two->machine->tune.zone_reclaim_mode, 0);
    fake_finish(two);
    map.node_distance = far;
    two = fake_boot_map(&map);
    assert_int_equal(two->machine->tune.zone_reclaim_mode, 1);
    fake_finish(two);
}

#define NODES(test) cmocka_unit_test_setup_teardown(test, boot, finish)

int main(void) {
    const struct CMUnitTest tests[] = {
        NODES(the_ratios_set_what_is_left_alone),
        NODES(it_frees_unmapped_file_pages_of_the_zone),
        NODES(with_few_unmapped_pages_and_little_slab_it_does_nothing),
        NODES(it_declines_where_the_specification_says_so),
        NODES(exactly_as_many_pages_as_asked_for_are_enough),
        NODES(direct_reclaim_and_kswapd_ignore_the_lock),
        NODES(mapped_and_dirty_pages_need_their_mode_bits),
        NODES(slab_above_its_share_is_shaken_until_enough_has_come),
        NODES(a_request_reclaims_at_home_before_it_goes_away),
        cmocka_unit_test(a_distance_above_20_turns_zone_reclaim_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
