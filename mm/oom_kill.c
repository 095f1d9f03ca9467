/* SPDX-License-Identifier: MIT */
#include "mm/oom_kill.h"

#include "mm/cpuset.h"
#include "mm/memory.h"
#include "mm/oom_reaper.h"
#include "mm/rmap.h"

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

void oom_for_each_task(struct machine *m, bool (*fn)(struct task *task, void *arg), void *arg) {
    bool more = true;

    if (m->platform->for_each_task) {
        m->platform->for_each_task(m->platform->host, fn, arg);
        return;
    }
    for (uint64_t id = 1; id <= MAX_MMS && more; id++) {
        struct mm *mm = rmap_get_mm(m, id << 40);
        struct task *owner = mm ? __atomic_load_n(&mm->owner, __ATOMIC_ACQUIRE) : NULL;

        more = !owner || fn(owner, arg);
        rmap_put_mm(m);
    }
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
    const struct machine *m;
    const struct mm *mm;
    bool found;
};

static bool find_exempt(struct task *task, void *arg) {
    struct exemption *exemption = arg;

    if (task->mm == exemption->mm && oom_task_is_exempt(exemption->m, task))
        exemption->found = true;
    return !exemption->found;
}

/* Is this the address space of a task that must not be killed? Then nobody may be killed for it. */
static bool mm_is_exempt(struct machine *m, const struct mm *mm) {
    struct exemption exemption = {.m = m, .mm = mm};

    oom_for_each_task(m, find_exempt, &exemption);
    return exemption.found;
}

/* Has the reaper had all that there is to be had? Then the task, dying or not, is nobody to wait for. */
static bool is_given_up(const struct mm *mm) {
    return atomic_load_explicit(&mm->flags, memory_order_acquire) & MM_OOM_SKIP;
}

static bool consider(struct task *task, void *arg) {
    struct selection *s = arg;
    unsigned long points;

    if (!task->mm || task_flags(task) & TASK_IS_INIT || is_given_up(task->mm))
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
    if (oom_task_is_exempt(s->m, task) || (s->skip_exempt && mm_is_exempt(s->m, task->mm)))
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

    oom_for_each_task(m, consider, &s);
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
    if (task->mm)
        oom_reaper_add(m, task->mm);
}

/* False: refused. */
static bool oom_kill_task(struct machine *m, struct task *task, unsigned long points) {
    struct killing k = {.m = m, .task = task, .mm = task->mm, .points = points};

    if (!task->mm || task_flags(task) & TASK_IS_INIT || mm_is_exempt(m, task->mm))
        return false;
    kill_task(m, task, points);
    oom_for_each_task(m, kill_sharer, &k);
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
    struct killing k = {.m = m, .task = task, .mm = task->mm, .points = points};

    if (task_flags(task) & PF_EXITING) {
        kill_task(m, task, 0);
        return true;
    }
    oom_for_each_task(m, kill_child, &k);
    return k.done || oom_kill_task(m, task, points);
}

/* -- What to do about it (section 13.2) -------------------------------------------------------------------------- */

enum oom_constraint oom_constraint_of(struct machine *m, const struct zonelist *zonelist, gfp_t gfp) {
    unsigned missing = 0;

    if (m->nr_nodes == 1)
        return CONSTRAINT_NONE;
    for (unsigned n = 0; n < m->nr_nodes; n++)
        if (m->nodes[n]->node_present_pages)
            missing |= 1u << n;
    for (unsigned i = 0; zonelist->zones[i]; i++) {
        if (!cpuset_zone_allowed_softwall(zonelist->zones[i], gfp))
            return CONSTRAINT_CPUSET;
        missing &= ~(1u << zonelist->zones[i]->node->node_id);
    }
    return missing ? CONSTRAINT_MEMORY_POLICY : CONSTRAINT_NONE;
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
    enum oom_constraint constraint;

    (void)order;
    if (p->oom_notify && p->oom_notify(p->host) > 0)
        return;
    if (m->tune.panic_on_oom == 2)
        p->panic(p->host, "out of memory, and panic_on_oom is 2");

    constraint = oom_constraint_of(m, zonelist, gfp);
    if (constraint == CONSTRAINT_NONE && m->tune.panic_on_oom)
        p->panic(p->host, "out of memory, and panic_on_oom is set");
    /* With a policy of its own, other nodes may have plenty: the task that has it is who wants too much. */
    if (constraint == CONSTRAINT_MEMORY_POLICY || m->tune.oom_kill_allocating_task)
        oom_kill_process(m, current, 0);
    else
        select_and_kill(m);
    /* The victim has somewhere to go: its exit. Everybody else gives it a chance to get there. */
    if (!(task_flags(current) & TIF_MEMDIE))
        p->sleep(p->host, TICK_NS);
}
