/* SPDX-License-Identifier: MIT */
#include "mm/compound.h"

void prep_compound_page(struct machine *m, struct page *head, unsigned order) {
    page_set(head, PG_compound);
    head[1].lru_prev = order;
    for (unsigned i = 1; i < 1u << order; i++) {
        head[i].private = page_to_pfn(m, head);
        page_set(head + i, PG_compound);
        page_set(head + i, PG_tail);
    }
}

void destroy_compound_page(struct machine *m, struct page *head) {
    unsigned order = compound_order(head);

    for (unsigned i = 1; i < 1u << order; i++) {
        MM_ASSERT(m, page_test(head + i, PG_tail) && head[i].private == page_to_pfn(m, head));
        page_clear(head + i, PG_tail);
        page_clear(head + i, PG_compound);
        head[i].private = 0;
    }
    page_clear(head, PG_compound);
}

void split_page(struct page *page, unsigned order) {
    for (unsigned i = 1; i < 1u << order; i++)
        atomic_store_explicit(&page[i].count, 1, memory_order_release);
}
