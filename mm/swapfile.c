/* SPDX-License-Identifier: MIT */
/* The slots of swap areas: who gets which, and how often it is counted on. */
#include "mm/swapfile.h"

#include "mm/swap_area.h"
#include "mm/swap_state.h"

#define SWAPFILE_CLUSTER 256u

bool swap_gives_up_slot(const struct machine *m, swp_entry_t entry) {
    const struct swap_info *area = &m->swap_areas[swp_type(entry)];

    return (area->flags & SWP_EXCLUSIVE) || vm_swap_full(m) ||
           __atomic_load_n(&area->inuse_pages, __ATOMIC_RELAXED) * 2ull >
               (uint64_t)area_pages(area) + area_growth(area);
}

bool vm_swap_full(const struct machine *m) {
    long growth = __atomic_load_n(&m->nr_swap_growth, __ATOMIC_RELAXED);

    return (__atomic_load_n(&m->nr_swap_pages, __ATOMIC_RELAXED) + growth) * 2 <
           __atomic_load_n(&m->total_swap_pages, __ATOMIC_RELAXED) + growth;
}

/* The next slot to give out, by the cluster rule of section 12.1; 0: none is free. */
static uint32_t scan_swap_map(struct swap_info *area) {
    uint32_t offset;

    if (area->lowest_bit > area->highest_bit)
        return 0;
    if (area->cluster_nr == 0) {
        area->cluster_nr = SWAPFILE_CLUSTER - 1;
        offset = 0;
        if (area_pages(area) - area->inuse_pages >= SWAPFILE_CLUSTER)
            offset = swap_map_find_run(&area->map, area->lowest_bit, area->highest_bit, SWAPFILE_CLUSTER);
        area->cluster_next = offset ? offset : area->lowest_bit;
    } else {
        area->cluster_nr--;
    }
    offset = 0;
    if (area->cluster_next >= area->lowest_bit)
        offset = swap_map_find_free(&area->map, area->cluster_next, area->highest_bit);
    if (!offset)
        offset = swap_map_find_free(&area->map, area->lowest_bit, area->highest_bit);
    return offset;
}

static uint32_t take_slot(struct machine *m, struct swap_info *area) {
    uint32_t offset = scan_swap_map(area);

    if (!offset || !swap_map_set(m, &area->map, offset, 1))
        return 0;
    if (offset == area->lowest_bit)
        area->lowest_bit++;
    if (offset == area->highest_bit)
        area->highest_bit--;
    area->inuse_pages++;
    if (area->inuse_pages == area_pages(area)) {
        area->lowest_bit = area->max;
        area->highest_bit = 0;
    }
    area->cluster_next = offset + 1;
    m->nr_swap_pages--;
    return offset;
}

static swp_entry_t take_from(struct machine *m, int type) {
    struct swap_info *area = &m->swap_areas[type];
    uint32_t offset;

    if (area->inuse_pages == area_pages(area) || !m->platform->swap_has_room(m->platform->host, (unsigned)type))
        return (swp_entry_t){0};
    offset = take_slot(m, area);
    return offset ? swp_entry((unsigned)type, offset) : (swp_entry_t){0};
}

swp_entry_t get_swap_page(struct machine *m) {
    swp_entry_t entry = {0};
    bool wrapped = false;
    int type;

    if (__atomic_load_n(&m->nr_swap_pages, __ATOMIC_RELAXED) <= 0)
        return entry;
    lock_acquire(m->platform, &m->swap_lock);
    type = m->nr_swap_pages > 0 ? m->swap_list_next : -1;
    while (type >= 0) {
        const struct swap_info *area = &m->swap_areas[type];
        int next = area->next;

        /* The successor is next in turn if it is as good; else the best of all. */
        if (next < 0 || (!wrapped && m->swap_areas[next].prio != area->prio)) {
            next = m->swap_list_head;
            if (wrapped)
                next = -1;
            wrapped = true;
        }
        entry = take_from(m, type);
        if (entry.val) {
            m->swap_list_next = next < 0 ? m->swap_list_head : next;
            break;
        }
        type = next;
    }
    lock_release(m->platform, &m->swap_lock);
    return entry;
}

