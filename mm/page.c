/* SPDX-License-Identifier: MIT */
#include "mm/page.h"

#include "mm/machine.h"
#include "mm/page_list.h"

bool get_page_unless_zero(struct page *page) {
    int32_t count = atomic_load_explicit(&page->count, memory_order_relaxed);

    while (count != 0)
        if (atomic_compare_exchange_weak_explicit(&page->count, &count, count + 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    return false;
}

bool trylock_page(struct page *page) {
    return !page_test_and_set(page, PG_locked);
}

/* Sleeps until bit is clear. PG_waiters is set first, so that whoever clears the bit knows that it has to wake us. */
static void wait_on_page_bit(struct machine *m, struct page *page, enum page_flag bit) {
    const struct platform *p = m->platform;
    uint32_t seen = atomic_load_explicit(&page->flags, memory_order_acquire);

    while (seen & (1u << bit)) {
        uint32_t waiting = seen | 1u << PG_waiters;

        if (seen == waiting || atomic_compare_exchange_weak_explicit(&page->flags, &seen, waiting, memory_order_relaxed,
                                                                     memory_order_relaxed))
            p->lock_wait(p->host, &page->flags, waiting);
        seen = atomic_load_explicit(&page->flags, memory_order_acquire);
    }
}

/* Clears bit and wakes whoever waits on this page; those who wait for its other bit sleep again. */
static void clear_page_bit(struct machine *m, struct page *page, enum page_flag bit) {
    const struct platform *p = m->platform;
    uint32_t mask = 1u << bit | 1u << PG_waiters;

    if (atomic_fetch_and_explicit(&page->flags, ~mask, memory_order_acq_rel) & (1u << PG_waiters))
        p->lock_wake(p->host, &page->flags, true);
}

void lock_page(struct machine *m, struct page *page) {
    if (m->platform->lock_point)
        m->platform->lock_point(m->platform->host);
    while (!trylock_page(page))
        wait_on_page_bit(m, page, PG_locked);
}

void unlock_page(struct machine *m, struct page *page) {
    MM_DEBUG_ASSERT(m, page_test(page, PG_locked));
    clear_page_bit(m, page, PG_locked);
}

void wait_on_page_writeback(struct machine *m, struct page *page) {
    wait_on_page_bit(m, page, PG_writeback);
}

void page_writeback_done(struct machine *m, struct page *page) {
    clear_page_bit(m, page, PG_writeback);
}

void page_list_add(struct machine *m, struct page_list *list, struct page *page) {
    list_add_head(m, list, page);
}

void page_list_add_tail(struct machine *m, struct page_list *list, struct page *page) {
    list_add_tail(m, list, page);
}

void page_list_del(struct machine *m, struct page_list *list, struct page *page) {
    list_del(m, list, page);
}

struct page *page_list_first(struct machine *m, const struct page_list *list) {
    return list_page(m, list->head);
}

struct page *page_list_last(struct machine *m, const struct page_list *list) {
    return list_page(m, list->tail);
}

struct page *page_list_next(struct machine *m, const struct page *page) {
    return list_page(m, page->lru_next);
}

struct page *page_list_prev(struct machine *m, const struct page *page) {
    return list_page(m, page->lru_prev);
}
