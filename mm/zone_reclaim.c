/* SPDX-License-Identifier: MIT */
#include "mm/zone_reclaim.h"

#include "mm/shrink.h"
#include "mm/shrinker.h"
#include "mm/swap_token.h"

/* File pages that nobody has mapped: what can go without anybody's page tables changing. */
static unsigned long unmapped_pages(const struct zone *zone) {
    unsigned long file = zone_page_state(zone, NR_FILE_PAGES), mapped = zone_page_state(zone, NR_FILE_MAPPED);

    return file > mapped ? file - mapped : 0;
}

static unsigned long slab_pages(const struct zone *zone) {
    return zone_page_state(zone, NR_SLAB_RECLAIMABLE);
}

static bool node_is_anothers(const struct machine *m, const struct pglist_data *node) {
    return node_has_cpus(m, (unsigned)node->node_id) && cpu_to_node(m, mm_cpu(m)) != (unsigned)node->node_id;
}

/* Until the caches have given back as many pages, or give no more. Returns pages that they have given back. */
static unsigned long shake_slab(struct zone *zone, const struct scan_control *sc, unsigned long nr) {
    unsigned long before = slab_pages(zone), now = before;

    if (before <= zone->min_slab_pages)
        return 0;
    /* There may be no LRU page to measure by: the order stands in for their number, so that the shake is hard. */
    while (shrink_slab(zone->machine, sc->nr_scanned, sc->gfp_mask, sc->order) &&
           (now = slab_pages(zone)) + nr > before)
        ;
    now = slab_pages(zone);
    return now < before ? before - now : 0;
}

static unsigned long reclaim_pages(struct zone *zone, gfp_t gfp, unsigned order) {
    struct machine *m = zone->machine;
    unsigned long nr = 1ul << order, freed = 0;
    struct scan_control sc = {
        .gfp_mask = gfp,
        .may_writepage = m->tune.zone_reclaim_mode & RECLAIM_WRITE,
        .may_swap = m->tune.zone_reclaim_mode & RECLAIM_SWAP,
        .swap_cluster_max = nr > SWAP_CLUSTER_MAX ? (unsigned)nr : SWAP_CLUSTER_MAX,
        .swappiness = m->tune.swappiness,
        .order = order,
    };

    if (unmapped_pages(zone) > zone->min_unmapped_pages)
        for (int priority = ZONE_RECLAIM_PRIORITY; priority >= 0 && freed < nr; priority--) {
            note_zone_priority(zone, priority);
            freed += shrink_zone(priority, zone, &sc);
        }
    return freed + shake_slab(zone, &sc, nr);
}

bool zone_reclaim(struct zone *zone, gfp_t gfp, unsigned order) {
    struct machine *m = zone->machine;
    const struct platform *p = m->platform;
    struct task *task = mm_current(m);
    struct reclaim_state state = {0}, *outer = task->reclaim_state;
    uint32_t had = atomic_load_explicit(&task->flags, memory_order_relaxed);
    unsigned long freed;

    if (unmapped_pages(zone) <= zone->min_unmapped_pages && slab_pages(zone) <= zone->min_slab_pages)
        return false;
    if (zone_is_all_unreclaimable(zone) || !(gfp & __GFP_WAIT) || had & PF_MEMALLOC || node_is_anothers(m, zone->node))
        return false;
    if (zone_test_and_set_flag(zone, ZONE_RECLAIM_LOCKED))
        return false;
    disable_swap_token(m);
    p->yield(p->host);
    atomic_fetch_or_explicit(&task->flags, PF_MEMALLOC | PF_SWAPWRITE, memory_order_relaxed);
    task->reclaim_state = &state;
    freed = reclaim_pages(zone, gfp, order);
    task->reclaim_state = outer;
    atomic_fetch_and_explicit(&task->flags, ~(uint32_t)PF_MEMALLOC & ~(uint32_t)(had & PF_SWAPWRITE ? 0 : PF_SWAPWRITE),
                              memory_order_relaxed);
    zone_clear_flag(zone, ZONE_RECLAIM_LOCKED);
    return freed >= 1ul << order;
}
