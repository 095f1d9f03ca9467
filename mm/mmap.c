/* SPDX-License-Identifier: MIT */
#include "mm/mmap.h"

#include "mm/area_set.h"
#include "mm/memory.h"

/* -- changes ----------------------------------------------------------------------------------------------------- */

/* Does an area lie across addr? */
static bool straddles(const struct area_set *set, uintptr_t addr) {
    const struct vm_area *area = area_at(set, locate_area(set, addr));

    return area && area->start < addr;
}

/* Cuts the area that lies across addr, if there is one, in two. */
static void split_at(struct area_set *set, uintptr_t addr) {
    struct position pos = locate_area(set, addr);
    struct vm_area *area = area_at(set, pos);
    struct vm_area lower;

    if (!area || area->start >= addr)
        return;
    lower = *area;
    lower.end = addr;
    area->start = addr;
    insert_area(set, pos, lower);
}

static bool alike(const struct vm_area *a, const struct vm_area *b) {
    return a->end == b->start && a->flags == b->flags && !(a->flags & VM_APART);
}

/* Joins alike neighbours from the area before start to the one that begins at end. */
static void merge_range(struct mm *mm, uintptr_t start, uintptr_t end) {
    struct area_set *set = mm->areas;
    struct position pos = locate_area(set, start ? start - 1 : 0);

    while (pos.leaf < set->nr_leaves) {
        struct vm_area *area = area_at(set, pos), *next;
        struct position next_pos = next_position(set, pos);

        next = area_at(set, next_pos);
        if (!next || next->start > end)
            break;
        if (alike(area, next)) {
            struct vm_area gone = *next;

            /* The lower one ends where its neighbour began until that has gone, so that the order holds. */
            remove_areas(mm, gone.start, gone.end);
            pos = locate_area(set, gone.start - 1);
            area_at(set, pos)->end = gone.end;
            continue;
        }
        pos = next_pos;
    }
    /* Areas have come, and ends have moved. */
    for (pos = locate_area(set, start ? start - 1 : 0); pos.leaf < set->nr_leaves; pos.leaf++) {
        if (set->leaves[pos.leaf]->areas[0].start > end)
            break;
        measure_gaps(set->leaves[pos.leaf]);
    }
}

enum mm_status area_set_range(struct mm *mm, uintptr_t start, uintptr_t end, uint32_t flags) {
    struct area_set *set = mm->areas;
    uint32_t cuts = (uint32_t)straddles(set, start) + (uint32_t)straddles(set, end);
    const struct vm_area *first = area_at(set, locate_area(set, start));
    struct vm_area *area;

    /* Where nothing is in the way, the new area is the one that needs room. */
    if (!reserve_leaves(mm, first && first->start < end ? cuts : 1))
        return MM_NOMEM;
    split_at(set, start);
    split_at(set, end);
    area = area_at(set, locate_area(set, start));
    if (area && area->start < end) {
        uintptr_t had = area->end;

        area->start = start;
        area->flags = flags;
        if (had < end)
            remove_areas(mm, had, end);
        area_at(set, locate_area(set, start))->end = end;
    } else {
        insert_area(set, locate_area(set, start), (struct vm_area){start, end, flags});
    }
    merge_range(mm, start, end);
    return MM_OK;
}

enum mm_status area_change_range(struct mm *mm, uintptr_t start, uintptr_t end, uint32_t clear, uint32_t set_flags) {
    struct area_set *set = mm->areas;
    struct position pos;

    if (!reserve_leaves(mm, (uint32_t)straddles(set, start) + (uint32_t)straddles(set, end)))
        return MM_NOMEM;
    split_at(set, start);
    split_at(set, end);
    for (pos = locate_area(set, start); pos.leaf < set->nr_leaves; pos = next_position(set, pos)) {
        struct vm_area *area = area_at(set, pos);

        if (area->start >= end)
            break;
        area->flags = (area->flags & ~clear) | set_flags;
    }
    merge_range(mm, start, end);
    return MM_OK;
}

enum mm_status area_clear_range(struct mm *mm, uintptr_t start, uintptr_t end) {
    struct area_set *set = mm->areas;

    if (!reserve_leaves(mm, (uint32_t)straddles(set, start) + (uint32_t)straddles(set, end)))
        return MM_NOMEM;
    split_at(set, start);
    split_at(set, end);
    remove_areas(mm, start, end);
    return MM_OK;
}

/* -- questions --------------------------------------------------------------------------------------------------- */

const struct vm_area *find_area_from(const struct mm *mm, uintptr_t addr) {
    return area_at(mm->areas, locate_area(mm->areas, addr));
}

const struct vm_area *find_area(const struct mm *mm, uintptr_t addr) {
    const struct vm_area *area = find_area_from(mm, addr);

    return area && area->start <= addr ? area : NULL;
}

const struct vm_area *area_next(const struct mm *mm, const struct vm_area *area) {
    const struct leaf *leaf = (const struct leaf *)((uintptr_t)area & PAGE_MASK);

    if (area + 1 < leaf->areas + leaf->nr)
        return area + 1;
    return find_area_from(mm, area->end);
}

bool range_is_mapped(const struct mm *mm, uintptr_t start, uintptr_t end) {
    const struct vm_area *area = find_area(mm, start);

    while (area && area->start <= start) {
        if (area->end >= end)
            return true;
        start = area->end;
        area = area_next(mm, area);
    }
    return false;
}

size_t range_accounted(const struct mm *mm, uintptr_t start, uintptr_t end) {
    const struct vm_area *area = find_area_from(mm, start);
    size_t bytes = 0;

    for (; area && area->start < end; area = area_next(mm, area)) {
        uintptr_t from = area->start > start ? area->start : start;
        uintptr_t to = area->end < end ? area->end : end;

        if (area->flags & VM_ACCOUNTED)
            bytes += to - from;
    }
    return bytes;
}

/* The lowest aligned place for len bytes in the gap [from, to), or 0. */
static uintptr_t fit(uintptr_t from, uintptr_t to, size_t len, size_t align) {
    uintptr_t at = (from + align - 1) & ~(uintptr_t)(align - 1);

    return at >= from && at < to && to - at >= len ? at : 0;
}

static uintptr_t find_free_from(const struct mm *mm, uintptr_t from, size_t len, size_t align) {
    const struct area_set *set = mm->areas;
    struct position pos = locate_area(set, from);

    while (pos.leaf < set->nr_leaves) {
        const struct leaf *leaf = set->leaves[pos.leaf];
        const struct vm_area *area = &leaf->areas[pos.slot];
        uintptr_t at = area->start > from ? fit(from, area->start, len, align) : 0;

        if (at)
            return at;
        from = area->end;
        /* At a leaf's first area: pass over the whole leaf if none of its own gaps is wide enough. */
        if (pos.slot == 0 && leaf->max_gap < len) {
            from = leaf->areas[leaf->nr - 1].end;
            pos = (struct position){pos.leaf + 1, 0};
        } else {
            pos = next_position(set, pos);
        }
    }
    return fit(from, mm->end, len, align);
}

uintptr_t find_free_range(const struct mm *mm, uintptr_t hint, size_t len, size_t align) {
    uintptr_t at = 0;

    if (hint > mm->start && hint < mm->end)
        at = find_free_from(mm, hint, len, align);
    return at ? at : find_free_from(mm, mm->start, len, align);
}
