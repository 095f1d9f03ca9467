/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/placement.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "runtime/cpu_times.h"
#include "runtime/disk_cpu.h"
#include "runtime/proc_text.h"
#include "runtime/stats.h"
#include "runtime/runtime.h"
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

/* A thread is held once it has faulted so often, alone, within a moment. */
#define HOLD_AFTER 32u
#define MOMENT_NS UINT64_C(20000000)
/* If others have run on its CPU for more than this, over so long, they want it: Linux tells of hundredths of seconds.
 */
#define OTHERS_PERCENT 25u
#define JUDGE_NS UINT64_C(200000000)
/* After it has been let go, it is not held again for so long. */
#define LEAVE_ALONE_NS UINT64_C(200000000)
#define LEAVE_ALONE_MAX_NS UINT64_C(4000000000)
/* A thread of the program's waits this long at most for another that lets go. */
#define WAIT_TRIES 200u
#define WAIT_NS 500000

/*
 * Taken while what follows is changed. weir's threads only try: whoever has it may be a thread of the program's that
 * waits for a page.
 */
static _Atomic bool changing;
static cpu_set_t affinity;              /* the held thread's own */
static _Atomic int held_tid;            /* the thread that is held, or was last */
static _Atomic int held_cpu = -1;       /* where it is held, or -1 */
static _Atomic uint64_t hold_from;      /* nobody is to be held before */
static _Atomic unsigned forks;          /* under way: nobody is to be held */
static _Atomic int handler_tid;         /* who resolves its faults */
static _Atomic uint32_t faults;         /* of the thread while it is held */
static _Atomic uint32_t rounds;         /* of kswapd's, */
static _Atomic uint32_t rounds_here;    /* and those that ended on the CPU where the thread is held */
static _Atomic bool watched;            /* the clerk looks */
static _Atomic bool disk_cpu_is_no_use; /* the program may not run there */

static cpu_set_t just(int cpu) {
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET((size_t)cpu, &cpus);
    return cpus;
}

static bool try_change(void) {
    return !atomic_exchange(&changing, true);
}

static void end_change(void) {
    atomic_store(&changing, false);
}

static long get_affinity(int tid, cpu_set_t *cpus) {
    CPU_ZERO(cpus);
    return sys3(SYS_sched_getaffinity, tid, sizeof(*cpus), cpus);
}

/* Is this what weir has given the thread that is held? Else somebody else has given it another affinity since. */
static bool is_narrowed(const cpu_set_t *cpus) {
    int cpu = atomic_load(&held_cpu);

    return cpu >= 0 && CPU_COUNT(cpus) == 1 && CPU_ISSET((size_t)cpu, cpus);
}

/* Changing. */
static bool narrow(int tid, int cpu) {
    cpu_set_t cpus;

    if (get_affinity(tid, &cpus) < 0)
        return false;
    if (!is_narrowed(&cpus))
        affinity = cpus;
    if (!CPU_ISSET((size_t)cpu, &affinity)) {
        if (cpu == disk_cpu())
            atomic_store(&disk_cpu_is_no_use, true);
        return false;
    }
    cpus = just(cpu);
    if (CPU_COUNT(&affinity) < 2 || sys3(SYS_sched_setaffinity, tid, sizeof(cpus), &cpus) < 0)
        return false;
    atomic_store(&held_tid, tid);
    atomic_store(&held_cpu, cpu);
    return true;
}

/* Changing. False: the caller may not do it (another user's thread asks); then somebody else has to. */
static bool widen(void) {
    int tid = atomic_load(&held_tid);
    cpu_set_t cpus;

    if (atomic_load(&held_cpu) < 0)
        return true;
    if (get_affinity(tid, &cpus) >= 0 && is_narrowed(&cpus)) {
        long result = sys3(SYS_sched_setaffinity, tid, sizeof(affinity), &affinity);

        if (result < 0 && result != -ESRCH)
            return false;
    }
    atomic_store(&held_cpu, -1);
    return true;
}

static void leave_alone(uint64_t ns) {
    uint64_t until = now_ns() + ns, from = atomic_load(&hold_from);

    while (from < until && !atomic_compare_exchange_weak(&hold_from, &from, until))
        ;
}

static void have_it_watched(void) {
    if (!atomic_exchange(&watched, true))
        stats_wake_clerk();
}

