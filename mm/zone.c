/* SPDX-License-Identifier: MIT */
#include "mm/zone.h"

#include "mm/machine.h"

void zone_set_flag(struct zone *zone, enum zone_flag flag) {
    atomic_fetch_or_explicit(&zone->flags, 1ul << flag, memory_order_acq_rel);
}

bool zone_test_and_set_flag(struct zone *zone, enum zone_flag flag) {
    return atomic_fetch_or_explicit(&zone->flags, 1ul << flag, memory_order_acq_rel) >> flag & 1u;
}

void zone_clear_flag(struct zone *zone, enum zone_flag flag) {
    atomic_fetch_and_explicit(&zone->flags, ~(1ul << flag), memory_order_acq_rel);
}

static bool zone_test_flag(const struct zone *zone, enum zone_flag flag) {
    return atomic_load_explicit(&zone->flags, memory_order_acquire) >> flag & 1u;
}

bool zone_is_all_unreclaimable(const struct zone *zone) {
    return zone_test_flag(zone, ZONE_ALL_UNRECLAIMABLE);
}

void zone_mark_reclaimable(struct zone *zone) {
    if (zone_is_all_unreclaimable(zone))
        zone_clear_flag(zone, ZONE_ALL_UNRECLAIMABLE);
    if (atomic_load_explicit(&zone->pages_scanned, memory_order_relaxed) != 0)
        atomic_store_explicit(&zone->pages_scanned, 0, memory_order_relaxed);
}

bool zone_is_reclaim_locked(const struct zone *zone) {
    return zone_test_flag(zone, ZONE_RECLAIM_LOCKED);
}

bool zone_is_oom_locked(const struct zone *zone) {
    return zone_test_flag(zone, ZONE_OOM_LOCKED);
}

const char *zone_name(enum zone_type type) {
    switch (type) {
    case ZONE_DMA:
        return "DMA";
    case ZONE_DMA32:
        return "DMA32";
    case ZONE_NORMAL:
        return "Normal";
    case ZONE_HIGHMEM:
        return "HighMem";
    default:
        return "Movable";
    }
}

/* -- Zonelists ----------------------------------------------------------------------------------------------- */

static unsigned node_distance(const struct machine *m, unsigned from, unsigned to) {
    if (m->map.node_distance)
        return m->map.node_distance[from * m->nr_nodes + to];
    return from == to ? 10 : 20;
}

bool node_has_cpus(const struct machine *m, unsigned node) {
    if (!m->map.cpu_node)
        return node == 0;
    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++)
        if (m->map.cpu_node[cpu] == node)
            return true;
    return false;
}

unsigned cpu_to_node(const struct machine *m, unsigned cpu) {
    return m->map.cpu_node ? m->map.cpu_node[cpu] : 0;
}

bool node_distance_wants_zone_reclaim(const struct machine *m) {
    for (unsigned from = 0; from < m->nr_nodes; from++)
        for (unsigned to = 0; to < m->nr_nodes; to++)
            if (node_distance(m, from, to) > RECLAIM_DISTANCE)
                return true;
    return false;
}

/* The unused node that the specification's formula (section 2.4) prefers, or -1. */
static int find_next_best_node(const struct machine *m, unsigned local, unsigned used, const unsigned *load) {
    unsigned best_value = UINT32_MAX;
    int best = -1;

    if (!(used >> local & 1u))
        return (int)local;
    for (unsigned node = 0; node < m->nr_nodes; node++) {
        unsigned value;

        if (used >> node & 1u)
            continue;
        value = node_distance(m, local, node) + (node < local) + node_has_cpus(m, node);
        value = value * (m->nr_nodes * MAX_NUMNODES) + load[node];
        if (value < best_value) {
            best_value = value;
            best = (int)node;
        }
    }
    return best;
}

/* Fills order[] with the nodes as local prefers them; load[] is carried from one local node to the next. */
static void node_order(const struct machine *m, unsigned local, unsigned *load, unsigned order[MAX_NUMNODES]) {
    unsigned used = 0, penalty = m->nr_nodes, nr = 0, prev = local;
    int node;

    while ((node = find_next_best_node(m, local, used, load)) >= 0) {
        /* The first of each group at one distance is made dearer, so that its peers take turns in being first. */
        if (node_distance(m, local, (unsigned)node) != node_distance(m, local, prev))
            load[node] += penalty;
        prev = (unsigned)node;
        penalty--;
        used |= 1u << node;
        order[nr++] = (unsigned)node;
    }
}

