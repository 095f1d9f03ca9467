/* SPDX-License-Identifier: MIT */
/*
 * pcp.h - per-CPU lists of single free frames, one hot and one cold for each zone and CPU. (specification, section 6)
 *
 * Owns zone->pageset[].pcp[] and PG_pcp. A list is an array of frame numbers, so that taking and putting a frame touch
 * no descriptor but its own. User space cannot disable preemption: each set has a lock, which costs the task that uses
 * it all the time no atomic instruction (mm/bias.h).
 */
#ifndef MM_PCP_H
#define MM_PCP_H

#include "mm/machine.h"

enum pcp_temperature { PCP_HOT, PCP_COLD };

/* Boot: empty lists, sizes by the zone's present_pages. */
void pcp_init(struct zone *zone);
/* The batch of a zone of that many pages. */
int zone_batchsize(unsigned long present_pages);
/* Sizes of all lists of the zone from its batch, or from percpu_pagelist_fraction where that is set. */
void pcp_set_sizes(struct zone *zone, unsigned percpu_pagelist_fraction);

/*
 * Up to nr frames of migratetype from this CPU's list, which is refilled at most once (twice where it holds frames of
 * other types only). They come as they were freed: unchecked, count 0. Returns how many, 0 if the zone has none.
 */
unsigned pcp_alloc(struct zone *zone, enum pcp_temperature which, unsigned migratetype, unsigned nr,
                   struct page **ret_pages);
/* Frees nr frames, all of this zone, checked and with count 0, onto this CPU's list. */
void pcp_free(struct zone *zone, enum pcp_temperature which, struct page *const *pages, unsigned nr);

/* Returns all frames on all CPUs' lists of all zones to the buddy lists. Any task, no lock held. */
void drain_all_local_pages(struct machine *m);
/* Returns up to one batch of each of the CPU's lists of the zone to the buddy lists. */
void drain_zone_pages(struct zone *zone, unsigned cpu);
/* Frames on the per-CPU lists of the zone. */
unsigned long zone_pcp_pages(struct zone *zone);

/* Frames on a list. The set's lock held. */
static inline int pcp_count(const struct per_cpu_pages *pcp) {
    return pcp->count + pcp->nr_older;
}

static inline void pcp_count_event(unsigned long *counter, unsigned n) {
    /* Read without the lock. */
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/*
 * The usual cases of pcp_alloc() and pcp_free(), for the task that owns the lock, on the hot list: the frame freed last
 * is of the type wanted; the list does not get full. In any other case they return false and have done nothing. Then
 * or else, if they leave ret_slot, bias_wake() is due for it.
 */
static inline __attribute__((always_inline)) bool pcp_pop(const struct platform *p, struct per_cpu_pageset *set,
                                                          unsigned migratetype, const struct task *task,
                                                          uint32_t *ret_pfn, struct bias_slot **ret_slot) {
    struct bias_slot *slot = bias_enter(p, &set->lock, task);
    struct per_cpu_pages *pcp = &set->pcp[PCP_HOT];
    unsigned last;

    *ret_slot = NULL;
    if (__builtin_expect(!slot, 0))
        return false;
    last = (unsigned)pcp->count - 1;
    if (__builtin_expect(!bias_is_ours(&set->lock, slot) || last >= PCP_ROOM || pcp->type[last] != migratetype, 0)) {
        if (!bias_leave(p, &set->lock, slot))
            *ret_slot = slot;
        return false;
    }
    *ret_pfn = pcp->pfn[last];
    pcp->count = (int)last;
    pcp_count_event(&set->nr_allocated, 1);
    if (__builtin_expect(!bias_leave(p, &set->lock, slot), 0))
        *ret_slot = slot;
    return true;
}

/* Frames of isolated pageblocks do not stay on lists. */
static inline __attribute__((always_inline)) bool pcp_push(const struct platform *p, struct per_cpu_pageset *set,
                                                           uint32_t pfn, const struct task *task,
                                                           struct bias_slot **ret_slot) {
    struct bias_slot *slot = bias_enter(p, &set->lock, task);
    struct per_cpu_pages *pcp = &set->pcp[PCP_HOT];
    int count;
    const uint8_t *kept_at = (const uint8_t *)(set->pageblock_type_origin + (pfn >> PAGEBLOCK_ORDER));
    uint8_t type;

    *ret_slot = NULL;
    if (__builtin_expect(!slot, 0))
        return false;
    count = pcp->count;
    /* Read under the lock: whoever isolates the block drains this list after changing the type. */
    if (__builtin_expect(!bias_is_ours(&set->lock, slot) || count >= pcp->quick ||
                             (type = __atomic_load_n(kept_at, __ATOMIC_RELAXED)) == MIGRATE_ISOLATE,
                         0)) {
        if (!bias_leave(p, &set->lock, slot))
            *ret_slot = slot;
        return false;
    }
    pcp->pfn[count] = pfn;
    pcp->type[count] = type;
    pcp->count = count + 1;
    pcp_count_event(&set->nr_freed, 1);
    if (__builtin_expect(!bias_leave(p, &set->lock, slot), 0))
        *ret_slot = slot;
    return true;
}

/* The first thing wrong with the zone's lists, or NULL. ret_pages: frames on them. */
const char *pcp_check(struct zone *zone, unsigned long *ret_pages);

#endif