void placement_let_go(void) {
    uint64_t all = UINT64_MAX, mask = 0;
    struct timespec moment = {.tv_nsec = WAIT_NS};

    if (!main_tid)
        return;
    leave_alone(LEAVE_ALONE_NS);
    /* Whoever is about to hold it has taken `changing` before it looked at hold_from. */
    if (atomic_load(&held_cpu) < 0 && !atomic_load(&changing))
        return;
    /* A handler of the program's may get here as well. */
    sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask, sizeof(all));
    for (unsigned tries = 0; tries < WAIT_TRIES; tries++) {
        bool done = false;

        if (try_change()) {
            done = widen();
            end_change();
        }
        if (done)
            break;
        have_it_watched();
        sys2(SYS_nanosleep, &moment, NULL);
    }
    sys4(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
}

void placement_fork_begins(void) {
    atomic_fetch_add(&forks, 1);
    placement_let_go();
}

void placement_fork_ends(void) {
    atomic_fetch_sub(&forks, 1);
}

/* The handler on duty: is it worth while, and allowed? */
static bool is_to_be_held(void) {
    static uint64_t since;
    static unsigned nr;
    uint64_t at = now_ns();

    if (at - since > MOMENT_NS) {
        since = at;
        nr = 0;
    }
    return ++nr >= HOLD_AFTER && at >= atomic_load(&hold_from) && atomic_load(&forks) == 0;
}

void placement_hold(struct weir_thread *self, int tid, bool alone) {
    int cpu = self->pinned_cpu, held = atomic_load_explicit(&held_cpu, memory_order_relaxed);
    bool is_held;

    atomic_store_explicit(&handler_tid, self->tid, memory_order_relaxed);
    if (held >= 0 && (!alone || tid != atomic_load_explicit(&held_tid, memory_order_relaxed)) && try_change()) {
        widen();
        end_change();
        held = -1;
    }
    if (!alone)
        return;
    if (held >= 0)
        atomic_fetch_add_explicit(&faults, 1, memory_order_relaxed);
    if (cpu < 0 || cpu == held || !is_to_be_held() || !try_change())
        return;
    is_held = now_ns() >= atomic_load(&hold_from) && atomic_load(&forks) == 0 && narrow(tid, cpu);
    end_change();
    if (is_held)
        have_it_watched();
    else
        leave_alone(LEAVE_ALONE_NS);
}

static void go_to(struct weir_thread *self, int cpu) {
    cpu_set_t cpus;

    if (cpu == self->pinned_cpu || cpu >= CPU_SETSIZE)
        return;
    self->pinned_cpu = cpu;
    if (cpu >= 0)
        cpus = just(cpu);
    else
        memset(&cpus, 0xff, sizeof(cpus));
    if (sys3(SYS_sched_setaffinity, 0, sizeof(cpus), &cpus) >= 0)
        return;
    self->pinned_cpu = -1;
    if (cpu == disk_cpu())
        atomic_store(&disk_cpu_is_no_use, true);
}

static int cpu_to_follow(int tid) {
    int cpu = atomic_load_explicit(&disk_cpu_is_no_use, memory_order_relaxed) ? -1 : disk_cpu();
    unsigned here = 0;

    if (cpu < 0)
        cpu = atomic_load_explicit(&held_cpu, memory_order_relaxed);
    if (cpu < 0 && tid == main_tid && main_cpu)
        return (int)atomic_load_explicit(main_cpu, memory_order_relaxed);
    /* Of other threads nobody knows where they are: they are brought to where the handler is. */
    if (cpu < 0 && sys3(SYS_getcpu, &here, NULL, NULL) == 0)
        cpu = (int)here;
    return cpu;
}

void placement_follow(struct weir_thread *self, int tid, bool alone) {
    go_to(self, alone ? cpu_to_follow(tid) : -1);
}

void placement_note_kswapd(void) {
    unsigned cpu = 0;

    sys3(SYS_getcpu, &cpu, NULL, NULL);
    atomic_fetch_add_explicit(&rounds, 1, memory_order_relaxed);
    if ((int)cpu == atomic_load_explicit(&held_cpu, memory_order_relaxed))
        atomic_fetch_add_explicit(&rounds_here, 1, memory_order_relaxed);
}

/* -- looking after the thread. ----------------------------------------------------------------------------------- */

/* The clerk's: what it saw last, and for how long it has left the thread alone because of others. */
static struct {
    uint64_t ns, idle_ns, ran_ns, kswapd_ns;
    int handler_tid;
    uint32_t faults;
    uint64_t alone_ns;
} last;

