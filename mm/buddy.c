/* SPDX-License-Identifier: MIT */
#include "mm/buddy.h"

#include "mm/page_list.h"

/* Where a request looks when its own type has nothing, RESERVE aside. */
static const uint8_t fallbacks[MIGRATE_RESERVE][2] = {
    [MIGRATE_UNMOVABLE] = {MIGRATE_RECLAIMABLE, MIGRATE_MOVABLE},
    [MIGRATE_RECLAIMABLE] = {MIGRATE_UNMOVABLE, MIGRATE_MOVABLE},
    [MIGRATE_MOVABLE] = {MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE},
};

/* A block's list can differ from its pageblock's type, so that the first page notes both order and list. */
static inline uint32_t block_private(unsigned order, unsigned migratetype) {
    return order | migratetype << 8;
}

static inline unsigned block_migratetype(const struct page *page) {
    return page->private >> 8;
}

/* The page is free or becomes so: nobody else changes its flags. */
static inline void set_free_flags(struct page *page, uint32_t flags) {
    uint32_t kept = atomic_load_explicit(&page->flags, memory_order_relaxed) & PAGE_KEPT_MASK;

    atomic_store_explicit(&page->flags, kept | flags, memory_order_relaxed);
}

static inline void add_nr_free(struct free_area *area, unsigned long delta) {
    /* Watermark checks read it without the lock. */
    __atomic_store_n(&area->nr_free, area->nr_free + delta, __ATOMIC_RELAXED);
}

static void add_block(struct zone *zone, struct page *page, unsigned order, unsigned migratetype) {
    set_free_flags(page, 1u << PG_buddy);
    page->private = block_private(order, migratetype);
    list_add_head(zone->machine, &zone->free_area[order].free_list[migratetype], page);
    add_nr_free(&zone->free_area[order], 1);
}

static void del_block(struct zone *zone, struct page *page) {
    struct free_area *area = &zone->free_area[buddy_order(page)];

    list_del(zone->machine, &area->free_list[block_migratetype(page)], page);
    add_nr_free(area, -1ul);
    set_free_flags(page, 0);
    page->private = 0;
}

/* The other half of the block of this order that begins at page, if that is free as a whole. */
static struct page *find_buddy(const struct zone *zone, struct page *page, unsigned order) {
    const struct machine *m = zone->machine;
    uint32_t pfn = page_to_pfn(m, page) ^ 1u << order, flags, zone_bits;
    struct page *buddy;

    if (pfn < m->start_pfn || pfn >= m->end_pfn)
        return NULL;
    buddy = pfn_to_page(m, pfn);
    /* Zone first: the order of a block in another zone is not ours to read. Holes belong to no zone. */
    flags = atomic_load_explicit(&buddy->flags, memory_order_relaxed);
    zone_bits = atomic_load_explicit(&page->flags, memory_order_relaxed) & PAGE_ZONE_MASK;
    if (!(flags & 1u << PG_buddy) || (flags & PAGE_ZONE_MASK) != zone_bits || buddy_order(buddy) != order)
        return NULL;
    return buddy;
}

static void __free_one_page(struct zone *zone, struct page *page, unsigned order) {
    unsigned migratetype = get_pageblock_migratetype(zone, page);
    struct page *buddy;

    MM_DEBUG_ASSERT(zone->machine, (page_to_pfn(zone->machine, page) & ((1u << order) - 1)) == 0);
    set_free_flags(page, 0);
    while (order < MAX_ORDER - 1 && (buddy = find_buddy(zone, page, order))) {
        del_block(zone, buddy);
        if (buddy < page)
            page = buddy;
        order++;
    }
    add_block(zone, page, order, migratetype);
}

/*
 * What reclaim took for its own use a moment ago and gives back (a slot table, a page for the pool that took nothing)
 * is no success of its: counting it as one, a task that frees nothing would go on for ever.
 */
static bool is_reclaims_own(const struct machine *m, const struct page *page) {
    return page_test(page, PG_arena) && mm_current(m)->flags & PF_MEMALLOC;
}

