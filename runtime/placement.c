/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/placement.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "runtime/disk_cpu.h"
#include "runtime/others.h"
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

/* A thread is held once it has faulted so often within a moment. */
#define HOLD_AFTER 32u
#define MOMENT_NS UINT64_C(20000000)
/* If others have this much of its CPU, they want it. */
#define OTHERS_PERCENT 25
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
/* By handler: whom it holds. */
static struct hold {
    cpu_set_t home;          /* where the handler may run: where the program might when it was started */
    cpu_set_t affinity;      /* the thread's own */
    _Atomic int tid;         /* the thread that is held, or was last */
    _Atomic int cpu;         /* where it is held, and one; 0: it is not */
    _Atomic uint32_t faults; /* of the thread while it is held */
    /* The handler's: its client, and the faults of that within this moment. */
    int client;
    uint64_t moment;
    unsigned nr;
    _Atomic uint64_t from; /* nobody is to be held here before */
    /* The clerk's: what it saw last (look.ns is 0 until it has looked), and for how long it last kept away. */
    uint32_t seen_faults;
    struct others_look look;
    uint64_t alone_ns;
} holds[WEIR_MAX_HANDLERS];
static _Atomic uint64_t hold_from;      /* nobody is to be held before */
static _Atomic unsigned forks;          /* under way: nobody is to be held */
static _Atomic bool watched;            /* the clerk looks */
static _Atomic bool disk_cpu_is_no_use; /* the program may not run there */

static struct hold *hold_of(const struct weir_thread *handler) {
    return &holds[handler->cpu - THREAD_HANDLER0];
}

/* Where it is held, or -1. */
static int held_cpu(const struct hold *hold) {
    return atomic_load_explicit(&hold->cpu, memory_order_relaxed) - 1;
}

/* Is a thread of another handler's held there? */
static bool is_taken(int cpu, const struct hold *by) {
    for (const struct hold *hold = holds; hold < holds + WEIR_MAX_HANDLERS; hold++)
        if (hold != by && held_cpu(hold) == cpu)
            return true;
    return false;
}

static bool is_anybody_held(void) {
    for (const struct hold *hold = holds; hold < holds + WEIR_MAX_HANDLERS; hold++)
        if (atomic_load(&hold->cpu))
            return true;
    return false;
}

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
static bool is_narrowed(const struct hold *hold, const cpu_set_t *cpus) {
    int cpu = held_cpu(hold);

    return cpu >= 0 && CPU_COUNT(cpus) == 1 && CPU_ISSET((size_t)cpu, cpus);
}

/* Changing. False: the caller may not do it (another user's thread asks); then somebody else has to. */
static bool widen(struct hold *hold) {
    int tid = atomic_load(&hold->tid);
    cpu_set_t cpus;

    if (atomic_load(&hold->cpu) == 0)
        return true;
    if (get_affinity(tid, &cpus) >= 0 && is_narrowed(hold, &cpus)) {
        long result = sys3(SYS_sched_setaffinity, tid, sizeof(hold->affinity), &hold->affinity);

        if (result < 0 && result != -ESRCH)
            return false;
    }
    atomic_store(&hold->cpu, 0);
    return true;
}

/* Changing. */
static bool narrow(struct hold *hold, int tid, int cpu) {
    cpu_set_t cpus;

    /* Whom the handler has held so far, and the thread itself, if another handler has held it, have their own back. */
    for (struct hold *other = holds; other < holds + WEIR_MAX_HANDLERS; other++)
        if ((other == hold) != (atomic_load(&other->tid) == tid) && !widen(other))
            return false;
    if (get_affinity(tid, &cpus) < 0)
        return false;
    if (!is_narrowed(hold, &cpus))
        hold->affinity = cpus;
    if (!CPU_ISSET((size_t)cpu, &hold->affinity)) {
        if (cpu == disk_cpu())
            atomic_store(&disk_cpu_is_no_use, true);
        return false;
    }
    cpus = just(cpu);
    if (CPU_COUNT(&hold->affinity) < 2 || sys3(SYS_sched_setaffinity, tid, sizeof(cpus), &cpus) < 0)
        return false;
    atomic_store(&hold->tid, tid);
    atomic_store(&hold->cpu, cpu + 1);
    return true;
}

