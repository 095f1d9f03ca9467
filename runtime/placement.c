/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/placement.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "runtime/disk_cpu.h"
#include "runtime/proc_text.h"
#include "runtime/stats.h"
#include "runtime/sys.h"
#include "runtime/thread.h"

static int main_tid;
static const _Atomic uint32_t *main_cpu; /* on which CPU the program's main thread ran last, or NULL */

void placement_note_main_thread(void) {
#if defined(__x86_64__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 35)
    extern const ptrdiff_t __rseq_offset;
    extern const unsigned __rseq_size;

    main_tid = (int)sys0(SYS_gettid);
    /* cpu_id is the second word of the area (the first, cpu_id_start, may be ahead). */
    main_cpu = __rseq_size ? (const _Atomic uint32_t *)((char *)__builtin_thread_pointer() + __rseq_offset + 4) : NULL;
#endif
}

/* -- holding the program's thread. ------------------------------------------------------------------------------- */

/* After it has been let go, it is not held again for so long. */
#define LEAVE_ALONE_NS UINT64_C(200000000)
#define LEAVE_ALONE_MAX_NS UINT64_C(4000000000)
/* It is held once it has faulted so often within a moment. */
#define HOLD_AFTER 32u
#define MOMENT_NS UINT64_C(20000000)
/* If it waits for its CPU for more than this, somebody else wants that CPU. */
#define WAIT_PERCENT 30u

/* While somebody changes what follows. Never held for long: who has it runs, and waits for nobody. */
static _Atomic bool changing;
static cpu_set_t affinity;         /* the main thread's own, while it is held */
static _Atomic int held_cpu = -1;  /* where it is held, or -1 */
static _Atomic uint64_t hold_from; /* not to be held before */
static _Atomic uint32_t faults;    /* of the thread while it is held */
static _Atomic bool watched;       /* the clerk looks */
static uint64_t left_alone_ns;     /* the clerk's: for how long, because of others, last time */

static cpu_set_t just(int cpu) {
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET((size_t)cpu, &cpus);
    return cpus;
}

static bool narrow(int cpu) {
    cpu_set_t cpus = just(cpu), own;

    CPU_ZERO(&own);
    if (atomic_load(&held_cpu) < 0) {
        if (sys3(SYS_sched_getaffinity, main_tid, sizeof(own), &own) < 0)
            return false;
        affinity = own;
    }
    return CPU_ISSET((size_t)cpu, &affinity) && sys3(SYS_sched_setaffinity, main_tid, sizeof(cpus), &cpus) >= 0;
}

static void widen(void) {
    cpu_set_t cpus;
    int cpu = atomic_exchange(&held_cpu, -1);

    CPU_ZERO(&cpus);
    /* Unless somebody else has given it another one meanwhile. */
    if (cpu >= 0 && sys3(SYS_sched_getaffinity, main_tid, sizeof(cpus), &cpus) >= 0 && CPU_COUNT(&cpus) == 1 &&
        CPU_ISSET((size_t)cpu, &cpus))
        sys3(SYS_sched_setaffinity, main_tid, sizeof(affinity), &affinity);
}

static void leave_alone(uint64_t ns) {
    uint64_t until = now_ns() + ns, from = atomic_load(&hold_from);

    while (from < until && !atomic_compare_exchange_weak(&hold_from, &from, until))
        ;
    while (atomic_exchange(&changing, true))
        sys0(SYS_sched_yield);
    widen();
    atomic_store(&changing, false);
}

void placement_let_go(void) {
    if (main_tid)
        leave_alone(LEAVE_ALONE_NS);
}

/* The handler on duty: is it worth while? */
static bool faults_often(void) {
    static uint64_t since;
    static unsigned nr;
    uint64_t at = now_ns();

    if (at - since > MOMENT_NS) {
        since = at;
        nr = 0;
    }
    return ++nr >= HOLD_AFTER && at >= atomic_load_explicit(&hold_from, memory_order_relaxed);
}

