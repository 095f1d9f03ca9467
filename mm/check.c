/* SPDX-License-Identifier: MIT */
#include "mm/check.h"

#include "mm/buddy.h"
#include "mm/filemap.h"
#include "mm/lru.h"
#include "mm/pcp.h"
#include "mm/swap_state.h"
#include "mm/swapfile.h"

/* How many pages of a zone say of themselves to be in each state. */
struct census {
    unsigned long free, pcp, lru;
    long anon, cached, writeback;
};

static const char *check_free_page(const struct page *page) {
    if (page_count(page) != 0 || page_mapped(page))
        return "page: a page within a free block is in use";
    if (atomic_load_explicit(&page->flags, memory_order_relaxed) & ~PAGE_KEPT_MASK)
        return page_test(page, PG_pcp) || page_test(page, PG_lru)
                   ? "page: one page in two of buddy lists, per-CPU lists and LRU lists"
                   : "page: a page within a free block has flags";
    return NULL;
}

static const char *check_page(const struct page *page, bool free, struct census *census) {
    if (free) {
        census->free++;
        return check_free_page(page);
    }
    if (page_test(page, PG_pcp) && page_test(page, PG_lru))
        return "page: one page in two of buddy lists, per-CPU lists and LRU lists";
    if (page_test(page, PG_pcp)) {
        census->pcp++;
        if (page_count(page) != 0 || page_mapped(page))
            return "page: a page on a per-CPU list is in use";
    } else if (page_test(page, PG_lru)) {
        census->lru++;
        if (page_count(page) == 0)
            return "page: a page on an LRU list has no reference";
    } else if (page_count(page) < 0) {
        return "page: a negative reference count";
    }
    census->anon += page_mapped(page) && !page_mapping(page);
    census->cached += page_test(page, PG_swapcache) || page_mapping(page);
    census->writeback += page_test(page, PG_writeback);
    return NULL;
}

static const char *take_census(struct zone *zone, struct census *ret) {
    struct machine *m = zone->machine;
    uint32_t end = zone->zone_start_pfn + (uint32_t)zone->spanned_pages;

    *ret = (struct census){0};
    for (uint32_t pfn = zone->zone_start_pfn; pfn < end; pfn++) {
        const struct page *page = pfn_to_page(m, pfn);
        bool free = frame_is_free(zone, pfn);
        const char *wrong;

        if (!frame_has_descriptor(zone, pfn)) {
            if (!free)
                return "page: a page in use has no descriptor";
            ret->free++;
        } else if (pfn_valid(m, pfn) && page_zone(m, page) == zone) {
            wrong = check_page(page, free, ret);
            if (wrong)
                return wrong;
        } else if (free) {
            return "page: a free block reaches out of its zone";
        }
    }
    return NULL;
}

static const char *check_counters(struct zone *zone) {
    for (unsigned cpu = 0; cpu < zone->machine->nr_cpus; cpu++) {
        const struct per_cpu_pageset *set = &zone->pageset[cpu];

        for (unsigned item = 0; item < NR_VM_ZONE_STAT_ITEMS; item++) {
            int diff = atomic_load_explicit(&set->vm_stat_diff[item], memory_order_relaxed);

            if (diff > set->stat_threshold || diff < -set->stat_threshold)
                return "vmstat: a per-CPU delta is beyond its threshold";
        }
        if (bias_is_held(&set->lock))
            return "lock: a per-CPU list's lock is held";
    }
    return NULL;
}

static const char *check_zone_fields(struct zone *zone) {
    int priority = atomic_load_explicit(&zone->prev_priority, memory_order_relaxed);

    if (zone->pages_min > zone->pages_low || zone->pages_low > zone->pages_high)
        return "zone: min <= low <= high does not hold";
    if (priority < 0 || priority > DEF_PRIORITY)
        return "zone: prev_priority is not in 0..12";
    if (zone_is_oom_locked(zone) || zone_is_reclaim_locked(zone))
        return "zone: ZONE_OOM_LOCKED or ZONE_RECLAIM_LOCKED has been left set";
    if (lock_is_held(&zone->lock) || lock_is_held(&zone->lru_lock))
        return "lock: a zone's lock is held";
    return NULL;
}

