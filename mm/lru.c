/* SPDX-License-Identifier: MIT */
#include "mm/lru.h"

#include "mm/buddy.h"
#include "mm/page_alloc.h"
#include "mm/page_list.h"
#include "mm/workingset.h"

static struct page_list *lru_list(struct zone *zone, bool active) {
    return active ? &zone->active_list : &zone->inactive_list;
}

static enum zone_stat_item lru_counter(bool active) {
    return active ? NR_ACTIVE : NR_INACTIVE;
}

/* Both with zone->lru_lock held; they leave the counters to the caller. */
static void lru_link(struct zone *zone, struct page *page, bool active) {
    if (active)
        page_set(page, PG_active);
    else
        page_clear(page, PG_active);
    page_set(page, PG_lru);
    list_add_head(zone->machine, lru_list(zone, active), page);
}

static bool lru_unlink(struct zone *zone, struct page *page) {
    bool active = page_test(page, PG_active);

    page_clear(page, PG_lru);
    list_del(zone->machine, lru_list(zone, active), page);
    return active;
}

/* What a run over pages of several zones holds: the LRU lock of the zone it is in, and that zone's counters. */
struct lru_hold {
    struct machine *m;
    struct zone *zone;
    int change[2]; /* inactive, active */
};

static void hold_drop(struct lru_hold *hold) {
    if (!hold->zone)
        return;
    for (int active = 0; active < 2; active++)
        if (hold->change[active])
            mod_zone_page_state(hold->zone, lru_counter(active), hold->change[active]);
    hold->change[0] = hold->change[1] = 0;
    lock_release(hold->m->platform, &hold->zone->lru_lock);
    hold->zone = NULL;
}

static void hold_zone(struct lru_hold *hold, const struct page *page) {
    struct zone *zone = page_zone(hold->m, page);

    if (hold->zone == zone)
        return;
    hold_drop(hold);
    hold->zone = zone;
    lock_acquire(hold->m->platform, &zone->lru_lock);
}

/* -- pagevecs. -------------------------------------------------------------------------------------------------- */

static void pagevec_add_pages(struct machine *m, struct pagevec *pvec, bool active) {
    struct lru_hold hold = {.m = m};

    for (unsigned i = 0; i < pvec->nr; i++) {
        struct page *page = pvec->pages[i];

        hold_zone(&hold, page);
        MM_ASSERT(m, !page_test(page, PG_lru));
        lru_link(hold.zone, page, active);
        hold.change[active]++;
    }
    hold_drop(&hold);
}

static void pagevec_rotate_pages(struct machine *m, struct pagevec *pvec) {
    struct lru_hold hold = {.m = m};
    unsigned rotated = 0;

    for (unsigned i = 0; i < pvec->nr; i++) {
        struct page *page = pvec->pages[i];

        hold_zone(&hold, page);
        if (!page_test(page, PG_lru) || page_test(page, PG_active))
            continue;
        list_del(m, &hold.zone->inactive_list, page);
        list_add_tail(m, &hold.zone->inactive_list, page);
        rotated++;
    }
    hold_drop(&hold);
    if (rotated)
        count_vm_events(m, PGROTATED, rotated);
}

/* Gives up the pagevec's references. The pagevec lock is not needed: the caller has taken the pages over. */
static void pagevec_flush(struct machine *m, struct per_cpu *cpu, struct pagevec *pvec) {
    unsigned nr = pvec->nr;

    if (nr == 0)
        return;
    if (pvec == &cpu->lru_rotate)
        pagevec_rotate_pages(m, pvec);
    else
        pagevec_add_pages(m, pvec, pvec == &cpu->lru_add_active);
    pvec->nr = 0;
    release_pages(m, pvec->pages, nr, false);
}

static void pagevec_push(struct machine *m, struct per_cpu *cpu, struct pagevec *pvec, struct page *page) {
    get_page(page);
    lock_acquire(m->platform, &cpu->pagevec_lock);
    pvec->pages[pvec->nr++] = page;
    if (pvec->nr == PAGEVEC_SIZE)
        pagevec_flush(m, cpu, pvec);
    lock_release(m->platform, &cpu->pagevec_lock);
}

void lru_cache_add(struct machine *m, struct page *page) {
    struct per_cpu *cpu = &m->per_cpu[mm_cpu(m)];

    pagevec_push(m, cpu, &cpu->lru_add, page);
}

