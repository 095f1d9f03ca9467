/* SPDX-License-Identifier: MIT */
#include "mm/probation.h"

#include "mm/inactive_share.h"
#include "mm/lru.h"
#include "mm/page_list.h"
#include "mm/park.h"
#include "mm/shrink.h"

/* Has the active list lost so much that a page on probation finds room there? */
static bool active_is_low(const struct zone *zone) {
    unsigned percent = inactive_share(zone) + PROBATION_MARGIN;

    return zone_page_state(zone, NR_INACTIVE) * 100 > percent * zone_lru_pages(zone);
}

void lru_cache_add_on_probation(struct machine *m, struct page *page) {
    if (active_is_low(page_zone(m, page))) {
        page_clear(page, PG_probation);
        lru_cache_add_active(m, page);
        return;
    }
    page_set(page, PG_probation);
    lru_cache_add(m, page);
}

void park_on_probation(struct machine *m, struct page_list *list, struct page_list *again) {
    struct page_list park;

    page_list_init(&park);
    for (struct page *page = list_page(m, list->head), *next; page; page = next) {
        next = list_page(m, page->lru_next);
        if (!page_test_and_clear(page, PG_probation) || !page_mapped(page))
            continue;
        list_del(m, list, page);
        list_add_tail(m, &park, page);
    }
    park_pages(m, &park, again, false);
    /* Those that could not be parked. */
    list_splice_head(m, again, &park);
}