void placement_hold(struct weir_thread *self, int tid, bool alone) {
    int cpu = self->pinned_cpu, held = atomic_load_explicit(&held_cpu, memory_order_relaxed);

    if (!alone || tid != main_tid) {
        if (held >= 0)
            leave_alone(0);
        return;
    }
    if (held >= 0)
        atomic_fetch_add_explicit(&faults, 1, memory_order_relaxed);
    if (cpu < 0 || cpu == held || !faults_often() || atomic_exchange(&changing, true))
        return;
    if (now_ns() >= atomic_load(&hold_from) && narrow(cpu))
        atomic_store(&held_cpu, cpu);
    atomic_store(&changing, false);
    if (!atomic_exchange(&watched, true))
        stats_wake_clerk();
}

void placement_follow(struct weir_thread *self, int tid, bool alone) {
    cpu_set_t cpus;
    int cpu = -1;

    if (tid == main_tid && main_cpu && alone) {
        cpu = disk_cpu();
        if (cpu < 0)
            cpu = atomic_load_explicit(&held_cpu, memory_order_relaxed);
        if (cpu < 0)
            cpu = (int)atomic_load_explicit(main_cpu, memory_order_relaxed);
    }
    if (cpu == self->pinned_cpu || cpu >= CPU_SETSIZE)
        return;
    self->pinned_cpu = cpu;
    if (cpu >= 0)
        cpus = just(cpu);
    else
        memset(&cpus, 0xff, sizeof(cpus));
    if (sys3(SYS_sched_setaffinity, 0, sizeof(cpus), &cpus) < 0)
        self->pinned_cpu = -1;
}

/* -- looking after the thread. ----------------------------------------------------------------------------------- */

/* How long the main thread has waited for a CPU, in ns: the second number of its schedstat. */
static uint64_t waited_ns(void) {
    static const char folder[] = "/proc/self/task/", file[] = "/schedstat";
    char path[64], digits[16];
    struct text text;
    uint64_t value = 0;
    size_t at = sizeof(digits), len = sizeof(folder) - 1;

    for (int tid = main_tid; tid > 0; tid /= 10)
        digits[--at] = (char)('0' + tid % 10);
    memcpy(path, folder, len);
    memcpy(path + len, digits + at, sizeof(digits) - at);
    memcpy(path + len + sizeof(digits) - at, file, sizeof(file));
    if (!text_open(&text, path))
        return 0;
    text_number(&text, &value);
    text_skip_blanks(&text);
    if (!text_number(&text, &value))
        value = 0;
    text_close(&text);
    return value;
}

bool placement_watch(void) {
    static uint32_t last_faults;
    static uint64_t last_ns, last_waited;
    uint64_t at, waited;
    uint32_t seen;

    if (main_cpu)
        disk_cpu_look((int)atomic_load_explicit(main_cpu, memory_order_relaxed));
    if (!atomic_load(&watched))
        return false;
    at = now_ns();
    seen = atomic_load(&faults);
    if (atomic_load(&held_cpu) < 0 || seen == last_faults) {
        /* Either we see that it is held, or whoever holds it sees that nobody looks. */
        atomic_store(&watched, false);
        leave_alone(0);
        last_ns = 0;
        return false;
    }
    waited = waited_ns();
    if (last_ns && (waited - last_waited) * 100 > (at - last_ns) * WAIT_PERCENT) {
        left_alone_ns = left_alone_ns ? left_alone_ns * 2 : LEAVE_ALONE_NS;
        if (left_alone_ns > LEAVE_ALONE_MAX_NS)
            left_alone_ns = LEAVE_ALONE_MAX_NS;
        leave_alone(left_alone_ns);
    } else if (last_ns) {
        left_alone_ns -= left_alone_ns / 64;
    }
    last_faults = seen;
    last_ns = at;
    last_waited = waited;
    return true;
}

void placement_after_fork(void) {
    atomic_store(&held_cpu, -1);
    atomic_store(&changing, false);
    atomic_store(&watched, false);
    atomic_store(&hold_from, 0);
    left_alone_ns = 0;
    disk_cpu_after_fork();
}