void lru_cache_add_active(struct machine *m, struct page *page) {
    struct per_cpu *cpu = &m->per_cpu[mm_cpu(m)];

    pagevec_push(m, cpu, &cpu->lru_add_active, page);
}

void rotate_reclaimable_page(struct machine *m, struct page *page) {
    struct per_cpu *cpu = &m->per_cpu[mm_cpu(m)];

    pagevec_push(m, cpu, &cpu->lru_rotate, page);
}

static void drain_cpu(struct machine *m, struct per_cpu *cpu) {
    lock_acquire(m->platform, &cpu->pagevec_lock);
    pagevec_flush(m, cpu, &cpu->lru_add);
    pagevec_flush(m, cpu, &cpu->lru_add_active);
    pagevec_flush(m, cpu, &cpu->lru_rotate);
    lock_release(m->platform, &cpu->pagevec_lock);
}

void lru_add_drain(struct machine *m) {
    drain_cpu(m, &m->per_cpu[mm_cpu(m)]);
}

void lru_add_drain_all(struct machine *m) {
    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++)
        drain_cpu(m, &m->per_cpu[cpu]);
}

/* -- moving between the lists. ---------------------------------------------------------------------------------- */

void activate_page(struct machine *m, struct page *page) {
    struct lru_hold hold = {.m = m};
    bool moved = false;

    if (!page_test(page, PG_lru) || page_test(page, PG_active))
        return;
    hold_zone(&hold, page);
    if (page_test(page, PG_lru) && !page_test(page, PG_active)) {
        lru_unlink(hold.zone, page);
        lru_link(hold.zone, page, true);
        hold.change[0]--;
        hold.change[1]++;
        moved = true;
    }
    hold_drop(&hold);
    if (moved) {
        workingset_activation(m, page);
        count_vm_event(m, PGACTIVATE);
    }
}

void mark_page_accessed(struct machine *m, struct page *page) {
    if (!page_test(page, PG_active) && page_test(page, PG_referenced) && page_test(page, PG_lru)) {
        activate_page(m, page);
        page_clear(page, PG_referenced);
    } else if (!page_test(page, PG_referenced)) {
        page_set(page, PG_referenced);
    }
}

bool isolate_lru_page(struct machine *m, struct page *page) {
    struct lru_hold hold = {.m = m};
    bool isolated = false;

    hold_zone(&hold, page);
    if (page_test(page, PG_lru) && get_page_unless_zero(page)) {
        hold.change[lru_unlink(hold.zone, page)]--;
        isolated = true;
    }
    hold_drop(&hold);
    return isolated;
}

unsigned long isolate_lru_pages(struct zone *zone, bool active, unsigned long nr, struct page_list *list,
                                unsigned long *ret_scanned) {
    struct machine *m = zone->machine;
    struct page_list *from = lru_list(zone, active);
    unsigned long taken = 0, scanned = 0;

    while (scanned < nr && !page_list_empty(from)) {
        struct page *page = list_page(m, from->tail);

        scanned++;
        list_del(m, from, page);
        if (get_page_unless_zero(page)) {
            page_clear(page, PG_lru);
            list_add_tail(m, list, page);
            taken++;
        } else {
            /* Its last reference is gone, and whoever dropped it waits for the LRU lock to take it off. */
            list_add_head(m, from, page);
        }
    }
    if (taken)
        mod_zone_page_state(zone, lru_counter(active), -(int)taken);
    *ret_scanned = scanned;
    return taken;
}

/* The LRU pages of the block around one that has been taken. Returns how many it took. */
static unsigned long isolate_around(struct zone *zone, const struct page *page, unsigned order, enum isolate_mode mode,
                                    struct page_list *list) {
    struct machine *m = zone->machine;
    uint32_t start = page_to_pfn(m, page) & ~((1u << order) - 1);
    unsigned long taken = 0;

    for (uint32_t pfn = start; pfn < start + (1u << order); pfn++) {
        struct page *other;
        bool active;

        if (!pfn_valid(m, pfn)) {
            /* Not needed yet, and so free. In a hole no block can come of it. */
            if (frame_exists(m, pfn))
                continue;
            break;
        }
        other = pfn_to_page(m, pfn);
        if (other == page || page_zone(m, other) != zone || !page_test(other, PG_lru))
            continue;
        active = page_test(other, PG_active);
        if ((mode != ISOLATE_BOTH && active != (mode == ISOLATE_ACTIVE)) || !get_page_unless_zero(other))
            continue;
        page_clear(other, PG_lru);
        list_del(m, lru_list(zone, active), other);
        mod_zone_page_state(zone, lru_counter(active), -1);
        list_add_tail(m, list, other);
        taken++;
    }
    return taken;
}

