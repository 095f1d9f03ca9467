/* SPDX-License-Identifier: MIT */
#include "mm/watermark.h"

#include "mm/buddy.h"
#include "mm/pcp.h"
#include "mm/sysctl.h"
#include "mm/zone_reclaim.h"

/* Above this order there are fewer orders to look at above than below. */
#define COUNTED_FROM_ABOVE 5u
#define MIN_FREE_KBYTES_LEAST 128u
#define MIN_FREE_KBYTES_MOST 65536u

/*
 * Are there more pages than that in free blocks of at least the order? Looks at this CPU's own shards first: nobody
 * else writes there, and mostly they are enough.
 */
static bool large_blocks_exceed(const struct zone *zone, unsigned order, long pages) {
    unsigned cpu = mm_task_cpu(zone->machine, mm_current(zone->machine));

    for (unsigned n = 0; n < zone->nr_shards; n++) {
        const struct zone_shard *shard = home_shard(zone, cpu, n);

        for (unsigned o = order; o < MAX_ORDER; o++)
            pages -= (long)(__atomic_load_n(&shard->nr_free[o], __ATOMIC_RELAXED) << o);
        if (pages < 0)
            return true;
    }
    return false;
}

bool zone_watermark_ok(const struct zone *zone, unsigned order, unsigned long mark, unsigned class_zone,
                       unsigned alloc_flags) {
    return zone_watermark_ok_for(zone, order, mark, class_zone, alloc_flags, zone_page_state(zone, NR_FREE_PAGES));
}

bool zone_watermark_ok_for(const struct zone *zone, unsigned order, unsigned long mark, unsigned class_zone,
                           unsigned alloc_flags, unsigned long free_pages) {
    long min = (long)mark;
    long free = (long)free_pages - (1l << order) + 1;

    if (alloc_flags & ALLOC_HIGH)
        min -= min / 2;
    if (alloc_flags & ALLOC_HARDER)
        min -= min / 4;
    /* The shards publish in batches: near the mark what they have not is added. */
    if (free <= min + (long)(zone->lowmem_reserve[class_zone] + zone_free_drift(zone))) {
        long exact = zone_free_pages_exact(zone);

        free += (exact < 0 ? 0 : exact) - (long)zone_page_state(zone, NR_FREE_PAGES);
        if (free <= min + (long)zone->lowmem_reserve[class_zone])
            return false;
    }
    /* Where the blocks that are large enough alone exceed the mark, so does what is left at each step. */
    if (order > COUNTED_FROM_ABOVE && large_blocks_exceed(zone, order, min + (1l << order) - 1))
        return true;
    for (unsigned o = 0; o < order; o++) {
        /* Blocks of this order are of no use to the request, but then it needs fewer large ones in reserve. */
        free -= (long)(nr_free_blocks(zone, o) << o);
        min >>= 1;
        if (free <= min)
            return false;
    }
    return true;
}

unsigned long int_sqrt(unsigned long x) {
    unsigned long root = 0;

    for (unsigned long bit = 1ul << 31; bit; bit >>= 1)
        if ((root + bit) * (root + bit) <= x)
            root += bit;
    return root;
}

unsigned min_free_kbytes_at_boot(unsigned long kib) {
    unsigned long root = int_sqrt(kib * 16);

    if (root < MIN_FREE_KBYTES_LEAST)
        return MIN_FREE_KBYTES_LEAST;
    return root > MIN_FREE_KBYTES_MOST ? MIN_FREE_KBYTES_MOST : (unsigned)root;
}

/* KiB that an ordinary request may use. */
static unsigned long kib_of_user_zones(const struct machine *m) {
    const struct zonelist *list = &m->nodes[0]->node_zonelists[gfp_zone(m, GFP_USER)];
    unsigned long sum = 0;

    for (unsigned i = 0; list->zones[i]; i++)
        if (list->zones[i]->present_pages > list->zones[i]->pages_high)
            sum += list->zones[i]->present_pages - list->zones[i]->pages_high;
    return sum << (PAGE_SHIFT - 10);
}

static void calculate_totalreserve_pages(struct machine *m) {
    unsigned long sum = 0;

    for_each_populated_zone(m, zone) {
        unsigned long most = 0;

        for (unsigned type = zone->type; type < MAX_NR_ZONES; type++)
            if (zone->lowmem_reserve[type] > most)
                most = zone->lowmem_reserve[type];
        most += zone->pages_high;
        sum += most < zone->present_pages ? most : zone->present_pages;
    }
    m->totalreserve_pages = sum;
}

static unsigned long highmem_min(const struct zone *zone) {
    unsigned long min = zone->present_pages / 1024;

    if (min < SWAP_CLUSTER_MAX)
        return SWAP_CLUSTER_MAX;
    return min > 128 ? 128 : min;
}

