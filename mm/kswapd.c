/* SPDX-License-Identifier: MIT */
/* kswapd: keeps each node's zones above pages_high. (specification, section 10.4) */
#include "mm/compaction.h"
#include "mm/cpuset.h"
#include "mm/shrink.h"
#include "mm/swap_token.h"
#include "mm/watermark.h"

void wakeup_kswapd(struct zone *zone, unsigned order) {
    struct pglist_data *node = zone->node;
    const struct platform *p = zone->machine->platform;
    int seen = atomic_load_explicit(&node->kswapd_max_order, memory_order_relaxed);

    if (!populated_zone(zone) || zone_watermark_ok(zone, order, zone->pages_low, 0, 0))
        return;
    if (!cpuset_zone_allowed_hardwall(zone))
        return;
    while (seen < (int)order && !atomic_compare_exchange_weak_explicit(&node->kswapd_max_order, &seen, (int)order,
                                                                       memory_order_relaxed, memory_order_relaxed))
        ;
    /* Pairs with kswapd_run: it looks at the zones once more after it has said that it is asleep. */
    if (atomic_exchange_explicit(&node->kswapd_awake, 1, memory_order_seq_cst) == 0)
        p->wake_kswapd(p->host, node->node_id);
}

/* One balancing run. */
struct balance {
    struct pglist_data *node;
    struct scan_control sc;
    unsigned long total_scanned, freed; /* since loop_again */
    unsigned long lru_pages;            /* of the zones up to the highest that lacks memory */
    unsigned order;
    int temp_priority[MAX_NR_ZONES];
};

static bool examined(const struct zone *zone, int priority) {
    return populated_zone(zone) && (!zone_is_all_unreclaimable(zone) || priority == DEF_PRIORITY);
}

/* The highest zone that lacks memory, or -1. */
static int find_end_zone(const struct balance *b, int priority) {
    for (int type = MAX_NR_ZONES - 1; type >= 0; type--) {
        const struct zone *zone = &b->node->node_zones[type];

        if (examined(zone, priority) && !zone_watermark_ok(zone, b->order, zone->pages_high, 0, 0))
            return type;
    }
    return -1;
}

static void shrink_node_zone(struct balance *b, struct zone *zone, int end_zone, int priority) {
    unsigned long objects, pages;

    b->temp_priority[zone->type] = priority;
    b->sc.nr_scanned = 0;
    note_zone_priority(zone, priority);
    /* A zone that has far more than enough is left alone, or the lower zones would be scanned faster than it. */
    if (!zone_watermark_ok(zone, b->order, 8 * zone->pages_high, (unsigned)end_zone, 0))
        b->freed += shrink_zone(priority, zone, &b->sc);
    pages = shake_caches(zone->machine, b->sc.nr_scanned, GFP_KERNEL, b->lru_pages, &objects);
    b->freed += pages;
    b->total_scanned += b->sc.nr_scanned;
    if (!zone_is_all_unreclaimable(zone) && objects == 0 && pages == 0 &&
        atomic_load_explicit(&zone->pages_scanned, memory_order_relaxed) >= 6 * zone_lru_pages(zone))
        zone_set_flag(zone, ZONE_ALL_UNRECLAIMABLE);
    if (b->total_scanned > 2 * SWAP_CLUSTER_MAX && b->total_scanned > b->freed + b->freed / 2)
        b->sc.may_writepage = true;
}

/* One pass over the zones. True: all are balanced. */
static bool balance_pass(struct balance *b, int end_zone, int priority) {
    bool all_ok = true;

    b->lru_pages = 0;
    for (int type = 0; type <= end_zone; type++)
        b->lru_pages += zone_lru_pages(&b->node->node_zones[type]);
    for (int type = 0; type <= end_zone; type++) {
        struct zone *zone = &b->node->node_zones[type];

        if (!examined(zone, priority))
            continue;
        if (!zone_watermark_ok(zone, b->order, zone->pages_high, (unsigned)end_zone, 0))
            all_ok = false;
        shrink_node_zone(b, zone, end_zone, priority);
    }
    return all_ok;
}

