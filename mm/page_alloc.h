/* SPDX-License-Identifier: MIT */
/*
 * page_alloc.h - handing out page frames and taking them back. (specification, sections 4, 7 and 8)
 *
 * Joins zonelists, watermarks, per-CPU lists and buddy system, and falls back on reclaim and the OOM killer. Any task,
 * with no lock above RANK_PCP held; with __GFP_WAIT it may sleep, and then no spinning lock may be held at all.
 */
#ifndef MM_PAGE_ALLOC_H
#define MM_PAGE_ALLOC_H

#include "mm/gfp.h"
#include "mm/machine.h"

/*
 * 2^order frames in a row, or NULL: order >= MAX_ORDER, or no memory and one of the exits of section 8. The first frame
 * has count 1; the bytes are undefined without __GFP_ZERO, which fills page_address().
 */
struct page *alloc_pages(struct machine *m, gfp_t gfp, unsigned order);
/* The same for a caller that has the current task at hand. */
struct page *alloc_pages_by(struct machine *m, gfp_t gfp, unsigned order, struct task *task);
/* The same from the zones of a list. */
struct page *__alloc_pages(struct machine *m, gfp_t gfp, unsigned order, const struct zonelist *zonelist);
/* One try over the list with the watermark that alloc_flags (enum alloc_flags) names; never sleeps. */
struct page *get_page_from_freelist(struct machine *m, gfp_t gfp, unsigned order, const struct zonelist *zonelist,
                                    unsigned alloc_flags);
/*
 * Up to nr single frames, each as alloc_pages() would give it without reclaim. Only the first may take the slow path;
 * if it did, the others go down to the minimum mark, else to the low one. Returns how many.
 */
unsigned alloc_pages_bulk(struct machine *m, gfp_t gfp, unsigned nr, struct page **ret_pages);
/*
 * If a free block of at most max_order begins at page, takes it and makes single movable frames of it, each as
 * alloc_pages() would give it. Returns how many, else 0. (mm/compaction.h)
 */
unsigned take_free_block(struct zone *zone, struct page *page, unsigned max_order);
/* The zonelist that alloc_pages() uses for this CPU and mask. */
const struct zonelist *gfp_zonelist(const struct machine *m, gfp_t gfp);

/* Address of a block in the arena, or NULL. __GFP_HIGHMEM is refused by get_zeroed_page. */
void *__get_free_pages(struct machine *m, gfp_t gfp, unsigned order);
void *get_zeroed_page(struct machine *m, gfp_t gfp);

/* Drops a reference; the last one frees the block. */
void __free_pages(struct machine *m, struct page *page, unsigned order);
/* The same for a caller that has the current task at hand. */
void free_pages_by(struct machine *m, struct page *page, unsigned order, struct task *task);
/* The same by address; NULL is a no-op. */
void free_pages(struct machine *m, void *address, unsigned order);
/* Drops a reference of a single or compound page; the last one takes it off the LRU if need be and frees it. */
void put_page(struct machine *m, struct page *page);
/* Free a single frame whose count has dropped to 0 already, to the hot or cold list of this CPU. */
void free_hot_page(struct machine *m, struct page *page);
void free_cold_page(struct machine *m, struct page *page);
/* free_cold_page() for many. */
void free_cold_pages(struct machine *m, struct page *const *pages, unsigned nr);
/* The same for a pagevec, which is empty afterwards. */
void __pagevec_free(struct machine *m, struct pagevec *pvec);

#endif
