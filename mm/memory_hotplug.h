/* SPDX-License-Identifier: MIT */
/*
 * memory_hotplug.h - frames come to a zone and leave it while the machine runs. (specification, section 4: isolation)
 *
 * A range is whole pageblocks that the memory map names, those marked offline there included: descriptors and the
 * zone's tables have room for them from boot on. One call at a time.
 */
#ifndef MM_MEMORY_HOTPLUG_H
#define MM_MEMORY_HOTPLUG_H

#include "mm/machine.h"

/*
 * Gives frames that are offline to their zone, free and MOVABLE, and recomputes what depends on its size. MM_INVAL: not
 * whole pageblocks of one range, or some are there already. If the zone had no frame, or zonelists must change for
 * another reason, no other task may be inside the core.
 */
enum mm_status online_pages(struct machine *m, uint32_t start_pfn, uint32_t nr_pages);
/*
 * Takes frames from their zone: isolates the pageblocks, moves the pages that are in use elsewhere, and takes the free
 * frames away. MM_INVAL: not whole pageblocks of one zone. MM_BUSY, and all as before: a block is not MOVABLE, a page
 * cannot be moved, or the zone would have no frame left. Sleeps; no lock held.
 */
enum mm_status offline_pages(struct machine *m, uint32_t start_pfn, uint32_t nr_pages);

#endif
