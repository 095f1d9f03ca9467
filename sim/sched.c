/* SPDX-License-Identifier: MIT */
/* Tasks as coroutines, the clock, and what the core asks of a scheduler. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "mm/compaction.h"
#include "mm/lock.h"
#include "mm/oom_reaper.h"
#include "mm/vmscan.h"
#include "sim/internal.h"

#define STACK_BYTES ((size_t)256 << 10)
#define SWITCH_NS 100 /* what a change of tasks costs */
#define REST_NS 1000  /* between two looks at whether others rest */

static bool runnable(const struct sim *sim, const struct sim_task *task) {
    if (!task->used)
        return false;
    if (task->word && (atomic_load(task->word) != task->seen || task->wake_at == 0))
        return atomic_load(task->word) != task->seen;
    if (task->flag)
        return *task->flag;
    return task->wake_at <= sim->clock;
}

/* Any task that can run, by chance; the clock moves on to the next event if there is none. */
static struct sim_task *choose(struct sim *sim) {
    for (unsigned jumps = 0; jumps < 3; jumps++) {
        unsigned first = sim_random(sim, SIM_TASKS);
        uint64_t next = sim_next_io(sim);

        for (unsigned i = 0; i < SIM_TASKS; i++) {
            struct sim_task *task = &sim->tasks[(first + i) % SIM_TASKS];

            if (runnable(sim, task))
                return task;
            if (task->used && (!task->word || task->wake_at) && !task->flag && task->wake_at < next)
                next = task->wake_at;
        }
        if (next == UINT64_MAX)
            break;
        if (sim->clock < next)
            sim->clock = next;
        sim->io_due = sim_next_io(sim) <= sim->clock;
    }
    sim_fail(sim, "deadlock: nobody can run");
}

void sim_schedule(struct sim *sim) {
    struct sim_task *from = sim->current, *to;

    sim->clock += SWITCH_NS;
    sim->io_due = sim_next_io(sim) <= sim->clock;
    to = choose(sim);
    if (to == from)
        return;
    sim->current = to;
    swapcontext(&from->context, &to->context);
}

void sim_point(struct sim *sim) {
    if (sim->config.switch_permille && sim_random(sim, 1000) < sim->config.switch_permille)
        sim_schedule(sim);
}

void sim_wait_flag(struct sim *sim, bool *flag) {
    sim->current->flag = flag;
    while (!*flag)
        sim_schedule(sim);
    sim->current->flag = NULL;
}

void sim_sleep(struct sim *sim, uint64_t ns) {
    sim->current->wake_at = sim->clock + ns;
    do
        sim_schedule(sim);
    while (sim->current->wake_at > sim->clock);
    sim->current->wake_at = 0;
}

/* -- tasks. ----------------------------------------------------------------------------------------------------------
 */

static void task_main(unsigned high, unsigned low) {
    struct sim *sim = (struct sim *)((uintptr_t)high << 32 | low);
    struct sim_task *task = sim->current;

    task->fn(sim, task->arg);
    task->used = false;
    sim_schedule(sim);
    abort();
}

void sim_start(struct sim *sim, void (*fn)(struct sim *sim, void *arg), void *arg, bool background, uint32_t flags) {
    struct sim_task *task = &sim->tasks[1];

    while (task < &sim->tasks[SIM_TASKS] && task->used)
        task++;
    SIM_ASSERT(sim, task < &sim->tasks[SIM_TASKS]);
    if (!task->stack)
        task->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    SIM_ASSERT(sim, task->stack != MAP_FAILED);
    void *stack = task->stack;

    memset(task, 0, sizeof(*task));
    task->stack = stack;
    task->fn = fn;
    task->arg = arg;
    task->background = background;
    task->task.flags = flags;
    task->task.id = (uint64_t)(task - sim->tasks);
    task->task.comm = background ? "background" : "program";
    if (!background) {
        task->task.mm = sim->mm;
        task->task.parent = &sim->tasks[0].task;
    } else if (flags & PF_KSWAPD) {
        task->task.reclaim_state = &task->reclaim_state;
    }
    getcontext(&task->context);
    task->context.uc_stack.ss_sp = stack;
    task->context.uc_stack.ss_size = STACK_BYTES;
    makecontext(&task->context, (void (*)(void))task_main, 2, (unsigned)((uintptr_t)sim >> 32),
                (unsigned)(uintptr_t)sim);
    task->used = true;
}

void sim_spawn(struct sim *sim, void (*fn)(struct sim *sim, void *arg), void *arg) {
    sim_start(sim, fn, arg, false, 0);
}

