/* SPDX-License-Identifier: MIT */
#include "mm/mmap.h"

#include "mm/machine.h"
#include "mm/memory.h"
#include "mm/page_alloc.h"

/*
 * The areas lie in leaves of one page each, in order; one page of pointers orders the leaves. No leaf is empty. Two
 * neighbouring leaves together hold more than one could, so that leaves are at least half full on average.
 */
#define LEAF_AREAS ((PAGE_SIZE - 16) / sizeof(struct vm_area))
#define MAX_LEAVES ((PAGE_SIZE - 32) / sizeof(struct leaf *))
/* A change splits at most two areas, each in a full leaf. */
#define MAX_SPARE 2u

struct leaf {
    size_t max_gap; /* bytes: no gap between two areas of this leaf is wider */
    uint32_t nr;
    struct vm_area areas[LEAF_AREAS];
};

struct area_set {
    uint32_t nr_leaves;
    uint32_t nr_spare;
    struct leaf *spare[MAX_SPARE]; /* pages at hand, so that a change that has begun cannot fail */
    struct leaf *leaves[MAX_LEAVES];
};

_Static_assert(sizeof(struct leaf) <= PAGE_SIZE, "a leaf is one page");
_Static_assert(sizeof(struct area_set) <= PAGE_SIZE, "the index is one page");

/* A place in the set: an area, or, with leaf == nr_leaves, the end. */
struct position {
    uint32_t leaf, slot;
};

static struct vm_area *area_at(const struct area_set *set, struct position pos) {
    return pos.leaf < set->nr_leaves ? &set->leaves[pos.leaf]->areas[pos.slot] : NULL;
}

static struct position next_position(const struct area_set *set, struct position pos) {
    if (++pos.slot >= set->leaves[pos.leaf]->nr)
        pos = (struct position){pos.leaf + 1, 0};
    return pos;
}

/* The first area that ends above addr. */
static struct position locate(const struct area_set *set, uintptr_t addr) {
    uint32_t low = 0, high = set->nr_leaves, leaf;

    while (low < high) {
        uint32_t mid = (low + high) / 2;
        const struct leaf *l = set->leaves[mid];

        if (l->areas[l->nr - 1].end > addr)
            high = mid;
        else
            low = mid + 1;
    }
    leaf = low;
    if (leaf == set->nr_leaves)
        return (struct position){leaf, 0};
    low = 0;
    high = set->leaves[leaf]->nr;
    while (low < high) {
        uint32_t mid = (low + high) / 2;

        if (set->leaves[leaf]->areas[mid].end > addr)
            high = mid;
        else
            low = mid + 1;
    }
    return (struct position){leaf, low};
}

static void measure_gaps(struct leaf *leaf) {
    size_t max = 0;

    for (uint32_t i = 1; i < leaf->nr; i++) {
        size_t gap = leaf->areas[i].start - leaf->areas[i - 1].end;

        if (gap > max)
            max = gap;
    }
    leaf->max_gap = max;
}

/* -- pages ------------------------------------------------------------------------------------------------------- */

static void *take_page(struct machine *m) {
    struct page *page = alloc_pages(m, GFP_KERNEL, 0);

    return page ? page_address(m, page) : NULL;
}

/* Makes sure that nr leaves can be added. */
static bool reserve_leaves(struct mm *mm, uint32_t nr) {
    struct area_set *set = mm->areas;

    if (set->nr_leaves + nr > MAX_LEAVES)
        return false;
    while (set->nr_spare < nr) {
        struct leaf *leaf = take_page(mm->machine);

        if (!leaf)
            return false;
        set->spare[set->nr_spare++] = leaf;
    }
    return true;
}

static struct leaf *insert_leaf(struct area_set *set, uint32_t index) {
    struct leaf *leaf = set->spare[--set->nr_spare];

    __builtin_memmove(&set->leaves[index + 1], &set->leaves[index], (set->nr_leaves - index) * sizeof set->leaves[0]);
    set->leaves[index] = leaf;
    set->nr_leaves++;
    leaf->nr = 0;
    leaf->max_gap = 0;
    return leaf;
}

static void remove_leaf(struct mm *mm, uint32_t index) {
    struct area_set *set = mm->areas;
    struct leaf *leaf = set->leaves[index];

    set->nr_leaves--;
    __builtin_memmove(&set->leaves[index], &set->leaves[index + 1], (set->nr_leaves - index) * sizeof set->leaves[0]);
    if (set->nr_spare < MAX_SPARE)
        set->spare[set->nr_spare++] = leaf;
    else
        free_pages(mm->machine, leaf, 0);
}

/* -- single areas ------------------------------------------------------------------------------------------------ */

/*
 * Puts an area before pos. A full leaf is halved, for which a spare must be there. Where this makes a gap, the caller
 * measures the leaf.
 */
