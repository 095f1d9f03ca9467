/* SPDX-License-Identifier: MIT */
#include "mm/oom_kill.h"

#include "mm/memory.h"
#include "mm/watermark.h"

#define NS_PER_SECOND UINT64_C(1000000000)
#define SHIFT_HZ 8 /* HZ rounded to a power of two */

static uint32_t task_flags(const struct task *task) {
    return atomic_load_explicit(&task->flags, memory_order_relaxed);
}

bool try_set_zone_oom(struct machine *m, const struct zonelist *zonelist) {
    bool free = true;

    lock_acquire(m->platform, &m->oom_lock);
    for (unsigned i = 0; zonelist->zones[i]; i++)
        if (zone_is_oom_locked(zonelist->zones[i]))
            free = false;
    for (unsigned i = 0; free && zonelist->zones[i]; i++)
        zone_set_flag(zonelist->zones[i], ZONE_OOM_LOCKED);
    lock_release(m->platform, &m->oom_lock);
    return free;
}

void clear_zonelist_oom(struct machine *m, const struct zonelist *zonelist) {
    lock_acquire(m->platform, &m->oom_lock);
    for (unsigned i = 0; zonelist->zones[i]; i++)
        zone_clear_flag(zonelist->zones[i], ZONE_OOM_LOCKED);
    lock_release(m->platform, &m->oom_lock);
}

/* -- Badness (section 13.4) ------------------------------------------------------------------------------------- */

static unsigned long total_vm(const struct mm *mm) {
    /* It changes under mmap_lock, which a task that waits for memory may hold. */
    return __atomic_load_n(&mm->total_vm, __ATOMIC_RELAXED);
}

struct children {
    const struct task *parent;
    unsigned long points;
};

static bool add_child(struct task *child, void *arg) {
    struct children *children = arg;

    if (child->parent == children->parent && child->mm && child->mm != children->parent->mm)
        children->points += total_vm(child->mm) / 2 + 1;
    return true;
}

/* Long running tasks and those that have computed for long would be a greater loss. */
static unsigned long discount_age(const struct task *task, unsigned long points, uint64_t now_ns) {
    uint64_t run_ns = now_ns > task->start_time_ns ? now_ns - task->start_time_ns : 0;
    unsigned long cpu = (unsigned long)(task->cpu_time_ns / TICK_NS >> (SHIFT_HZ + 3));
    unsigned long run = (unsigned long)(run_ns / NS_PER_SECOND >> 10);

    cpu = int_sqrt(cpu);
    run = int_sqrt(int_sqrt(run));
    if (cpu)
        points /= cpu;
    if (run)
        points /= run;
    return points;
}

static unsigned long adjust(unsigned long points, int oomkilladj) {
    if (oomkilladj > 0)
        return (points ? points : 1) << oomkilladj;
    return oomkilladj < 0 ? points >> -oomkilladj : points;
}

unsigned long badness(struct machine *m, const struct task *task, uint64_t now_ns) {
    const struct platform *p = m->platform;
    struct children children = {.parent = task};
    unsigned long points;

    if (!task->mm)
        return 0;
    points = total_vm(task->mm);
    if (task_flags(task) & PF_SWAPOFF)
        return ~0ul;
    p->for_each_task(p->host, add_child, &children);
    points = discount_age(task, points + children.points, now_ns);
    if (task->nice > 0)
        points *= 2;
    if (task_flags(task) & TASK_SYS_ADMIN)
        points /= 4;
    if (task_flags(task) & TASK_SYS_RAWIO)
        points /= 4;
    return adjust(points, task->oomkilladj);
}

/* -- Selection (section 13.3) ------------------------------------------------------------------------------------ */

struct selection {
    struct machine *m;
    struct task *current;
    uint64_t now_ns;
    struct task *chosen;
    unsigned long points;
    bool abort;
    bool skip_exempt; /* the last choice could not be killed */
};

struct exemption {
    const struct mm *mm;
    bool found;
};

static bool find_exempt(struct task *task, void *arg) {
    struct exemption *exemption = arg;

    if (task->mm == exemption->mm && task->oomkilladj == OOM_DISABLE)
        exemption->found = true;
    return !exemption->found;
}

/* Is this the address space of a task that must not be killed? Then nobody may be killed for it. */
static bool mm_is_exempt(struct machine *m, const struct mm *mm) {
    struct exemption exemption = {.mm = mm};

    m->platform->for_each_task(m->platform->host, find_exempt, &exemption);
    return exemption.found;
}

static bool consider(struct task *task, void *arg) {
    struct selection *s = arg;
    unsigned long points;

    if (!task->mm || task_flags(task) & TASK_IS_INIT)
        return true;
    /* Its memory is on the way; a second victim would be one too many. */
    if (task_flags(task) & TIF_MEMDIE || (task_flags(task) & PF_EXITING && task != s->current)) {
        s->abort = true;
        return false;
    }
    if (task_flags(task) & PF_EXITING) {
        s->chosen = task;
        s->points = ~0ul;
    }
    if (task->oomkilladj == OOM_DISABLE || (s->skip_exempt && mm_is_exempt(s->m, task->mm)))
        return true;
    points = badness(s->m, task, s->now_ns);
    if (points > s->points || !s->chosen) {
        s->chosen = task;
        s->points = points;
    }
    return true;
}

