/* SPDX-License-Identifier: MIT */
/* The specification's section 18: what later kernels changed, each on and off, with reclaim by script. */
#include "tests/unit/fake_platform.h"
#include "tests/unit/fake_vmscan.h"

#include <string.h>

#include "mm/buddy.h"
#include "mm/compaction.h"
#include "mm/filemap.h"
#include "mm/lru.h"
#include "mm/memory.h"
#include "mm/page_alloc.h"
#include "mm/pcp.h"
#include "mm/reclaim_retry.h"
#include "mm/watermark.h"

static struct fake *fake;
static struct machine *m;
static struct zone *zone;
static struct task hog;
static struct mm hog_mm;

static int boot(void **state) {
    (void)state;
    fake = fake_boot(16384, 1);
    m = fake->machine;
    zone = fake_zone(fake, 0, ZONE_NORMAL);
    memset(&fake_vmscan, 0, sizeof(fake_vmscan));
    memset(&hog_mm, 0, sizeof(hog_mm));
    hog = (struct task){.comm = "hog", .mm = &hog_mm};
    fake_add_task(fake, &hog);
    return 0;
}

static int finish(void **state) {
    (void)state;
    fake_finish(fake);
    return 0;
}

/* -- watermark_scale_factor. -- */

static void off_the_marks_are_those_of_2_6_24(void **state) {
    struct fake *large = fake_boot(262144, 1);
    const struct zone *of = fake_zone(large, 0, ZONE_NORMAL);

    (void)state;
    assert_int_equal(large->machine->tune.watermark_scale_factor, 0);
    assert_int_equal(of->pages_min, 1024);
    assert_int_equal(of->pages_low, 1280);
    assert_int_equal(of->pages_high, 1536);
    fake_finish(large);
}

static void a_scale_factor_sets_the_step_between_the_marks(void **state) {
    struct fake *large = fake_boot(262144, 1);
    const struct zone *of = fake_zone(large, 0, ZONE_NORMAL);
    struct tunables tune = large->machine->tune;

    (void)state;
    /* 0.1 % is more than a quarter of min by 6. */
    tune.watermark_scale_factor = 10;
    assert_int_equal(machine_tune(large->machine, &tune), MM_OK);
    assert_int_equal(of->pages_min, 1024);
    assert_int_equal(of->pages_low, 1024 + 262);
    assert_int_equal(of->pages_high, 1024 + 2 * 262);
    /* Never less than a quarter. */
    tune.watermark_scale_factor = 9;
    machine_tune(large->machine, &tune);
    assert_int_equal(of->pages_low, 1024 + 256);
    tune.watermark_scale_factor = 3000;
    assert_int_equal(machine_tune(large->machine, &tune), MM_OK);
    assert_int_equal(of->pages_low, 1024 + 78643);
    tune.watermark_scale_factor = 3001;
    assert_int_equal(machine_tune(large->machine, &tune), MM_INVAL);
    tune.watermark_scale_factor = 0;
    machine_tune(large->machine, &tune);
    assert_int_equal(of->pages_high, 1536);
    fake_finish(large);
}

/* -- bounded retries. -- */

static void exhaust(void) {
    while (get_page_from_freelist(m, GFP_NOWAIT, 0, gfp_zonelist(m, GFP_KERNEL), ALLOC_NO_WATERMARKS))
        ;
    refresh_vm_stats(m);
}

static struct page *last_page;

/* The kill frees what lets the request through. */
static void stop_after_a_kill(struct fake *of) {
    if (of->nr_kills == 0)
        return;
    zone->pages_min = zone->pages_low = 0;
    if (last_page) {
        put_page(m, last_page);
        last_page = NULL;
        drain_all_local_pages(m);
        refresh_vm_stats(m);
    }
}

static unsigned long no_progress(struct machine *of, const struct zonelist *zonelist, unsigned order, gfp_t gfp,
                                 unsigned call) {
    (void)of, (void)zonelist, (void)order, (void)gfp, (void)call;
    return 0;
}

