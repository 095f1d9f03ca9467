/* SPDX-License-Identifier: MIT */
/*
 * machine.h - one memory manager: its nodes, tunables, address spaces, swap areas, and the platform it runs on.
 *
 * There are no globals: two machines in one process never meet. All memory of a machine (this struct, nodes, per-CPU
 * data, descriptors) lies in the boot memory that the host hands to machine_boot().
 */
#ifndef MM_MACHINE_H
#define MM_MACHINE_H

#include "mm/gfp.h"
#include "mm/lock.h"
#include "mm/page.h"
#include "mm/platform.h"
#include "mm/vmstat.h"
#include "mm/zone.h"

#define MAX_NUMNODES 8
#define MAX_MMS 64
#define MAX_SWAPFILES 32

/* A range of frames that exist. Ranges are given in ascending order and do not overlap; what is between is a hole. */
struct memory_range {
    uint32_t start_pfn;
    uint32_t nr_pages;
    uint8_t node;
    uint8_t zone_type; /* enum zone_type */
};

struct memory_map {
    const struct memory_range *ranges;
    unsigned nr_ranges;
    unsigned nr_cpus;
    unsigned nr_nodes;
    const uint8_t *cpu_node;      /* [nr_cpus]; NULL: all on node 0 */
    const uint8_t *node_distance; /* [nr_nodes * nr_nodes]; NULL: 10 at home, 20 elsewhere */
    const bool *range_offline;    /* [nr_ranges]; true: not there at boot, online_pages() may add it. NULL: all there */
    void *arena;                  /* page_address() of pfn 0 (a frame's bytes for the core's own use) */
};

enum reclaim_scope { RECLAIM_NODE, RECLAIM_ZONELIST };                  /* specification, section 0 */
enum zonelist_order { ZONELIST_DEFAULT, ZONELIST_NODE, ZONELIST_ZONE }; /* section 2.5 */

/*
 * Section 17; each with its range in mm/sysctl.c. Set them through machine_tune() or sysctl_set(), except before the
 * machine is in use.
 */
struct tunables {
    unsigned min_free_kbytes;
    unsigned lowmem_reserve_ratio[MAX_NR_ZONES];
    unsigned swappiness;   /* 0..100 */
    unsigned page_cluster; /* slots read ahead: 2^page_cluster */
    unsigned percpu_pagelist_fraction;
    unsigned panic_on_oom;
    unsigned oom_kill_allocating_task;
    unsigned stat_interval;      /* seconds between foldings of the counters: the host's timer calls vmstat_update() */
    unsigned swap_token;         /* 1: the pages of one address space at a time are spared (mm/swap_token.h) */
    unsigned zone_reclaim_mode;  /* enum zone_reclaim_bits (mm/zone_reclaim.h) */
    unsigned min_unmapped_ratio; /* percent of a zone; 0..100 */
    unsigned min_slab_ratio;     /* percent of a zone; 0..100 */
    unsigned vfs_cache_pressure; /* percent, for the host's shrinkers (shrinker_pressure()) */
    unsigned dirty_ratio;        /* percent, 0..100, less than 5 is taken as 5 */
    unsigned dirty_background_ratio; /* percent, 0..100 */
    unsigned dirty_task_share;       /* 1: who dirties much waits before who dirties little (mm/task_dirty.h) */
    unsigned drop_caches;            /* enum drop_caches, as written last: writing it does it, once */
    unsigned laptop_mode;            /* 1: reclaim writes only when it must, and then everything */
    enum zonelist_order zonelist_order;
    enum reclaim_scope reclaim_scope;
    unsigned source_progress; /* 1: try_to_free_pages as in the 2.6.24 source: 0 unless >= 32 or still scannable */
    /* Beyond 2.6.24, each off (0) by default: */
    unsigned watermark_scale_factor; /* ten-thousandths of a zone between the marks, 1..3000 */
    unsigned workingset;             /* 1: a file page that comes back soon enough is active at once */
    unsigned workingset_anon;        /* 1: a page from swap is active at once only if it comes back soon enough */
    unsigned reclaim_retries;        /* rounds without progress before a kill, and an estimate, 1..64 (kernel: 16) */
    unsigned oom_waits_for_writes;   /* 1: nobody is killed while pages are being written */
    unsigned compaction;             /* 1: pages are moved to make room for large blocks (mm/compaction.h) */
    unsigned inactive_percent;       /* deactivate only while the inactive list is under this share of both lists */
    unsigned inactive_faults;        /* at most so many touches of it for a page freed, or it is shortened; 0: any */
    unsigned probation;          /* 1: what comes back from swap is inactive until it is used again (mm/probation.h) */
    unsigned park_neighbours;    /* 1: a cold page takes the cold pages of its 2 MiB block along */
    unsigned fault_around_max;   /* pages brought in by one fault on a sequential stream, 1..512; 0: one page */
    unsigned read_around_max;    /* pages read along with one from a device, 2..64, a power of two; 0: none */
    unsigned oom_score_adj;      /* 1: badness counts pages and oom_score_adj only */
    unsigned oom_reaper;         /* 1: a victim that does not die loses its memory all the same (mm/oom_reaper.h) */
    unsigned psi;                /* 1: time lost to want of memory is measured (mm/psi.h) */
    unsigned fault_around_fresh; /* pages given at once on a first touch while memory is plentiful, 1..512; 0: one */
};

