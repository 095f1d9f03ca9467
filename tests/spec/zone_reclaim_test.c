/* SPDX-License-Identifier: MIT */
/* The specification's sections 2.4, 2.5, 2.7, 7 and 11: many nodes, and freeing local memory first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/check.h"
#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/page_writeback.h"
#include "mm/shrinker.h"
#include "mm/watermark.h"
#include "mm/vmscan.h"
#include "mm/zone_reclaim.h"
#include "mm/zonelist_cache.h"
#include "tests/unit/fake_platform.h"

static const struct memory_range two_ranges[] = {{0, 4096, 0, ZONE_NORMAL}, {4096, 4096, 1, ZONE_NORMAL}};
static const uint8_t two_cpus[] = {0, 1};

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
    const struct memory_map map = {
        .ranges = two_ranges, .nr_ranges = 2, .nr_cpus = 2, .nr_nodes = 2, .cpu_node = two_cpus};

    (void)state;
    fake = fake_boot_map(&map);
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
    const char *wrong = mm_check(m);

    (void)state;
    if (wrong)
        fail_msg("%s", wrong);
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

static void fill(struct zone *zone, unsigned long left) {
    struct zonelist only = {.zones = {zone, NULL}};

    while (zone_page_state(zone, NR_FREE_PAGES) > left)
        assert_non_null(get_page_from_freelist(m, GFP_KERNEL, 0, &only, ALLOC_NO_WATERMARKS));
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
    fill(local, local->pages_low - 1);
    page = alloc_pages(m, GFP_KERNEL, 0);
    assert_ptr_equal(page_zone(m, page), local);
    assert_true(mapping.nrpages < 1000);
    m->tune.zone_reclaim_mode = 0;
    fill(local, local->pages_low - 1);
    page = alloc_pages(m, GFP_KERNEL, 0);
    assert_ptr_equal(page_zone(m, page), distant);
}

static void a_zone_found_full_is_passed_over_for_a_second(void **state) {
    const struct zonelist *list = gfp_zonelist(m, GFP_KERNEL);
    struct page *page;

    (void)state;
    m->tune.zone_reclaim_mode = 0;
    fake->now_ns = 5 * ZONELIST_CACHE_NS;
    fill(local, local->pages_low - 1);
    page = alloc_pages(m, GFP_KERNEL, 0);
    assert_ptr_equal(page_zone(m, page), distant);
    /* The first look found the hint too old, and began it anew. */
    assert_int_equal(atomic_load(&list->cache->full_zones), 0);
    alloc_pages(m, GFP_KERNEL, 0);
    assert_int_equal(atomic_load(&list->cache->full_zones), 1);
}

static void with_all_others_marked_full_the_list_is_tried_again_without_the_hint(void **state) {
    struct zonelist_cache *cache = gfp_zonelist(m, GFP_KERNEL)->cache;
    const struct zonelist *list = gfp_zonelist(m, GFP_KERNEL);
    struct page *page;

    (void)state;
    m->tune.zone_reclaim_mode = 0;
    fake->now_ns = 5 * ZONELIST_CACHE_NS;
    atomic_store(&cache->last_full_zap_ns, fake->now_ns);
    /* The first zone is always tried; a third node would be needed to see one passed over, so the mark is on it. */
    fill(local, local->pages_low - 1);
    atomic_store(&cache->full_zones, 2);
    /* Both are out of the question, so that the list is gone through once more without the hint. */
    page = get_page_from_freelist(m, GFP_KERNEL, 0, list, ALLOC_WMARK_LOW);
    assert_ptr_equal(page_zone(m, page), distant);
    put_page(m, page);
}

static const struct memory_range three_ranges[] = {
    {0, 4096, 0, ZONE_NORMAL}, {4096, 4096, 1, ZONE_NORMAL}, {8192, 4096, 2, ZONE_NORMAL}};

static void of_three_nodes_the_one_marked_full_is_skipped(void **state) {
    static const uint8_t distances[] = {10, 15, 20, 15, 10, 15, 20, 15, 10};
    const struct memory_map map = {
        .ranges = three_ranges, .nr_ranges = 3, .nr_cpus = 1, .nr_nodes = 3, .node_distance = distances};
    struct fake *three = fake_boot_map(&map);
    struct machine *machine = three->machine;
    struct zone *first = fake_zone(three, 0, ZONE_NORMAL);
    struct zonelist_cache *cache = gfp_zonelist(machine, GFP_KERNEL)->cache;
    struct page *page;

    (void)state;
    three->now_ns = 5 * ZONELIST_CACHE_NS;
    atomic_store(&cache->last_full_zap_ns, three->now_ns);
    first->pages_low = 10000;
    atomic_store(&cache->full_zones, 2);
    page = alloc_pages(machine, GFP_KERNEL, 0);
    assert_int_equal(page_node(page), 2);
    three->now_ns += ZONELIST_CACHE_NS + 1;
    page = alloc_pages(machine, GFP_KERNEL, 0);
    assert_int_equal(page_node(page), 1);
    /* A list for one node keeps none. */
    assert_null(gfp_zonelist(machine, GFP_KERNEL | __GFP_THISNODE)->cache);
    fake_finish(three);
}