static unsigned rounds_before_the_kill(unsigned retries, long reclaimable) {
    last_page = alloc_pages(m, GFP_KERNEL, 0);
    exhaust();
    zone_page_state_add(reclaimable, zone, NR_INACTIVE);
    m->tune.reclaim_retries = retries;
    fake_vmscan.reclaim = no_progress;
    fake->on_sleep = stop_after_a_kill;
    assert_non_null(alloc_pages(m, GFP_KERNEL, 0));
    assert_int_equal(fake->nr_kills, 1);
    return fake_vmscan.calls;
}

static void off_one_round_without_progress_is_enough_for_a_kill(void **state) {
    (void)state;
    assert_int_equal(rounds_before_the_kill(0, 10000), 1);
}

static void with_16_retries_there_are_as_many_rounds_while_pages_seem_reclaimable(void **state) {
    (void)state;
    /* The share discounted leaves nothing above min in the 16th. */
    assert_int_equal(rounds_before_the_kill(16, 10000), 16);
}

/* The kill frees nothing, and until it does nobody else is killed: the second time round somebody gives way. */
static void stop_after_two_rounds(struct fake *of) {
    if (of->sleeps == 2)
        stop_after_a_kill(of);
}

static void after_a_kill_the_count_starts_again(void **state) {
    (void)state;
    last_page = alloc_pages(m, GFP_KERNEL, 0);
    exhaust();
    zone_page_state_add(10000, zone, NR_INACTIVE);
    m->tune.reclaim_retries = 16;
    fake_vmscan.reclaim = no_progress;
    fake->on_sleep = stop_after_two_rounds;
    assert_non_null(alloc_pages(m, GFP_KERNEL, 0));
    assert_int_equal(fake->nr_kills, 1);
    assert_int_equal(fake_vmscan.calls, 32);
}

static void what_could_never_satisfy_the_mark_is_not_retried(void **state) {
    (void)state;
    assert_int_equal(rounds_before_the_kill(16, 100), 1);
}

static void each_round_without_progress_discounts_a_share(void **state) {
    (void)state;
    /* 512 - n/16 of it is above min, 256, for n up to 7: it is killed in the 8th round. */
    assert_int_equal(zone->pages_min, 256);
    assert_int_equal(rounds_before_the_kill(16, 512), 8);
}

static void anonymous_pages_count_as_reclaimable_only_as_far_as_there_are_slots(void **state) {
    unsigned loops = 0;

    (void)state;
    exhaust();
    m->tune.reclaim_retries = 16;
    zone_page_state_add(10000, zone, NR_INACTIVE);
    zone_page_state_add(10000, zone, NR_ANON_PAGES);
    assert_false(should_reclaim_retry(m, gfp_zonelist(m, GFP_KERNEL), 0, 0, 0, &loops));
    m->nr_swap_pages = 5000;
    assert_true(should_reclaim_retry(m, gfp_zonelist(m, GFP_KERNEL), 0, 0, 0, &loops));
    m->nr_swap_pages = 0;
}

static void progress_starts_the_count_again_but_not_for_costly_orders(void **state) {
    unsigned loops = 7;

    (void)state;
    m->tune.reclaim_retries = 16;
    should_reclaim_retry(m, gfp_zonelist(m, GFP_KERNEL), 3, 0, 1, &loops);
    assert_int_equal(loops, 0);
    should_reclaim_retry(m, gfp_zonelist(m, GFP_KERNEL), 4, 0, 1, &loops);
    assert_int_equal(loops, 1);
    should_reclaim_retry(m, gfp_zonelist(m, GFP_KERNEL), 0, 0, 0, &loops);
    assert_int_equal(loops, 2);
    loops = 16;
    assert_false(should_reclaim_retry(m, gfp_zonelist(m, GFP_KERNEL), 0, 0, 0, &loops));
}

static void rounds_during_which_pages_are_written_count_as_one(void **state) {
    unsigned loops = 0;

    (void)state;
    exhaust();
    m->tune.reclaim_retries = 16;
    zone_page_state_add(10000, zone, NR_INACTIVE);
    zone_page_state_add(1, zone, NR_WRITEBACK);
    for (unsigned i = 0; i < 100; i++)
        assert_true(should_reclaim_retry(m, gfp_zonelist(m, GFP_KERNEL), 0, 0, 0, &loops));
    assert_int_equal(loops, 1);
    zone_page_state_add(-1, zone, NR_WRITEBACK);
    should_reclaim_retry(m, gfp_zonelist(m, GFP_KERNEL), 0, 0, 0, &loops);
    assert_int_equal(loops, 2);
}

