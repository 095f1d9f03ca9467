/* SPDX-License-Identifier: MIT */
/*
 * task_dirty.h - which share of the pages made dirty lately is a task's, so that those who write much wait before those
 * who write little. (specification, section 18; tune.dirty_task_share)
 *
 * Owns machine->dirtied and the same of each task. What was dirtied before counts half after each period of as many
 * pages as may be dirty, rounded up to a power of two.
 */
#ifndef MM_TASK_DIRTY_H
#define MM_TASK_DIRTY_H

#include "mm/machine.h"

/* The current task has made a clean page dirty. period: pages. */
void task_dirty_inc(struct machine *m, unsigned long period);
/* A device's share of the limit, less an eighth of it times the current task's share of what was dirtied. */
unsigned long task_dirty_limit(struct machine *m, unsigned long limit);

#endif