#define HZ 250u /* ticks a second */
#define TICK_NS (UINT64_C(1000000000) / HZ)

/* A handful of pages on their way somewhere. */
struct pagevec {
    unsigned nr;
    struct page *pages[PAGEVEC_SIZE];
};

/* Per CPU: where its requests look first, event counters, and the pagevecs of the LRU lists (mm/lru.h). */
struct per_cpu {
    struct per_cpu_pageset *first_set[GFP_INDEXES];     /* (C) of the first zone that gfp_index() leads to */
    _Atomic(struct per_cpu_pageset *) last_set;         /* (A) where the page freed last belongs, or any other */
    _Atomic unsigned long vm_events[NR_VM_EVENT_ITEMS]; /* (A) */
    struct lock pagevec_lock;                           /* guards the pagevecs */
    struct pagevec lru_add, lru_add_active, lru_rotate;
    _Atomic unsigned dirtied; /* (A) pages since the last balance_dirty_pages() */
} __attribute__((aligned(64)));

/* A victim of the OOM killer, whose memory is to be taken from due_ns on; 0: none. */
struct oom_victim {
    uint64_t due_ns;
    unsigned tries;
};

#define PSI_STATES 2u   /* some, full */
#define PSI_AVERAGES 3u /* over 10, 60, 300 s */

/* mm/psi.c; all under lock. Times are the platform's. */
struct psi {
    struct lock lock;
    unsigned nr_stalled, nr_running;
    uint64_t seen_ns, period_end_ns; /* up to when time has been counted; 0: nothing has happened yet */
    uint64_t total_ns[PSI_STATES], period_total_ns[PSI_STATES];
    uint32_t avg[PSI_STATES][PSI_AVERAGES]; /* percent, 11 bits behind the point */
};

struct address_space;
struct backing_dev_info;
struct shrinker;
struct swap_info;
struct swap_cache;

struct machine {
    const struct platform *platform; /* (C) */
    struct memory_map map;           /* (C) */
    uint32_t start_pfn, end_pfn;     /* (C) */
    /*
     * (C) Where the descriptors would begin if there were one of pfn 0; and a map, bit per frame: the core may have
     * left bytes at its page_address(). Both begin at start_pfn.
     */
    uintptr_t mem_map_origin, arena_map_origin;
    unsigned nr_cpus, nr_nodes;                             /* (C) */
    struct pglist_data *nodes[MAX_NUMNODES];                /* (C) */
    struct zone *zone_by_flags[1u << (32 - PG_ZONE_SHIFT)]; /* (C) by the bits of page->flags above the flags */
    struct per_cpu *per_cpu;                                /* (C) [nr_cpus]; vm events, pagevecs */
    struct tunables tune;

