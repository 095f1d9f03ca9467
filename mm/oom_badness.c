/* SPDX-License-Identifier: MIT */
/* How much would be gained by killing a task, and how little lost. (specification, sections 13.4 and 18) */
#include "mm/cpuset.h"
#include "mm/memory.h"
#include "mm/oom_kill.h"
#include "mm/watermark.h"

#define NS_PER_SECOND UINT64_C(1000000000)
#define SHIFT_HZ 8 /* HZ rounded to a power of two */

static uint32_t task_flags(const struct task *task) {
    return atomic_load_explicit(&task->flags, memory_order_relaxed);
}

static unsigned long total_vm(const struct mm *mm) {
    /* It changes under mmap_lock, which a task that waits for memory may hold. */
    return __atomic_load_n(&mm->total_vm, __ATOMIC_RELAXED);
}

bool oom_task_is_exempt(const struct machine *m, const struct task *task) {
    return m->tune.oom_score_adj ? task->oom_score_adj == OOM_SCORE_ADJ_MIN : task->oomkilladj == OOM_DISABLE;
}

static bool may_protect(const struct machine *m) {
    return task_flags(mm_current(m)) & TASK_SYS_RESOURCE;
}

enum mm_status oom_set_adj(struct machine *m, struct task *task, int adj) {
    if ((adj < OOM_ADJ_MIN || adj > OOM_ADJ_MAX) && adj != OOM_DISABLE)
        return MM_INVAL;
    if (adj < task->oomkilladj && !may_protect(m))
        return MM_PERM;
    task->oomkilladj = adj;
    return MM_OK;
}

enum mm_status oom_set_score_adj(struct machine *m, struct task *task, int adj) {
    if (adj < OOM_SCORE_ADJ_MIN || adj > OOM_SCORE_ADJ_MAX)
        return MM_INVAL;
    if (adj < task->oom_score_adj && !may_protect(m))
        return MM_PERM;
    task->oom_score_adj = adj;
    return MM_OK;
}

/* -- As it was: section 13.4. ------------------------------------------------------------------------------------- */

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

static unsigned long classic_badness(struct machine *m, const struct task *task, uint64_t now_ns) {
    struct children children = {.parent = task};
    unsigned long points = total_vm(task->mm);

    oom_for_each_task(m, add_child, &children);
    points = discount_age(task, points + children.points, now_ns);
    if (task->nice > 0)
        points *= 2;
    if (task_flags(task) & TASK_SYS_ADMIN)
        points /= 4;
    if (task_flags(task) & TASK_SYS_RAWIO)
        points /= 4;
    if (!cpuset_excl_nodes_overlap(mm_current(m), task))
        points /= 8;
    return adjust(points, task->oomkilladj);
}

/* -- By pages alone: section 18. ---------------------------------------------------------------------------------- */

static long total_pages(const struct machine *m) {
    long total = 0;

    for_each_populated_zone(m, zone) total += (long)zone->present_pages;
    return total + __atomic_load_n(&m->total_swap_pages, __ATOMIC_RELAXED);
}

static unsigned long page_badness(const struct machine *m, const struct task *task) {
    const struct mm *mm = task->mm;
    long points = atomic_load_explicit(&mm->nr_rss, memory_order_relaxed) +
                  atomic_load_explicit(&mm->nr_swapped, memory_order_relaxed) +
                  atomic_load_explicit(&mm->nr_tables, memory_order_relaxed);

    points += task->oom_score_adj * (total_pages(m) / 1000);
    /* Whatever may be killed at all is worth something. */
    return points > 0 ? (unsigned long)points : 1;
}

unsigned long badness(struct machine *m, const struct task *task, uint64_t now_ns) {
    if (!task->mm)
        return 0;
    if (task_flags(task) & PF_SWAPOFF)
        return ~0ul;
    return m->tune.oom_score_adj ? page_badness(m, task) : classic_badness(m, task, now_ns);
}
