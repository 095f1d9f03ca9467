/* SPDX-License-Identifier: MIT */
/* The specification's section 11 on the host's caches, and their part in sections 10.3 and 10.4. */
#include "tests/unit/fake_platform.h"

#include "mm/filemap.h"
#include "mm/page_alloc.h"
#include "mm/shrinker.h"
#include "mm/vmscan.h"

struct cache {
    struct shrinker shrinker;
    struct fake *fake;
    long objects;
    unsigned counts, calls;
    long last_nr;
    bool refuses;
    unsigned long pages_each; /* that a call gives back */
};

static long shrink(struct shrinker *shrinker, long nr, gfp_t gfp) {
    struct cache *cache = (struct cache *)shrinker;
    struct reclaim_state *state = mm_current(cache->fake->machine)->reclaim_state;

    if (nr == 0) {
        cache->counts++;
        return cache->objects;
    }
    if (cache->refuses && !(gfp & __GFP_FS))
        return -1;
    cache->calls++;
    cache->last_nr = nr;
    cache->objects -= nr < cache->objects ? nr : cache->objects;
    if (state)
        state->reclaimed_slab += cache->pages_each;
    return cache->objects;
}

static struct cache cache_of(struct fake *fake, long objects) {
    return (struct cache){.shrinker = {.shrink = shrink, .seeks = DEFAULT_SEEKS}, .fake = fake, .objects = objects};
}

static void the_share_of_a_cache_is_that_of_the_pages_scanned_twice(void **state) {
    struct fake *fake = fake_boot(4096, 1);
    struct cache cache = cache_of(fake, 10000);

    (void)state;
    register_shrinker(fake->machine, &cache.shrinker);
    /* 4 x 100 / 2 x 10000 / 1000 = 2000: 15 batches of 128, and 80 are carried over. */
    assert_int_equal(shrink_slab(fake->machine, 100, GFP_KERNEL, 999), 15 * 128);
    assert_int_equal(cache.calls, 15);
    assert_int_equal(cache.last_nr, SHRINK_BATCH);
    assert_int_equal(atomic_load(&cache.shrinker.backlog), 80);
    cache.objects = 0;
    assert_int_equal(shrink_slab(fake->machine, 100, GFP_KERNEL, 999), 0);
    assert_int_equal(atomic_load(&cache.shrinker.backlog), 80);
    cache.objects = 10000;
    shrink_slab(fake->machine, 100, GFP_KERNEL, 999);
    assert_int_equal(atomic_load(&cache.shrinker.backlog), 2080 - 16 * 128);
    unregister_shrinker(fake->machine, &cache.shrinker);
    fake_check_and_finish(fake);
}

static void a_scan_of_nothing_counts_as_32_and_dear_objects_are_scanned_less(void **state) {
    struct fake *fake = fake_boot(4096, 1);
    struct cache cheap = cache_of(fake, 1000), dear = cache_of(fake, 1000);

    (void)state;
    dear.shrinker.seeks = 4 * DEFAULT_SEEKS;
    register_shrinker(fake->machine, &cheap.shrinker);
    register_shrinker(fake->machine, &dear.shrinker);
    shrink_slab(fake->machine, 0, GFP_KERNEL, 999);
    assert_int_equal(atomic_load(&cheap.shrinker.backlog), 64);
    assert_int_equal(atomic_load(&dear.shrinker.backlog), 16);
    /* In the order in which they came: the first is the last of the list. */
    unregister_shrinker(fake->machine, &cheap.shrinker);
    shrink_slab(fake->machine, 0, GFP_KERNEL, 999);
    assert_int_equal(atomic_load(&cheap.shrinker.backlog), 64);
    assert_int_equal(atomic_load(&dear.shrinker.backlog), 32);
    unregister_shrinker(fake->machine, &dear.shrinker);
    assert_null(fake->machine->shrinkers);
    fake_finish(fake);
}

static void no_more_than_twice_the_objects_there_are_is_ever_due(void **state) {
    struct fake *fake = fake_boot(4096, 1);
    struct cache cache = cache_of(fake, 50);

    (void)state;
    register_shrinker(fake->machine, &cache.shrinker);
    shrink_slab(fake->machine, 100000, GFP_KERNEL, 0);
    assert_int_equal(cache.calls, 0);
    assert_int_equal(atomic_load(&cache.shrinker.backlog), 100);
    unregister_shrinker(fake->machine, &cache.shrinker);
    fake_finish(fake);
}

static void a_cache_that_refuses_keeps_its_backlog(void **state) {
    struct fake *fake = fake_boot(4096, 1);
    struct cache cache = cache_of(fake, 1000);

    (void)state;
    cache.refuses = true;
    register_shrinker(fake->machine, &cache.shrinker);
    assert_int_equal(shrink_slab(fake->machine, 1000, GFP_NOFS, 999), 0);
    assert_int_equal(atomic_load(&cache.shrinker.backlog), 2000);
    assert_int_equal(cache.calls, 0);
    assert_int_equal(shrink_slab(fake->machine, 1, GFP_KERNEL, 999), 1000);
    unregister_shrinker(fake->machine, &cache.shrinker);
    fake_finish(fake);
}

