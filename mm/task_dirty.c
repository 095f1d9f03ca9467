/* SPDX-License-Identifier: MIT */
#include "mm/task_dirty.h"

/* What a task dirtied in earlier periods is halved when it is next looked at. */
static unsigned long dirtied_by(struct machine *m, struct task *task) {
    uint32_t periods = atomic_load_explicit(&m->dirtied_periods, memory_order_relaxed);
    uint32_t passed = periods - task->dirtied_periods;

    task->dirtied = passed < 32 ? task->dirtied >> passed : 0;
    task->dirtied_periods = periods;
    return task->dirtied;
}

void task_dirty_inc(struct machine *m, unsigned long period) {
    struct task *task = mm_current(m);
    unsigned long all = atomic_fetch_add_explicit(&m->dirtied, 1, memory_order_relaxed) + 1;

    dirtied_by(m, task);
    task->dirtied++;
    /* One of those that see it ends the period. */
    if (all >= period &&
        atomic_compare_exchange_strong_explicit(&m->dirtied, &all, all / 2, memory_order_relaxed, memory_order_relaxed))
        atomic_fetch_add_explicit(&m->dirtied_periods, 1, memory_order_relaxed);
}

unsigned long task_dirty_limit(struct machine *m, unsigned long limit) {
    unsigned long own, all;

    if (!m->tune.dirty_task_share)
        return limit;
    own = dirtied_by(m, mm_current(m));
    all = atomic_load_explicit(&m->dirtied, memory_order_relaxed);
    if (all == 0)
        return limit;
    return limit - (unsigned long)((uint64_t)(limit / 8) * (own < all ? own : all) / all);
}
