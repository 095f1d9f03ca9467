/* SPDX-License-Identifier: MIT */
#include "mm/vmscan.h"

#include "mm/cpuset.h"
#include "mm/inactive_share.h"
#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/page_list.h"
#include "mm/page_writeback.h"
#include "mm/park.h"
#include "mm/rmap.h"
#include "mm/shrink.h"
#include "mm/shrinker.h"
#include "mm/probation.h"
#include "mm/swap_state.h"
#include "mm/swap_token.h"
#include "mm/swapfile.h"
#include "mm/workingset.h"

#define FLUSH_FOR_BUFFERS 1024u

unsigned long zone_lru_pages(const struct zone *zone) {
    return zone_page_state(zone, NR_ACTIVE) + zone_page_state(zone, NR_INACTIVE);
}

static void congestion_wait(struct machine *m) {
    m->platform->congestion_wait(m->platform->host, CONGESTION_TIMEOUT_NS);
}

static bool current_is_kswapd(const struct machine *m) {
    return atomic_load_explicit(&mm_current(m)->flags, memory_order_relaxed) & PF_KSWAPD;
}

/* Pages that the caches of the host gave back meanwhile, through the current task's reclaim_state. */
static unsigned long take_reclaimed_slab(struct machine *m) {
    struct reclaim_state *state = mm_current(m)->reclaim_state;
    unsigned long pages;

    if (!state)
        return 0;
    pages = state->reclaimed_slab;
    state->reclaimed_slab = 0;
    return pages;
}

unsigned long shake_caches(struct machine *m, unsigned long scanned, gfp_t gfp, unsigned long lru_pages,
                           unsigned long *ret_objects) {
    *ret_objects = shrink_slab(m, scanned, gfp, lru_pages);
    if (shadows_are_due(m))
        *ret_objects += drop_old_shadows(m);
    return take_reclaimed_slab(m);
}

/*
 * Lumpy reclaim takes blocks together with the page that is due. Where pages can be moved, that is what makes blocks.
 */
static unsigned lumpy_order(const struct machine *m, const struct scan_control *sc) {
    return m->tune.compaction ? 0 : sc->order;
}

/* -- the active list. ------------------------------------------------------------------------------------------------
 */

unsigned long swap_tendency(const struct zone *zone, int priority, unsigned swappiness) {
    const struct machine *m = zone->machine;
    int prev_priority = atomic_load_explicit(&zone->prev_priority, memory_order_relaxed);
    unsigned long distress = 100ul >> (prev_priority < priority ? prev_priority : priority);
    unsigned long mapped_ratio =
        (global_page_state(m, NR_FILE_MAPPED) + global_page_state(m, NR_ANON_PAGES)) * 100 / m->vm_total_pages;
    unsigned long imbalance = zone_page_state(zone, NR_ACTIVE) / (zone_page_state(zone, NR_INACTIVE) + 1);

    imbalance = imbalance * (swappiness + 1) / 100;
    imbalance = imbalance * mapped_ratio / 100;
    return mapped_ratio / 2 + distress + swappiness + imbalance;
}

static bool reclaim_mapped(const struct zone *zone, int priority, const struct scan_control *sc) {
    if (!sc->may_swap)
        return false;
    /* Near out of memory: what has been scanned without success is three times all there is. */
    if (atomic_load_explicit(&zone->pages_scanned, memory_order_relaxed) >= 3 * zone_lru_pages(zone))
        return true;
    return swap_tendency(zone, priority, sc->swappiness) >= 100;
}

/* Copies in swap of pages that stay in memory are given up while slots are short. */
static void give_up_slots(struct machine *m, const struct page_list *list) {
    if (!vm_swap_full(m))
        return;
    for (struct page *page = list_page(m, list->head); page; page = list_page(m, page->lru_next)) {
        if (!page_test(page, PG_swapcache) || !trylock_page(page))
            continue;
        remove_exclusive_swap_page(m, page);
        unlock_page(m, page);
    }
}