static const char *check_zone(struct zone *zone) {
    unsigned long free = 0, pcp = 0;
    struct census census;
    const char *wrong;

    if ((wrong = check_zone_fields(zone)) || (wrong = check_counters(zone)) || (wrong = buddy_check(zone, &free)) ||
        (wrong = pcp_check(zone, &pcp)) || (wrong = lru_check(zone)) || (wrong = take_census(zone, &census)))
        return wrong;
    if (census.free != free)
        return "buddy: frames are free that no pageblock counts";
    if (census.pcp != pcp)
        return "pcp: a page is marked as on a per-CPU list but on none, or on two";
    if ((long)census.lru != zone_page_state_exact(zone, NR_ACTIVE) + zone_page_state_exact(zone, NR_INACTIVE))
        return "lru: a page is marked as on an LRU list but on none, or on two";
    if (zone_page_state_exact(zone, NR_FREE_PAGES) != (long)free)
        return "vmstat: NR_FREE_PAGES is not the number of free pages";
    if (zone_page_state_exact(zone, NR_ANON_PAGES) != census.anon)
        return "vmstat: NR_ANON_PAGES is not the number of mapped pages without a file";
    if (zone_page_state_exact(zone, NR_FILE_PAGES) != census.cached)
        return "vmstat: NR_FILE_PAGES is not the number of pages in files and the swap cache";
    if (zone_page_state_exact(zone, NR_WRITEBACK) != census.writeback)
        return "vmstat: NR_WRITEBACK is not the number of pages that are being written";
    return NULL;
}

/* Zone and global counters are always changed together. */
static const char *check_global_counters(struct machine *m) {
    for (unsigned item = 0; item < NR_VM_ZONE_STAT_ITEMS; item++) {
        long sum = 0;

        for_each_populated_zone(m, zone) sum += atomic_load_explicit(&zone->vm_stat[item], memory_order_relaxed);
        if (sum != atomic_load_explicit(&m->vm_stat[item], memory_order_relaxed))
            return "vmstat: a global counter is not the sum over the zones";
    }
    return NULL;
}

/* Pages with a file or a slot: both caches count in NR_FILE_PAGES. */
static const char *check_caches(struct machine *m) {
    unsigned long file_pages;
    const char *wrong = filemap_check(m, &file_pages);
    long counted = 0;

    if (wrong)
        return wrong;
    for_each_populated_zone(m, zone) counted += zone_page_state_exact(zone, NR_FILE_PAGES);
    if (counted != (long)(file_pages + swap_cache_pages(m)))
        return "vmstat: NR_FILE_PAGES is not the number of pages in files and the swap cache";
    return lock_is_held(&m->files_lock) ? "lock: the lock of the list of files is held" : NULL;
}

const char *mm_check(struct machine *m) {
    const struct task *task = mm_current(m);
    uint32_t flags = atomic_load_explicit(&task->flags, memory_order_relaxed);
    const char *wrong;

    for_each_populated_zone(m, zone) if ((wrong = check_zone(zone))) return wrong;
    if ((wrong = check_global_counters(m)) || (wrong = swap_check(m)) || (wrong = check_caches(m)))
        return wrong;
    if (flags & PF_MEMALLOC && !(flags & PF_KSWAPD))
        return "task: PF_MEMALLOC has been left set";
    if (task->reclaim_state && !(flags & PF_KSWAPD))
        return "task: reclaim_state has been left installed";
    if (atomic_load_explicit(&m->nr_bad_pages, memory_order_relaxed) != 0)
        return "page: a page in a bad state was freed or handed out";
    return NULL;
}
