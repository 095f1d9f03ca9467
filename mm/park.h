/* SPDX-License-Identifier: MIT */
/*
 * park.h - clearing accessed bits: pages of the active list are parked, block by block.
 *
 * Linux offers user space no accessed bit for anonymous memory. A parked page is still resident and mapped for the
 * lists, but a touch faults and so proves that it is in use. PTE_PARKED says so.
 */
#ifndef MM_PARK_H
#define MM_PARK_H

#include "mm/memory.h"

/*
 * Parks the pages of list, which are isolated and of any blocks. Those that are parked now, or are not mapped, move to
 * cold; those that must stay accessible (locked, held, pinned by the host) remain on list. With neighbours, each page
 * takes along what else its block has on the active list. Returns how many neighbours that brought.
 */
unsigned long park_pages(struct machine *m, struct page_list *list, struct page_list *cold, bool neighbours);

#endif
