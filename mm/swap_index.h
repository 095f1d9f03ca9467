/* SPDX-License-Identifier: MIT */
/*
 * swap_index.h - which frame holds the copy of a swap slot: a tree over the 32 bits of a swap entry, whose leaves are
 * arrays of 1024 frame numbers. The swap cache's lock guards it. (specification, section 12.2)
 */
#ifndef MM_SWAP_INDEX_H
#define MM_SWAP_INDEX_H

#include "mm/machine.h"

struct swap_index {
    void **areas[MAX_SWAPFILES];
    unsigned nr_leaves, nr_empty_leaves; /* the empty ones are among the former */
};

/* PFN_NONE if there is none. */
uint32_t swap_index_find(const struct swap_index *index, swp_entry_t entry);
/*
 * MM_BUSY: there is a frame already. MM_NOMEM: a node is missing and *spare is NULL; else the node is made of *spare, a
 * zeroed page, which is NULL afterwards: call again with another.
 */
enum mm_status swap_index_insert(struct machine *m, struct swap_index *index, swp_entry_t entry, uint32_t pfn,
                                 void **spare);
/* Removes an entry that is there. Frees leaves that are empty, but for a few. */
void swap_index_remove(struct machine *m, struct swap_index *index, swp_entry_t entry);
/* Another value for an entry that is there. */
void swap_index_replace(struct swap_index *index, swp_entry_t entry, uint32_t pfn);
/* The first value at *at or later, whose entry becomes *at; PFN_NONE if there is none. */
uint32_t swap_index_next(const struct swap_index *index, swp_entry_t *at);
/* Frees the nodes of an index that is empty. */
void swap_index_clear(struct machine *m, struct swap_index *index);

#endif
