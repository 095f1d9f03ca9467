/* SPDX-License-Identifier: MIT */
/* Swap areas: their table, their list by priority, and what becomes of a whole area. */
#include "mm/swap_area.h"

#include "mm/page_alloc.h"
#include "mm/swap_state.h"

struct swap_info *swap_area_of(struct machine *m, unsigned type) {
    struct swap_info *area;

    if (!m->swap_areas || type >= MAX_SWAPFILES)
        return NULL;
    area = &m->swap_areas[type];
    return area->flags & SWP_USED ? area : NULL;
}

/* -- the list of writable areas, by descending priority. --------------------------------------------------------- */

void swap_list_insert(struct machine *m, unsigned type) {
    struct swap_info *area = &m->swap_areas[type];
    int *link = &m->swap_list_head;

    while (*link >= 0 && m->swap_areas[*link].prio > area->prio)
        link = &m->swap_areas[*link].next;
    area->next = *link;
    *link = (int)type;
    m->swap_list_next = m->swap_list_head;
    m->nr_swap_pages += area_pages(area) - area->inuse_pages;
    m->total_swap_pages += area_pages(area) - area->inuse_pages;
    m->nr_swap_growth += area_growth(area);
}

void swap_list_remove(struct machine *m, unsigned type) {
    struct swap_info *area = &m->swap_areas[type];
    int *link = &m->swap_list_head;

    while (*link != (int)type)
        link = &m->swap_areas[*link].next;
    *link = area->next;
    m->swap_list_next = m->swap_list_head;
    m->nr_swap_pages -= area_pages(area) - area->inuse_pages;
    m->total_swap_pages -= area_pages(area) - area->inuse_pages;
    m->nr_swap_growth -= area_growth(area);
}

/* -- adding and removing areas. ------------------------------------------------------------------------------------ */

enum mm_status swap_areas_create(struct machine *m) {
    struct swap_info *areas;
    enum mm_status status;

    if (__atomic_load_n(&m->swap_areas, __ATOMIC_ACQUIRE))
        return MM_OK;
    areas = get_zeroed_page(m, GFP_KERNEL);
    if (!areas)
        return MM_NOMEM;
    status = swap_cache_create(m);
    if (status != MM_OK) {
        free_pages(m, areas, 0);
        return status;
    }
    lock_acquire(m->platform, &m->swap_lock);
    if (!m->swap_areas) {
        m->swap_list_head = m->swap_list_next = -1;
        __atomic_store_n(&m->swap_areas, areas, __ATOMIC_RELEASE);
        areas = NULL;
    }
    lock_release(m->platform, &m->swap_lock);
    free_pages(m, areas, 0);
    return MM_OK;
}

/* The lowest number that is free. swap_lock held. */
static enum swap_refusal find_room(struct machine *m, uint64_t identity, unsigned *ret_type) {
    unsigned type = MAX_SWAPFILES;

    for (unsigned i = MAX_SWAPFILES; i-- > 0;) {
        if (!(m->swap_areas[i].flags & SWP_USED))
            type = i;
        else if (identity && m->swap_areas[i].identity == identity)
            return SWAP_ACTIVE;
    }
    *ret_type = type;
    return type < MAX_SWAPFILES ? SWAP_ACCEPTED : SWAP_NO_AREA_LEFT;
}

enum swap_refusal swap_area_would_fit(struct machine *m, uint64_t identity) {
    enum swap_refusal why;
    unsigned type;

    lock_acquire(m->platform, &m->swap_lock);
    why = find_room(m, identity, &type);
    lock_release(m->platform, &m->swap_lock);
    return why;
}

enum swap_refusal swap_area_publish(struct machine *m, const struct swap_info *area, bool least, unsigned *ret_type) {
    enum swap_refusal why;
    unsigned type;

    lock_acquire(m->platform, &m->swap_lock);
    why = find_room(m, area->identity, &type);
    if (why == SWAP_ACCEPTED) {
        struct swap_info *fresh = &m->swap_areas[type];

        *fresh = *area;
        fresh->flags |= SWP_USED | SWP_WRITEOK;
        fresh->lowest_bit = 1;
        fresh->highest_bit = area->max - 1;
        if (least)
            fresh->prio = --m->swap_least_priority;
        *ret_type = type;
        swap_list_insert(m, type);
    }
    lock_release(m->platform, &m->swap_lock);
    return why;
}

void swap_area_finish(struct machine *m, struct swap_info *area) {
    swap_extents_finish(m, &area->extents);
    swap_map_finish(m, &area->map);
}

enum mm_status swap_add(struct machine *m, uint32_t nr_pages, int prio, unsigned flags, unsigned *ret_type) {
    struct swap_info area = {.flags = flags & SWP_EXCLUSIVE, .prio = prio, .max = nr_pages};

    if (nr_pages < 2 || nr_pages > 1u << SWAP_TYPE_SHIFT)
        return MM_INVAL;
    if (swap_areas_create(m) != MM_OK || !swap_map_init(m, &area.map))
        return MM_NOMEM;
    if (swap_area_publish(m, &area, false, ret_type) == SWAP_ACCEPTED)
        return MM_OK;
    swap_area_finish(m, &area);
    return MM_NOMEM;
}