/* Returns how many pages became inactive: with their neighbours they may be more than nr. */
static unsigned long shrink_active_list(unsigned long nr, struct zone *zone, const struct scan_control *sc,
                                        int priority) {
    struct machine *m = zone->machine;
    bool mapped_too = reclaim_mapped(zone, priority, sc);
    bool have_swap = __atomic_load_n(&m->total_swap_pages, __ATOMIC_RELAXED) != 0;
    struct page_list hold, active, park, inactive;
    unsigned long scanned, deactivated = 0;

    page_list_init(&hold);
    page_list_init(&active);
    page_list_init(&park);
    page_list_init(&inactive);
    lru_add_drain(m);
    lock_acquire(m->platform, &zone->lru_lock);
    isolate_lru_blocks(zone, true, nr, lumpy_order(m, sc), ISOLATE_ACTIVE, &hold, &scanned);
    lock_release(m->platform, &zone->lru_lock);
    atomic_fetch_add_explicit(&zone->pages_scanned, scanned, memory_order_relaxed);

    while (!page_list_empty(&hold)) {
        struct page *page = list_page(m, hold.head);

        list_del(m, &hold, page);
        if (!page_mapped(page))
            list_add_tail(m, &inactive, page);
        else if (!mapped_too || (!have_swap && !page_mapping(page)) || page_referenced_unlocked(m, page))
            list_add_tail(m, &active, page);
        else
            list_add_tail(m, page_mapping(page) ? &inactive : &park, page);
    }
    park_pages(m, &park, &inactive, m->tune.park_neighbours != 0);
    give_up_slots(m, &active);
    for (struct page *page = list_page(m, inactive.head); page; page = list_page(m, page->lru_next)) {
        page_clear(page, PG_active);
        deactivated++;
    }
    putback_lru_pages(m, &inactive);
    putback_lru_pages(m, &park);
    putback_lru_pages(m, &active);
    count_vm_events(m, PGREFILL + zone->type, scanned);
    count_vm_events(m, PGDEACTIVATE, deactivated);
    return deactivated;
}

/* -- the inactive list. ----------------------------------------------------------------------------------------------
 */

/* Pages that were not freed come round again, so that a second look counts them anew. */
static void clear_active(struct machine *m, const struct page_list *list) {
    for (struct page *page = list_page(m, list->head); page; page = list_page(m, page->lru_next))
        page_clear(page, PG_active);
}

/* Active pages that were taken along with their block become inactive: parked, those that can be. */
static void cool_active(struct machine *m, struct page_list *list) {
    struct page_list park, cold;

    page_list_init(&park);
    page_list_init(&cold);
    for (struct page *page = list_page(m, list->head), *next; page; page = next) {
        next = list_page(m, page->lru_next);
        if (!page_test(page, PG_active) || !page_mapped(page) || page_mapping(page))
            continue;
        list_del(m, list, page);
        list_add_tail(m, &park, page);
    }
    park_pages(m, &park, &cold, false);
    list_splice_head(m, list, &cold);
    list_splice_head(m, list, &park);
    clear_active(m, list);
}

static unsigned long shrink_inactive_list(unsigned long max, struct zone *zone, struct scan_control *sc) {
    struct machine *m = zone->machine;
    bool kswapd = current_is_kswapd(m), costly = sc->order > PAGE_ALLOC_COSTLY_ORDER;
    unsigned long total_scanned = 0, freed = 0;

    lru_add_drain(m);
    while (total_scanned < max) {
        struct page_list list, again;
        unsigned long scanned, taken, done;

        page_list_init(&list);
        lock_acquire(m->platform, &zone->lru_lock);
        taken = isolate_lru_blocks(zone, false, sc->swap_cluster_max, lumpy_order(m, sc),
                                   costly ? ISOLATE_BOTH : ISOLATE_INACTIVE, &list, &scanned);
        lock_release(m->platform, &zone->lru_lock);
        page_list_init(&again);
        if (costly)
            cool_active(m, &list);
        park_on_probation(m, &list, &again);
        atomic_fetch_add_explicit(&zone->pages_scanned, scanned, memory_order_relaxed);
        total_scanned += scanned;
        count_vm_events(m, (kswapd ? PGSCAN_KSWAPD : PGSCAN_DIRECT) + zone->type, scanned);
        if (taken == 0)
            break;

        done = shrink_pages(m, &list, sc, false);
        if (done < taken && !kswapd && costly) {
            congestion_wait(m);
            clear_active(m, &list);
            done += shrink_pages(m, &list, sc, true);
        }
        freed += done;
        inactive_share_note_freed(zone, done);
        if (kswapd)
            count_vm_events(m, KSWAPD_STEAL, done);
        count_vm_events(m, PGSTEAL + zone->type, done);
        putback_lru_pages(m, &list);
        putback_lru_pages(m, &again);
    }
    return freed;
}