swp_entry_t get_swap_page_below(struct machine *m, unsigned above) {
    swp_entry_t entry = {0};
    int prio;

    lock_acquire(m->platform, &m->swap_lock);
    prio = m->swap_areas[above].prio;
    for (int type = m->swap_list_head; type >= 0 && !entry.val; type = m->swap_areas[type].next)
        if (m->swap_areas[type].prio < prio)
            entry = take_from(m, type);
    lock_release(m->platform, &m->swap_lock);
    return entry;
}

/* The slot's count, 0 for one that does not exist. swap_lock held. */
static unsigned slot_count(struct machine *m, swp_entry_t entry, struct swap_info **ret_area) {
    struct swap_info *area = swap_area_of(m, swp_type(entry));

    *ret_area = area;
    if (!area || swp_offset(entry) == 0 || swp_offset(entry) >= area->max)
        return 0;
    return swap_map_get(&area->map, swp_offset(entry));
}

enum mm_status swap_duplicate(struct machine *m, swp_entry_t entry) {
    struct swap_info *area;
    enum mm_status status = MM_INVAL;
    unsigned count;

    lock_acquire(m->platform, &m->swap_lock);
    count = slot_count(m, entry, &area);
    if (count && count != SWAP_MAP_BAD) {
        /* A count that has reached the maximum stays there: the slot is never free again. */
        if (count < SWAP_MAP_MAX)
            swap_map_set(m, &area->map, swp_offset(entry), (uint16_t)(count + 1));
        status = MM_OK;
    }
    lock_release(m->platform, &m->swap_lock);
    return status;
}

static void slot_freed(struct machine *m, struct swap_info *area, swp_entry_t entry) {
    uint32_t offset = swp_offset(entry);

    if (area->lowest_bit > area->highest_bit)
        area->lowest_bit = area->highest_bit = offset;
    if (offset < area->lowest_bit)
        area->lowest_bit = offset;
    if (offset > area->highest_bit)
        area->highest_bit = offset;
    area->inuse_pages--;
    if (area->flags & SWP_WRITEOK) {
        m->nr_swap_pages++;
        if (m->swap_list_next < 0 || area->prio > m->swap_areas[m->swap_list_next].prio)
            m->swap_list_next = (int)swp_type(entry);
    } else {
        m->total_swap_pages--;
    }
    forget_swap_shadow(m, entry);
    m->platform->swap_slot_free(m->platform->host, entry);
}

void swap_free(struct machine *m, swp_entry_t entry) {
    struct swap_info *area;
    unsigned count;

    lock_acquire(m->platform, &m->swap_lock);
    count = slot_count(m, entry, &area);
    MM_ASSERT(m, count != 0 && count != SWAP_MAP_BAD);
    if (count != 0 && count < SWAP_MAP_MAX) {
        swap_map_set(m, &area->map, swp_offset(entry), (uint16_t)(count - 1));
        if (count == 1)
            slot_freed(m, area, entry);
    }
    lock_release(m->platform, &m->swap_lock);
}

unsigned swap_count(struct machine *m, swp_entry_t entry) {
    struct swap_info *area;
    unsigned count;

    lock_acquire(m->platform, &m->swap_lock);
    count = slot_count(m, entry, &area);
    lock_release(m->platform, &m->swap_lock);
    return count;
}

bool swap_slot_is_private(struct machine *m, swp_entry_t entry) {
    struct swap_info *area;
    bool private;

    lock_acquire(m->platform, &m->swap_lock);
    private = slot_count(m, entry, &area) <= 2 && area && area->flags & SWP_WRITEOK;
    lock_release(m->platform, &m->swap_lock);
    return private;
}
