/* SPDX-License-Identifier: MIT */
/*
 * oom_reaper.h - takes the memory of a victim of the OOM killer that is in no hurry to die. (specification, section 18;
 * tunable oom_reaper)
 *
 * A victim may wait for a lock whose owner waits for memory. Two seconds after the kill the reaper forgets its pages
 * from outside, those aside that must stay resident; if it cannot get at them, ten times over, the address space counts
 * as given up: another victim may be chosen. Threads belong to the host, which calls oom_reaper_run().
 */
#ifndef MM_OOM_REAPER_H
#define MM_OOM_REAPER_H

#include "mm/machine.h"
#include "mm/memory.h"

#define OOM_REAPER_DELAY_NS UINT64_C(2000000000)
#define OOM_REAPER_RETRY_NS UINT64_C(100000000)
#define OOM_REAPER_TRIES 10u
#define OOM_REAPER_NEVER UINT64_MAX

/* The address space's task has been told to die; tells the platform when to call oom_reaper_run(). Any task. */
void oom_reaper_add(struct machine *m, struct mm *mm);
/* The address space goes by itself. */
void oom_reaper_forget(struct mm *mm);
/*
 * Does what is due. Returns when (platform->now_ns) to call it again, or OOM_REAPER_NEVER: then oom_reaper_add() will
 * say. No lock held; never waits for memory or for a task that does.
 */
uint64_t oom_reaper_run(struct machine *m);

#endif
