/* SPDX-License-Identifier: MIT */
/*
 * page_list.h - the list operations of mm/page.h, inline, for the paths that are hot.
 */
#ifndef MM_PAGE_LIST_H
#define MM_PAGE_LIST_H

#include "mm/machine.h"

static inline void list_add_head(struct machine *m, struct page_list *list, struct page *page) {
    uint32_t pfn = page_to_pfn(m, page);

    page->lru_prev = PFN_NONE;
    page->lru_next = list->head;
    if (list->head == PFN_NONE)
        list->tail = pfn;
    else
        pfn_to_page(m, list->head)->lru_prev = pfn;
    list->head = pfn;
}

static inline void list_add_tail(struct machine *m, struct page_list *list, struct page *page) {
    uint32_t pfn = page_to_pfn(m, page);

    page->lru_next = PFN_NONE;
    page->lru_prev = list->tail;
    if (list->tail == PFN_NONE)
        list->head = pfn;
    else
        pfn_to_page(m, list->tail)->lru_next = pfn;
    list->tail = pfn;
}

static inline void list_del(struct machine *m, struct page_list *list, struct page *page) {
    if (page->lru_prev == PFN_NONE)
        list->head = page->lru_next;
    else
        pfn_to_page(m, page->lru_prev)->lru_next = page->lru_next;
    if (page->lru_next == PFN_NONE)
        list->tail = page->lru_prev;
    else
        pfn_to_page(m, page->lru_next)->lru_prev = page->lru_prev;
}

static inline struct page *list_page(const struct machine *m, uint32_t pfn) {
    return pfn == PFN_NONE ? NULL : pfn_to_page(m, pfn);
}

/* Puts all of from, in its order, in front of list; from is empty afterwards. */
static inline void list_splice_head(struct machine *m, struct page_list *list, struct page_list *from) {
    if (from->head == PFN_NONE)
        return;
    pfn_to_page(m, from->tail)->lru_next = list->head;
    if (list->head == PFN_NONE)
        list->tail = from->tail;
    else
        pfn_to_page(m, list->head)->lru_prev = from->tail;
    list->head = from->head;
    page_list_init(from);
}

#endif