static void while_the_list_is_being_changed_the_result_is_1(void **state) {
    struct fake *fake = fake_boot(4096, 1);
    struct cache cache = cache_of(fake, 1000);

    (void)state;
    register_shrinker(fake->machine, &cache.shrinker);
    write_lock(&fake->platform, &fake->machine->shrinkers_lock);
    assert_int_equal(shrink_slab(fake->machine, 1000, GFP_KERNEL, 0), 1);
    assert_int_equal(cache.counts, 0);
    write_unlock(&fake->platform, &fake->machine->shrinkers_lock);
    /* Others who shake do not keep us out. */
    read_lock(&fake->platform, &fake->machine->shrinkers_lock);
    assert_true(read_trylock(&fake->platform, &fake->machine->shrinkers_lock));
    read_unlock(&fake->platform, &fake->machine->shrinkers_lock);
    read_unlock(&fake->platform, &fake->machine->shrinkers_lock);
    unregister_shrinker(fake->machine, &cache.shrinker);
    fake_finish(fake);
}

static void what_caches_give_back_counts_as_progress_of_direct_reclaim(void **state) {
    struct fake *fake = fake_boot(4096, 1);
    struct machine *m = fake->machine;
    struct cache cache = cache_of(fake, 100000);
    struct reclaim_state slab = {0};

    (void)state;
    cache.pages_each = 5;
    register_shrinker(m, &cache.shrinker);
    fake->init_task.reclaim_state = &slab;
    /* No page on the lists: 64 x 100000 objects are due, twice what there is at most. */
    assert_true(try_to_free_pages(m, gfp_zonelist(m, GFP_KERNEL), 0, GFP_KERNEL) >= 32);
    fake->init_task.reclaim_state = NULL;
    assert_int_equal(slab.reclaimed_slab, 0);
    unregister_shrinker(m, &cache.shrinker);
    fake_finish(fake);
}

static void a_zone_is_not_flagged_while_a_cache_frees_objects(void **state) {
    struct fake *fake = fake_boot(4096, 1);
    struct machine *m = fake->machine;
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct cache cache = cache_of(fake, 128);

    (void)state;
    register_shrinker(m, &cache.shrinker);
    zone->pages_high = 5000;
    balance_pgdat(m->nodes[0], 0);
    /* Flagged at priority 11 only: at 12 the cache gave up its objects. */
    assert_true(zone_is_all_unreclaimable(zone));
    assert_int_equal(cache.calls, 2);
    assert_int_equal(atomic_load(&zone->prev_priority), DEF_PRIORITY - 1);
    unregister_shrinker(m, &cache.shrinker);
    fake_finish(fake);
}

static void vfs_cache_pressure_scales_what_a_name_cache_says(void **state) {
    struct fake *fake = fake_boot(4096, 1);

    (void)state;
    assert_int_equal(shrinker_pressure(fake->machine, 12345), 12300);
    fake->machine->tune.vfs_cache_pressure = 50;
    assert_int_equal(shrinker_pressure(fake->machine, 12345), 6150);
    fake_finish(fake);
}

static void drop_caches_2_shakes_until_little_comes(void **state) {
    struct fake *fake = fake_boot(4096, 1);
    struct cache cache = cache_of(fake, 100000);

    (void)state;
    register_shrinker(fake->machine, &cache.shrinker);
    drop_caches(fake->machine, DROP_PAGECACHE);
    assert_int_equal(cache.counts, 0);
    drop_caches(fake->machine, DROP_SLAB);
    assert_true(cache.objects < SHRINK_BATCH);
    unregister_shrinker(fake->machine, &cache.shrinker);
    fake_finish(fake);
}

static void drop_caches_1_drops_clean_file_pages(void **state) {
    static const struct address_space_operations ops = {0};
    struct fake *fake = fake_boot(4096, 1);
    struct machine *m = fake->machine;
    struct address_space mapping = {0};
    struct backing_dev_info bdi = {0};

    (void)state;
    bdi_init(m, &bdi, 16);
    address_space_init(m, &mapping, &ops, &bdi);
    for (uint32_t i = 0; i < 100; i++) {
        struct page *page = alloc_pages(m, GFP_HIGHUSER_MOVABLE, 0);

        lock_page(m, page);
        assert_int_equal(add_to_page_cache(&mapping, page, i * 1000, GFP_KERNEL), MM_OK);
        unlock_page(m, page);
        put_page(m, page);
    }
    drop_caches(m, DROP_SLAB);
    assert_int_equal(mapping.nrpages, 100);
    drop_caches(m, DROP_PAGECACHE);
    assert_int_equal(mapping.nrpages, 0);
    address_space_destroy(&mapping);
    bdi_destroy(&bdi);
    fake_check_and_finish(fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_share_of_a_cache_is_that_of_the_pages_scanned_twice),
        cmocka_unit_test(a_scan_of_nothing_counts_as_32_and_dear_objects_are_scanned_less),
        cmocka_unit_test(no_more_than_twice_the_objects_there_are_is_ever_due),
        cmocka_unit_test(a_cache_that_refuses_keeps_its_backlog),
        cmocka_unit_test(while_the_list_is_being_changed_the_result_is_1),
        cmocka_unit_test(what_caches_give_back_counts_as_progress_of_direct_reclaim),
        cmocka_unit_test(a_zone_is_not_flagged_while_a_cache_frees_objects),
        cmocka_unit_test(vfs_cache_pressure_scales_what_a_name_cache_says),
        cmocka_unit_test(drop_caches_2_shakes_until_little_comes),
        cmocka_unit_test(drop_caches_1_drops_clean_file_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
