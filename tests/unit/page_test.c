/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_platform.h"

#include "mm/buddy.h"
#include "mm/page_list.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static struct fake *fake;

static int setup(void **state) {
    (void)state;
    fake = fake_boot(4096, 1);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_finish(fake);
    return 0;
}

static struct page *page_at(uint32_t pfn) {
    return pfn_to_page(fake->machine, pfn);
}

static void a_free_page_gives_no_reference(void **state) {
    struct page *page = page_at(7);

    (void)state;
    assert_false(get_page_unless_zero(page));
    assert_int_equal(page_count(page), 0);
    atomic_store(&page->count, 1);
    assert_true(get_page_unless_zero(page));
    assert_int_equal(page_count(page), 2);
    assert_false(put_page_testzero(page));
    assert_true(put_page_testzero(page));
}

static void a_locked_page_cannot_be_locked_again(void **state) {
    struct page *page = page_at(7);

    (void)state;
    assert_true(trylock_page(page));
    assert_false(trylock_page(page));
    unlock_page(fake->machine, page);
    assert_false(page_test(page, PG_locked));
    lock_page(fake->machine, page);
    assert_true(page_test(page, PG_locked));
    unlock_page(fake->machine, page);
}

static _Atomic unsigned inside, passes;

static void *lock_and_unlock(void *arg) {
    struct page *page = arg;

    for (unsigned i = 0; i < 2000; i++) {
        lock_page(fake->machine, page);
        if (atomic_fetch_add(&inside, 1) != 0)
            abort();
        if (i % 100 == 0)
            sched_yield();
        atomic_fetch_sub(&inside, 1);
        unlock_page(fake->machine, page);
        atomic_fetch_add(&passes, 1);
    }
    return NULL;
}

static void the_page_lock_excludes_and_wakes_those_who_wait(void **state) {
    struct page *page = page_at(7);
    pthread_t threads[3];

    (void)state;
    passes = 0;
    for (unsigned i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, lock_and_unlock, page);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(passes, 6000);
    assert_false(page_test(page, PG_locked));
}

static void *wait_for_writeback(void *arg) {
    wait_on_page_writeback(fake->machine, arg);
    atomic_store(&passes, 1);
    return NULL;
}

static void waiting_for_writeback_ends_when_it_is_done_and_not_when_the_lock_goes(void **state) {
    struct page *page = page_at(7);
    pthread_t thread;

    (void)state;
    passes = 0;
    wait_on_page_writeback(fake->machine, page);
    page_set(page, PG_writeback);
    lock_page(fake->machine, page);
    pthread_create(&thread, NULL, wait_for_writeback, page);
    while (!page_test(page, PG_waiters))
        usleep(100);
    unlock_page(fake->machine, page);
    usleep(5000);
    assert_int_equal(passes, 0);
    page_writeback_done(fake->machine, page);
    pthread_join(thread, NULL);
    assert_int_equal(passes, 1);
    assert_false(page_test(page, PG_writeback));
}

static void flags_leave_the_zone_bits_alone(void **state) {
    struct page *page = page_at(7);

    (void)state;
    need_descriptors(fake_zone(fake, 0, ZONE_NORMAL), 7);
    for (unsigned bit = 0; bit < PG_ZONE_SHIFT; bit++) {
        assert_false(page_test_and_set(page, (enum page_flag)bit));
        assert_true(page_test_and_set(page, (enum page_flag)bit));
    }
    assert_int_equal(page_zone_type(page), ZONE_NORMAL);
    assert_int_equal(page_node(page), 0);
    for (unsigned bit = 0; bit < PG_ZONE_SHIFT; bit++) {
        assert_true(page_test_and_clear(page, (enum page_flag)bit));
        assert_false(page_test_and_clear(page, (enum page_flag)bit));
    }
}

static void assert_list(struct page_list *list, const uint32_t *pfns, unsigned nr) {
    struct machine *m = fake->machine;
    struct page *page = page_list_first(m, list);

    for (unsigned i = 0; i < nr; i++, page = page_list_next(m, page))
        assert_ptr_equal(page, page_at(pfns[i]));
    assert_null(page);
    page = page_list_last(m, list);
    for (unsigned i = nr; i-- > 0; page = page_list_prev(m, page))
        assert_ptr_equal(page, page_at(pfns[i]));
    assert_null(page);
    assert_int_equal(page_list_empty(list), nr == 0);
}

static void a_list_keeps_order_both_ways_while_pages_come_and_go(void **state) {
    struct machine *m = fake->machine;
    struct page_list list;

    (void)state;
    page_list_init(&list);
    assert_list(&list, NULL, 0);
    page_list_add(m, &list, page_at(2));
    page_list_add(m, &list, page_at(1));
    page_list_add_tail(m, &list, page_at(3));
    page_list_add_tail(m, &list, page_at(0));
    assert_list(&list, (const uint32_t[]){1, 2, 3, 0}, 4);
    page_list_del(m, &list, page_at(2));
    assert_list(&list, (const uint32_t[]){1, 3, 0}, 3);
    page_list_del(m, &list, page_at(0));
    assert_list(&list, (const uint32_t[]){1, 3}, 2);
    page_list_del(m, &list, page_at(1));
    assert_list(&list, (const uint32_t[]){3}, 1);
    page_list_del(m, &list, page_at(3));
    assert_list(&list, NULL, 0);
    page_list_add_tail(m, &list, page_at(5));
    assert_list(&list, (const uint32_t[]){5}, 1);
}

static void a_list_goes_in_front_of_another_in_its_order(void **state) {
    struct page_list list, from;

    (void)state;
    page_list_init(&list);
    page_list_init(&from);
    list_splice_head(fake->machine, &list, &from);
    assert_list(&list, NULL, 0);
    list_add_tail(fake->machine, &from, page_at(1));
    list_add_tail(fake->machine, &from, page_at(2));
    list_splice_head(fake->machine, &list, &from);
    assert_list(&list, (uint32_t[]){1, 2}, 2);
    assert_list(&from, NULL, 0);
    list_add_tail(fake->machine, &from, page_at(3));
    list_add_tail(fake->machine, &from, page_at(4));
    list_splice_head(fake->machine, &list, &from);
    assert_list(&list, (uint32_t[]){3, 4, 1, 2}, 4);
    list_splice_head(fake->machine, &list, &from);
    assert_list(&list, (uint32_t[]){3, 4, 1, 2}, 4);
}

#define page_unit_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        page_unit_test(a_free_page_gives_no_reference),
        page_unit_test(a_list_goes_in_front_of_another_in_its_order),
        page_unit_test(a_locked_page_cannot_be_locked_again),
        page_unit_test(the_page_lock_excludes_and_wakes_those_who_wait),
        page_unit_test(waiting_for_writeback_ends_when_it_is_done_and_not_when_the_lock_goes),
        page_unit_test(flags_leave_the_zone_bits_alone),
        page_unit_test(a_list_keeps_order_both_ways_while_pages_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
