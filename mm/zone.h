/* SPDX-License-Identifier: MIT */
/*
 * zone.h - nodes, zones, their flags, and zonelists. (specification, sections 1.1 to 1.3 and 2)
 */
#ifndef MM_ZONE_H
#define MM_ZONE_H

#include "mm/bias.h"
#include "mm/lock.h"
#include "mm/page.h"
#include "mm/pageblock.h"
#include "mm/vmstat.h"

#define MAX_ORDER 11
#define PAGE_ALLOC_COSTLY_ORDER 3
#define DEF_PRIORITY 12
#define SWAP_CLUSTER_MAX 32
#define PAGEVEC_SIZE 14
#define RECLAIM_DISTANCE 20
#define SHARDS_MOST 16

enum zone_type { ZONE_DMA, ZONE_DMA32, ZONE_NORMAL, ZONE_HIGHMEM, ZONE_MOVABLE, MAX_NR_ZONES };

enum migratetype {
    MIGRATE_UNMOVABLE,
    MIGRATE_RECLAIMABLE,
    MIGRATE_MOVABLE,
    MIGRATE_RESERVE,
    MIGRATE_ISOLATE,
    MIGRATE_TYPES
};

/* Bits of zone->flags, in the book's order. */
enum zone_flag { ZONE_ALL_UNRECLAIMABLE, ZONE_RECLAIM_LOCKED, ZONE_OOM_LOCKED };

/*
 * A part of a zone with lists and a lock of its own, so that CPUs that allocate at once do it in different parts. A
 * pageblock with free frames is on the list of its list_type, largest free order and fullness (mm/shard.c).
 */
#define FULLNESS_CLASSES 8
struct zone_shard {
    int user;                                           /* CPU that took from it last, or -1; read without lock */
    struct bias_lock lock __attribute__((aligned(64))); /* what follows changes all the time: other CPUs keep off it */
    long unpublished;                                   /* of NR_FREE_PAGES; read without */
    unsigned long nr_allocated, nr_freed;               /* pages in blocks above order 0, ever; read without */
    unsigned long nr_free[MAX_ORDER];                   /* blocks, all types; read without */
    uint16_t orders[MIGRATE_TYPES];                     /* bit: there is a list of that order; read without */
    uint16_t fullness[MIGRATE_TYPES][FULLNESS_CLASSES]; /* the same by fullness class */
    uint32_t head[MIGRATE_TYPES][MAX_ORDER][FULLNESS_CLASSES];
} __attribute__((aligned(64)));

/* Frames that a list holds in its array: more than `high` and a batch, unless percpu_pagelist_fraction is set. */
#define PCP_ROOM 256

/* One list of a (zone, CPU) pair: a stack of frame numbers. */
struct per_cpu_pages {
    int count, high, batch; /* count: in the array */
    int quick;              /* up to this count a frame is just added: the list gets neither full nor too long */
    int nr_older;
    struct page_list older; /* those below the array, for which it has no room */
    uint32_t pfn[PCP_ROOM]; /* the head is the last */
    uint8_t type[PCP_ROOM]; /* each one's migrate type */
};

struct per_cpu_pageset {
    struct bias_lock lock;                              /* guards pcp[]; user space cannot disable preemption */
    struct zone *zone;                                  /* (C) */
    uint64_t listed_state, taken_state;                 /* (C) flags and count of its pages, on a list and handed out */
    unsigned home_shard;                                /* (C) the first of those that the CPU takes from */
    uintptr_t pageblock_type_origin;                    /* (C) where zone->pageblock_type would begin for pfn 0 */
    unsigned long nr_allocated, nr_freed;               /* single pages through here, ever; under lock */
    struct per_cpu_pages pcp[2];                        /* 0 hot, 1 cold */
    uint8_t expire;                                     /* foldings until a remote list is emptied; folding CPU's */
    int8_t stat_threshold;                              /* (C) */
    _Atomic int8_t vm_stat_diff[NR_VM_ZONE_STAT_ITEMS]; /* (A) */
} __attribute__((aligned(64)));

struct zone {
    struct machine *machine;                    /* (C) */
    struct pglist_data *node;                   /* (C) */
    enum zone_type type;                        /* (C) */
    uint32_t zone_start_pfn, first_pageblock;   /* (C) */
    unsigned long spanned_pages, present_pages; /* (C) but for mm/memory_hotplug.h */

    unsigned long pages_min, pages_low, pages_high; /* set with zone->lock held; read without */
    unsigned long lowmem_reserve[MAX_NR_ZONES];
    unsigned long min_unmapped_pages, min_slab_pages; /* what zone_reclaim() leaves alone (section 11) */

    struct per_cpu_pageset *pageset; /* (C) [nr_cpus] */