enum oom_verdict select_bad_process(struct machine *m, bool skip_exempt, struct task **ret_task,
                                    unsigned long *ret_points) {
    const struct platform *p = m->platform;
    struct selection s = {.m = m, .current = mm_current(m), .now_ns = p->now_ns(p->host), .skip_exempt = skip_exempt};

    p->for_each_task(p->host, consider, &s);
    if (s.abort)
        return OOM_ABORT;
    if (!s.chosen)
        return OOM_NOBODY;
    *ret_task = s.chosen;
    *ret_points = s.points;
    return OOM_CHOSEN;
}

/* -- The kill (section 13.5) ------------------------------------------------------------------------------------- */

struct killing {
    struct machine *m;
    struct task *task;
    const struct mm *mm;
    unsigned long points;
    bool done;
};

/* Others that share the address space must go too, or nothing comes free; but the reserves are for the victim alone. */
static bool kill_sharer(struct task *task, void *arg) {
    struct killing *k = arg;
    const struct platform *p = k->m->platform;

    if (task != k->task && task->mm == k->mm && !(task_flags(task) & TASK_IS_INIT))
        p->kill(p->host, task, k->points, false);
    return true;
}

static void kill_task(struct machine *m, struct task *task, unsigned long points) {
    atomic_fetch_or_explicit(&task->flags, TIF_MEMDIE, memory_order_relaxed);
    m->platform->kill(m->platform->host, task, points, true);
}

/* False: refused. */
static bool oom_kill_task(struct machine *m, struct task *task, unsigned long points) {
    const struct platform *p = m->platform;
    struct killing k = {.m = m, .task = task, .mm = task->mm, .points = points};

    if (!task->mm || task_flags(task) & TASK_IS_INIT || mm_is_exempt(m, task->mm))
        return false;
    kill_task(m, task, points);
    p->for_each_task(p->host, kill_sharer, &k);
    return true;
}

static bool kill_child(struct task *child, void *arg) {
    struct killing *k = arg;

    if (child->parent == k->task && child->mm != k->mm)
        k->done = oom_kill_task(k->m, child, k->points);
    return !k->done;
}

/* A child first: its parent may be what keeps a session together. */
static bool oom_kill_process(struct machine *m, struct task *task, unsigned long points) {
    const struct platform *p = m->platform;
    struct killing k = {.m = m, .task = task, .mm = task->mm, .points = points};

    if (task_flags(task) & PF_EXITING) {
        kill_task(m, task, 0);
        return true;
    }
    p->for_each_task(p->host, kill_child, &k);
    return k.done || oom_kill_task(m, task, points);
}

/* -- What to do about it (section 13.2) -------------------------------------------------------------------------- */

/* Does the list leave out a node that has memory? Then other nodes may have plenty. */
static bool is_limited_by_policy(const struct machine *m, const struct zonelist *zonelist) {
    unsigned missing = 0;

    for (unsigned n = 0; n < m->nr_nodes; n++)
        if (m->nodes[n]->node_present_pages)
            missing |= 1u << n;
    for (unsigned i = 0; zonelist->zones[i]; i++)
        missing &= ~(1u << zonelist->zones[i]->node->node_id);
    return missing;
}

static void select_and_kill(struct machine *m) {
    const struct platform *p = m->platform;
    struct task *victim;
    unsigned long points;
    bool refused = false;

    do {
        switch (select_bad_process(m, refused, &victim, &points)) {
        case OOM_ABORT:
            return;
        case OOM_NOBODY:
            p->panic(p->host, "out of memory, and no task left that may be killed");
            return;
        case OOM_CHOSEN:
            refused = !oom_kill_process(m, victim, points);
            break;
        }
    } while (refused);
}

void out_of_memory(struct machine *m, const struct zonelist *zonelist, gfp_t gfp, unsigned order) {
    const struct platform *p = m->platform;
    struct task *current = mm_current(m);

    (void)gfp, (void)order;
    if (p->oom_notify && p->oom_notify(p->host) > 0)
        return;
    if (m->tune.panic_on_oom == 2)
        p->panic(p->host, "out of memory, and panic_on_oom is 2");

    if (is_limited_by_policy(m, zonelist)) {
        oom_kill_process(m, current, 0);
    } else {
        if (m->tune.panic_on_oom)
            p->panic(p->host, "out of memory, and panic_on_oom is set");
        if (m->tune.oom_kill_allocating_task)
            oom_kill_process(m, current, 0);
        else
            select_and_kill(m);
    }
    /* The victim has somewhere to go: its exit. Everybody else gives it a chance to get there. */
    if (!(task_flags(current) & TIF_MEMDIE))
        p->sleep(p->host, TICK_NS);
}