static void insert_area(struct area_set *set, struct position pos, struct vm_area area) {
    struct leaf *leaf;

    if (set->nr_leaves == 0) {
        leaf = insert_leaf(set, 0);
    } else if (pos.leaf == set->nr_leaves) {
        pos.leaf--;
        leaf = set->leaves[pos.leaf];
        pos.slot = leaf->nr;
    } else {
        leaf = set->leaves[pos.leaf];
    }
    if (leaf->nr == LEAF_AREAS) {
        uint32_t half = LEAF_AREAS / 2;
        struct leaf *upper = insert_leaf(set, pos.leaf + 1);

        upper->nr = leaf->nr - half;
        leaf->nr = half;
        __builtin_memcpy(upper->areas, &leaf->areas[half], upper->nr * sizeof upper->areas[0]);
        upper->max_gap = leaf->max_gap;
        if (pos.slot > half) {
            leaf = upper;
            pos.slot -= half;
        }
    }
    __builtin_memmove(&leaf->areas[pos.slot + 1], &leaf->areas[pos.slot],
                      (leaf->nr - pos.slot) * sizeof leaf->areas[0]);
    leaf->areas[pos.slot] = area;
    leaf->nr++;
}

/* Joins leaf `index` and the one after it if one page holds both. */
static void join_leaves(struct mm *mm, uint32_t index) {
    struct area_set *set = mm->areas;
    struct leaf *low, *high;

    if (index + 1 >= set->nr_leaves)
        return;
    low = set->leaves[index];
    high = set->leaves[index + 1];
    if (low->nr + high->nr > LEAF_AREAS)
        return;
    __builtin_memcpy(&low->areas[low->nr], high->areas, high->nr * sizeof low->areas[0]);
    low->nr += high->nr;
    measure_gaps(low);
    remove_leaf(mm, index + 1);
}

/* Removes the areas of [start, end), none of which reaches beyond it. */
static void remove_areas(struct mm *mm, uintptr_t start, uintptr_t end) {
    struct area_set *set = mm->areas;
    struct position pos = locate(set, start);

    while (pos.leaf < set->nr_leaves) {
        struct leaf *leaf = set->leaves[pos.leaf];
        uint32_t to = pos.slot;

        while (to < leaf->nr && leaf->areas[to].start < end)
            to++;
        if (to == pos.slot)
            break;
        __builtin_memmove(&leaf->areas[pos.slot], &leaf->areas[to], (leaf->nr - to) * sizeof leaf->areas[0]);
        leaf->nr -= to - pos.slot;
        if (leaf->nr == 0) {
            remove_leaf(mm, pos.leaf);
            continue;
        }
        measure_gaps(leaf);
        if (pos.slot < leaf->nr)
            break;
        pos = (struct position){pos.leaf + 1, 0};
    }
    join_leaves(mm, pos.leaf);
    if (pos.leaf > 0)
        join_leaves(mm, pos.leaf - 1);
}

/* -- changes ----------------------------------------------------------------------------------------------------- */

/* Does an area lie across addr? */
static bool straddles(const struct area_set *set, uintptr_t addr) {
    const struct vm_area *area = area_at(set, locate(set, addr));

    return area && area->start < addr;
}

/* Cuts the area that lies across addr, if there is one, in two. */
static void split_at(struct area_set *set, uintptr_t addr) {
    struct position pos = locate(set, addr);
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
    struct position pos = locate(set, start ? start - 1 : 0);

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
            pos = locate(set, gone.start - 1);
            area_at(set, pos)->end = gone.end;
            continue;
        }
        pos = next_pos;
    }
    /* Areas have come, and ends have moved. */
    for (pos = locate(set, start ? start - 1 : 0); pos.leaf < set->nr_leaves; pos.leaf++) {
        if (set->leaves[pos.leaf]->areas[0].start > end)
            break;
        measure_gaps(set->leaves[pos.leaf]);
    }
}

enum mm_status area_set_range(struct mm *mm, uintptr_t start, uintptr_t end, uint32_t flags) {
    struct area_set *set = mm->areas;
    uint32_t cuts = (uint32_t)straddles(set, start) + (uint32_t)straddles(set, end);
    const struct vm_area *first = area_at(set, locate(set, start));
    struct vm_area *area;

    /* Where nothing is in the way, the new area is the one that needs room. */
    if (!reserve_leaves(mm, first && first->start < end ? cuts : 1))
        return MM_NOMEM;
    split_at(set, start);
    split_at(set, end);
    area = area_at(set, locate(set, start));
    if (area && area->start < end) {
        uintptr_t had = area->end;

        area->start = start;
        area->flags = flags;
        if (had < end)
            remove_areas(mm, had, end);
        area_at(set, locate(set, start))->end = end;
    } else {
        insert_area(set, locate(set, start), (struct vm_area){start, end, flags});
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
    for (pos = locate(set, start); pos.leaf < set->nr_leaves; pos = next_position(set, pos)) {
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
    return area_at(mm->areas, locate(mm->areas, addr));
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
    struct position pos = locate(set, from);

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

/* -- life -------------------------------------------------------------------------------------------------------- */

enum mm_status areas_init(struct mm *mm) {
    struct area_set *set = take_page(mm->machine);

    if (!set)
        return MM_NOMEM;
    set->nr_leaves = 0;
    set->nr_spare = 0;
    mm->areas = set;
    return MM_OK;
}

void areas_finish(struct mm *mm) {
    struct area_set *set = mm->areas;

    for (uint32_t i = 0; i < set->nr_leaves; i++)
        free_pages(mm->machine, set->leaves[i], 0);
    for (uint32_t i = 0; i < set->nr_spare; i++)
        free_pages(mm->machine, set->spare[i], 0);
    free_pages(mm->machine, set, 0);
    mm->areas = NULL;
}