unsigned long isolate_lru_blocks(struct zone *zone, bool active, unsigned long nr, unsigned order,
                                 enum isolate_mode mode, struct page_list *list, unsigned long *ret_scanned) {
    unsigned long taken = 0, scanned = 0;

    if (order == 0)
        return isolate_lru_pages(zone, active, nr, list, ret_scanned);
    while (scanned < nr) {
        unsigned long looked, around;

        if (isolate_lru_pages(zone, active, 1, list, &looked) != 0) {
            around = isolate_around(zone, list_page(zone->machine, list->tail), order, mode, list);
            taken += 1 + around;
            looked += around;
        }
        if (looked == 0)
            break;
        scanned += looked;
    }
    *ret_scanned = scanned;
    return taken;
}

void putback_lru_pages(struct machine *m, struct page_list *list) {
    while (!page_list_empty(list)) {
        struct lru_hold hold = {.m = m};
        struct page *batch[PAGEVEC_SIZE];
        unsigned nr = 0;

        while (nr < PAGEVEC_SIZE && !page_list_empty(list)) {
            struct page *page = list_page(m, list->head);
            bool active = page_test(page, PG_active);

            list_del(m, list, page);
            hold_zone(&hold, page);
            lru_link(hold.zone, page, active);
            hold.change[active]++;
            batch[nr++] = page;
        }
        hold_drop(&hold);
        release_pages(m, batch, nr, false);
    }
}

void lru_forget_page(struct machine *m, struct page *page) {
    struct lru_hold hold = {.m = m};

    if (page_test(page, PG_lru)) {
        hold_zone(&hold, page);
        if (page_test(page, PG_lru))
            hold.change[lru_unlink(hold.zone, page)]--;
        hold_drop(&hold);
    }
    page_clear(page, PG_active);
}

void release_pages(struct machine *m, struct page *const *pages, unsigned nr, bool cold) {
    unsigned i = 0;

    while (i < nr) {
        struct lru_hold hold = {.m = m};
        struct page *free[64];
        unsigned nr_free = 0;

        for (; i < nr && nr_free < sizeof(free) / sizeof(free[0]); i++) {
            struct page *page = pages[i];

            if (!put_page_testzero(page))
                continue;
            if (page_test(page, PG_lru)) {
                hold_zone(&hold, page);
                if (page_test(page, PG_lru))
                    hold.change[lru_unlink(hold.zone, page)]--;
            }
            page_clear(page, PG_active);
            free[nr_free++] = page;
        }
        hold_drop(&hold);
        if (cold)
            free_cold_pages(m, free, nr_free);
        else
            for (unsigned k = 0; k < nr_free; k++)
                free_hot_page(m, free[k]);
    }
}

static const char *check_list(struct zone *zone, bool active) {
    struct machine *m = zone->machine;
    const struct page_list *list = lru_list(zone, active);
    uint32_t prev = PFN_NONE;
    long length = 0;

    for (uint32_t pfn = list->head; pfn != PFN_NONE; pfn = pfn_to_page(m, pfn)->lru_next) {
        const struct page *page = pfn_to_page(m, pfn);

        if (page->lru_prev != prev)
            return "an LRU list's links do not match";
        if (!page_test(page, PG_lru) || page_test(page, PG_active) != active || page_zone(m, page) != zone)
            return "a page on an LRU list says that it is elsewhere";
        if (page_count(page) == 0)
            return "a free page is on an LRU list";
        prev = pfn;
        length++;
    }
    if (list->tail != prev)
        return "an LRU list's tail is not its last page";
    if (length != zone_page_state_exact(zone, lru_counter(active)))
        return "NR_ACTIVE or NR_INACTIVE is not the length of its list";
    return NULL;
}

const char *lru_check(struct zone *zone) {
    const char *wrong = check_list(zone, true);

    return wrong ? wrong : check_list(zone, false);
}
