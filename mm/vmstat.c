/* SPDX-License-Identifier: MIT */
#include "mm/vmstat.h"

#include "mm/buddy.h"
#include "mm/machine.h"
#include "mm/pcp.h"

#define THRESHOLD_MAX 125
#define REMOTE_FOLDINGS 3
#define PAGES_128M (1ul << (27 - PAGE_SHIFT))

static int fls(unsigned long x) {
    return x ? (int)(8 * sizeof(x)) - __builtin_clzl(x) : 0;
}

int vmstat_threshold(unsigned nr_cpus, unsigned long present_pages) {
    int threshold = 2 * fls(nr_cpus) * (1 + fls(present_pages / PAGES_128M));

    return threshold < THRESHOLD_MAX ? threshold : THRESHOLD_MAX;
}

void vmstat_init(struct zone *zone) {
    unsigned nr_cpus = zone->machine->nr_cpus;

    for (unsigned cpu = 0; cpu < nr_cpus; cpu++)
        zone->pageset[cpu].stat_threshold = (int8_t)vmstat_threshold(nr_cpus, zone->present_pages);
}

static unsigned long never_negative(long value) {
    return value < 0 ? 0 : (unsigned long)value;
}

unsigned long global_page_state(const struct machine *m, enum zone_stat_item item) {
    return never_negative(atomic_load_explicit(&m->vm_stat[item], memory_order_relaxed));
}

unsigned long node_page_state(const struct machine *m, int node, enum zone_stat_item item) {
    unsigned long sum = 0;

    for (unsigned type = 0; type < MAX_NR_ZONES; type++)
        sum += zone_page_state(&m->nodes[node]->node_zones[type], item);
    return sum;
}

long zone_page_state_exact(const struct zone *zone, enum zone_stat_item item) {
    long value = atomic_load_explicit(&zone->vm_stat[item], memory_order_relaxed);

    if (item == NR_FREE_PAGES && zone->shards)
        value = zone_free_pages_exact(zone);
    for (unsigned cpu = 0; zone->pageset && cpu < zone->machine->nr_cpus; cpu++)
        value += atomic_load_explicit(&zone->pageset[cpu].vm_stat_diff[item], memory_order_relaxed);
    return value;
}

void zone_page_state_add(long delta, struct zone *zone, enum zone_stat_item item) {
    atomic_fetch_add_explicit(&zone->vm_stat[item], delta, memory_order_relaxed);
    atomic_fetch_add_explicit(&zone->machine->vm_stat[item], delta, memory_order_relaxed);
}

/*
 * Two tasks may believe to be on one CPU, so that the delta is changed by compare and swap. overstep: how much more
 * than needed is published, in the direction of the change, so that the next changes of that direction stay local.
 */
static void mod_state(struct zone *zone, enum zone_stat_item item, int delta, int overstep) {
    struct per_cpu_pageset *pageset = &zone->pageset[mm_cpu(zone->machine)];
    _Atomic int8_t *diff = &pageset->vm_stat_diff[item];
    int8_t seen = atomic_load_explicit(diff, memory_order_relaxed);
    int threshold = pageset->stat_threshold, sum;
    int8_t kept;

    do {
        sum = delta + seen;
        kept = (int8_t)(sum > threshold || sum < -threshold ? -overstep : sum);
    } while (!atomic_compare_exchange_weak_explicit(diff, &seen, kept, memory_order_relaxed, memory_order_relaxed));
    if (sum > threshold || sum < -threshold)
        zone_page_state_add(sum + overstep, zone, item);
}

void mod_zone_page_state(struct zone *zone, enum zone_stat_item item, int delta) {
    mod_state(zone, item, delta, 0);
}

void inc_zone_page_state(struct zone *zone, enum zone_stat_item item) {
    mod_state(zone, item, 1, zone->pageset[0].stat_threshold / 2);
}

void dec_zone_page_state(struct zone *zone, enum zone_stat_item item) {
    mod_state(zone, item, -1, -(zone->pageset[0].stat_threshold / 2));
}

/* True if there was one to publish. */
static bool fold(struct zone *zone, unsigned cpu) {
    bool any = false;

    for (unsigned item = 0; item < NR_VM_ZONE_STAT_ITEMS; item++) {
        _Atomic int8_t *diff = &zone->pageset[cpu].vm_stat_diff[item];

        if (atomic_load_explicit(diff, memory_order_relaxed) == 0)
            continue;
        zone_page_state_add(atomic_exchange_explicit(diff, 0, memory_order_relaxed), zone, (enum zone_stat_item)item);
        any = true;
    }
    return any;
}

static bool is_remote(const struct zone *zone, unsigned cpu) {
    const struct machine *m = zone->machine;

    return zone->node->node_id != (m->map.cpu_node ? m->map.cpu_node[cpu] : 0);
}

void refresh_cpu_vm_stats(struct machine *m, unsigned cpu) {
    for_each_populated_zone(m, zone) {
        struct per_cpu_pageset *set = &zone->pageset[cpu];

        buddy_publish_counts(zone);
        if (fold(zone, cpu))
            set->expire = REMOTE_FOLDINGS;
        if (set->expire == 0 || !is_remote(zone, cpu))
            continue;
        /* Memory of another node lies idle here; it is of more use there. What it gives back starts the count anew. */
        if (--set->expire == 0)
            drain_zone_pages(zone, cpu);
    }
}

void refresh_vm_stats(struct machine *m) {
    for_each_populated_zone(m, zone) {
        buddy_publish_counts(zone);
        for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++)
            fold(zone, cpu);
    }
}

uint64_t vmstat_update(struct machine *m, unsigned cpu) {
    refresh_cpu_vm_stats(m, cpu);
    return m->tune.stat_interval * UINT64_C(1000000000);
}

void count_vm_events(struct machine *m, unsigned item, unsigned long n) {
    atomic_fetch_add_explicit(&m->per_cpu[mm_cpu(m)].vm_events[item], n, memory_order_relaxed);
}

void all_vm_events(const struct machine *m, unsigned long *ret_events) {
    for (unsigned item = 0; item < NR_VM_EVENT_ITEMS; item++) {
        ret_events[item] = 0;
        for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++)
            ret_events[item] += atomic_load_explicit(&m->per_cpu[cpu].vm_events[item], memory_order_relaxed);
    }
    /* Pages are counted where they pass, under a lock that is held there anyway. */
    for_each_populated_zone(m, zone) {
        for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++) {
            ret_events[PGALLOC + zone->type] += __atomic_load_n(&zone->pageset[cpu].nr_allocated, __ATOMIC_RELAXED);
            ret_events[PGFREE] += __atomic_load_n(&zone->pageset[cpu].nr_freed, __ATOMIC_RELAXED);
        }
        for (unsigned i = 0; i < zone->nr_shards; i++) {
            ret_events[PGALLOC + zone->type] += __atomic_load_n(&zone->shards[i].nr_allocated, __ATOMIC_RELAXED);
            ret_events[PGFREE] += __atomic_load_n(&zone->shards[i].nr_freed, __ATOMIC_RELAXED);
        }
    }
}
