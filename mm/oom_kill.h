/* SPDX-License-Identifier: MIT */
/*
 * oom_kill.h - who has to die when nothing can be reclaimed. (specification, section 13)
 *
 * Chooses and marks; the platform kills. Serialised by ZONE_OOM_LOCKED on all zones of the zonelist concerned.
 */
#ifndef MM_OOM_KILL_H
#define MM_OOM_KILL_H

#include "mm/gfp.h"
#include "mm/machine.h"

/* All or nothing: false, and no zone changed, if any zone of the list is OOM_LOCKED already. */
bool try_set_zone_oom(struct machine *m, const struct zonelist *zonelist);
void clear_zonelist_oom(struct machine *m, const struct zonelist *zonelist);

/*
 * Chooses a task and has it killed, then sleeps a tick unless the current task is the victim. The caller holds the OOM
 * lock of the zonelist (try_set_zone_oom) and no other.
 */
void out_of_memory(struct machine *m, const struct zonelist *zonelist, gfp_t gfp, unsigned order);

/* Calls fn for every task that there is, or for the owner of each address space, until it returns false. Nests. */
void oom_for_each_task(struct machine *m, bool (*fn)(struct task *task, void *arg), void *arg);

/* What keeps a request from the memory of the whole machine (section 13.2). */
enum oom_constraint {
    CONSTRAINT_NONE,
    CONSTRAINT_CPUSET,        /* the current task's cpuset */
    CONSTRAINT_MEMORY_POLICY, /* its list leaves out a node that has memory */
};
enum oom_constraint oom_constraint_of(struct machine *m, const struct zonelist *zonelist, gfp_t gfp);

/* Sets what badness is adjusted by. MM_INVAL: out of range. MM_PERM: lower, and the current task may not do that. */
enum mm_status oom_set_adj(struct machine *m, struct task *task, int adj);       /* -16..15, or OOM_DISABLE */
enum mm_status oom_set_score_adj(struct machine *m, struct task *task, int adj); /* -1000..1000 */
/* Is the task never to be killed? By oomkilladj, or with the tunable oom_score_adj by that. */
bool oom_task_is_exempt(const struct machine *m, const struct task *task);

/*
 * How much would be gained by killing task, and how little lost. now_ns: platform->now_ns(). With the tunable
 * oom_score_adj (section 18): pages in memory, in swap and of page tables, and oom_score_adj thousandths of all there
 * are.
 */
unsigned long badness(struct machine *m, const struct task *task, uint64_t now_ns);

enum oom_verdict {
    OOM_CHOSEN, /* ret_task is the one */
    OOM_ABORT,  /* somebody is dying already */
    OOM_NOBODY, /* nobody left to kill */
};
/*
 * The task of highest badness. skip_exempt: also leaves out those that share an address space with an exempt task,
 * whose kill would be refused. ret_*: set if OOM_CHOSEN.
 */
enum oom_verdict select_bad_process(struct machine *m, bool skip_exempt, struct task **ret_task,
                                    unsigned long *ret_points);

#endif