static bool others_run(const struct sim *sim) {
    for (unsigned i = 1; i < SIM_TASKS; i++)
        if (sim->tasks[i].used && !sim->tasks[i].background)
            return true;
    return false;
}

void sim_join(struct sim *sim) {
    while (others_run(sim))
        sim_sleep(sim, 1000000);
}

static void kswapd_main(struct sim *sim, void *arg) {
    int node = (int)(intptr_t)arg;

    for (;;) {
        sim_wait_flag(sim, &sim->kswapd_wanted[node]);
        sim->kswapd_wanted[node] = false;
        sim->nr_kswapds_running++;
        while (sim->kswapd_allowed && kswapd_run(sim->machine, node))
            ;
        sim->nr_kswapds_running--;
    }
}

void sim_allow_kswapd(struct sim *sim, bool allowed) {
    sim->kswapd_allowed = allowed;
}

void sim_sched_init(struct sim *sim) {
    sim->kswapd_allowed = true;
    sim_start(sim, sim_io_task, NULL, true, 0);
    sim_start(sim, sim_flusher_task, NULL, true, 0);
    for (unsigned node = 0; node < sim->machine->nr_nodes; node++)
        sim_start(sim, kswapd_main, (void *)(intptr_t)node, true, PF_MEMALLOC | PF_SWAPWRITE | PF_KSWAPD);
}

void sim_sched_finish(struct sim *sim) {
    for (unsigned i = 1; i < SIM_TASKS; i++)
        if (sim->tasks[i].stack)
            munmap(sim->tasks[i].stack, STACK_BYTES);
}

struct task *sim_current(struct sim *sim) {
    return &sim->current->task;
}

void sim_rest(struct sim *sim) {
    bool wanted;

    sim_schedule(sim);
    do {
        wanted =
            sim->nr_kswapds_running != 0 || sim->nr_kcompactds_running != 0 || sim->flusher_wanted || sim->flusher_runs;
        for (unsigned node = 0; node < MAX_NUMNODES; node++)
            wanted |= sim->kswapd_wanted[node] || sim->kcompactd_wanted[node];
        if (wanted)
            sim_sleep(sim, REST_NS);
    } while (wanted);
}

void sim_settle(struct sim *sim) {
    while (sim_next_io(sim) != UINT64_MAX)
        sim_sleep(sim, 1000);
}

/* -- the platform's calls. -------------------------------------------------------------------------------------------
 */

static uint64_t call_now_ns(void *host) {
    return ((struct sim *)host)->clock;
}

static void call_sleep(void *host, uint64_t timeout_ns) {
    struct sim *sim = host;

    SIM_ASSERT(sim, sim->current->nr_ranks == 0 || sim->current->ranks[sim->current->nr_ranks - 1] <= RANK_MMAP);
    sim_sleep(sim, timeout_ns);
}

static void call_congestion_wait(void *host, uint64_t timeout_ns) {
    struct sim *sim = host;
    uint64_t end = sim->clock + timeout_ns, seen = sim->io_count;

    SIM_ASSERT(sim, sim->current->nr_ranks == 0 || sim->current->ranks[sim->current->nr_ranks - 1] <= RANK_MMAP);
    while (sim->clock < end && sim->io_count == seen) {
        uint64_t next = sim_next_io(sim);

        if (next > end)
            next = end;
        sim_sleep(sim, next > sim->clock ? next - sim->clock : 1);
    }
}

static void call_yield(void *host) {
    sim_schedule(host);
}

static struct task *call_current(void *host) {
    return sim_current(host);
}

static unsigned call_cpu(void *host) {
    struct sim *sim = host;

    return sim->machine && sim->machine->nr_cpus > 1 ? sim_random(sim, sim->machine->nr_cpus) : 0;
}

static bool call_in_interrupt(void *host) {
    (void)host;
    return false;
}

static void call_for_each_task(void *host, bool (*fn)(struct task *task, void *arg), void *arg) {
    struct sim *sim = host;

    for (unsigned i = 0; i < SIM_TASKS; i++)
        if (sim->tasks[i].used && !sim->tasks[i].background && !fn(&sim->tasks[i].task, arg))
            return;
}

static void call_lock_wait(void *host, _Atomic uint32_t *word, uint32_t seen) {
    struct sim *sim = host;

    sim->current->word = word;
    sim->current->seen = seen;
    sim_schedule(sim);
    sim->current->word = NULL;
}

static void call_wait_timeout(void *host, _Atomic uint32_t *word, uint32_t seen, uint64_t timeout_ns) {
    struct sim *sim = host;

    sim->current->wake_at = sim->clock + timeout_ns;
    call_lock_wait(host, word, seen);
    sim->current->wake_at = 0;
}

