/* SPDX-License-Identifier: MIT */
/*
 * swap_state.h - the swap cache: pages that have a slot, found by swap entry. (specification, section 12.2)
 *
 * Owns PG_swapcache and the index. A page in it has private = entry, one more reference, and holds one count of its
 * slot; it counts in NR_FILE_PAGES. It enters and leaves with the page lock held, and never leaves under writeback.
 */
#ifndef MM_SWAP_STATE_H
#define MM_SWAP_STATE_H

#include "mm/gfp.h"
#include "mm/machine.h"

/* The page cached for entry, with a reference, or NULL. */
struct page *lookup_swap_cache(struct machine *m, swp_entry_t entry);
/*
 * Enters a locked page; the caller's count of the slot becomes the cache's. MM_BUSY: there is one already. MM_NOMEM.
 * With __GFP_WAIT in gfp no spinning lock may be held.
 */
enum mm_status add_to_swap_cache(struct machine *m, struct page *page, swp_entry_t entry, gfp_t gfp);
/* Takes a locked page out; drops the cache's reference and count. The caller holds a reference of its own. */
void delete_from_swap_cache(struct machine *m, struct page *page);
/* Gives a locked page, in memory only so far, a slot; it is dirty then. False: no slot or no memory. */
bool add_to_swap(struct machine *m, struct page *page);
/* Takes a locked page out of the cache if only the cache counts on its slot. False: it is in use, or under I/O. */
bool remove_exclusive_swap_page(struct machine *m, struct page *page);
/*
 * Takes a page out that has nobody but the cache and the caller, and is clean, so that the caller can free it; bytes
 * that lie parked are discarded. The page is locked and not mapped. False: somebody has come to want it.
 */
bool remove_from_swap_cache(struct machine *m, struct page *page);

/*
 * Gives a locked page of the cache that is not mapped another slot, whose count becomes the cache's, and its page-table
 * entry too; its old slot goes. False: no memory, and nothing is done.
 */
bool swap_cache_move(struct machine *m, struct page *page, swp_entry_t new);

/*
 * Reads the slot's page into a new page of the swap cache, its bytes at page_address(), and around it those of the
 * window of 2^page_cluster slots. MM_OK: *ret_page, with a reference and unlocked; not PG_uptodate if the read failed.
 * MM_INVAL: the slot is free. MM_NOMEM.
 */
enum mm_status swapin_readahead(struct machine *m, swp_entry_t entry, gfp_t gfp, struct page **ret_page);
/*
 * Prepares to read entry into page: locked, in the swap cache with a count of its own. MM_BUSY: somebody else has it
 * there. MM_INVAL: the slot is free. MM_NOMEM.
 */
enum mm_status swap_cache_prepare(struct machine *m, struct page *page, swp_entry_t entry, gfp_t gfp);

/*
 * Another frame, of the caller's alone, takes the place of a locked page of the cache, if that has exactly so many
 * references: slot, reference and PG_dirty go over. False: nothing done. (mm/migrate.h)
 */
bool replace_in_swap_cache(struct machine *m, struct page *old, struct page *new, int references);

/* The slot is free: what its last page has left in its place goes. Under swap_lock. */
void forget_swap_shadow(struct machine *m, swp_entry_t entry);
/* Drops shadows of at least that age (mm/workingset.h). Returns how many. No lock held. */
unsigned long drop_swap_shadows(struct machine *m, uint32_t min_age);
unsigned long swap_cache_shadows(const struct machine *m);
/* For checks: the first frame number or shadow at *at or later, whose entry becomes *at; PFN_NONE if there is none. */
uint32_t swap_cache_next(const struct machine *m, swp_entry_t *at);

/* First use of swap: builds the empty cache. MM_NOMEM. */
enum mm_status swap_cache_create(struct machine *m);
unsigned long swap_cache_pages(const struct machine *m);

#endif