/* -- one zone. -------------------------------------------------------------------------------------------------------
 */

/* Adds a list's share to its debt; the debt, once it is worth a scan. */
static unsigned long scan_count(_Atomic unsigned long *debt, unsigned long size, int priority, unsigned cluster) {
    unsigned long due = atomic_fetch_add_explicit(debt, (size >> priority) + 1, memory_order_relaxed);

    due += (size >> priority) + 1;
    if (due < cluster)
        return 0;
    atomic_store_explicit(debt, 0, memory_order_relaxed);
    return due;
}

bool inactive_is_low(const struct zone *zone) {
    unsigned percent = inactive_share(zone);

    return percent == 0 || zone_page_state(zone, NR_INACTIVE) * 100 < percent * zone_lru_pages(zone);
}

/*
 * nr active pages are due. While there are enough inactive ones they are spared; where pages come back on probation,
 * only for a while: for so many spared one becomes inactive.
 */
static void scan_active(struct zone *zone, unsigned long nr, const struct scan_control *sc, int priority) {
    long credit, wanted = (long)(PROBATION_ACTIVE_SHARE * nr);
    unsigned long deactivated;

    if (inactive_is_low(zone)) {
        shrink_active_list(nr, zone, sc, priority);
        return;
    }
    if (!zone->machine->tune.probation)
        return;
    credit = atomic_fetch_add_explicit(&zone->active_credit, (long)nr, memory_order_relaxed) + (long)nr;
    if (credit < wanted)
        return;
    deactivated = shrink_active_list(nr, zone, sc, priority);
    atomic_fetch_sub_explicit(&zone->active_credit,
                              deactivated > nr ? (long)(PROBATION_ACTIVE_SHARE * deactivated) : wanted,
                              memory_order_relaxed);
}

unsigned long shrink_zone(int priority, struct zone *zone, struct scan_control *sc) {
    struct machine *m = zone->machine;
    unsigned long nr_active =
        scan_count(&zone->nr_scan_active, zone_page_state(zone, NR_ACTIVE), priority, sc->swap_cluster_max);
    unsigned long nr_inactive =
        scan_count(&zone->nr_scan_inactive, zone_page_state(zone, NR_INACTIVE), priority, sc->swap_cluster_max);
    unsigned long freed = 0;

    while (nr_active || nr_inactive) {
        if (nr_active) {
            unsigned long nr = nr_active < sc->swap_cluster_max ? nr_active : sc->swap_cluster_max;

            nr_active -= nr;
            scan_active(zone, nr, sc, priority);
        }
        if (nr_inactive) {
            unsigned long nr = nr_inactive < sc->swap_cluster_max ? nr_inactive : sc->swap_cluster_max;

            nr_inactive -= nr;
            freed += shrink_inactive_list(nr, zone, sc);
        }
    }
    throttle_vm_writeout(m, sc->gfp_mask);
    return freed;
}

/* -- direct reclaim. -------------------------------------------------------------------------------------------------
 */

void note_zone_priority(struct zone *zone, int priority) {
    int seen = atomic_load_explicit(&zone->prev_priority, memory_order_relaxed);

    while (priority < seen && !atomic_compare_exchange_weak_explicit(&zone->prev_priority, &seen, priority,
                                                                     memory_order_relaxed, memory_order_relaxed))
        ;
}