void free_one_page(struct zone *zone, struct page *page, unsigned order) {
    const struct platform *p = zone->machine->platform;

    lock_acquire(p, &zone->lock);
    if (!is_reclaims_own(zone->machine, page))
        zone_mark_reclaimable(zone);
    for (unsigned i = 1; i < 1u << order; i++)
        set_free_flags(page + i, 0);
    __free_one_page(zone, page, order);
    mod_zone_page_state(zone, NR_FREE_PAGES, 1 << order);
    lock_release(p, &zone->lock);
}

void free_pages_bulk(struct zone *zone, unsigned count, struct page_list *list) {
    struct machine *m = zone->machine;

    if (count == 0)
        return;
    lock_acquire(m->platform, &zone->lock);
    for (unsigned i = 0; i < count; i++) {
        struct page *page = pfn_to_page(m, list->tail);

        if (!is_reclaims_own(m, page))
            zone_mark_reclaimable(zone);

        list_del(m, list, page);
        __free_one_page(zone, page, 0);
    }
    mod_zone_page_state(zone, NR_FREE_PAGES, (int)count);
    lock_release(m->platform, &zone->lock);
}

/* page begins a block of order high that is off the lists: gives back all but its first 2^low pages. */
static void expand(struct zone *zone, struct page *page, unsigned low, unsigned high, unsigned migratetype) {
    while (high > low) {
        high--;
        add_block(zone, page + (1u << high), high, migratetype);
    }
}

static struct page *rmqueue_smallest(struct zone *zone, unsigned order, unsigned migratetype) {
    for (unsigned o = order; o < MAX_ORDER; o++) {
        uint32_t head = zone->free_area[o].free_list[migratetype].head;

        if (head != PFN_NONE) {
            struct page *page = pfn_to_page(zone->machine, head);

            del_block(zone, page);
            expand(zone, page, order, o, migratetype);
            return page;
        }
    }
    return NULL;
}

/* Takes the block at page, of another type than the request's, and with a large one its whole pageblock. */
static void steal_block(struct zone *zone, struct page *page, unsigned order, unsigned start_type) {
    unsigned taken = buddy_order(page), donor = block_migratetype(page);

    /*
     * A large block is worth making the rest of its pageblock the same. Reclaimable requests do so with any, for they
     * come in bursts and would otherwise scatter.
     */
    if (taken >= PAGEBLOCK_ORDER / 2 || start_type == MIGRATE_RECLAIMABLE) {
        if (move_freepages_block(zone, page, (enum migratetype)start_type) >= PAGEBLOCK_PAGES / 2)
            set_pageblock_migratetype(zone, page, (enum migratetype)start_type);
        donor = start_type;
    }
    del_block(zone, page);
    if (taken == PAGEBLOCK_ORDER)
        set_pageblock_migratetype(zone, page, (enum migratetype)start_type);
    expand(zone, page, order, taken, donor);
}

static struct page *rmqueue_fallback(struct zone *zone, unsigned order, unsigned start_type) {
    /* The largest block first: what is left of it serves the requests that follow, and fewer pageblocks get mixed. */
    for (unsigned o = MAX_ORDER; o-- > order;) {
        for (unsigned i = 0; i < 2; i++) {
            uint32_t head = zone->free_area[o].free_list[fallbacks[start_type][i]].head;

            if (head != PFN_NONE) {
                struct page *page = pfn_to_page(zone->machine, head);

                steal_block(zone, page, order, start_type);
                return page;
            }
        }
    }
    return rmqueue_smallest(zone, order, MIGRATE_RESERVE);
}

static struct page *rmqueue_uncounted(struct zone *zone, unsigned order, unsigned migratetype) {
    struct page *page = rmqueue_smallest(zone, order, migratetype);

    return page ? page : rmqueue_fallback(zone, order, migratetype);
}

struct page *__rmqueue(struct zone *zone, unsigned order, unsigned migratetype) {
    struct page *page = rmqueue_uncounted(zone, order, migratetype);

    if (page)
        mod_zone_page_state(zone, NR_FREE_PAGES, -(1 << order));
    return page;
}