/* MOVABLE zones are made of ordinary frames here, so that they count as low memory. */
static bool is_highmem(const struct zone *zone) {
    return zone->type == ZONE_HIGHMEM;
}

void setup_per_zone_pages_min(struct machine *m) {
    unsigned long pages_min = m->tune.min_free_kbytes >> (PAGE_SHIFT - 10), lowmem_pages = 0;

    for_each_populated_zone(m, zone) if (!is_highmem(zone)) lowmem_pages += zone->present_pages;

    for_each_populated_zone(m, zone) {
        unsigned long tmp = 0, step;

        if (lowmem_pages)
            tmp = (unsigned long)((uint64_t)pages_min * zone->present_pages / lowmem_pages);
        lock_acquire(m->platform, &zone->lock);
        zone->pages_min = is_highmem(zone) ? highmem_min(zone) : tmp;
        step = tmp / 4;
        zone->pages_high = zone->pages_min + tmp / 2;
        if (m->tune.watermark_scale_factor) {
            /* A quarter of min is too little on a large zone: kswapd would be late (section 18). */
            unsigned long scaled = zone->present_pages * m->tune.watermark_scale_factor / 10000;

            step = scaled > zone->pages_min / 4 ? scaled : zone->pages_min / 4;
            zone->pages_high = zone->pages_min + 2 * step;
        }
        zone->pages_low = zone->pages_min + step;
        lock_release(m->platform, &zone->lock);
        setup_zone_migrate_reserve(zone);
    }
    calculate_totalreserve_pages(m);
}

void setup_per_zone_lowmem_reserve(struct machine *m) {
    for (unsigned n = 0; n < m->nr_nodes; n++) {
        struct zone *zones = m->nodes[n]->node_zones;

        for (unsigned lower = 0; lower < MAX_NR_ZONES; lower++) {
            unsigned ratio = m->tune.lowmem_reserve_ratio[lower];
            unsigned long above = 0;

            if (ratio < 1)
                ratio = m->tune.lowmem_reserve_ratio[lower] = 1;
            zones[lower].lowmem_reserve[lower] = 0;
            for (unsigned type = lower + 1; type < MAX_NR_ZONES; type++) {
                above += zones[type].present_pages;
                zones[lower].lowmem_reserve[type] = above / ratio;
            }
        }
    }
    calculate_totalreserve_pages(m);
}

void setup_zone_reclaim(struct machine *m) {
    for_each_populated_zone(m, zone) {
        zone->min_unmapped_pages = zone->present_pages * m->tune.min_unmapped_ratio / 100;
        zone->min_slab_pages = zone->present_pages * m->tune.min_slab_ratio / 100;
    }
}

/* On less than 16 MiB reading ahead is dearer. */
#define SMALL_MACHINE_PAGES (UINT32_C(16) << (20 - PAGE_SHIFT))

static unsigned long present_pages(const struct machine *m) {
    unsigned long present = 0;

    for_each_populated_zone(m, zone) present += zone->present_pages;
    return present;
}

void init_per_zone_pages_min(struct machine *m) {
    m->tune = (struct tunables){
        .min_free_kbytes = min_free_kbytes_at_boot(kib_of_user_zones(m)),
        .lowmem_reserve_ratio = {256, 256, 32, 32, 1},
        .swappiness = 60,
        .page_cluster = present_pages(m) < SMALL_MACHINE_PAGES ? 2 : 3,
        .stat_interval = 1,
        .swap_token = 1,
        .zone_reclaim_mode = node_distance_wants_zone_reclaim(m) ? RECLAIM_ZONE : 0,
        .min_unmapped_ratio = 1,
        .min_slab_ratio = 5,
        .vfs_cache_pressure = 100,
        .dirty_ratio = 10,
        .dirty_background_ratio = 5,
        .reclaim_scope = RECLAIM_NODE,
    };
    setup_zone_reclaim(m);
    setup_per_zone_pages_min(m);
    setup_per_zone_lowmem_reserve(m);
}

enum mm_status machine_tune(struct machine *m, const struct tunables *wanted) {
    struct tunables old = m->tune;

    if (!sysctl_in_range(wanted))
        return MM_INVAL;
    m->tune = *wanted;
    if (wanted->min_free_kbytes != old.min_free_kbytes || wanted->watermark_scale_factor != old.watermark_scale_factor)
        setup_per_zone_pages_min(m);
    if (wanted->zonelist_order != old.zonelist_order)
        build_all_zonelists(m);
    setup_zone_reclaim(m);
    setup_per_zone_lowmem_reserve(m);
    if (wanted->percpu_pagelist_fraction != old.percpu_pagelist_fraction) {
        for_each_populated_zone(m, zone) pcp_set_sizes(zone, wanted->percpu_pagelist_fraction);
        /* A CPU that frees nothing would keep what is too much for its list now. */
        drain_all_local_pages(m);
    }
    return MM_OK;
}