/* Does a direct reclaim for zonelist look at this zone? The book stays on the node of the list's first zone. */
static bool zone_in_scope(const struct zone *zone, const struct zonelist *zonelist) {
    return populated_zone(zone) && cpuset_zone_allowed_hardwall(zone) &&
           (zone->machine->tune.reclaim_scope == RECLAIM_ZONELIST || zone->node == zonelist->zones[0]->node);
}

static unsigned long shrink_zones(int priority, const struct zonelist *zonelist, struct scan_control *sc) {
    unsigned long freed = 0;

    sc->all_unreclaimable = true;
    for (unsigned i = 0; zonelist->zones[i]; i++) {
        struct zone *zone = zonelist->zones[i];

        if (!zone_in_scope(zone, zonelist))
            continue;
        note_zone_priority(zone, priority);
        if (zone_is_all_unreclaimable(zone) && priority != DEF_PRIORITY)
            continue;
        sc->all_unreclaimable = false;
        freed += shrink_zone(priority, zone, sc);
    }
    return freed;
}

static unsigned long scope_lru_pages(const struct zonelist *zonelist) {
    unsigned long sum = 0;

    for (unsigned i = 0; zonelist->zones[i]; i++)
        if (zone_in_scope(zonelist->zones[i], zonelist))
            sum += zone_lru_pages(zonelist->zones[i]);
    return sum;
}

/* Clean pages are cheaper to free than dirty ones. With the disk running anyway, a laptop writes all there is. */
static void wake_flusher(struct machine *m, unsigned long nr_pages) {
    if (m->platform->wake_flusher)
        m->platform->wake_flusher(m->platform->host, m->tune.laptop_mode ? 0 : nr_pages);
}

/* What a run that got this far is worth to its caller (section 0, first row). */
static unsigned long progress(const struct machine *m, const struct scan_control *sc, unsigned long freed) {
    /* With bounded retries the count says it all: should_reclaim_retry() has an estimate of its own. */
    if (m->tune.reclaim_retries)
        return freed;
    if (m->tune.source_progress)
        return freed >= sc->swap_cluster_max || !sc->all_unreclaimable;
    return freed ? freed : !sc->all_unreclaimable;
}

unsigned long try_to_free_pages(struct machine *m, const struct zonelist *zonelist, unsigned order, gfp_t gfp) {
    struct scan_control sc = {
        .gfp_mask = gfp,
        .may_writepage = !m->tune.laptop_mode,
        .may_swap = true,
        .swap_cluster_max = SWAP_CLUSTER_MAX,
        .swappiness = m->tune.swappiness,
        .order = order,
    };
    unsigned long freed = 0, scanned = 0, objects, lru = scope_lru_pages(zonelist);
    int priority;

    count_vm_event(m, ALLOCSTALL);
    for (priority = DEF_PRIORITY; priority >= 0; priority--) {
        sc.nr_scanned = 0;
        if (priority == 0)
            disable_swap_token(m);
        freed += shrink_zones(priority, zonelist, &sc);
        freed += shake_caches(m, sc.nr_scanned, gfp, lru, &objects);
        scanned += sc.nr_scanned;
        if (freed >= sc.swap_cluster_max)
            break;
        if (scanned > sc.swap_cluster_max + sc.swap_cluster_max / 2) {
            wake_flusher(m, scanned);
            sc.may_writepage = true;
        }
        if (sc.nr_scanned && priority < DEF_PRIORITY - 2)
            congestion_wait(m);
    }
    if (priority < 0)
        priority = 0;
    for (unsigned i = 0; zonelist->zones[i]; i++)
        if (zone_in_scope(zonelist->zones[i], zonelist))
            atomic_store_explicit(&zonelist->zones[i]->prev_priority, priority, memory_order_relaxed);
    return progress(m, &sc, freed);
}

void free_more_memory(struct machine *m) {
    const struct platform *p = m->platform;

    if (p->wake_flusher)
        p->wake_flusher(p->host, FLUSH_FOR_BUFFERS);
    p->yield(p->host);
    for (unsigned node = 0; node < m->nr_nodes; node++)
        if (m->nodes[node]->node_present_pages)
            try_to_free_pages(m, &m->nodes[node]->node_zonelists[gfp_zone(m, GFP_NOFS)], 0, GFP_NOFS);
}