/* How long the thread has run: its schedstat. False: that cannot be seen. */
static bool add_run_time(int tid, uint64_t *ns) {
    static const char folder[] = "/proc/self/task/", file[] = "/schedstat";
    char path[64], digits[16];
    struct text text;
    uint64_t value;
    bool is_there;
    size_t at = sizeof(digits), len = sizeof(folder) - 1;

    for (; tid > 0; tid /= 10)
        digits[--at] = (char)('0' + tid % 10);
    memcpy(path, folder, len);
    memcpy(path + len, digits + at, sizeof(digits) - at);
    memcpy(path + len + sizeof(digits) - at, file, sizeof(file));
    if (!text_open(&text, path))
        return false;
    is_there = text_number(&text, &value);
    text_close(&text);
    *ns += is_there ? value : 0;
    return is_there;
}

/* Of what kswapd ran, as much as of its rounds ended here. */
static uint64_t part_here(uint64_t ns) {
    uint32_t all = atomic_exchange(&rounds, 0), here = atomic_exchange(&rounds_here, 0);

    return all ? ns / all * here : 0;
}

/* Others want its CPU, or nobody can see whether they do: it is left alone, the longer the more often that happens. */
static bool others_want_it(uint64_t at) {
    static struct cpu_times times[CPU_SETSIZE];
    int handler = atomic_load(&handler_tid), cpu = atomic_load(&held_cpu);
    bool is_first = last.ns == 0 || handler != last.handler_tid;
    uint64_t ran = 0, kswapd = 0, accounted = last.ran_ns + last.idle_ns, kswapd_before = last.kswapd_ns, others;

    if (cpu < 0 || !cpu_times_read(times, CPU_SETSIZE) || !add_run_time(atomic_load(&held_tid), &ran) ||
        !add_run_time(handler, &ran) || !add_run_time(weir_thread_of(THREAD_KSWAPD)->tid, &kswapd)) {
        last.alone_ns = LEAVE_ALONE_MAX_NS;
        return true;
    }
    last.idle_ns = times[cpu].idle * CPU_TICK_NS;
    last.ran_ns = ran;
    last.kswapd_ns = kswapd;
    last.handler_tid = handler;
    accounted = last.ran_ns + last.idle_ns - accounted + part_here(kswapd - kswapd_before);
    others = is_first || accounted > at - last.ns ? 0 : at - last.ns - accounted;
    if (others * 100 <= (at - last.ns) * OTHERS_PERCENT) {
        last.alone_ns -= last.alone_ns / 4;
        return false;
    }
    last.alone_ns = last.alone_ns < LEAVE_ALONE_NS / 2 ? LEAVE_ALONE_NS : last.alone_ns * 2;
    if (last.alone_ns > LEAVE_ALONE_MAX_NS)
        last.alone_ns = LEAVE_ALONE_MAX_NS;
    return true;
}

/* Is it to be let go now? On the first look it has only just been held. */
static bool is_to_be_let_go(uint64_t at) {
    uint32_t seen = atomic_load(&faults);
    bool idle = last.ns != 0 && seen == last.faults;

    last.faults = seen;
    if (idle || at < atomic_load(&hold_from))
        return true;
    if (last.ns != 0 && at - last.ns < JUDGE_NS)
        return false;
    if (!others_want_it(at)) {
        last.ns = at;
        return false;
    }
    leave_alone(last.alone_ns);
    return true;
}

bool placement_watch(void) {
    bool done = true;

    disk_cpu_look(atomic_load(&held_cpu));
    if (!atomic_load(&watched))
        return false;
    if (atomic_load(&held_cpu) >= 0 && !is_to_be_let_go(now_ns()))
        return true;
    /* Either we see that it is held, or whoever holds it sees that nobody looks. */
    atomic_store(&watched, false);
    last.ns = 0;
    if (try_change()) {
        done = widen();
        end_change();
    } else {
        done = false;
    }
    if (!done)
        atomic_store(&watched, true);
    return !done;
}

void placement_after_fork(void) {
    atomic_store(&held_cpu, -1);
    atomic_store(&changing, false);
    atomic_store(&watched, false);
    atomic_store(&hold_from, 0);
    atomic_store(&forks, 0);
    memset(&last, 0, sizeof(last));
    disk_cpu_after_fork();
}
