/* SPDX-License-Identifier: MIT */
/*
 * slow_path.h - what the tests of the allocation's slow path share: a machine whose free pages are counted out, and
 * things for reclaim, which goes by script, to do.
 */
#ifndef TESTS_SLOW_PATH_H
#define TESTS_SLOW_PATH_H

#include "tests/unit/fake_platform.h"
#include "tests/unit/fake_vmscan.h"

/* A machine of 64 MiB: marks 256, 320, 384; its only tasks are the current one and a hog. */
extern struct fake *fake;
extern struct zone *zone;
extern struct task hog;
/* Calls of reclaim without progress before something gives. */
extern unsigned give_up_after;

/* For cmocka. */
int slow_path_setup(void **state);
/* The same with two such nodes, of which zone is the first's. */
int slow_path_setup_two_nodes(void **state);
int slow_path_teardown(void **state);

struct page *request(gfp_t gfp, unsigned order);
/* Leaves exactly nr pages free, none on per-CPU lists, with all counters folded. */
void leave_free(unsigned nr);
/* The same, and none of them has a free buddy: no block of order 1 or more. */
void leave_free_single(unsigned nr);
/* Frees nr of the pages that were taken for this, or all of them. */
void give_back(unsigned nr);
void give_back_all(void);
/* One of them, still taken: the caller frees it. */
struct page *take_held_page(void);

/* What happens when reclaim is called. */
unsigned long no_progress(struct machine *m, const struct zonelist *list, unsigned order, gfp_t gfp, unsigned call);
unsigned long frees_10_each_time(struct machine *m, const struct zonelist *list, unsigned order, gfp_t gfp,
                                 unsigned call);
unsigned long frees_100_on_the_last_call(struct machine *m, const struct zonelist *list, unsigned order, gfp_t gfp,
                                         unsigned call);
/* Progress, but of a kind that no request for more than a page can use: until the last call. */
unsigned long frees_a_block_on_the_last_call(struct machine *m, const struct zonelist *list, unsigned order, gfp_t gfp,
                                             unsigned call);

#endif