    unsigned long vm_total_pages; /* (C) */
    unsigned long totalreserve_pages;
    unsigned zone_types; /* (C) but for mm/memory_hotplug.h; bit per zone type that exists on some node */
    uint8_t gfp_zones[GFP_INDEXES], gfp_migratetypes[GFP_INDEXES]; /* likewise; by gfp_index() */
    _Atomic unsigned long nr_bad_pages; /* (A) pages found in a bad state when freed or allocated, and repaired */
    _Atomic uint32_t around_window, around_hits, around_seen, around_asked; /* (A) mm/read_around.c */
    _Atomic uint64_t direct_reclaim_ns;          /* (A) time that requests spent reclaiming for themselves */
    _Atomic long vm_stat[NR_VM_ZONE_STAT_ITEMS]; /* (A) global counters */

    struct psi psi;

    struct lock oom_lock; /* zone flags of a whole zonelist */

    struct lock swap_lock;                /* guards the swap areas */
    struct swap_info *swap_areas;         /* [MAX_SWAPFILES]; NULL until the first swap_add() */
    struct swap_cache *swap_cache;        /* NULL until then as well */
    long nr_swap_pages, total_swap_pages; /* under swap_lock; read without it as a hint */
    long nr_swap_growth;                  /* slots that writable areas may still be extended by; likewise */
    int swap_least_priority;              /* of areas that were given none; under swap_lock */
    int swap_list_head, swap_list_next;   /* area numbers by descending priority, -1 none; under swap_lock */

    struct {
        struct lock lock;
        uint32_t mm_id;  /* who has it, 0 nobody; under lock, read without it as a hint */
        unsigned faults; /* under lock */
    } swap_token;        /* mm/swap_token.c */

    struct {
        struct lock lock;
        struct oom_victim victims[MAX_MMS]; /* by mapping id - 1; under lock */
    } reaper;                               /* mm/oom_reaper.c */
    struct rwlock shrinkers_lock;           /* read while one is being called */
    struct shrinker *shrinkers;             /* under shrinkers_lock */

    struct lock files_lock;            /* the two lists */
    struct address_space *files;       /* under files_lock */
    struct backing_dev_info *devices;  /* under files_lock */
    _Atomic unsigned long completions; /* (A) pages written to all devices lately (mm/page_writeback.c) */
    _Atomic unsigned long dirtied;     /* (A) pages made dirty lately (mm/task_dirty.c) */
    _Atomic uint32_t dirtied_periods;  /* (A) how often that was halved */

    _Atomic unsigned long workingset_refaults, workingset_activates, nr_shadows; /* (A) mm/workingset.c */
    _Atomic unsigned long shadows_seen; /* (A) the nodes' age when old ones were last looked for (likewise) */
    /* (A) mm/migrate.c, compaction.c, kcompactd.c */
    _Atomic unsigned long pages_migrated, compactions, compactions_failed, kcompactd_wakes;

    struct mm *mms[MAX_MMS];       /* mapping id - 1 -> address space */
    _Atomic uint32_t rmap_walkers; /* (A) tasks that go from a page to its mm just now (mm/rmap.h) */
};

/* Bytes of boot memory that a machine with this map needs. */
size_t machine_boot_bytes(const struct memory_map *map);
/*
 * Builds a machine in boot (page-aligned, zeroed, machine_boot_bytes() long, not part of any range). All frames of the
 * map start free and MOVABLE; zonelists, watermarks, per-CPU lists are set up. NULL if the map makes no sense.
 */
struct machine *machine_boot(const struct platform *platform, const struct memory_map *map, void *boot);