static bool widen_all(void) {
    bool done = true;

    for (struct hold *hold = holds; hold < holds + WEIR_MAX_HANDLERS; hold++)
        done = widen(hold) && done;
    return done;
}

static void leave_alone(_Atomic uint64_t *hold_from_when, uint64_t ns) {
    uint64_t until = now_ns() + ns, from = atomic_load(hold_from_when);

    while (from < until && !atomic_compare_exchange_weak(hold_from_when, &from, until))
        ;
}

static bool is_left_alone(const struct hold *hold, uint64_t at) {
    return at < atomic_load(&hold_from) || at < atomic_load(&hold->from) || atomic_load(&forks) != 0;
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
    leave_alone(&hold_from, LEAVE_ALONE_NS);
    /* Whoever is about to hold it has taken `changing` before it looked at hold_from, and held it before it let go. */
    if (!atomic_load(&changing) && !is_anybody_held())
        return;
    /* A handler of the program's may get here as well. */
    sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask, sizeof(all));
    for (unsigned tries = 0; tries < WAIT_TRIES; tries++) {
        bool done = false;

        if (try_change()) {
            done = widen_all();
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

/* Is it worth while, and allowed? */
static bool is_to_be_held(struct hold *hold, int tid) {
    uint64_t at = now_ns();

    if (at - hold->moment > MOMENT_NS || tid != hold->client) {
        hold->client = tid;
        hold->moment = at;
        hold->nr = 0;
    }
    return ++hold->nr >= HOLD_AFTER && !is_left_alone(hold, at);
}

void placement_hold(struct weir_thread *self, int tid, enum faulter who) {
    struct hold *hold = hold_of(self);
    int cpu = self->pinned_cpu, held = held_cpu(hold);
    bool is_held;

    if (who == FAULTER_ANOTHER)
        return;
    if (held >= 0 && (who == FAULTER_CROWD || tid != atomic_load_explicit(&hold->tid, memory_order_relaxed)) &&
        try_change()) {
        widen(hold);
        end_change();
        held = held_cpu(hold);
    }
    if (who == FAULTER_CROWD)
        return;
    if (held >= 0)
        atomic_fetch_add_explicit(&hold->faults, 1, memory_order_relaxed);
    if (cpu < 0 || cpu == held || is_taken(cpu, hold) || !is_to_be_held(hold, tid) || !try_change())
        return;
    is_held = !is_left_alone(hold, now_ns()) && !is_taken(cpu, hold) && narrow(hold, tid, cpu);
    end_change();
    if (is_held)
        have_it_watched();
    else
        leave_alone(&hold->from, LEAVE_ALONE_NS);
}

void placement_begin(struct weir_thread *self) {
    self->pinned_cpu = -1;
    get_affinity(0, &hold_of(self)->home);
}

static void go_to(struct weir_thread *self, int cpu) {
    const struct hold *hold = hold_of(self);
    cpu_set_t cpus;

    if (cpu >= CPU_SETSIZE || (cpu >= 0 && !CPU_ISSET((size_t)cpu, &hold->home)))
        cpu = -1;
    if (cpu == self->pinned_cpu)
        return;
    self->pinned_cpu = cpu;
    cpus = cpu >= 0 ? just(cpu) : hold->home;
    if (sys3(SYS_sched_setaffinity, 0, sizeof(cpus), &cpus) >= 0)
        return;
    self->pinned_cpu = -1;
    if (cpu >= 0 && cpu == disk_cpu())
        atomic_store(&disk_cpu_is_no_use, true);
}

static int cpu_to_follow(const struct hold *hold, int tid) {
    int cpu = atomic_load_explicit(&disk_cpu_is_no_use, memory_order_relaxed) ? -1 : disk_cpu();
    unsigned here = 0;
    cpu_set_t cpus;

    if (cpu < 0 || is_taken(cpu, hold) || !CPU_ISSET((size_t)cpu, &hold->home))
        cpu = held_cpu(hold);
    if (cpu < 0 && tid == main_tid && main_cpu)
        cpu = (int)atomic_load_explicit(main_cpu, memory_order_relaxed);
    /* Of other threads nobody knows where they are: they are brought to where the handler is. */
    if (cpu < 0 && sys3(SYS_getcpu, &here, NULL, NULL) == 0)
        cpu = (int)here;
    if (cpu < 0 || !is_taken(cpu, hold))
        return cpu;
    if (get_affinity(tid, &cpus) < 0)
        return -1;
    for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET((size_t)cpu, &cpus) && !is_taken(cpu, hold))
            return cpu;
    return -1;
}

void placement_follow(struct weir_thread *self, int tid, enum faulter who) {
    if (who == FAULTER_CLIENT)
        go_to(self, cpu_to_follow(hold_of(self), tid));
    else if (who == FAULTER_CROWD)
        go_to(self, -1);
}

/* -- looking after the thread. ----------------------------------------------------------------------------------- */

/* Others want its CPU, or nobody can see whether they do: it is left alone, the longer the more often that happens. */
static bool others_want_it(struct hold *hold) {
    const struct weir_thread *handler = weir_thread_of(THREAD_HANDLER0 + (unsigned)(hold - holds));
    int cpu = held_cpu(hold), percent;

    if (cpu < 0)
        return false;
    percent = others_percent(&hold->look, cpu, atomic_load(&hold->tid), handler->tid);
    if (percent >= 0 && percent <= OTHERS_PERCENT) {
        hold->alone_ns -= hold->alone_ns / 4;
        return false;
    }
    hold->alone_ns = hold->alone_ns < LEAVE_ALONE_NS / 2 ? LEAVE_ALONE_NS : hold->alone_ns * 2;
    if (percent < 0 || hold->alone_ns > LEAVE_ALONE_MAX_NS)
        hold->alone_ns = LEAVE_ALONE_MAX_NS;
    return true;
}

/* Is it to be let go now? On the first look it has only just been held. */
static bool is_to_be_let_go(struct hold *hold, uint64_t at) {
    uint32_t seen = atomic_load(&hold->faults);
    bool idle = hold->look.ns != 0 && seen == hold->seen_faults;

    hold->seen_faults = seen;
    if (idle || is_left_alone(hold, at))
        return true;
    if (at - hold->look.ns < OTHERS_LOOK_NS || !others_want_it(hold))
        return false;
    leave_alone(&hold->from, hold->alone_ns);
    return true;
}

/* Lets go of those that are not to be held any longer. Returns whether somebody stays. */
static bool look_after_all(bool *ret_done) {
    uint64_t at = now_ns();
    bool stays = false, go[WEIR_MAX_HANDLERS] = {false}, any = false;

    for (unsigned i = 0; i < WEIR_MAX_HANDLERS; i++) {
        go[i] = held_cpu(&holds[i]) >= 0 && is_to_be_let_go(&holds[i], at);
        any = any || go[i];
        stays = stays || (held_cpu(&holds[i]) >= 0 && !go[i]);
        if (go[i] || held_cpu(&holds[i]) < 0)
            holds[i].look.ns = 0;
    }
    *ret_done = !any;
    if (!any || !try_change())
        return stays;
    *ret_done = true;
    for (unsigned i = 0; i < WEIR_MAX_HANDLERS; i++)
        if (go[i] && !widen(&holds[i]))
            *ret_done = false;
    end_change();
    return stays;
}

bool placement_watch(void) {
    cpu_set_t used;
    bool done;

    CPU_ZERO(&used);
    for (unsigned i = 0; i < WEIR_MAX_HANDLERS; i++)
        if (held_cpu(&holds[i]) >= 0)
            CPU_SET((size_t)held_cpu(&holds[i]), &used);
    disk_cpu_look(&used);
    if (!atomic_load(&watched))
        return false;
    /* Before it looks: either we see that somebody is held, or whoever holds it sees that nobody looks. */
    atomic_store(&watched, false);
    if (look_after_all(&done) || !done)
        atomic_store(&watched, true);
    return atomic_load(&watched);
}

void placement_after_fork(void) {
    memset(holds, 0, sizeof(holds));
    atomic_store(&changing, false);
    atomic_store(&watched, false);
    atomic_store(&hold_from, 0);
    atomic_store(&forks, 0);
    disk_cpu_after_fork();
}
