/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_platform.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static struct fake *fake;
static struct lock lock;
static struct rwlock rwlock;
static long counter;
static _Atomic int readers;

static int setup(void **state) {
    (void)state;
    fake = fake_boot(4096, 1);
    lock_init(&lock, RANK_ZONE);
    rwlock_init(&rwlock, RANK_MMAP);
    counter = 0;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_finish(fake);
    return 0;
}

static void run_threads(void *(*fn)(void *), unsigned nr) {
    pthread_t threads[8];

    for (unsigned i = 0; i < nr; i++)
        pthread_create(&threads[i], NULL, fn, (void *)(uintptr_t)i);
    for (unsigned i = 0; i < nr; i++)
        pthread_join(threads[i], NULL);
}

static void *count_up(void *arg) {
    (void)arg;
    for (unsigned i = 0; i < 20000; i++) {
        lock_acquire(&fake->platform, &lock);
        counter++;
        if (i % 1000 == 0)
            sched_yield();
        lock_release(&fake->platform, &lock);
    }
    return NULL;
}

static void a_lock_lets_one_in_at_a_time(void **state) {
    (void)state;
    run_threads(count_up, 4);
    assert_int_equal(counter, 80000);
    assert_false(lock_is_held(&lock));
}

static _Atomic unsigned waits, wakes;
static void (*futex_wait)(void *, _Atomic uint32_t *, uint32_t);
static void (*futex_wake)(void *, _Atomic uint32_t *, bool);

static void count_wait(void *host, _Atomic uint32_t *word, uint32_t seen) {
    waits++;
    futex_wait(host, word, seen);
}

static void count_wake(void *host, _Atomic uint32_t *word, bool all) {
    wakes++;
    futex_wake(host, word, all);
}

static void *lock_once(void *arg) {
    (void)arg;
    lock_acquire(&fake->platform, &lock);
    counter++;
    lock_release(&fake->platform, &lock);
    return NULL;
}

static void who_finds_the_lock_held_sleeps_until_the_release_wakes_it(void **state) {
    const struct platform *p = &fake->platform;
    pthread_t thread;

    (void)state;
    futex_wait = p->lock_wait;
    futex_wake = p->lock_wake;
    fake->platform.lock_wait = count_wait;
    fake->platform.lock_wake = count_wake;
    waits = wakes = 0;
    lock_acquire(p, &lock);
    pthread_create(&thread, NULL, lock_once, NULL);
    for (unsigned ms = 0; waits == 0 && ms < 10000; ms++)
        usleep(1000);
    usleep(20000);
    /* Asleep: it is not asking again and again. */
    assert_in_range(waits, 1, 3);
    assert_int_equal(counter, 0);
    lock_release(p, &lock);
    pthread_join(thread, NULL);
    assert_int_equal(counter, 1);
    /* Ours, and the thread's own: it cannot know that it was the only one to wait. */
    assert_int_equal(wakes, 2);
    /* Nobody waits: no call. */
    lock_once(NULL);
    assert_int_equal(wakes, 2);
}

static void a_try_fails_on_a_lock_that_is_held(void **state) {
    (void)state;
    assert_true(lock_try(&fake->platform, &lock));
    assert_true(lock_is_held(&lock));
    assert_false(lock_try(&fake->platform, &lock));
    lock_release(&fake->platform, &lock);
    assert_false(lock_is_held(&lock));
}

static void *read_or_write(void *arg) {
    bool writes = (uintptr_t)arg < 2;

    for (unsigned i = 0; i < 5000; i++) {
        if (writes) {
            write_lock(&fake->platform, &rwlock);
            if (atomic_load(&readers) != 0)
                abort();
            counter++;
            if (i % 100 == 0)
                sched_yield();
            write_unlock(&fake->platform, &rwlock);
        } else {
            long seen;

            read_lock(&fake->platform, &rwlock);
            atomic_fetch_add(&readers, 1);
            seen = counter;
            if (i % 100 == 0)
                sched_yield();
            if (seen != counter)
                abort();
            atomic_fetch_sub(&readers, 1);
            read_unlock(&fake->platform, &rwlock);
        }
    }
    return NULL;
}

static void writers_exclude_everybody_and_readers_only_writers(void **state) {
    (void)state;
    run_threads(read_or_write, 5);
    assert_int_equal(counter, 10000);
    assert_int_equal(atomic_load(&rwlock.word), 0);
    assert_int_equal(atomic_load(&rwlock.writers), 0);
}

static void *read_once(void *arg) {
    (void)arg;
    read_lock(&fake->platform, &rwlock);
    counter++;
    read_unlock(&fake->platform, &rwlock);
    return NULL;
}

static void a_reader_gets_in_beside_another(void **state) {
    (void)state;
    read_lock(&fake->platform, &rwlock);
    run_threads(read_once, 1);
    assert_int_equal(counter, 1);
    read_unlock(&fake->platform, &rwlock);
}

static unsigned points;

static void count_point(void *host) {
    (void)host;
    points++;
}

static void every_attempt_at_a_lock_passes_the_platforms_lock_point(void **state) {
    const struct platform *p = &fake->platform;

    (void)state;
    points = 0;
    fake->platform.lock_point = count_point;
    lock_acquire(p, &lock);
    assert_false(lock_try(p, &lock));
    lock_release(p, &lock);
    read_lock(p, &rwlock);
    read_unlock(p, &rwlock);
    write_lock(p, &rwlock);
    write_unlock(p, &rwlock);
    assert_int_equal(points, 4);
}

#define lock_unit_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        lock_unit_test(a_lock_lets_one_in_at_a_time),
        lock_unit_test(who_finds_the_lock_held_sleeps_until_the_release_wakes_it),
        lock_unit_test(a_try_fails_on_a_lock_that_is_held),
        lock_unit_test(writers_exclude_everybody_and_readers_only_writers),
        lock_unit_test(a_reader_gets_in_beside_another),
        lock_unit_test(every_attempt_at_a_lock_passes_the_platforms_lock_point),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