void swap_extend(struct machine *m, unsigned type, uint32_t nr_pages) {
    struct swap_info *area;

    lock_acquire(m->platform, &m->swap_lock);
    area = swap_area_of(m, type);
    if (area && nr_pages > area->max && nr_pages <= 1u << SWAP_TYPE_SHIFT) {
        uint32_t more = nr_pages - area->max, growth = area_growth(area);

        if (area->lowest_bit > area->highest_bit)
            area->lowest_bit = area->max;
        area->highest_bit = nr_pages - 1;
        area->max = nr_pages;
        if (area->flags & SWP_WRITEOK) {
            m->nr_swap_pages += more;
            m->total_swap_pages += more;
            m->nr_swap_growth -= growth - area_growth(area);
        }
    }
    lock_release(m->platform, &m->swap_lock);
}

void swap_set_limit(struct machine *m, unsigned type, uint32_t nr_pages) {
    struct swap_info *area;

    lock_acquire(m->platform, &m->swap_lock);
    area = swap_area_of(m, type);
    if (area) {
        long growth = area_growth(area);

        area->limit = nr_pages;
        if (area->flags & SWP_WRITEOK)
            m->nr_swap_growth += (long)area_growth(area) - growth;
    }
    lock_release(m->platform, &m->swap_lock);
}

void swap_set_writable(struct machine *m, unsigned type, bool writable) {
    struct swap_info *area;

    lock_acquire(m->platform, &m->swap_lock);
    area = swap_area_of(m, type);
    if (area && writable != !!(area->flags & SWP_WRITEOK)) {
        area->flags ^= SWP_WRITEOK;
        if (writable)
            swap_list_insert(m, type);
        else
            swap_list_remove(m, type);
    }
    lock_release(m->platform, &m->swap_lock);
}

bool swap_area_drain(struct machine *m, unsigned type) {
    struct swap_info *area;
    bool writable;

    lock_acquire(m->platform, &m->swap_lock);
    area = swap_area_of(m, type);
    writable = area && area->flags & SWP_WRITEOK;
    if (writable) {
        area->flags &= ~(unsigned)SWP_WRITEOK;
        swap_list_remove(m, type);
    }
    lock_release(m->platform, &m->swap_lock);
    return writable;
}

enum mm_status swap_remove(struct machine *m, unsigned type) {
    struct swap_info *area, gone;
    enum mm_status status = MM_INVAL;

    lock_acquire(m->platform, &m->swap_lock);
    area = swap_area_of(m, type);
    if (area && area->inuse_pages) {
        status = MM_BUSY;
    } else if (area) {
        if (area->flags & SWP_WRITEOK)
            swap_list_remove(m, type);
        gone = *area;
        *area = (struct swap_info){0};
        status = MM_OK;
    }
    lock_release(m->platform, &m->swap_lock);
    if (status == MM_OK)
        swap_area_finish(m, &gone);
    return status;
}

uint32_t swap_inuse(const struct machine *m, unsigned type) {
    if (!m->swap_areas || type >= MAX_SWAPFILES)
        return 0;
    return __atomic_load_n(&m->swap_areas[type].inuse_pages, __ATOMIC_RELAXED);
}

bool swap_area_state(struct machine *m, unsigned type, struct swap_area_state *ret_state) {
    const struct swap_info *area;

    lock_acquire(m->platform, &m->swap_lock);
    area = swap_area_of(m, type);
    if (area)
        *ret_state = (struct swap_area_state){
            .flags = area->flags, .pages = area_pages(area), .inuse_pages = area->inuse_pages, .prio = area->prio};
    lock_release(m->platform, &m->swap_lock);
    return area;
}

void swap_for_each_used(struct machine *m, unsigned type, void (*fn)(uint32_t offset, void *arg), void *arg) {
    struct swap_info *area;

    lock_acquire(m->platform, &m->swap_lock);
    area = swap_area_of(m, type);
    if (area)
        swap_map_for_each_used(&area->map, area->max, fn, arg);
    lock_release(m->platform, &m->swap_lock);
}

uint32_t swap_next_used(struct machine *m, unsigned type, uint32_t from) {
    const struct swap_info *area;
    uint32_t offset = 0;

    lock_acquire(m->platform, &m->swap_lock);
    area = swap_area_of(m, type);
    if (area)
        offset = swap_map_next_used(&area->map, from, area->max);
    lock_release(m->platform, &m->swap_lock);
    return offset;
}

static const char *check_area(struct machine *m, const struct swap_info *area) {
    uint32_t first_free = swap_map_find_free(&area->map, 1, area->max - 1);
    uint32_t used = swap_map_used(&area->map);

    (void)m;
    if (used != area->inuse_pages + area->nr_bad)
        return "a swap area's inuse_pages is not the number of its slots in use";
    if (first_free && (area->lowest_bit > first_free || area->highest_bit < first_free))
        return "a free swap slot lies outside lowest_bit..highest_bit";
    return NULL;
}

const char *swap_check(struct machine *m) {
    const char *wrong = NULL;
    long inuse = 0, growth = 0;

    if (!m->swap_areas)
        return NULL;
    lock_acquire(m->platform, &m->swap_lock);
    for (unsigned type = 0; type < MAX_SWAPFILES && !wrong; type++) {
        if (!swap_area_of(m, type))
            continue;
        wrong = check_area(m, &m->swap_areas[type]);
        inuse += m->swap_areas[type].inuse_pages;
        if (m->swap_areas[type].flags & SWP_WRITEOK)
            growth += area_growth(&m->swap_areas[type]);
    }
    if (!wrong && growth != m->nr_swap_growth)
        wrong = "nr_swap_growth is not what the swap areas may still be extended by";
    if (!wrong && m->nr_swap_pages + inuse != m->total_swap_pages)
        wrong = "free and used swap slots do not add up to total_swap_pages";
    lock_release(m->platform, &m->swap_lock);
    return wrong;
}
