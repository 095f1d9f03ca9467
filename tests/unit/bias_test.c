/* SPDX-License-Identifier: MIT */
/* Locks that belong to a task: who becomes owner, and how the lock is taken from one. */
#include "tests/unit/fake_platform.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mm/bias.h"

#if defined(__SANITIZE_THREAD__)
#define WITH_BARRIER 0 /* ThreadSanitizer knows nothing of membarrier */
#else
#define WITH_BARRIER 1
#endif

static struct fake *fake;
static struct bias_lock bias;
static _Atomic unsigned barriers;

static void barrier(void *host) {
    (void)host;
    barriers++;
    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

static int setup(void **state) {
    (void)state;
    fake = fake_boot(4096, 2);
    memset(&bias, 0, sizeof(bias));
    bias_init(&bias, RANK_PCP);
    barriers = 0;
    syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
    fake->platform.barrier = WITH_BARRIER ? barrier : NULL;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_finish(fake);
    return 0;
}

static void take_times(struct task *task, unsigned times) {
    for (unsigned i = 0; i < times; i++) {
        struct bias_slot *slot = bias_acquire(&fake->platform, &bias, task);

        assert_true(bias_is_held(&bias));
        bias_release(&fake->platform, &bias, slot, task);
        assert_false(bias_is_held(&bias));
    }
}

/* How many takings make the task owner. */
static unsigned takings_until_owner(struct task *task) {
    unsigned n = 0;

    while (bias_enter(&fake->platform, &bias, task) == NULL) {
        take_times(task, 1);
        n++;
    }
    bias_leave(&fake->platform, &bias, atomic_load(&bias.owner));
    return n;
}

static void a_task_alone_becomes_owner_and_another_takes_it_away(void **state) {
    struct task one = {.comm = "one"}, two = {.comm = "two"};

    (void)state;
    if (!WITH_BARRIER)
        skip();
    assert_int_equal(takings_until_owner(&one), 64);
    assert_int_equal(barriers, 0);
    take_times(&two, 1);
    assert_int_equal(barriers, 1);
    assert_null(bias_enter(&fake->platform, &bias, &one));
    /* It is dearer each time; what took it away counts. */
    assert_int_equal(takings_until_owner(&two), 127);
    assert_int_equal(takings_until_owner(&one), 256);
    assert_int_equal(barriers, 2);
}

static void ownership_does_not_get_dearer_without_end(void **state) {
    struct task one = {.comm = "one"}, two = {.comm = "two"};

    (void)state;
    if (!WITH_BARRIER)
        skip();
    for (unsigned wanted = 1u << 18; wanted < 1u << 22; wanted *= 2) {
        bias.wanted = wanted < 1u << 20 ? wanted : 1u << 20;
        bias.run = bias.wanted - 1;
        bias.last = &one;
        take_times(&one, 1);
        assert_ptr_not_equal(atomic_load(&bias.owner), &bias.nobody);
        take_times(&two, 1);
        assert_int_equal(bias.wanted, wanted < 1u << 20 ? 2 * wanted : 1u << 20);
    }
}

static void who_takes_turns_owns_nothing(void **state) {
    struct task one = {.comm = "one"}, two = {.comm = "two"};

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        take_times(&one, 1);
        take_times(&two, 1);
    }
    assert_null(bias_enter(&fake->platform, &bias, &one));
    assert_null(bias_enter(&fake->platform, &bias, &two));
    assert_int_equal(barriers, 0);
}

static void without_a_barrier_nobody_becomes_owner(void **state) {
    struct task one = {.comm = "one"};

    (void)state;
    fake->platform.barrier = NULL;
    take_times(&one, 1000);
    assert_null(bias_enter(&fake->platform, &bias, &one));
}

static void a_fifth_task_gets_no_slot(void **state) {
    struct task tasks[BIAS_SLOTS + 1] = {{.comm = "task"}};

    (void)state;
    if (!WITH_BARRIER)
        skip();
    for (unsigned i = 0; i < BIAS_SLOTS; i++)
        takings_until_owner(&tasks[i]);
    take_times(&tasks[BIAS_SLOTS], 10000);
    /* Taken away once from each of the others, and never again. */
    assert_int_equal(barriers, BIAS_SLOTS);
}

#define ROUNDS 400000u

static unsigned long counter; /* under the lock */
static unsigned inside;       /* the same */

struct worker {
    pthread_t thread;
    struct task task;
    unsigned stride;
};

/* Long runs alone and short ones against the others, so that ownership comes and goes. */
static void *work(void *arg) {
    struct worker *w = arg;

    fake_set_current(&w->task);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct bias_slot *slot = bias_acquire(&fake->platform, &bias, &w->task);

        if (inside++ != 0)
            abort();
        counter++;
        if (--inside != 0)
            abort();
        bias_release(&fake->platform, &bias, slot, &w->task);
        if (i % w->stride == 0)
            usleep(100);
    }
    return NULL;
}

static void threads_exclude_each_other_while_ownership_changes(void **state) {
    static struct worker workers[3];
    static const unsigned strides[] = {1u << 30, 5000, 777};

    (void)state;
    counter = inside = 0;
    for (unsigned i = 0; i < 3; i++) {
        workers[i].stride = strides[i];
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    }
    for (unsigned i = 0; i < 3; i++)
        pthread_join(workers[i].thread, NULL);
    assert_int_equal(counter, 3ul * ROUNDS);
    assert_false(bias_is_held(&bias));
    if (WITH_BARRIER)
        assert_true(barriers > 0);
}

#define bias_unit_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        bias_unit_test(a_task_alone_becomes_owner_and_another_takes_it_away),
        bias_unit_test(ownership_does_not_get_dearer_without_end),
        bias_unit_test(who_takes_turns_owns_nothing),
        bias_unit_test(without_a_barrier_nobody_becomes_owner),
        bias_unit_test(a_fifth_task_gets_no_slot),
        bias_unit_test(threads_exclude_each_other_while_ownership_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
