/* SPDX-License-Identifier: MIT */
/*
 * fake_vmscan.h - reclaim by script, in place of mm/vmscan.c: for tests of the allocation's slow path.
 */
#ifndef TESTS_FAKE_VMSCAN_H
#define TESTS_FAKE_VMSCAN_H

#include "mm/vmscan.h"

struct fake_vmscan {
    _Atomic unsigned calls, wakes, zone_reclaims;
    /* What zone_reclaim() does and returns; NULL: nothing. */
    bool (*reclaim_zone)(struct zone *zone, gfp_t gfp, unsigned order);
    /* What each call returns, and does; NULL: no progress. call: 1 for the first. */
    unsigned long (*reclaim)(struct machine *m, const struct zonelist *zonelist, unsigned order, gfp_t gfp,
                             unsigned call);
};

extern struct fake_vmscan fake_vmscan;

#endif
