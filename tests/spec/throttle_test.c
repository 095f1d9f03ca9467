/* SPDX-License-Identifier: MIT */
/* The specification's section 16: congestion, dirty limits, and who waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/page_writeback.h"
#include "tests/spec/dirty_pages.h"
#include "tests/unit/fake_platform.h"

static unsigned long flusher_wakes, flusher_pages;

static void note_flusher(void *host, unsigned long nr_pages) {
    (void)host;
    flusher_wakes++;
    flusher_pages = nr_pages;
}

static struct fake *boot(void) {
    struct fake *fake = fake_boot(16384, 1);

    fake->platform.wake_flusher = note_flusher;
    flusher_wakes = 0;
    return fake;
}

static void a_queue_of_128_is_congested_at_113_and_clear_below_103(void **state) {
    struct fake *fake = boot();
    struct backing_dev_info bdi = {0};

    (void)state;
    assert_int_equal(congestion_on(128), 113);
    assert_int_equal(congestion_off(128), 103);
    bdi_init(fake->machine, &bdi, 128);
    for (unsigned i = 1; i < 113; i++)
        bdi_request_started(&bdi);
    assert_false(bdi_write_congested(&bdi));
    bdi_request_started(&bdi);
    assert_true(bdi_write_congested(&bdi));
    for (unsigned left = 112; left >= 103; left--)
        assert_false(bdi_request_finished(&bdi));
    assert_true(bdi_write_congested(&bdi));
    assert_true(bdi_request_finished(&bdi));
    assert_false(bdi_write_congested(&bdi));
    assert_false(bdi_request_finished(&bdi));
    bdi_destroy(&bdi);
    fake_finish(fake);
}

static void dirty_limits_are_10_and_5_percent_of_what_can_be_dirty(void **state) {
    struct fake *fake = boot();
    struct machine *m = fake->machine;
    unsigned long available = zone_page_state(fake_zone(fake, 0, ZONE_NORMAL), NR_FREE_PAGES) + 1;

    (void)state;
    assert_int_equal(get_dirty_limits(m).dirty, available / 10);
    assert_int_equal(get_dirty_limits(m).background, available / 20);
    m->tune.dirty_ratio = 3;
    assert_int_equal(get_dirty_limits(m).dirty, available * 5 / 100);
    /* Not below: half. */
    assert_int_equal(get_dirty_limits(m).background, available * 2 / 100);
    m->tune.dirty_ratio = 40;
    fake->init_task.flags = PF_LESS_THROTTLE;
    assert_int_equal(get_dirty_limits(m).dirty, available * 40 / 100 + available * 40 / 100 / 4);
    fake->init_task.flags = TASK_REALTIME;
    assert_int_equal(get_dirty_limits(m).background, available * 5 / 100 + available * 5 / 100 / 4);
    fake->init_task.flags = 0;
    fake_finish(fake);
}

static void high_memory_does_not_count_as_dirtyable(void **state) {
    const struct memory_range ranges[] = {{0, 8192, 0, ZONE_NORMAL}, {8192, 4096, 0, ZONE_HIGHMEM}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 2, .nr_cpus = 1, .nr_nodes = 1};
    struct fake *fake = fake_boot_map(&map);

    (void)state;
    assert_int_equal(get_dirty_limits(fake->machine).dirty, 8193 / 10);
    fake_finish(fake);
}

static void reclaim_waits_while_more_than_the_limit_and_a_tenth_is_under_writeback(void **state) {
    struct fake *fake = boot();
    struct machine *m = fake->machine;
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    unsigned long limit = get_dirty_limits(m).dirty;

    (void)state;
    zone_page_state_add((long)(limit + limit / 10), zone, NR_WRITEBACK);
    throttle_vm_writeout(m, GFP_KERNEL);
    assert_int_equal(fake->congestion_waits, 0);
    zone_page_state_add(1, zone, NR_UNSTABLE_NFS);
    /* Once, for who holds what the writes may need. */
    throttle_vm_writeout(m, GFP_NOFS);
    assert_int_equal(fake->congestion_waits, 1);
    assert_int_equal(fake->last_congestion_wait_ns, 100000000);
    throttle_vm_writeout(m, GFP_KERNEL & ~__GFP_IO);
    assert_int_equal(fake->congestion_waits, 2);
    fake_finish(fake);
}

static struct zone *draining;
static unsigned drains;

static void drain_writeback(struct fake *fake) {
    (void)fake;
    if (++drains == 3)
        zone_page_state_add(-1, draining, NR_WRITEBACK);
}