static unsigned nr_waits;

/* The write ends while the request waits for the fourth time. */
static void end_write(void *host, uint64_t timeout_ns) {
    (void)host;
    (void)timeout_ns;
    if (++nr_waits == 4)
        zone_page_state_add(-1, zone, NR_WRITEBACK);
}

static void nobody_is_killed_while_pages_are_written(void **state) {
    (void)state;
    nr_waits = 0;
    fake->platform.congestion_wait = end_write;
    m->tune.oom_waits_for_writes = 1;
    zone_page_state_add(1, zone, NR_WRITEBACK);
    /* Five rounds: one for each wait, and that which ends with the kill. */
    assert_int_equal(rounds_before_the_kill(0, 10000), 5);
    assert_int_equal(nr_waits, 4);
}

/* One write counted on this CPU has ended on it; the zone's own count has not heard of that. */
static void a_count_that_is_not_folded_keeps_nobody_waiting(void **state) {
    (void)state;
    m->tune.oom_waits_for_writes = 1;
    zone_page_state_add(1, zone, NR_WRITEBACK);
    dec_zone_page_state(zone, NR_WRITEBACK);
    assert_int_equal(zone_page_state(zone, NR_WRITEBACK), 1);
    assert_int_equal(rounds_before_the_kill(0, 10000), 1);
}

/* -- compaction. -- */

static struct page *pages[16384];
static unsigned nr_pages;

/* Fills memory with read-ahead copies that can be moved, then frees every other one. */
static void fragment(void) {
    struct page *page;

    nr_pages = 0;
    while (
        (page = get_page_from_freelist(m, GFP_HIGHUSER_MOVABLE, 0, gfp_zonelist(m, GFP_KERNEL), ALLOC_NO_WATERMARKS)))
        pages[nr_pages++] = page;
    refresh_vm_stats(m);
}

static const struct address_space_operations no_ops = {0};
static struct address_space mapping;
static struct backing_dev_info bdi;

static void fragmented_with_file_pages(void) {
    unsigned kept = 0;

    mapping = (struct address_space){0};
    bdi = (struct backing_dev_info){0};
    bdi_init(m, &bdi, 16);
    address_space_init(m, &mapping, &no_ops, &bdi);
    fragment();
    for (unsigned i = 0; i < nr_pages; i++)
        if (page_to_pfn(m, pages[i]) % 2 == 0 || page_to_pfn(m, pages[i]) < 64)
            put_page(m, pages[i]), pages[i] = NULL;
    drain_all_local_pages(m);
    for (unsigned i = 0; i < nr_pages; i++) {
        if (!pages[i])
            continue;
        lock_page(m, pages[i]);
        assert_int_equal(add_to_page_cache_lru(&mapping, pages[i], kept++, GFP_KERNEL), MM_OK);
        *(uint32_t *)page_address(m, pages[i]) = kept;
        unlock_page(m, pages[i]);
        put_page(m, pages[i]);
    }
    lru_add_drain_all(m);
    drain_all_local_pages(m);
    refresh_vm_stats(m);
}

static void assert_file_is_whole(void) {
    for (uint32_t i = 0; i < mapping.nrpages; i++) {
        struct page *page = find_get_page(&mapping, i);

        assert_non_null(page);
        assert_int_equal(*(uint32_t *)page_address(m, page), i + 1);
        put_page(m, page);
    }
    fake_check(fake);
    address_space_destroy(&mapping);
    bdi_destroy(&bdi);
}

static void off_a_fragmented_zone_has_no_large_block(void **state) {
    (void)state;
    fragmented_with_file_pages();
    assert_null(alloc_pages(m, GFP_KERNEL | __GFP_NORETRY, 8));
    assert_int_equal(fake_vmscan.calls, 1);
    assert_int_equal(atomic_load(&m->pages_migrated), 0);
    assert_file_is_whole();
}