/* All priorities once, or until enough is done. True: balanced. */
static bool balance_round(struct balance *b) {
    struct machine *m = b->node->machine;
    bool all_ok = false;

    for (int priority = DEF_PRIORITY; priority >= 0; priority--) {
        int end_zone = find_end_zone(b, priority);

        if (priority == 0)
            disable_swap_token(m);
        if (end_zone < 0)
            return true;
        all_ok = balance_pass(b, end_zone, priority);
        if (all_ok)
            break;
        if (b->total_scanned && priority < DEF_PRIORITY - 2)
            m->platform->congestion_wait(m->platform->host, CONGESTION_TIMEOUT_NS);
        if (b->freed >= SWAP_CLUSTER_MAX)
            break;
    }
    return all_ok;
}

unsigned long balance_pgdat(struct pglist_data *pgdat, unsigned order) {
    struct machine *m = pgdat->machine;
    unsigned long freed = 0;
    bool balanced = false;

    while (!balanced) {
        struct balance b = {
            .node = pgdat,
            .order = order,
            .sc =
                {
                    .gfp_mask = GFP_KERNEL,
                    .may_writepage = !m->tune.laptop_mode,
                    .may_swap = true,
                    .swap_cluster_max = SWAP_CLUSTER_MAX,
                    .swappiness = m->tune.swappiness,
                    .order = order,
                },
        };

        count_vm_event(m, PAGEOUTRUN);
        for (int type = 0; type < MAX_NR_ZONES; type++)
            b.temp_priority[type] = DEF_PRIORITY;
        balanced = balance_round(&b);
        freed += b.freed;
        for (int type = 0; type < MAX_NR_ZONES; type++)
            atomic_store_explicit(&pgdat->node_zones[type].prev_priority, b.temp_priority[type], memory_order_relaxed);
        /* As much has come free as moving pages for such a block takes: the rest is kcompactd's. */
        if (m->tune.compaction && freed >= 2ul << order)
            order = 0;
        if (!balanced)
            m->platform->yield(m->platform->host);
    }
    return freed;
}

/* Does some zone that is worth a try lack memory so badly that an allocator would wake us? */
static bool node_wants_kswapd(const struct pglist_data *node) {
    for (int type = 0; type < MAX_NR_ZONES; type++) {
        const struct zone *zone = &node->node_zones[type];

        if (populated_zone(zone) && !zone_is_all_unreclaimable(zone) &&
            !zone_watermark_ok(zone, 0, zone->pages_low, 0, 0))
            return true;
    }
    return false;
}

bool kswapd_run(struct machine *m, int node) {
    struct pglist_data *pgdat = m->nodes[node];
    int order;

    atomic_store_explicit(&pgdat->kswapd_awake, 1, memory_order_relaxed);
    order = atomic_exchange_explicit(&pgdat->kswapd_max_order, 0, memory_order_relaxed);
    balance_pgdat(pgdat, (unsigned)order);
    wakeup_kcompactd(pgdat, (unsigned)order);
    if (atomic_load_explicit(&pgdat->kswapd_max_order, memory_order_relaxed) > order)
        return true;
    atomic_store_explicit(&pgdat->kswapd_awake, 0, memory_order_seq_cst);
    /* Whoever came since the run, and found us still awake, has not woken us. */
    if (!node_wants_kswapd(pgdat))
        return false;
    atomic_store_explicit(&pgdat->kswapd_awake, 1, memory_order_relaxed);
    return true;
}

/* -- help. ------------------------------------------------------------------------------------------------------- */

/* So many pages at a time: what fits into the wait for a disk. */
#define ASSIST_CLUSTER 8u

static bool wants_assistance(const struct zone *zone) {
    return populated_zone(zone) && !zone_is_all_unreclaimable(zone) &&
           !zone_watermark_ok(zone, 0, zone->pages_high, 0, 0);
}

bool kswapd_wants_assistance(const struct machine *m, int node) {
    for (int type = 0; type < MAX_NR_ZONES; type++)
        if (wants_assistance(&m->nodes[node]->node_zones[type]))
            return true;
    return false;
}

bool kswapd_assist(struct machine *m, int node) {
    struct scan_control sc = reclaim_freely(m, ASSIST_CLUSTER);
    uint32_t saved = memalloc_save(m);

    for (int type = 0; type < MAX_NR_ZONES; type++) {
        struct zone *zone = &m->nodes[node]->node_zones[type];

        if (wants_assistance(zone))
            shrink_zone(DEF_PRIORITY, zone, &sc);
    }
    memalloc_restore(m, saved);
    return kswapd_wants_assistance(m, node);
}