static void call_lock_wake(void *host, _Atomic uint32_t *word, bool all) {
    (void)host, (void)word, (void)all; /* waiters look for themselves */
}

static void call_lock_point(void *host) {
    sim_point(host);
}

/* Where one task runs at a time, each sees what the others have done. */
static void call_barrier(void *host) {
    sim_point(host);
}

static void call_lock_taken(void *host, uint32_t rank, bool may_wait) {
    struct sim *sim = host;
    struct sim_task *task = sim->current;

    if (may_wait)
        sim_point(sim);
    for (unsigned i = 0; may_wait && i < task->nr_ranks; i++)
        if (task->ranks[i] >= rank)
            sim_fail(sim, "a lock is taken against the order of ranks");
    SIM_ASSERT(sim, task->nr_ranks < SIM_RANKS_HELD);
    task->ranks[task->nr_ranks++] = rank;
}

static void call_lock_dropped(void *host, uint32_t rank) {
    struct sim *sim = host;
    struct sim_task *task = sim->current;
    unsigned i = task->nr_ranks;

    while (i > 0 && task->ranks[i - 1] != rank)
        i--;
    SIM_ASSERT(sim, i > 0);
    memmove(&task->ranks[i - 1], &task->ranks[i], (task->nr_ranks - i) * sizeof(task->ranks[0]));
    task->nr_ranks--;
    sim_point(sim);
}

static void call_wake_kswapd(void *host, int node) {
    ((struct sim *)host)->kswapd_wanted[node] = true;
}

static void kcompactd_main(struct sim *sim, void *arg) {
    int node = (int)(intptr_t)arg;

    for (;;) {
        sim_wait_flag(sim, &sim->kcompactd_wanted[node]);
        sim->kcompactd_wanted[node] = false;
        sim->nr_kcompactds_running++;
        while (kcompactd_run(sim->machine, node))
            sim_schedule(sim);
        sim->nr_kcompactds_running--;
    }
}

/* Its task comes with the first that there is to do. */
static void call_wake_kcompactd(void *host, int node) {
    struct sim *sim = host;

    if (!sim->kcompactd_started[node])
        sim_start(sim, kcompactd_main, (void *)(intptr_t)node, true, 0);
    sim->kcompactd_started[node] = sim->kcompactd_wanted[node] = true;
}

static void reaper_main(struct sim *sim, void *arg) {
    (void)arg;
    for (;;) {
        uint64_t next;

        sim_wait_flag(sim, &sim->reaper_wanted);
        sim->reaper_wanted = false;
        while ((next = oom_reaper_run(sim->machine)) != OOM_REAPER_NEVER)
            sim_sleep(sim, next > sim->clock ? next - sim->clock : 1);
    }
}

/* The reaper's task comes with its first victim. */
static void call_wake_oom_reaper(void *host, uint64_t due_ns) {
    struct sim *sim = host;

    SIM_ASSERT(sim, due_ns > sim->clock);
    if (!sim->reaper_started)
        sim_start(sim, reaper_main, NULL, true, 0);
    sim->reaper_started = sim->reaper_wanted = true;
}

static void call_kill(void *host, struct task *victim, unsigned long points, bool memdie) {
    struct sim *sim = host;

    (void)victim, (void)points, (void)memdie;
    sim->counts.kills++;
}

static void call_panic(void *host, const char *why) {
    sim_fail(host, why);
}

static void call_assert_failed(void *host, const char *file, int line, const char *what) {
    (void)file, (void)line;
    sim_fail(host, what);
}

void sim_sched_calls(struct platform *platform) {
    platform->now_ns = call_now_ns;
    platform->sleep = call_sleep;
    platform->congestion_wait = call_congestion_wait;
    platform->yield = call_yield;
    platform->current = call_current;
    platform->cpu = call_cpu;
    platform->in_interrupt = call_in_interrupt;
    platform->for_each_task = call_for_each_task;
    platform->lock_wait = call_lock_wait;
    platform->wait_timeout = call_wait_timeout;
    platform->lock_wake = call_lock_wake;
    platform->lock_point = call_lock_point;
    platform->barrier = call_barrier;
    platform->lock_taken = call_lock_taken;
    platform->lock_dropped = call_lock_dropped;
    platform->wake_kswapd = call_wake_kswapd;
    platform->wake_kcompactd = call_wake_kcompactd;
    platform->kill = call_kill;
    platform->wake_oom_reaper = call_wake_oom_reaper;
    platform->panic = call_panic;
    platform->assert_failed = call_assert_failed;
}