static void on_pages_are_moved_and_the_block_is_there_without_reclaim(void **state) {
    struct page *block;

    (void)state;
    fragmented_with_file_pages();
    m->tune.compaction = 1;
    block = alloc_pages(m, GFP_KERNEL | __GFP_NORETRY, 8);
    assert_non_null(block);
    assert_int_equal(fake_vmscan.calls, 0);
    assert_true(atomic_load(&m->pages_migrated) >= 100);
    assert_int_equal(atomic_load(&m->compactions), 1);
    __free_pages(m, block, 8);
    assert_file_is_whole();
}

static void compaction_is_for_requests_that_may_do_io_and_orders_above_0(void **state) {
    const struct zonelist *list = gfp_zonelist(m, GFP_KERNEL);

    (void)state;
    fragmented_with_file_pages();
    assert_false(try_to_compact_pages(m, list, 8, GFP_KERNEL));
    m->tune.compaction = 1;
    assert_false(try_to_compact_pages(m, list, 8, GFP_NOFS));
    assert_false(try_to_compact_pages(m, list, 8, GFP_ATOMIC));
    assert_false(try_to_compact_pages(m, list, 0, GFP_KERNEL));
    assert_true(try_to_compact_pages(m, list, 8, GFP_KERNEL));
    /* There is a block now. */
    assert_int_equal(compact_zone(zone, 8), COMPACT_SKIPPED);
    assert_file_is_whole();
}

static void without_room_for_copies_compaction_is_skipped(void **state) {
    (void)state;
    fragmented_with_file_pages();
    zone->pages_high = zone->pages_low = zone_page_state(zone, NR_FREE_PAGES) - 512;
    assert_int_equal(compact_zone(zone, 8), COMPACT_SKIPPED);
    assert_int_equal(atomic_load(&m->pages_migrated), 0);
    assert_file_is_whole();
}

static void pages_that_somebody_uses_are_left_where_they_are(void **state) {
    struct page *held = NULL;
    uint32_t index = 0;

    (void)state;
    fragmented_with_file_pages();
    /* The page that would be the first to move. */
    for (uint32_t i = 0; i < mapping.nrpages; i++) {
        struct page *page = find_get_page(&mapping, i);

        put_page(m, page);
        if (!held || page < held) {
            held = page;
            index = i;
        }
    }
    get_page(held);
    assert_int_equal(compact_zone(zone, 8), COMPACT_PARTIAL);
    assert_true(atomic_load(&m->pages_migrated) >= 100);
    assert_ptr_equal(find_get_page(&mapping, index), held);
    put_page(m, held);
    put_page(m, held);
    assert_file_is_whole();
}

#define LATER(test) cmocka_unit_test_setup_teardown(test, boot, finish)

int main(void) {
    const struct CMUnitTest tests[] = {
        LATER(off_the_marks_are_those_of_2_6_24),
        LATER(a_scale_factor_sets_the_step_between_the_marks),
        LATER(off_one_round_without_progress_is_enough_for_a_kill),
        LATER(with_16_retries_there_are_as_many_rounds_while_pages_seem_reclaimable),
        LATER(after_a_kill_the_count_starts_again),
        LATER(what_could_never_satisfy_the_mark_is_not_retried),
        LATER(each_round_without_progress_discounts_a_share),
        LATER(anonymous_pages_count_as_reclaimable_only_as_far_as_there_are_slots),
        LATER(progress_starts_the_count_again_but_not_for_costly_orders),
        LATER(rounds_during_which_pages_are_written_count_as_one),
        LATER(nobody_is_killed_while_pages_are_written),
        LATER(a_count_that_is_not_folded_keeps_nobody_waiting),
        LATER(off_a_fragmented_zone_has_no_large_block),
        LATER(on_pages_are_moved_and_the_block_is_there_without_reclaim),
        LATER(compaction_is_for_requests_that_may_do_io_and_orders_above_0),
        LATER(without_room_for_copies_compaction_is_skipped),
        LATER(pages_that_somebody_uses_are_left_where_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