static void reclaim_that_may_do_io_waits_until_writeback_has_drained(void **state) {
    struct fake *fake = boot();
    struct machine *m = fake->machine;
    unsigned long limit = get_dirty_limits(m).dirty;

    (void)state;
    draining = fake_zone(fake, 0, ZONE_NORMAL);
    drains = 0;
    zone_page_state_add((long)(limit + limit / 10) + 1, draining, NR_WRITEBACK);
    fake->on_congestion_wait = drain_writeback;
    throttle_vm_writeout(m, GFP_KERNEL);
    assert_int_equal(fake->congestion_waits, 3);
    fake_finish(fake);
}

static void devices_share_the_limit_by_what_they_have_written(void **state) {
    struct fake *fake = boot();
    struct backing_dev_info fast = {0}, slow = {0};

    (void)state;
    bdi_init(fake->machine, &fast, 16);
    bdi_init(fake->machine, &slow, 16);
    assert_int_equal(bdi_share(&slow, 1000), 1000);
    for (unsigned i = 0; i < 30; i++)
        bdi_count_completion(&fast, 40);
    for (unsigned i = 0; i < 10; i++)
        bdi_count_completion(&slow, 40);
    assert_int_equal(bdi_share(&fast, 1000), 750);
    assert_int_equal(bdi_share(&slow, 1000), 250);
    /* One more than the period: all count half. */
    bdi_count_completion(&slow, 40);
    assert_int_equal(atomic_load(&fake->machine->completions), 20);
    assert_int_equal(atomic_load(&fast.completions), 15);
    bdi_destroy(&slow);
    assert_int_equal(atomic_load(&fake->machine->completions), 15);
    bdi_destroy(&fast);
    fake_finish(fake);
}

static void ratelimit_is_a_32nd_of_memory_per_cpu_within_16_and_1024(void **state) {
    struct fake *fake = boot();
    struct machine *m = fake->machine;

    (void)state;
    m->vm_total_pages = 16384;
    assert_int_equal(ratelimit_pages(m), 512);
    m->vm_total_pages = 100;
    assert_int_equal(ratelimit_pages(m), 16);
    m->vm_total_pages = 1u << 20;
    assert_int_equal(ratelimit_pages(m), 1024);
    fake_finish(fake);
}

/* -- writers, on a file whose pages the test supplies. -- */

static struct fake *fake;
static struct address_space mapping;
static struct backing_dev_info bdi;
static unsigned writes;
static enum mm_status write_result;

static enum mm_status writepage(struct address_space *of, struct page *page) {
    assert_ptr_equal(of, &mapping);
    assert_true(page_test(page, PG_writeback));
    assert_ptr_equal(mm_current(of->machine)->backing_dev_info, &bdi);
    writes++;
    return write_result;
}

static enum mm_status any_writer(struct address_space *of, struct page *page) {
    (void)of, (void)page;
    writes++;
    return MM_OK;
}

static const struct address_space_operations ops = {.writepage = writepage}, any = {.writepage = any_writer};

static int boot_writer(void **state) {
    (void)state;
    fake = boot();
    mapping = (struct address_space){0};
    bdi = (struct backing_dev_info){0};
    writes = 0;
    write_result = MM_OK;
    bdi_init(fake->machine, &bdi, 128);
    address_space_init(fake->machine, &mapping, &ops, &bdi);
    return 0;
}

static int finish_writer(void **state) {
    (void)state;
    fake_check(fake);
    address_space_destroy(&mapping);
    bdi_destroy(&bdi);
    fake_check_and_finish(fake);
    return 0;
}

static void below_its_share_a_writer_goes_on(void **state) {
    (void)state;
    add_dirty_pages(&mapping, 0, 700);
    balance_dirty_pages_ratelimited(&mapping, ratelimit_pages(fake->machine));
    assert_int_equal(writes, 0);
    assert_int_equal(fake->congestion_waits, 0);
    assert_int_equal(flusher_wakes, 0);
}

static void above_the_background_limit_the_flusher_is_woken(void **state) {
    (void)state;
    add_dirty_pages(&mapping, 0, 900);
    balance_dirty_pages_ratelimited(&mapping, ratelimit_pages(fake->machine) - 1);
    assert_int_equal(flusher_wakes, 0);
    balance_dirty_pages_ratelimited(&mapping, 1);
    assert_int_equal(flusher_wakes, 1);
    assert_int_equal(writes, 0);
    /* A laptop's disk is woken by those who write, not to keep it busy. */
    fake->machine->tune.laptop_mode = 1;
    balance_dirty_pages_ratelimited(&mapping, ratelimit_pages(fake->machine));
    assert_int_equal(flusher_wakes, 1);
    mapping.ops = &any;
    background_writeout(fake->machine, 0);
    assert_true(writes > 0);
}

