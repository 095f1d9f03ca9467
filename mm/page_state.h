/* SPDX-License-Identifier: MIT */
/*
 * page_state.h - in which states a page may be handed out or given back, and what is done about one that is in another.
 * Used by mm/page_alloc.c and mm/page_free.c alone.
 */
#ifndef MM_PAGE_STATE_H
#define MM_PAGE_STATE_H

#include "mm/machine.h"

/* A page that is freed must be in none of these states; one that is handed out may not be dirty either. */
#define ON_A_LIST (1u << PG_lru | 1u << PG_pcp)
#define BAD_WHEN_FREED                                                                                                 \
    (ON_A_LIST | 1u << PG_private | 1u << PG_locked | 1u << PG_active | 1u << PG_slab | 1u << PG_swapcache |           \
     1u << PG_writeback)
#define BAD_WHEN_ALLOCATED (BAD_WHEN_FREED | 1u << PG_dirty)

/* What keeps a page from the short ways: all that is bad, and what somebody may find it by. */
#define NOT_PLAIN_WHEN_FREED (BAD_WHEN_FREED | 1u << PG_reserved | 1u << PG_compound)
#define NOT_PLAIN_WHEN_ALLOCATED ((BAD_WHEN_ALLOCATED & ~(1u << PG_pcp)) | 1u << PG_reserved | 1u << PG_compound)

/* Of a larger block, so many descriptors are looked at; all of them where the core is built for debugging. */
#ifdef MM_DEBUG
#define LOOKED_AT PAGES_OF_LARGEST_BLOCK
#else
#define LOOKED_AT 8u
#endif
#define PAGES_OF_LARGEST_BLOCK (1u << (MAX_ORDER - 1))

static inline uint32_t page_flags(const struct page *page) {
    return atomic_load_explicit(&page->flags, memory_order_relaxed);
}

/* Flags and count. */
static inline uint64_t page_state(const struct page *page) {
    return atomic_load_explicit(&page->flags_and_count, memory_order_relaxed);
}

/* Free or owned by the caller alone: nobody else changes the flags. */
static inline void reset_flags(struct page *page, uint32_t flags) {
    atomic_store_explicit(&page->flags, (page_flags(page) & PAGE_ZONE_MASK) | flags, memory_order_relaxed);
}

/* Counts the page as bad, and repairs it: no flag but PAGE_KEPT_MASK, no reference, not mapped. */
void bad_page(struct machine *m, struct page *page);

static inline unsigned nr_looked_at(unsigned order) {
    return 1u << order < LOOKED_AT ? 1u << order : LOOKED_AT;
}

#endif