static void on_one_node_nothing_is_remembered(void **state) {
    struct fake *one = fake_boot(4096, 1);

    (void)state;
    assert_null(gfp_zonelist(one->machine, GFP_KERNEL)->cache);
    fake_finish(one);
}

static void a_policy_list_is_held_to_the_masks_zone(void **state) {
    const struct memory_range ranges[] = {{0, 4096, 0, ZONE_DMA}, {4096, 8192, 0, ZONE_NORMAL}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 2, .nr_cpus = 1, .nr_nodes = 1};
    struct fake *two = fake_boot_map(&map);
    struct zonelist policy = {.zones = {fake_zone(two, 0, ZONE_NORMAL), fake_zone(two, 0, ZONE_DMA), NULL},
                              .is_policy = true};
    struct page *page;

    (void)state;
    page = get_page_from_freelist(two->machine, __GFP_DMA, 0, &policy, ALLOC_NO_WATERMARKS);
    assert_int_equal(page_zone_type(page), ZONE_DMA);
    policy.is_policy = false;
    page = get_page_from_freelist(two->machine, __GFP_DMA, 0, &policy, ALLOC_NO_WATERMARKS);
    assert_int_equal(page_zone_type(page), ZONE_NORMAL);
    fake_finish(two);
}

/* -- boot. -- */

static void a_distance_above_20_turns_zone_reclaim_on(void **state) {
    static const uint8_t near[] = {10, 20, 20, 10}, far[] = {10, 21, 21, 10};
    struct memory_map map = {.ranges = two_ranges, .nr_ranges = 2, .nr_cpus = 1, .nr_nodes = 2, .node_distance = near};
    struct fake *two = fake_boot_map(&map);

    (void)state;
    assert_int_equal(two->machine->tune.zone_reclaim_mode, 0);
    fake_finish(two);
    map.node_distance = far;
    two = fake_boot_map(&map);
    assert_int_equal(two->machine->tune.zone_reclaim_mode, 1);
    fake_finish(two);
}

static void assert_zone(const struct zonelist *list, unsigned i, unsigned node, enum zone_type type) {
    assert_int_equal(list->zones[i]->node->node_id, node);
    assert_int_equal(list->zones[i]->type, type);
}

static void zonelists_go_by_node_or_by_zone_as_told(void **state) {
    const struct memory_range ranges[] = {
        {0, 4096, 0, ZONE_DMA}, {4096, 12288, 0, ZONE_NORMAL}, {16384, 16384, 1, ZONE_NORMAL}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 3, .nr_cpus = 1, .nr_nodes = 2};
    struct fake *two = fake_boot_map(&map);
    const struct zonelist *list = &two->machine->nodes[0]->node_zonelists[ZONE_NORMAL];
    struct tunables tune = two->machine->tune;

    (void)state;
    /* An eighth of memory is DMA: by zone. */
    assert_zone(list, 1, 1, ZONE_NORMAL);
    assert_zone(list, 2, 0, ZONE_DMA);
    tune.zonelist_order = ZONELIST_NODE;
    assert_int_equal(machine_tune(two->machine, &tune), MM_OK);
    assert_zone(list, 0, 0, ZONE_NORMAL);
    assert_zone(list, 1, 0, ZONE_DMA);
    assert_zone(list, 2, 1, ZONE_NORMAL);
    assert_null(list->zones[3]);
    tune.zonelist_order = ZONELIST_ZONE;
    assert_int_equal(machine_tune(two->machine, &tune), MM_OK);
    assert_zone(list, 1, 1, ZONE_NORMAL);
    tune.zonelist_order = 3;
    assert_int_equal(machine_tune(two->machine, &tune), MM_INVAL);
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
        NODES(a_zone_found_full_is_passed_over_for_a_second),
        NODES(with_all_others_marked_full_the_list_is_tried_again_without_the_hint),
        cmocka_unit_test(of_three_nodes_the_one_marked_full_is_skipped),
        cmocka_unit_test(on_one_node_nothing_is_remembered),
        cmocka_unit_test(a_policy_list_is_held_to_the_masks_zone),
        cmocka_unit_test(a_distance_above_20_turns_zone_reclaim_on),
        cmocka_unit_test(zonelists_go_by_node_or_by_zone_as_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