static void a_writer_over_its_share_writes_one_and_a_half_times_the_ratelimit(void **state) {
    unsigned ratelimit = ratelimit_pages(fake->machine);

    (void)state;
    /* So many that one duty does not bring them below the limit, and two do. */
    add_dirty_pages(&mapping, 0, 3000);
    assert_true(ratelimit < 1000);
    balance_dirty_pages_ratelimited(&mapping, ratelimit);
    assert_int_equal(writes, ratelimit + ratelimit / 2);
    assert_int_equal(fake->congestion_waits, 0);
    assert_true(atomic_load(&bdi.dirty_exceeded));
    /* From now on it is asked every 8 pages. */
    balance_dirty_pages_ratelimited(&mapping, 7);
    assert_int_equal(writes, ratelimit + ratelimit / 2);
    balance_dirty_pages_ratelimited(&mapping, 1);
    assert_true(writes > ratelimit + ratelimit / 2);
    assert_false(atomic_load(&bdi.dirty_exceeded));
    assert_null(fake->init_task.backing_dev_info);
}

static void a_write_has_ended(struct fake *of) {
    struct zone *zone = fake_zone(of, 0, ZONE_NORMAL);

    if (of->congestion_waits < 2)
        return;
    zone_page_state_add(-atomic_exchange(&bdi.nr_writeback, 0), zone, NR_WRITEBACK);
}

static void a_writer_with_nothing_left_to_write_waits_100_ms_a_round(void **state) {
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);

    (void)state;
    zone_page_state_add(3000, zone, NR_WRITEBACK);
    atomic_store(&bdi.nr_writeback, 3000);
    fake->on_congestion_wait = a_write_has_ended;
    balance_dirty_pages_ratelimited(&mapping, ratelimit_pages(fake->machine));
    assert_int_equal(fake->congestion_waits, 2);
    assert_int_equal(fake->last_congestion_wait_ns, 100000000);
    assert_int_equal(writes, 0);
}

static void the_flusher_writes_at_least_what_it_was_asked_and_down_to_the_limit(void **state) {
    unsigned long limit = get_dirty_limits(fake->machine).background;

    (void)state;
    mapping.ops = &any;
    add_dirty_pages(&mapping, 0, 1000);
    background_writeout(fake->machine, 0);
    assert_true(writes >= 1000 - limit);
    refresh_vm_stats(fake->machine);
    add_dirty_pages(&mapping, 1000, 10);
    writes = 0;
    background_writeout(fake->machine, 5);
    assert_true(writes >= 5);
    /* With nothing that can be written it comes to an end. */
    background_writeout(fake->machine, 100000);
}

static void writeback_of_one_device_leaves_the_others_alone(void **state) {
    struct backing_dev_info other = {0};

    (void)state;
    mapping.ops = &any;
    add_dirty_pages(&mapping, 0, 10);
    bdi_init(fake->machine, &other, 16);
    assert_int_equal(writeback_pages(fake->machine, &other, 10), 0);
    assert_int_equal(writeback_pages(fake->machine, &bdi, 4), 4);
    assert_int_equal(writeback_pages(fake->machine, NULL, 100), 6);
    bdi_destroy(&other);
}

#define WRITER(test) cmocka_unit_test_setup_teardown(test, boot_writer, finish_writer)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_of_128_is_congested_at_113_and_clear_below_103),
        cmocka_unit_test(dirty_limits_are_10_and_5_percent_of_what_can_be_dirty),
        cmocka_unit_test(high_memory_does_not_count_as_dirtyable),
        cmocka_unit_test(reclaim_waits_while_more_than_the_limit_and_a_tenth_is_under_writeback),
        cmocka_unit_test(reclaim_that_may_do_io_waits_until_writeback_has_drained),
        cmocka_unit_test(devices_share_the_limit_by_what_they_have_written),
        cmocka_unit_test(ratelimit_is_a_32nd_of_memory_per_cpu_within_16_and_1024),
        WRITER(below_its_share_a_writer_goes_on),
        WRITER(above_the_background_limit_the_flusher_is_woken),
        WRITER(a_writer_over_its_share_writes_one_and_a_half_times_the_ratelimit),
        WRITER(a_writer_with_nothing_left_to_write_waits_100_ms_a_round),
        WRITER(the_flusher_writes_at_least_what_it_was_asked_and_down_to_the_limit),
        WRITER(writeback_of_one_device_leaves_the_others_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
