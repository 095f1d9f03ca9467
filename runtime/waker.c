/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/waker.h"

#include <sched.h>
#include <stdatomic.h>

#include "mm/page.h"
#include "runtime/credentials.h"
#include "runtime/runtime.h"
#include "runtime/stats.h"
#include "runtime/sys.h"
#include "runtime/thread.h"

/* After it came too late the waker is not asked for this long, and twice as long each time that follows at once. */
#define PAUSE_MIN_NS UINT64_C(10000000)
#define PAUSE_MAX_NS UINT64_C(2000000000)

static _Atomic uint32_t posted; /* counts requests and rings; a futex word */
static _Atomic uint32_t taken;  /* the request that the waker has begun last */
static _Atomic uint64_t range;  /* of the last request: first page << 16 | number of pages */

static _Atomic bool watched; /* the clerk looks */
static _Atomic uint64_t paused_until;

static int waker_cpu = -1; /* the handler on duty */

/* The clerk: what it saw last, and the last pause. */
static uint32_t last_posted;
static uint64_t pause_ns;

static void wake_range(uint64_t pages) {
    uffd_wake((uintptr_t)(pages >> 16) << PAGE_SHIFT, (size_t)(pages & 0xffff) << PAGE_SHIFT);
}

void waker_thread(struct weir_thread *self) {
    struct sched_param param = {0};

    self->task.comm = "weir-waker";
    sys3(SYS_sched_setscheduler, 0, SCHED_IDLE, &param);
    for (;;) {
        uint32_t seen = atomic_load(&posted);
        uint64_t pages;

        credentials_follow(self);
        if (atomic_load(&taken) == seen) {
            futex_wait(&posted, seen, -1);
            continue;
        }
        atomic_store(&taken, seen);
        /* After a ring it may be an old one: whoever does not wait is not woken. */
        pages = atomic_load(&range);
        if (pages)
            wake_range(pages);
    }
}

static void move_to(int cpu) {
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET((size_t)cpu, &cpus);
    sys3(SYS_sched_setaffinity, weir_thread_of(THREAD_WAKER)->tid, sizeof(cpus), &cpus);
    waker_cpu = cpu;
}

bool waker_is_willing(int cpu) {
    uint64_t until = atomic_load_explicit(&paused_until, memory_order_relaxed);

    if (cpu < 0 || (until && now_ns() < until))
        return false;
    if (cpu != waker_cpu)
        move_to(cpu);
    return true;
}

void waker_post(uintptr_t start, size_t len) {
    atomic_store(&range, (uint64_t)(start >> PAGE_SHIFT) << 16 | len >> PAGE_SHIFT);
    atomic_fetch_add(&posted, 1);
    futex_wake(&posted, 1);
    /* Either we see that the clerk looks no more, or it sees our request before it stops. */
    if (!atomic_load(&watched) && !atomic_exchange(&watched, true))
        stats_wake_clerk();
}

/* A request has waited for as long as the clerk sleeps, at least. */
static void do_its_work(void) {
    pause_ns = pause_ns ? pause_ns * 2 : PAUSE_MIN_NS;
    if (pause_ns > PAUSE_MAX_NS)
        pause_ns = PAUSE_MAX_NS;
    atomic_store(&paused_until, now_ns() + pause_ns);
    wake_range(atomic_load(&range));
}

bool waker_watch(void) {
    uint32_t now, begun;

    if (!atomic_load(&watched))
        return false;
    now = atomic_load(&posted);
    begun = atomic_load(&taken);
    if (now != last_posted || begun != now) {
        if (begun != now && now == last_posted)
            do_its_work();
        else if (atomic_load(&paused_until) == 0 || now_ns() > atomic_load(&paused_until) + pause_ns)
            pause_ns = 0; /* it has kept up for as long as it was spared */
        last_posted = now;
        return true;
    }
    atomic_store(&watched, false);
    if (atomic_load(&posted) != now)
        atomic_store(&watched, true);
    return atomic_load(&watched);
}

void waker_ring(void) {
    atomic_fetch_add(&posted, 1);
    futex_wake(&posted, 1);
}

void waker_after_fork(void) {
    atomic_store(&taken, atomic_load(&posted));
    atomic_store(&watched, false);
    atomic_store(&paused_until, 0);
    waker_cpu = -1;
    pause_ns = 0;
}
