/* SPDX-License-Identifier: MIT */
/*
 * swap_extent.h - where the pages of a swap area lie on its device: runs of pages that lie in a row there.
 * (specification, section 12.1)
 */
#ifndef MM_SWAP_EXTENT_H
#define MM_SWAP_EXTENT_H

#include "mm/platform.h"

struct swap_extent {
    uint32_t start_page, nr_pages; /* of the area */
    uint64_t start_block;          /* of the device, in pages */
};

struct swap_extents {
    struct swap_extent **pages; /* arrays of a page each; NULL: page n lies in block n */
    uint32_t nr;
};

/*
 * Copies the runs that cover pages [0, max), joining those that lie in a row. They come in ascending order. MM_INVAL: a
 * page is in none of them, or in two. MM_NOMEM: no memory, or too many runs. May sleep.
 */
enum mm_status swap_extents_init(struct machine *m, struct swap_extents *extents, const struct swap_extent *runs,
                                 uint32_t nr_runs, uint32_t max);
void swap_extents_finish(struct machine *m, struct swap_extents *extents);
/* The block of a page below max. */
uint64_t swap_extents_block(const struct swap_extents *extents, uint32_t page);

#endif
