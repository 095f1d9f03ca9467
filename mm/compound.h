/* SPDX-License-Identifier: MIT */
/*
 * compound.h - blocks of several frames that are referred to as one page. (specification, section 4)
 *
 * Every frame of the block has PG_compound, every one but the first PG_tail and the first one's pfn in private; the
 * second keeps the order.
 */
#ifndef MM_COMPOUND_H
#define MM_COMPOUND_H

#include "mm/machine.h"

/* Makes an allocated block compound, and ordinary again before it is freed. The caller alone owns the block. */
void prep_compound_page(struct machine *m, struct page *head, unsigned order);
void destroy_compound_page(struct machine *m, struct page *head);

/* The head of a compound page; any other page itself. */
static inline struct page *compound_head(const struct machine *m, struct page *page) {
    return page_test(page, PG_tail) ? pfn_to_page(m, page->private) : page;
}
/* Order of the compound page that begins at page; 0 for any other page. */
static inline unsigned compound_order(const struct page *page) {
    return page_test(page, PG_compound) && !page_test(page, PG_tail) ? page[1].lru_prev : 0;
}

/* Gives each frame of a block that is not compound a reference of its own, so that each can be freed by itself. */
void split_page(struct page *page, unsigned order);

#endif
