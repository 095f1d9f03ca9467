/* SPDX-License-Identifier: MIT */
/*
 * Locks of per-CPU lists that are taken from their owner at the worst moment: on its way in, on its way out, and while
 * it becomes owner. The other task is played by the platform's calls.
 */
#include "tests/unit/fake_platform.h"

#include <string.h>

#include "mm/page_alloc.h"
#include "mm/pcp.h"

static struct fake *fake;
static struct zone *zone;
static struct bias_lock *lock;
static unsigned wakes;
static bool armed, came_and_went;
static void (*really_taken)(void *host, uint32_t rank, bool may_wait);
static void (*really_dropped)(void *host, uint32_t rank);

/* Another task strikes the owner out, has the lock for a moment, and drops it. */
static void come_and_go(uint32_t rank) {
    if (!armed || rank != RANK_PCP || atomic_load(&lock->owner) == &lock->nobody)
        return;
    armed = false;
    came_and_went = true;
    atomic_store(&lock->owner, &lock->nobody);
    atomic_store(&lock->lock.word, 0);
}

static void taken(void *host, uint32_t rank, bool may_wait) {
    really_taken(host, rank, may_wait);
    come_and_go(rank);
}

static void dropped(void *host, uint32_t rank) {
    come_and_go(rank);
    really_dropped(host, rank);
}

static void count_wake(void *host, _Atomic uint32_t *word, bool all) {
    (void)host, (void)word, (void)all;
    wakes++;
}

static int setup(void **state) {
    (void)state;
    fake = fake_boot(65536, 1);
    zone = fake_zone(fake, 0, ZONE_NORMAL);
    lock = &zone->pageset[0].lock;
    really_taken = fake->platform.lock_taken;
    really_dropped = fake->platform.lock_dropped;
    fake->platform.lock_wake = count_wake;
    armed = came_and_went = false;
    /* The only task becomes owner soon. */
    for (unsigned i = 0; i < 200; i++)
        __free_pages(fake->machine, alloc_pages(fake->machine, GFP_HIGHUSER_MOVABLE, 0), 0);
    assert_ptr_not_equal(atomic_load(&lock->owner), &lock->nobody);
    wakes = 0;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_check_and_finish(fake);
    return 0;
}

/* Once, the next time that the owner is about to leave. */
static void strike_out_on_the_way_out(void) {
    fake->platform.lock_taken = really_taken;
    fake->platform.lock_dropped = dropped;
    armed = true;
}

static void assert_woken(void) {
    assert_true(came_and_went);
    assert_int_equal(wakes, 1);
    assert_ptr_equal(atomic_load(&lock->owner), &lock->nobody);
    assert_false(bias_is_held(lock));
}

static void who_is_struck_out_on_its_way_out_of_an_allocation_wakes_the_other(void **state) {
    struct page *page;

    (void)state;
    strike_out_on_the_way_out();
    page = alloc_pages(fake->machine, GFP_HIGHUSER_MOVABLE, 0);
    assert_non_null(page);
    assert_woken();
    assert_int_equal(page_count(page), 1);
    assert_false(page_test(page, PG_pcp));
    __free_pages(fake->machine, page, 0);
}

static void so_it_does_where_the_list_had_nothing_for_it(void **state) {
    struct page *page;

    (void)state;
    drain_all_local_pages(fake->machine);
    strike_out_on_the_way_out();
    page = alloc_pages(fake->machine, GFP_HIGHUSER_MOVABLE, 0);
    assert_non_null(page);
    assert_woken();
    __free_pages(fake->machine, page, 0);
}

static void and_on_its_way_out_of_freeing(void **state) {
    struct page *page = alloc_pages(fake->machine, GFP_HIGHUSER_MOVABLE, 0);

    (void)state;
    strike_out_on_the_way_out();
    __free_pages(fake->machine, page, 0);
    assert_woken();
    assert_true(page_test(page, PG_pcp));
}

static void and_out_of_a_longer_stay(void **state) {
    struct page *pages[100];
    unsigned nr;

    (void)state;
    strike_out_on_the_way_out();
    nr = pcp_alloc(zone, PCP_HOT, MIGRATE_MOVABLE, 100, pages);
    assert_true(nr > 0);
    assert_woken();
    pcp_free(zone, PCP_COLD, pages, nr);
}

static void who_is_struck_out_on_its_way_in_takes_the_lock_like_others(void **state) {
    unsigned long pages;

    (void)state;
    pages = zone_pcp_pages(zone);
    assert_true(pages > 0);
    fake->platform.lock_taken = taken;
    armed = true;
    assert_int_equal(zone_pcp_pages(zone), pages);
    assert_woken();
}

static void a_page_at_hand_is_not_taken_by_who_is_struck_out_on_its_way_in(void **state) {
    struct page *page;

    (void)state;
    fake->platform.lock_taken = taken;
    armed = true;
    page = alloc_pages(fake->machine, GFP_HIGHUSER_MOVABLE, 0);
    assert_non_null(page);
    assert_woken();
    fake->platform.lock_taken = really_taken;
    __free_pages(fake->machine, page, 0);
}

static void leave_a_waiter(void *host, uint32_t rank) {
    if (armed && rank == RANK_PCP)
        atomic_store(&lock->lock.word, 2);
    really_dropped(host, rank);
}

static void who_is_waited_for_does_not_become_owner(void **state) {
    struct bias_lock fresh;
    struct task *task = &fake->init_task;

    (void)state;
    memset(&fresh, 0, sizeof(fresh));
    lock = &fresh;
    bias_init(lock, RANK_PCP);
    fake->platform.lock_dropped = leave_a_waiter;
    armed = true;
    /* Each time somebody has come to wait: long enough a run to become owner. */
    for (unsigned i = 0; i < 200; i++) {
        struct bias_slot *slot = bias_acquire(&fake->platform, lock, task);

        assert_null(slot);
        bias_release(&fake->platform, lock, slot, task);
        assert_int_equal(wakes, i + 1);
        assert_ptr_equal(atomic_load(&lock->owner), &lock->nobody);
        assert_int_equal(atomic_load(&lock->lock.word), 0);
    }
    armed = false;
}

#define race_unit_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        race_unit_test(who_is_struck_out_on_its_way_out_of_an_allocation_wakes_the_other),
        race_unit_test(so_it_does_where_the_list_had_nothing_for_it),
        race_unit_test(and_on_its_way_out_of_freeing),
        race_unit_test(and_out_of_a_longer_stay),
        race_unit_test(who_is_struck_out_on_its_way_in_takes_the_lock_like_others),
        race_unit_test(a_page_at_hand_is_not_taken_by_who_is_struck_out_on_its_way_in),
        race_unit_test(who_is_waited_for_does_not_become_owner),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
