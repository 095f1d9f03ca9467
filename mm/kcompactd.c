/* SPDX-License-Identifier: MIT */
/* kcompactd: large blocks made before somebody has to wait for them. (specification, section 18; tune.compaction) */
#include "mm/compaction.h"

static bool node_suitable(const struct pglist_data *node, unsigned order) {
    for (unsigned type = 0; type < MAX_NR_ZONES; type++)
        if (populated_zone(&node->node_zones[type]) && compaction_suitable(&node->node_zones[type], order))
            return true;
    return false;
}

void wakeup_kcompactd(struct pglist_data *node, unsigned order) {
    struct machine *m = node->machine;
    const struct platform *p = m->platform;
    unsigned seen = atomic_load_explicit(&node->kcompactd_max_order, memory_order_relaxed);

    if (!m->tune.compaction || order == 0 || !p->wake_kcompactd || !node_suitable(node, order))
        return;
    while (seen < order && !atomic_compare_exchange_weak_explicit(&node->kcompactd_max_order, &seen, order,
                                                                  memory_order_seq_cst, memory_order_relaxed))
        ;
    /* Pairs with kcompactd_run: it looks for an order once more after it has said that it is asleep. */
    if (atomic_exchange_explicit(&node->kcompactd_awake, 1, memory_order_seq_cst) != 0)
        return;
    atomic_fetch_add_explicit(&m->kcompactd_wakes, 1, memory_order_relaxed);
    p->wake_kcompactd(p->host, node->node_id);
}

bool kcompactd_run(struct machine *m, int id) {
    struct pglist_data *node = m->nodes[id];
    unsigned order = atomic_exchange_explicit(&node->kcompactd_max_order, 0, memory_order_seq_cst);

    for (unsigned type = 0; type < MAX_NR_ZONES && order && m->tune.compaction; type++) {
        struct zone *zone = &node->node_zones[type];

        if (populated_zone(zone) && compaction_suitable(zone, order) && !compaction_deferred(zone, order))
            compact_zone(zone, order);
    }
    atomic_store_explicit(&node->kcompactd_awake, 0, memory_order_seq_cst);
    if (atomic_load_explicit(&node->kcompactd_max_order, memory_order_seq_cst) == 0)
        return false;
    /* Whoever came since found us awake, and has not woken us; or does so now, for nothing. */
    atomic_store_explicit(&node->kcompactd_awake, 1, memory_order_seq_cst);
    return true;
}
