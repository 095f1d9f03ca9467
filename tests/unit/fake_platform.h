/* SPDX-License-Identifier: MIT */
/*
 * fake_platform.h - the least host that a machine runs on: plain memory, a virtual clock, tasks that the test makes up,
 * and counters of what the core asked for.
 *
 * Current task and CPU are each thread's own, so that tests with real threads can use it too; locks wait on futexes.
 * Threads that allocate each choose a task of their own, or set platform.barrier to NULL: the locks of per-CPU lists
 * belong to tasks.
 * What it leaves out (address spaces, swap) is NULL in fake->platform and for the test to fill in.
 */
#ifndef TESTS_FAKE_PLATFORM_H
#define TESTS_FAKE_PLATFORM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mm/machine.h"

#define FAKE_TASKS 16

struct fake_kill {
    struct task *task;
    unsigned long points;
    bool memdie;
};

struct fake {
    struct platform platform;
    struct machine *machine;
    struct memory_map map;
    struct memory_range ranges[16];
    void *boot;
    size_t arena_bytes;

    struct task init_task;          /* the current task of every thread that has not chosen another */
    struct task *tasks[FAKE_TASKS]; /* what for_each_task sees; init_task is not among them unless added */
    unsigned nr_tasks;

    _Atomic uint64_t now_ns;
    bool in_interrupt;
    /* Called on each wait if not NULL: what happens meanwhile. */
    void (*on_sleep)(struct fake *fake);
    void (*on_congestion_wait)(struct fake *fake);
    unsigned long oom_notify_frees;

    _Atomic unsigned sleeps, congestion_waits, yields, kswapd_wakes, failures;
    uint64_t last_sleep_ns, last_congestion_wait_ns;
    struct fake_kill kills[FAKE_TASKS];
    unsigned nr_kills;
    unsigned panics, asserts;
    jmp_buf *on_panic; /* where a panic or a failed assertion of the core goes; NULL: the test fails */
};

/* Boots a machine of one node and one Normal zone of nr_pages, from pfn 0 up. */
struct fake *fake_boot(uint32_t nr_pages, unsigned nr_cpus);
/* Boots a machine of any map; the ranges are copied. */
struct fake *fake_boot_map(const struct memory_map *map);
/* Boots a machine of two nodes, each one Normal zone of nr_pages. CPU 0 is node 0's, CPU 1, if there is one, node 1's.
 */
struct fake *fake_boot_two_nodes(uint32_t nr_pages, unsigned nr_cpus);
void fake_finish(struct fake *fake);
/* The end of most tests, whatever task is current: checks, then finishes. */
void fake_check_and_finish(struct fake *fake);

/* This thread's current task and CPU. NULL: init_task. */
void fake_set_current(struct task *task);
void fake_set_cpu(unsigned cpu);
void fake_add_task(struct fake *fake, struct task *task);

/* The zone of that type on that node. */
struct zone *fake_zone(struct fake *fake, unsigned node, enum zone_type type);
/* Takes pages until only so many of the zone's are free, whatever its marks. */
void fake_fill_zone(struct fake *fake, struct zone *zone, unsigned long left);
/* Fails the test with the text of the first broken invariant, if there is one. */
void fake_check(struct fake *fake);

#endif
