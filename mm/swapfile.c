/* SPDX-License-Identifier: MIT */
#include "mm/swapfile.h"

#include "mm/page_alloc.h"
#include "mm/swap_map.h"
#include "mm/swap_state.h"

#define SWAPFILE_CLUSTER 256u

/* One area. All under machine->swap_lock. */
struct swap_info {
    unsigned flags; /* enum swap_flags */
    int prio;
    int next;     /* area of the next lower or equal priority, -1 none */
    uint32_t max; /* slots, the never used slot 0 included */
    uint32_t limit; /* what max may become by extension; of no meaning where it is less */
    uint32_t inuse_pages;
    uint32_t lowest_bit, highest_bit; /* no free slot lies outside; lowest > highest: none is free */
    uint32_t cluster_next, cluster_nr;
    struct swap_map map;
};
_Static_assert(sizeof(struct swap_info) * MAX_SWAPFILES <= PAGE_SIZE, "the table of areas takes one page");

static struct swap_info *area_of(struct machine *m, unsigned type) {
    struct swap_info *area;

    if (!m->swap_areas || type >= MAX_SWAPFILES)
        return NULL;
    area = &m->swap_areas[type];
    return area->flags & SWP_USED ? area : NULL;
}

static uint32_t area_pages(const struct swap_info *area) {
    return area->max - 1;
}

/* Slots that the area may still be extended by. */
static uint32_t area_growth(const struct swap_info *area) {
    return area->limit > area->max ? area->limit - area->max : 0;
}

/* -- the list of writable areas, by descending priority. --------------------------------------------------------- */

static void list_insert(struct machine *m, unsigned type) {
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

static void list_remove(struct machine *m, unsigned type) {
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

static enum mm_status swap_create(struct machine *m) {
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

enum mm_status swap_add(struct machine *m, uint32_t nr_pages, int prio, unsigned flags, unsigned *ret_type) {
    struct swap_map map;
    enum mm_status status = MM_NOMEM;

    if (nr_pages < 2 || nr_pages > 1u << SWAP_TYPE_SHIFT)
        return MM_INVAL;
    if (swap_create(m) != MM_OK || !swap_map_init(m, &map))
        return MM_NOMEM;

    lock_acquire(m->platform, &m->swap_lock);
    for (unsigned type = 0; type < MAX_SWAPFILES; type++) {
        struct swap_info *area = &m->swap_areas[type];

        if (area->flags & SWP_USED)
            continue;
        *area = (struct swap_info){
            .flags = (flags & SWP_EXCLUSIVE) | SWP_USED | SWP_WRITEOK,
            .prio = prio,
            .max = nr_pages,
            .lowest_bit = 1,
            .highest_bit = nr_pages - 1,
            .map = map,
        };
        list_insert(m, type);
        *ret_type = type;
        status = MM_OK;
        break;
    }
    lock_release(m->platform, &m->swap_lock);
    if (status != MM_OK)
        swap_map_finish(m, &map);
    return status;
}

void swap_extend(struct machine *m, unsigned type, uint32_t nr_pages) {
    struct swap_info *area;

    lock_acquire(m->platform, &m->swap_lock);
    area = area_of(m, type);
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
    area = area_of(m, type);
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
    area = area_of(m, type);
    if (area && writable != !!(area->flags & SWP_WRITEOK)) {
        area->flags ^= SWP_WRITEOK;
        if (writable)
            list_insert(m, type);
        else
            list_remove(m, type);
    }
    lock_release(m->platform, &m->swap_lock);
}

enum mm_status swap_remove(struct machine *m, unsigned type) {
    struct swap_map map;
    struct swap_info *area;
    enum mm_status status = MM_INVAL;

    lock_acquire(m->platform, &m->swap_lock);
    area = area_of(m, type);
    if (area && area->inuse_pages) {
        status = MM_BUSY;
    } else if (area) {
        if (area->flags & SWP_WRITEOK)
            list_remove(m, type);
        map = area->map;
        area->flags = 0;
        status = MM_OK;
    }
    lock_release(m->platform, &m->swap_lock);
    if (status == MM_OK)
        swap_map_finish(m, &map);
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
    area = area_of(m, type);
    if (area)
        *ret_state =
            (struct swap_area_state){.pages = area_pages(area), .inuse_pages = area->inuse_pages, .prio = area->prio};
    lock_release(m->platform, &m->swap_lock);
    return area;
}

bool swap_gives_up_slot(const struct machine *m, swp_entry_t entry) {
    const struct swap_info *area = &m->swap_areas[swp_type(entry)];

    return (area->flags & SWP_EXCLUSIVE) || vm_swap_full(m) ||
           __atomic_load_n(&area->inuse_pages, __ATOMIC_RELAXED) * 2ull > (uint64_t)area_pages(area) + area_growth(area);
}

bool vm_swap_full(const struct machine *m) {
    long growth = __atomic_load_n(&m->nr_swap_growth, __ATOMIC_RELAXED);

    return (__atomic_load_n(&m->nr_swap_pages, __ATOMIC_RELAXED) + growth) * 2 <
           __atomic_load_n(&m->total_swap_pages, __ATOMIC_RELAXED) + growth;
}

/* -- slots. ----------------------------------------------------------------------------------------------------------
 */

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
    struct swap_info *area = area_of(m, swp_type(entry));

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

void swap_for_each_used(struct machine *m, unsigned type, void (*fn)(uint32_t offset, void *arg), void *arg) {
    struct swap_info *area;

    lock_acquire(m->platform, &m->swap_lock);
    area = area_of(m, type);
    if (area)
        swap_map_for_each_used(&area->map, area->max, fn, arg);
    lock_release(m->platform, &m->swap_lock);
}

static const char *check_area(struct machine *m, const struct swap_info *area) {
    uint32_t first_free = swap_map_find_free(&area->map, 1, area->max - 1);
    uint32_t used = swap_map_used(&area->map);

    (void)m;
    if (used != area->inuse_pages)
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
        if (!area_of(m, type))
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
