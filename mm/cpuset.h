/* SPDX-License-Identifier: MIT */
/*
 * cpuset.h - which nodes' memory a task may use. (specification, sections 7, 8, 10.3, 10.4 and 13)
 *
 * Owns nothing: the masks are the host's, in struct task. A mask of 0 stands for all nodes.
 */
#ifndef MM_CPUSET_H
#define MM_CPUSET_H

#include "mm/gfp.h"
#include "mm/machine.h"

/*
 * May the current task take memory of the zone for this request? Always in an interrupt, of its own nodes, or once it
 * has been chosen to die; unless __GFP_HARDWALL forbids it, also as it exits, and of what the next exclusive cpuset
 * above its own has.
 */
bool cpuset_zone_allowed_softwall(const struct zone *zone, gfp_t gfp);
/* The same, but never of more than its own nodes, dying and interrupts aside. */
bool cpuset_zone_allowed_hardwall(const struct zone *zone);
/* Do both tasks draw on the memory of some node? Else killing the one does not help the other. */
bool cpuset_excl_nodes_overlap(const struct task *a, const struct task *b);

#endif