static inline struct page *pfn_to_page(const struct machine *m, uint32_t pfn) {
    return (struct page *)(m->mem_map_origin + pfn * sizeof(struct page));
}
static inline uint32_t page_to_pfn(const struct machine *m, const struct page *page) {
    return (uint32_t)(((uintptr_t)page - m->mem_map_origin) / sizeof(struct page));
}
/* May the core have bytes at page_address()? Where that is noted; stays when the frame is freed. */
static inline _Atomic uint64_t *arena_word(const struct machine *m, uint32_t pfn) {
    return (_Atomic uint64_t *)(m->arena_map_origin + (pfn >> 6) * sizeof(uint64_t));
}
static inline bool page_in_arena(const struct machine *m, const struct page *page) {
    uint32_t pfn = page_to_pfn(m, page);

    return atomic_load_explicit(arena_word(m, pfn), memory_order_relaxed) >> pfn % 64 & 1;
}
/* The core puts bytes there though the frame was asked for as somebody's movable memory. */
static inline void page_note_arena(const struct machine *m, const struct page *page) {
    uint32_t pfn = page_to_pfn(m, page);

    atomic_fetch_or_explicit(arena_word(m, pfn), UINT64_C(1) << pfn % 64, memory_order_relaxed);
}
static inline void *page_address(const struct machine *m, const struct page *page) {
    return (char *)m->map.arena + ((size_t)page_to_pfn(m, page) << PAGE_SHIFT);
}
static inline struct page *virt_to_page(const struct machine *m, const void *address) {
    return pfn_to_page(m, (uint32_t)(((uintptr_t)address - (uintptr_t)m->map.arena) >> PAGE_SHIFT));
}
/* Makes descriptors those of free frames, with these flags. */
void init_pages(struct machine *m, uint32_t start_pfn, uint32_t end_pfn, uint32_t flags);
/* The flags of a free frame of the zone. */
static inline uint32_t zone_page_flags(const struct zone *zone) {
    return ((uint32_t)zone->type + 1) << PG_ZONE_SHIFT | (uint32_t)zone->node->node_id << PG_NODE_SHIFT;
}
/*
 * False for holes, beyond the ends, and for frames that have not been needed yet: they have no
 * descriptor (frame_exists() in mm/buddy.h).
 */
bool pfn_valid(const struct machine *m, uint32_t pfn);
static inline struct zone *page_zone(const struct machine *m, const struct page *page) {
    uint32_t flags = atomic_load_explicit(&page->flags, memory_order_relaxed);

    return m->zone_by_flags[flags >> PG_ZONE_SHIFT];
}

/* Descriptors of frames that go (mm/memory_hotplug.h). The zone's lock is held. */
void mem_map_offline(struct machine *m, uint32_t start_pfn, uint32_t nr_pages);
/* A zone that had no frame is about to have some: sets up its lists, and notes that its type exists. */
void machine_zone_populated(struct machine *m, struct zone *zone);

/* Zones with memory, by node, then by type. */
struct zone *first_populated_zone(const struct machine *m);
struct zone *next_populated_zone(const struct zone *zone); /* NULL after the last */
#define for_each_populated_zone(m, zone)                                                                               \
    for (struct zone *zone = first_populated_zone(m); zone; zone = next_populated_zone(zone))

static inline struct task *mm_current(const struct machine *m) {
    return m->platform->current(m->platform->host);
}
static inline unsigned mm_cpu(const struct machine *m) {
    return m->platform->cpu(m->platform->host);
}
/* The same for the current task, if that is known already. */
static inline unsigned mm_task_cpu(const struct machine *m, const struct task *task) {
    return task->cpu ? *task->cpu : mm_cpu(m);
}

#define MM_ASSERT(m, what)                                                                                             \
    do {                                                                                                               \
        if (__builtin_expect(!(what), 0))                                                                              \
            (m)->platform->assert_failed((m)->platform->host, __FILE__, __LINE__, #what);                              \
    } while (0)
#ifdef MM_DEBUG
#define MM_DEBUG_ASSERT(m, what) MM_ASSERT(m, what)
#else
#define MM_DEBUG_ASSERT(m, what) ((void)sizeof(what))
#endif

/* The highest zone type that a request may use. */
static inline unsigned gfp_zone(const struct machine *m, gfp_t gfp) {
    return m->gfp_zones[gfp_index(gfp)];
}
/* Boot: fills machine->gfp_zones from zone_types. */
void gfp_init(struct machine *m);
/* Boot: and machine->gfp_migratetypes. off: all requests are UNMOVABLE. */
void gfp_group_by_mobility(struct machine *m, bool on);
/* UNMOVABLE, RECLAIMABLE or MOVABLE. */
static inline unsigned gfp_migratetype(const struct machine *m, gfp_t gfp) {
    MM_DEBUG_ASSERT(m, (gfp & (__GFP_MOVABLE | __GFP_RECLAIMABLE)) != (__GFP_MOVABLE | __GFP_RECLAIMABLE));
    return m->gfp_migratetypes[gfp_index(gfp)];
}

#endif