static unsigned add_zones(struct pglist_data *node, unsigned highest, struct zonelist *list, unsigned nr) {
    for (unsigned type = highest + 1; type-- > 0;)
        if (populated_zone(&node->node_zones[type]))
            list->zones[nr++] = &node->node_zones[type];
    return nr;
}

static unsigned long low_pages(const struct pglist_data *node) {
    return node->node_zones[ZONE_DMA].present_pages + node->node_zones[ZONE_DMA32].present_pages;
}

/* Node order spares nobody's DMA memory; so it is the default only where little or nearly all memory is of that kind.
 */
static bool default_is_node_order(const struct machine *m) {
    unsigned long low = 0, total = 0;

    for (unsigned n = 0; n < m->nr_nodes; n++) {
        low += low_pages(m->nodes[n]);
        total += m->nodes[n]->node_present_pages;
    }
    if (low == 0 || low > total / 2)
        return true;
    for (unsigned n = 0; n < m->nr_nodes; n++) {
        unsigned long present = m->nodes[n]->node_present_pages;

        if (present > total / m->nr_nodes && low_pages(m->nodes[n]) > present * 70 / 100)
            return true;
    }
    return false;
}

/* Bits of the caches name places in a list: they say nothing of another list. */
static void build_zonelists(struct machine *m, unsigned local, const unsigned order[MAX_NUMNODES], bool by_node) {
    struct pglist_data *home = m->nodes[local];

    for (unsigned highest = 0; highest < MAX_NR_ZONES; highest++) {
        struct zonelist *list = &home->node_zonelists[highest];
        unsigned nr = 0;

        atomic_store_explicit(&home->zonelist_caches[highest].full_zones, 0, memory_order_relaxed);

        for (unsigned i = 0; by_node && i < m->nr_nodes; i++)
            nr = add_zones(m->nodes[order[i]], highest, list, nr);
        for (unsigned type = highest + 1; !by_node && type-- > 0;)
            for (unsigned i = 0; i < m->nr_nodes; i++)
                if (populated_zone(&m->nodes[order[i]]->node_zones[type]))
                    list->zones[nr++] = &m->nodes[order[i]]->node_zones[type];
        list->zones[nr] = NULL;
        list->cache = m->nr_nodes > 1 ? &home->zonelist_caches[highest] : NULL;

        list = &home->node_thisnode_zonelists[highest];
        list->zones[add_zones(home, highest, list, 0)] = NULL;
    }
}

void build_all_zonelists(struct machine *m) {
    unsigned load[MAX_NUMNODES] = {0}, order[MAX_NUMNODES] = {0};
    enum zonelist_order wanted = m->tune.zonelist_order;
    bool by_node = wanted == ZONELIST_NODE || (wanted == ZONELIST_DEFAULT && default_is_node_order(m));

    for (unsigned n = 0; n < m->nr_nodes; n++) {
        node_order(m, n, load, order);
        build_zonelists(m, n, order, by_node);
    }

    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++) {
        const struct pglist_data *home = m->nodes[m->map.cpu_node ? m->map.cpu_node[cpu] : 0];

        for (unsigned i = 0; i < GFP_INDEXES; i++) {
            struct zone *zone = home->node_zonelists[m->gfp_zones[i]].zones[0];

            m->per_cpu[cpu].first_set[i] = zone ? &zone->pageset[cpu] : NULL;
            if (zone)
                atomic_store_explicit(&m->per_cpu[cpu].last_set, m->per_cpu[cpu].first_set[i], memory_order_relaxed);
        }
    }

    m->vm_total_pages = 0;
    for (unsigned n = 0; n < m->nr_nodes; n++)
        for (unsigned type = 0; type < MAX_NR_ZONES; type++) {
            const struct zone *zone = &m->nodes[n]->node_zones[type];

            m->vm_total_pages += zone->present_pages - zone->pages_high;
        }
    gfp_group_by_mobility(m, m->vm_total_pages >= PAGEBLOCK_PAGES * MIGRATE_TYPES);
}
