/* SPDX-License-Identifier: MIT */
/*
 * slowpath.h - what an allocation does when the free lists alone cannot serve it. (specification, section 8)
 */
#ifndef MM_SLOWPATH_H
#define MM_SLOWPATH_H

#include "mm/gfp.h"
#include "mm/machine.h"

#define WRITE_CONGESTION_WAIT_NS (UINT64_C(1000000000) / 50)

/*
 * From step 3 of section 8: called when the try at the low watermark has failed. Reclaims, drains, kills and retries as
 * the mask allows. NULL: one of the section's exits to "nopage". The zonelist is not empty.
 */
struct page *alloc_pages_slowpath(struct machine *m, gfp_t gfp, unsigned order, const struct zonelist *zonelist);

#endif