    struct lock lock;              /* (Z) taken before a shard's */
    uint8_t *pageblock_type;       /* (Z) one byte per pageblock of the span */
    struct pageblock *pageblocks;  /* under its shard's lock; for each pageblock of the span */
    pageblock_map *pageblock_maps; /* the same */
    struct zone_shard *shards;     /* (C) */
    long free_batch;               /* (A) what a shard keeps unpublished of NR_FREE_PAGES at most */
    unsigned long free_drift;      /* (A) what all shards keep at most */
    unsigned nr_shards,
        shard_shift; /* (C) a pfn's pageblock number >> shard_shift, counted from the first's, is its shard */

    struct lock lru_lock;                                   /* (L) */
    struct page_list active_list, inactive_list;            /* (L) head newest */
    _Atomic unsigned long nr_scan_active, nr_scan_inactive; /* (A) scan debt */
    _Atomic long active_credit;    /* (A) active pages spared so far, beyond those paid for (mm/probation.h) */
    _Atomic unsigned inactive_cut; /* (A) percent taken off tune.inactive_percent (mm/inactive_share.h) */
    _Atomic unsigned long parked_touched, inactive_freed; /* (A) pages since that was last judged */
    _Atomic unsigned long pages_scanned;                  /* (A) since a page last came back to the buddy lists */

    _Atomic unsigned long flags;                 /* (A) enum zone_flag */
    _Atomic long vm_stat[NR_VM_ZONE_STAT_ITEMS]; /* (A) */
    _Atomic int prev_priority;                   /* (A) 0..12 */
    /* (A) mm/compaction.c */
    _Atomic unsigned compact_considered, compact_defer_shift, compact_order_failed;
};

/* Zones of a list that were found full lately, so that on NUMA they need not be tried each time (section 2.7). */
struct zonelist_cache {
    _Atomic uint64_t full_zones;       /* (A) bit i: zones[i] */
    _Atomic uint64_t last_full_zap_ns; /* (A) when all bits were last cleared */
};

struct zonelist {
    struct zone *zones[MAX_NR_ZONES * 8 + 1]; /* NULL-terminated, most preferred first */
    struct zonelist_cache *cache;             /* NULL: none is kept */
    bool is_policy; /* a caller's own list: its zones above the one that the mask names are passed over */
};

struct pglist_data {
    struct machine *machine;
    struct zone node_zones[MAX_NR_ZONES];
    struct zonelist node_zonelists[MAX_NR_ZONES];
    struct zonelist node_thisnode_zonelists[MAX_NR_ZONES]; /* __GFP_THISNODE */
    struct zonelist_cache zonelist_caches[MAX_NR_ZONES];   /* of node_zonelists */
    int nr_zones;
    uint32_t node_start_pfn;
    unsigned long node_present_pages, node_spanned_pages;
    int node_id;
    _Atomic int kswapd_max_order;         /* (A) */
    _Atomic unsigned long inactive_age;   /* (A) evictions and activations that count, ever (mm/workingset.h) */
    _Atomic uint32_t kswapd_awake;        /* (A) 1 from wakeup_kswapd until kswapd finds nothing to do */
    _Atomic unsigned kcompactd_max_order; /* (A) 0: nothing to do */
    _Atomic uint32_t kcompactd_awake;     /* (A) 1 from wakeup_kcompactd until kcompactd finds nothing to do */
};

/* Atomic; the second returns the old state. */
void zone_set_flag(struct zone *zone, enum zone_flag flag);
bool zone_test_and_set_flag(struct zone *zone, enum zone_flag flag);
void zone_clear_flag(struct zone *zone, enum zone_flag flag);
bool zone_is_all_unreclaimable(const struct zone *zone);
/* Something came free, or may be taken again: reclaim from this zone is worth another try. */
void zone_mark_reclaimable(struct zone *zone);
bool zone_is_reclaim_locked(const struct zone *zone);
bool zone_is_oom_locked(const struct zone *zone);

/* The folded value of a counter (per-CPU deltas not yet published are not in it); never negative. Any thread. */
static inline unsigned long zone_page_state(const struct zone *zone, enum zone_stat_item item) {
    long value = atomic_load_explicit(&zone->vm_stat[item], memory_order_relaxed);

    return value < 0 ? 0 : (unsigned long)value;
}
/* The folded NR_FREE_PAGES may be that much too high or too low. */
static inline unsigned long zone_free_drift(const struct zone *zone) {
    return __atomic_load_n(&zone->free_drift, __ATOMIC_RELAXED);
}
static inline bool populated_zone(const struct zone *zone) {
    return zone->present_pages != 0;
}
const char *zone_name(enum zone_type type);

/*
 * Fills the zonelists of every node (section 2), in the order that tune.zonelist_order names. Boot, and when that
 * tunable changes or a zone gains its first frames: no other task may be inside the core.
 */
void build_all_zonelists(struct machine *m);
/* mm/zone.c, from the memory map. */
bool node_has_cpus(const struct machine *m, unsigned node);
unsigned cpu_to_node(const struct machine *m, unsigned cpu);
/* Is some node so far from another that zone_reclaim_mode should be on? (section 2.4) */
bool node_distance_wants_zone_reclaim(const struct machine *m);

#endif