unsigned buddy_take_block(struct zone *zone, struct page *page) {
    unsigned order = buddy_order(page);

    del_block(zone, page);
    mod_zone_page_state(zone, NR_FREE_PAGES, -(1 << order));
    return order;
}

unsigned rmqueue_bulk(struct zone *zone, unsigned count, unsigned migratetype, struct page_list *list) {
    struct machine *m = zone->machine;
    unsigned got = 0;

    lock_acquire(m->platform, &zone->lock);
    for (; got < count; got++) {
        struct page *page = rmqueue_uncounted(zone, 0, migratetype);

        if (!page)
            break;
        page->private = migratetype;
        list_add_tail(m, list, page);
    }
    if (got)
        mod_zone_page_state(zone, NR_FREE_PAGES, -(int)got);
    lock_release(m->platform, &zone->lock);
    return got;
}

/* -- Pageblocks ------------------------------------------------------------------------------------------------- */

static inline unsigned long pageblock_index(const struct zone *zone, const struct page *page) {
    return (page_to_pfn(zone->machine, page) >> PAGEBLOCK_ORDER) - (zone->zone_start_pfn >> PAGEBLOCK_ORDER);
}

enum migratetype get_pageblock_migratetype(const struct zone *zone, const struct page *page) {
    /* A task that frees a page reads it under its per-CPU lock only. */
    return (enum migratetype)__atomic_load_n(&zone->pageblock_type[pageblock_index(zone, page)], __ATOMIC_RELAXED);
}

void set_pageblock_migratetype(struct zone *zone, const struct page *page, enum migratetype type) {
    __atomic_store_n(&zone->pageblock_type[pageblock_index(zone, page)], (uint8_t)type, __ATOMIC_RELAXED);
}

unsigned move_freepages_block(struct zone *zone, struct page *page, enum migratetype type) {
    struct machine *m = zone->machine;
    uint32_t start = page_to_pfn(m, page) & ~(PAGEBLOCK_PAGES - 1), end = start + PAGEBLOCK_PAGES;
    uint32_t zone_bits = atomic_load_explicit(&page->flags, memory_order_relaxed) & PAGE_ZONE_MASK;
    unsigned moved = 0;

    if (end > zone->zone_start_pfn + zone->spanned_pages)
        return 0;
    if (start < zone->zone_start_pfn)
        start = zone->zone_start_pfn;
    for (uint32_t pfn = start; pfn < end;) {
        struct page *block = pfn_to_page(m, pfn);
        uint32_t flags = atomic_load_explicit(&block->flags, memory_order_relaxed);
        unsigned order;

        if ((flags & PAGE_ZONE_MASK) != zone_bits || !(flags & 1u << PG_buddy)) {
            pfn++;
            continue;
        }
        order = buddy_order(block);
        list_del(m, &zone->free_area[order].free_list[block_migratetype(block)], block);
        list_add_head(m, &zone->free_area[order].free_list[type], block);
        block->private = block_private(order, type);
        pfn += 1u << order;
        moved += 1u << order;
    }
    return moved;
}

void setup_zone_migrate_reserve(struct zone *zone) {
    struct machine *m = zone->machine;
    uint32_t end = zone->zone_start_pfn + (uint32_t)zone->spanned_pages;
    unsigned long reserve = (zone->pages_min + PAGEBLOCK_PAGES - 1) >> PAGEBLOCK_ORDER;

    lock_acquire(m->platform, &zone->lock);
    for (uint32_t pfn = zone->zone_start_pfn; pfn < end; pfn = (pfn | (PAGEBLOCK_PAGES - 1)) + 1) {
        struct page *page = pfn_to_page(m, pfn);
        enum migratetype type;

        if (!pfn_valid(m, pfn) || page_zone(m, page) != zone || page_test(page, PG_reserved))
            continue;
        type = get_pageblock_migratetype(zone, page);
        if (reserve > 0 && (type == MIGRATE_RESERVE || type == MIGRATE_MOVABLE)) {
            reserve--;
            if (type == MIGRATE_MOVABLE) {
                set_pageblock_migratetype(zone, page, MIGRATE_RESERVE);
                move_freepages_block(zone, page, MIGRATE_RESERVE);
            }
        } else if (type == MIGRATE_RESERVE) {
            set_pageblock_migratetype(zone, page, MIGRATE_MOVABLE);
            move_freepages_block(zone, page, MIGRATE_MOVABLE);
        }
    }
    lock_release(m->platform, &zone->lock);
}

