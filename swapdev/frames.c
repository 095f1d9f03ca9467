/* SPDX-License-Identifier: MIT */
#include "swapdev/frames.h"

#include "mm/page_alloc.h"

void frames_init(struct frames *frames, struct machine *m, unsigned long limit) {
    frames->machine = m;
    frames->limit = limit;
    atomic_store_explicit(&frames->pages, 0, memory_order_relaxed);
    atomic_store_explicit(&frames->peak, 0, memory_order_relaxed);
}

struct page *frames_alloc(struct frames *frames, unsigned order) {
    unsigned long nr = 1ul << order;
    unsigned long now = atomic_fetch_add_explicit(&frames->pages, nr, memory_order_relaxed) + nr;
    unsigned long peak = atomic_load_explicit(&frames->peak, memory_order_relaxed);
    struct page *page = NULL;

    if (now <= frames->limit)
        page = alloc_pages(frames->machine, __GFP_HIGH | __GFP_NOWARN, order);
    if (!page) {
        atomic_fetch_sub_explicit(&frames->pages, nr, memory_order_relaxed);
        return NULL;
    }
    while (peak < now && !atomic_compare_exchange_weak_explicit(&frames->peak, &peak, now, memory_order_relaxed,
                                                                memory_order_relaxed))
        continue;
    return page;
}

void frames_free(struct frames *frames, struct page *page, unsigned order) {
    __free_pages(frames->machine, page, order);
    atomic_fetch_sub_explicit(&frames->pages, 1ul << order, memory_order_relaxed);
}

unsigned long frames_count(const struct frames *frames) {
    return atomic_load_explicit(&frames->pages, memory_order_relaxed);
}
