/* SPDX-License-Identifier: MIT */
/*
 * zone_reclaim.h - freeing local pages before a request goes to a distant node. (specification, section 11)
 *
 * Owns ZONE_RECLAIM_LOCKED.
 */
#ifndef MM_ZONE_RECLAIM_H
#define MM_ZONE_RECLAIM_H

#include "mm/gfp.h"
#include "mm/machine.h"

#define ZONE_RECLAIM_PRIORITY 4

/* Bits of tune.zone_reclaim_mode. */
enum zone_reclaim_bits { RECLAIM_ZONE = 1, RECLAIM_WRITE = 2, RECLAIM_SWAP = 4 };

/*
 * True: it has freed at least 2^order pages of the zone, and the request may have them. False at once where there is
 * too little to be had, the zone is not this CPU's affair, the task may not wait, or somebody else is at it.
 */
bool zone_reclaim(struct zone *zone, gfp_t gfp, unsigned order);

#endif
