/* SPDX-License-Identifier: MIT */
#include "mm/machine.h"

#include "mm/buddy.h"
#include "mm/pcp.h"
#include "mm/watermark.h"

#define CACHE_LINE 64u

/* Boot memory is handed out from its start, each piece on cache lines of its own. */
struct boot_memory {
    char *base; /* NULL: only the sizes are asked for */
    size_t used;
};

static void *boot_take(struct boot_memory *boot, size_t bytes) {
    void *piece = boot->base ? boot->base + boot->used : NULL;

    boot->used += (bytes + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
    return piece;
}

static bool map_is_valid(const struct memory_map *map) {
    uint64_t end = 0;

    if (map->nr_ranges == 0 || map->nr_cpus == 0 || map->nr_nodes == 0 || map->nr_nodes > MAX_NUMNODES)
        return false;
    for (unsigned i = 0; i < map->nr_ranges; i++) {
        const struct memory_range *range = &map->ranges[i];

        if (range->nr_pages == 0 || range->start_pfn < end || range->node >= map->nr_nodes ||
            range->zone_type >= MAX_NR_ZONES)
            return false;
        end = (uint64_t)range->start_pfn + range->nr_pages;
    }
    for (unsigned cpu = 0; map->cpu_node && cpu < map->nr_cpus; cpu++)
        if (map->cpu_node[cpu] >= map->nr_nodes)
            return false;
    /* The highest block may reach beyond the last frame. */
    return end <= PFN_NONE - (1u << MAX_ORDER);
}

static bool range_is_offline(const struct memory_map *map, unsigned i) {
    return map->range_offline && map->range_offline[i];
}

/*
 * First and last + 1 frame of the zone, holes and ranges that are offline included, which only *ret_present leaves out.
 * Returns how many frames the zone may ever have.
 */
static unsigned long zone_span(const struct memory_map *map, unsigned node, unsigned type, uint32_t *ret_start,
                               uint32_t *ret_end, unsigned long *ret_present) {
    unsigned long frames = 0;

    *ret_present = 0;
    *ret_start = *ret_end = 0;
    for (unsigned i = 0; i < map->nr_ranges; i++) {
        const struct memory_range *range = &map->ranges[i];

        if (range->node != node || range->zone_type != type)
            continue;
        if (frames == 0)
            *ret_start = range->start_pfn;
        *ret_end = range->start_pfn + range->nr_pages;
        frames += range->nr_pages;
        *ret_present += range_is_offline(map, i) ? 0 : range->nr_pages;
    }
    return frames;
}

static void zone_init(struct machine *m, struct pglist_data *node, unsigned type) {
    struct zone *zone = &node->node_zones[type];
    uint32_t start, end;

    zone->machine = m;
    zone->node = node;
    zone->type = (enum zone_type)type;
    zone_span(&m->map, (unsigned)node->node_id, type, &start, &end, &zone->present_pages);
    zone->zone_start_pfn = start;
    zone->first_pageblock = start >> PAGEBLOCK_ORDER;
    zone->spanned_pages = end - start;
    atomic_store_explicit(&zone->prev_priority, DEF_PRIORITY, memory_order_relaxed);
    lock_init(&zone->lock, RANK_ZONE);
    lock_init(&zone->lru_lock, RANK_LRU);
    page_list_init(&zone->active_list);
    page_list_init(&zone->inactive_list);
    if (start == end)
        return;

    if (populated_zone(zone)) {
        m->zone_types |= 1u << type;
        node->nr_zones = (int)type + 1;
    }
    if (node->node_spanned_pages == 0 || start < node->node_start_pfn) {
        node->node_spanned_pages += node->node_spanned_pages ? node->node_start_pfn - start : 0;
        node->node_start_pfn = start;
    }
    if (end - node->node_start_pfn > node->node_spanned_pages)
        node->node_spanned_pages = end - node->node_start_pfn;
    node->node_present_pages += zone->present_pages;
}

/* The caller's arrays may go once the machine is up, so it keeps copies. */
static const void *boot_copy(struct boot_memory *boot, const void *from, size_t bytes) {
    void *piece = from ? boot_take(boot, bytes) : NULL;

    return piece ? __builtin_memcpy(piece, from, bytes) : NULL;
}

static struct memory_map copy_map(const struct memory_map *map, struct boot_memory *boot) {
    struct memory_map copy = *map;

    copy.ranges = boot_copy(boot, map->ranges, map->nr_ranges * sizeof(map->ranges[0]));
    copy.cpu_node = boot_copy(boot, map->cpu_node, map->nr_cpus);
    copy.node_distance = boot_copy(boot, map->node_distance, (size_t)map->nr_nodes * map->nr_nodes);
    copy.range_offline = boot_copy(boot, map->range_offline, map->nr_ranges * sizeof(map->range_offline[0]));
    return copy;
}

/* The zone's free blocks; zone: NULL if only the sizes are asked for. */
static void lay_out_blocks(struct zone *zone, uint32_t start, uint32_t end, unsigned nr_cpus,
                           struct boot_memory *boot) {
    size_t nr = ((end - 1) >> PAGEBLOCK_ORDER) - (start >> PAGEBLOCK_ORDER) + 1;
    unsigned shift, nr_shards = buddy_shards(start, end, nr_cpus, &shift);
    uint8_t *types = boot_take(boot, nr);
    struct pageblock *blocks = boot_take(boot, nr * sizeof(struct pageblock));
    pageblock_map *maps = boot_take(boot, nr * sizeof(pageblock_map));
    struct zone_shard *shards = boot_take(boot, nr_shards * sizeof(struct zone_shard));

    if (!zone)
        return;
    zone->pageblock_type = types;
    zone->pageblocks = blocks;
    zone->pageblock_maps = maps;
    zone->shards = shards;
    zone->nr_shards = nr_shards;
    zone->shard_shift = shift;
}

/* Lays out (and, with memory behind it, sets up) everything but the descriptors' contents. */
static struct machine *lay_out(const struct memory_map *map, struct boot_memory *boot) {
    const struct memory_range *last = &map->ranges[map->nr_ranges - 1];
    uint32_t start_pfn = map->ranges[0].start_pfn, end_pfn = last->start_pfn + last->nr_pages;
    struct machine *m = boot_take(boot, sizeof(struct machine));
    struct per_cpu *per_cpu = boot_take(boot, map->nr_cpus * sizeof(struct per_cpu));
    struct memory_map copy = copy_map(map, boot);
    _Atomic uint64_t *arena_map;
    struct page *mem_map;

    if (m)
        m->map = copy;
    for (unsigned n = 0; n < map->nr_nodes; n++) {
        struct pglist_data *node = boot_take(boot, sizeof(struct pglist_data));

        if (node) {
            m->nodes[n] = node;
            node->machine = m;
            node->node_id = (int)n;
        }
        for (unsigned type = 0; type < MAX_NR_ZONES; type++) {
            uint32_t start, end;
            unsigned long present;

            if (node)
                zone_init(m, node, type);
            if (zone_span(map, n, type, &start, &end, &present) == 0)
                continue;
            struct per_cpu_pageset *pageset = boot_take(boot, map->nr_cpus * sizeof(struct per_cpu_pageset));
            if (node)
                node->node_zones[type].pageset = pageset;
            lay_out_blocks(node ? &node->node_zones[type] : NULL, start, end, map->nr_cpus, boot);
        }
    }
    arena_map = boot_take(boot, ((end_pfn - 1) / 64 - start_pfn / 64 + 1) * sizeof(*arena_map));
    mem_map = boot_take(boot, (size_t)(end_pfn - start_pfn) * sizeof(struct page));
    if (m) {
        m->per_cpu = per_cpu;
        m->mem_map_origin = (uintptr_t)mem_map - start_pfn * sizeof(struct page);
        m->arena_map_origin = (uintptr_t)arena_map - (start_pfn >> 6) * sizeof(uint64_t);
        m->start_pfn = start_pfn;
        m->end_pfn = end_pfn;
        m->nr_cpus = map->nr_cpus;
        m->nr_nodes = map->nr_nodes;
    }
    return m;
}

void init_pages(struct machine *m, uint32_t start_pfn, uint32_t end_pfn, uint32_t flags) {
    for (uint32_t pfn = start_pfn; pfn < end_pfn; pfn++) {
        struct page *page = pfn_to_page(m, pfn);

        atomic_store_explicit(&page->flags, flags, memory_order_relaxed);
        atomic_store_explicit(&page->mapcount, -1, memory_order_relaxed);
        page->lru_next = page->lru_prev = PFN_NONE;
    }
}

/* What the range has of a pageblock only in part. The others' descriptors wait until they are needed (mm/buddy_zone.c).
 */
static void init_range(struct machine *m, const struct memory_range *range) {
    uint32_t end = range->start_pfn + range->nr_pages;
    uint32_t whole = (range->start_pfn + PAGEBLOCK_PAGES - 1) & ~(PAGEBLOCK_PAGES - 1);
    uint32_t whole_end = end & ~(PAGEBLOCK_PAGES - 1);
    uint32_t flags = zone_page_flags(&m->nodes[range->node]->node_zones[range->zone_type]);

    if (whole >= whole_end) {
        init_pages(m, range->start_pfn, end, flags);
    } else {
        init_pages(m, range->start_pfn, whole, flags);
        init_pages(m, whole_end, end, flags);
    }
}

static void init_mem_map(struct machine *m) {
    for (unsigned i = 0; i < m->map.nr_ranges; i++)
        if (!range_is_offline(&m->map, i))
            init_range(m, &m->map.ranges[i]);
}

void mem_map_offline(struct machine *m, uint32_t start_pfn, uint32_t nr_pages) {
    init_pages(m, start_pfn, start_pfn + nr_pages, 0);
}

void machine_zone_populated(struct machine *m, struct zone *zone) {
    pcp_init(zone);
    vmstat_init(zone);
    m->zone_types |= 1u << zone->type;
    gfp_init(m);
    if (zone->node->nr_zones <= (int)zone->type)
        zone->node->nr_zones = (int)zone->type + 1;
}

static void free_all_memory(struct machine *m) {
    for (unsigned i = 0; i < m->map.nr_ranges; i++) {
        const struct memory_range *range = &m->map.ranges[i];

        if (!range_is_offline(&m->map, i))
            buddy_add_range(&m->nodes[range->node]->node_zones[range->zone_type], range->start_pfn, range->nr_pages);
    }
}

size_t machine_boot_bytes(const struct memory_map *map) {
    struct boot_memory boot = {NULL, 0};

    if (!map_is_valid(map))
        return 0;
    lay_out(map, &boot);
    return (boot.used + PAGE_SIZE - 1) & PAGE_MASK;
}

/* A zone that has frames, or may come to have some: its free blocks, and how it is found from a page. */
static void zone_boot(struct machine *m, struct zone *zone) {
    m->zone_by_flags[zone_page_flags(zone) >> PG_ZONE_SHIFT] = zone;
    buddy_init(zone);
}

struct machine *machine_boot(const struct platform *platform, const struct memory_map *map, void *boot) {
    struct boot_memory memory = {boot, 0};
    struct machine *m;

    if (!boot || !map_is_valid(map))
        return NULL;
    m = lay_out(map, &memory);
    m->platform = platform;
    lock_init(&m->oom_lock, RANK_OOM);
    lock_init(&m->swap_lock, RANK_SWAP);
    lock_init(&m->swap_token.lock, RANK_OOM);
    lock_init(&m->reaper.lock, RANK_OOM);
    lock_init(&m->psi.lock, RANK_OOM);
    lock_init(&m->files_lock, RANK_FILES);
    rwlock_init(&m->shrinkers_lock, RANK_SHRINKER);
    m->swap_list_head = m->swap_list_next = -1;
    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++)
        lock_init(&m->per_cpu[cpu].pagevec_lock, RANK_PAGEVEC);
    init_mem_map(m);
    gfp_init(m);
    for (unsigned n = 0; n < m->nr_nodes; n++)
        for (unsigned type = 0; type < MAX_NR_ZONES; type++)
            if (m->nodes[n]->node_zones[type].spanned_pages)
                zone_boot(m, &m->nodes[n]->node_zones[type]);
    for_each_populated_zone(m, zone) {
        pcp_init(zone);
        vmstat_init(zone);
    }
    build_all_zonelists(m);
    free_all_memory(m);
    init_per_zone_pages_min(m);
    return m;
}

bool pfn_valid(const struct machine *m, uint32_t pfn) {
    return pfn >= m->start_pfn && pfn < m->end_pfn && page_zone_type(pfn_to_page(m, pfn)) < MAX_NR_ZONES;
}

static struct zone *next_populated_from(const struct machine *m, unsigned node, unsigned type) {
    for (; node < m->nr_nodes; node++, type = 0)
        for (; type < MAX_NR_ZONES; type++)
            if (populated_zone(&m->nodes[node]->node_zones[type]))
                return &m->nodes[node]->node_zones[type];
    return NULL;
}

struct zone *first_populated_zone(const struct machine *m) {
    return next_populated_from(m, 0, 0);
}

struct zone *next_populated_zone(const struct zone *zone) {
    return next_populated_from(zone->machine, (unsigned)zone->node->node_id, (unsigned)zone->type + 1);
}