/* -- Boot and check ---------------------------------------------------------------------------------------------- */

void buddy_init(struct zone *zone) {
    unsigned long first = zone->zone_start_pfn >> PAGEBLOCK_ORDER;
    unsigned long last = (zone->zone_start_pfn + zone->spanned_pages - 1) >> PAGEBLOCK_ORDER;

    for (unsigned order = 0; order < MAX_ORDER; order++)
        for (unsigned type = 0; type < MIGRATE_TYPES; type++)
            page_list_init(&zone->free_area[order].free_list[type]);
    __builtin_memset(zone->pageblock_type, MIGRATE_MOVABLE, last - first + 1);
}

void buddy_add_range(struct zone *zone, uint32_t start_pfn, uint32_t nr_pages) {
    struct machine *m = zone->machine;
    uint32_t pfn = start_pfn, end = start_pfn + nr_pages;

    lock_acquire(m->platform, &zone->lock);
    while (pfn < end) {
        unsigned order = MAX_ORDER - 1;

        while (pfn & ((1u << order) - 1) || end - pfn < 1u << order)
            order--;
        __free_one_page(zone, pfn_to_page(m, pfn), order);
        pfn += 1u << order;
    }
    zone_page_state_add((long)nr_pages, zone, NR_FREE_PAGES);
    lock_release(m->platform, &zone->lock);
}

static const char *check_block(struct zone *zone, struct page *page, unsigned order, unsigned migratetype) {
    struct machine *m = zone->machine;

    if (page_zone(m, page) != zone)
        return "buddy: a block on the lists of a zone that it does not belong to";
    if (!page_test(page, PG_buddy) || page->private != block_private(order, migratetype))
        return "buddy: a listed block is not marked as what its list says";
    if (page_to_pfn(m, page) & ((1u << order) - 1))
        return "buddy: a block is not aligned to its size";
    if (order < MAX_ORDER - 1 && find_buddy(zone, page, order))
        return "buddy: two mergeable buddies are both free";
    return NULL;
}

const char *buddy_check(struct zone *zone, unsigned long *ret_free) {
    *ret_free = 0;
    for (unsigned order = 0; order < MAX_ORDER; order++) {
        unsigned long blocks = 0;

        for (unsigned type = 0; type < MIGRATE_TYPES; type++) {
            uint32_t prev = PFN_NONE, pfn = zone->free_area[order].free_list[type].head;

            for (; pfn != PFN_NONE; pfn = pfn_to_page(zone->machine, pfn)->lru_next) {
                struct page *page = pfn_to_page(zone->machine, pfn);
                const char *wrong;

                if (!pfn_valid(zone->machine, pfn))
                    return "buddy: a free list leads to a frame that does not exist";
                wrong = check_block(zone, page, order, type);
                if (wrong)
                    return wrong;
                if (page->lru_prev != prev || ++blocks > zone->present_pages)
                    return "buddy: a free list's links do not agree";
                prev = pfn;
            }
            if (zone->free_area[order].free_list[type].tail != prev)
                return "buddy: a free list's tail is not its last block";
        }
        if (blocks != zone->free_area[order].nr_free)
            return "buddy: nr_free is not the number of blocks on the lists";
        *ret_free += blocks << order;
    }
    return NULL;
}

unsigned long nr_free_blocks_of_type(struct zone *zone, unsigned order, enum migratetype type) {
    const struct machine *m = zone->machine;
    unsigned long nr = 0;

    for (uint32_t pfn = zone->free_area[order].free_list[type].head; pfn != PFN_NONE;
         pfn = pfn_to_page(m, pfn)->lru_next)
        nr++;
    return nr;
}
