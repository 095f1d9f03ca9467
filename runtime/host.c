/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/host.h"

#include <errno.h>
#include <limits.h>
#include <linux/membarrier.h>
#include <signal.h>

#include "mm/vmstat.h"
#include "runtime/bytes.h"
#include "runtime/credentials.h"
#include "runtime/devices.h"
#include "runtime/kswapd.h"
#include "runtime/others.h"
#include "runtime/runtime.h"
#include "runtime/stats.h"
#include "runtime/sys.h"
#include "runtime/thread.h"

/* Before the threads run, and in a child before they run again, the program's own thread stands in as this task. */
static struct task boot_task = {.comm = "weir-boot"};
/* The program, as the OOM killer sees it. */
struct task program_task = {.comm = "program"};

static uint64_t host_now_ns(void *host) {
    (void)host;
    return now_ns();
}

static void host_sleep(void *host, uint64_t timeout_ns) {
    struct timespec time = {.tv_sec = (time_t)(timeout_ns / 1000000000), .tv_nsec = (long)(timeout_ns % 1000000000)};

    (void)host;
    sys2(SYS_nanosleep, &time, NULL);
}

static void host_congestion_wait(void *host, uint64_t timeout_ns) {
    (void)host;
    devices_wait(timeout_ns);
}

static void host_yield(void *host) {
    struct weir_thread *self = weir_thread_self();

    (void)host;
    if (self && self == weir_thread_of(THREAD_KSWAPD))
        others_note_kswapd();
}

static struct task *host_current(void *host) {
    struct weir_thread *self = weir_thread_self();

    (void)host;
    return self ? &self->task : &boot_task;
}

static unsigned host_cpu(void *host) {
    struct weir_thread *self = weir_thread_self();

    (void)host;
    return self ? self->cpu : 0;
}

static bool host_in_interrupt(void *host) {
    (void)host;
    return false;
}

static void host_for_each_task(void *host, bool (*fn)(struct task *task, void *arg), void *arg) {
    (void)host;
    fn(&program_task, arg);
}

static void host_lock_wait(void *host, _Atomic uint32_t *word, uint32_t seen) {
    struct weir_thread *self = weir_thread_self();

    (void)host;
    futex_wait(word, seen, -1);
    if (self)
        credentials_follow(self);
}

static void host_lock_wake(void *host, _Atomic uint32_t *word, bool all) {
    (void)host;
    futex_wake(word, all ? INT_MAX : 1);
}

static void host_wake_kswapd(void *host, int node) {
    (void)host;
    (void)node;
    kswapd_wake();
}

static unsigned long megabytes(uint64_t pages) {
    return (unsigned long)((pages + 255) / 256);
}

/* Prints what a person needs to see that the kill was right and how to avoid it, then ends the process. */
static void host_kill(void *host, struct task *victim, unsigned long points, bool memdie) {
    struct weir_process_stats *stats = rt.stats;
    uint64_t resident, swapped, locked;

    (void)host;
    (void)memdie;
    (void)victim;
    stats_refresh();
    resident = (uint64_t)rt.mm->nr_rss;
    swapped = (uint64_t)rt.mm->nr_swapped;
    locked = (uint64_t)rt.mm->nr_locked;
    stats->oom_resident_pages = resident;
    stats->oom_swapped_pages = swapped;
    stats->oom_locked_pages = locked;
    stats->oom_points = points;
    if (atomic_exchange(&stats->end, WEIR_END_OOM) == WEIR_END_OOM)
        goto out; /* another thread is saying it */

    weir_say("out of memory: killed process %d (%s): resident %lu MiB, swapped %lu MiB, pinned %lu MiB",
             (int)sys0(SYS_getpid), stats->comm, megabytes(resident), megabytes(swapped), megabytes(locked));
    weir_say("  budget (--ram) %lu MiB: page tables and buffers %lu MiB, compressed pool %lu MiB, free %lu MiB",
             megabytes(rt.config.ram_bytes / PAGE_SIZE), megabytes(stats->overhead_pages + stats->table_pages),
             megabytes(stats->pool_pages), megabytes(stats->free_pages));
    devices_say_swap();
    if (locked * 2 > rt.config.ram_bytes / PAGE_SIZE)
        weir_say("  most of the budget is pinned (mlock or I/O): a larger --ram would have let it live");
    else if (rt.config.swap_bytes == 0)
        weir_say("  what would have let it live: --swap DIRECTORY (a swap file there), or --ram %lum",
                 megabytes((resident + swapped) * 5 / 4));
    else if (stats->file_limit_pages == 0)
        weir_say(
            "  what would have let it live: --swap DIRECTORY where every process of it may make a file, or --ram %lum",
            megabytes((resident + swapped) * 5 / 4));
    else
        weir_say("  what would have let it live: --swap-size %lum or more (on a disk with that much free), or a "
                 "larger --ram",
                 megabytes((uint64_t)stats->file_limit_pages * 2));
out:
    sys2(SYS_kill, sys0(SYS_getpid), SIGKILL);
}

static void host_panic(void *host, const char *why) {
    (void)host;
    rt.stats->end = WEIR_END_FAILED;
    weir_say("cannot go on: %s", why);
    sys2(SYS_kill, sys0(SYS_getpid), SIGKILL);
    for (;;)
        sys0(SYS_pause);
}

static void host_assert_failed(void *host, const char *file, int line, const char *what) {
    (void)host;
    rt.stats->end = WEIR_END_FAILED;
    weir_say("internal error at %s:%d: %s does not hold; please report it", file, line, what);
    sys2(SYS_kill, sys0(SYS_getpid), SIGABRT);
    sys2(SYS_kill, sys0(SYS_getpid), SIGKILL);
    for (;;)
        sys0(SYS_pause);
}

/* Registered for a process once; a child inherits it, or is told so here. */
static bool register_barrier(void) {
    return sys3(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

static void host_barrier(void *host) {
    while (sys3(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == -EPERM)
        if (!register_barrier())
            host_panic(host, "membarrier(2) works no more");
}

void host_prepare(void) {
    host_platform.barrier = register_barrier() ? host_barrier : NULL;
}

struct platform host_platform = {
    .now_ns = host_now_ns,
    .sleep = host_sleep,
    .congestion_wait = host_congestion_wait,
    .yield = host_yield,
    .current = host_current,
    .cpu = host_cpu,
    .in_interrupt = host_in_interrupt,
    .for_each_task = host_for_each_task,
    .lock_wait = host_lock_wait,
    .lock_wake = host_lock_wake,
    .map_zero = bytes_map_zero,
    .map_pages = devices_map_pages,
    .map_parked = devices_map_parked,
    .park = bytes_park,
    .unpark = bytes_unpark,
    .parked_is_clean = devices_parked_is_clean,
    .zap = bytes_zap,
    .discard = bytes_discard,
    .poison = bytes_poison,
    .swap_write = devices_swap_write,
    .swap_read = devices_swap_read,
    .swap_prefetch = devices_swap_prefetch,
    .swap_slot_free = devices_slot_free,
    .swap_has_room = devices_has_room,
    .wake_kswapd = host_wake_kswapd,
    .frame_to_user = bytes_frame_to_user,
    .kill = host_kill,
    .panic = host_panic,
    .assert_failed = host_assert_failed,
};
