/* SPDX-License-Identifier: MIT */
#include "mm/area_set.h"

#include "mm/memory.h"
#include "mm/page_alloc.h"

struct position locate_area(const struct area_set *set, uintptr_t addr) {
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

void measure_gaps(struct leaf *leaf) {
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

bool reserve_leaves(struct mm *mm, uint32_t nr) {
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

void insert_area(struct area_set *set, struct position pos, struct vm_area area) {
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

void remove_areas(struct mm *mm, uintptr_t start, uintptr_t end) {
    struct area_set *set = mm->areas;
    struct position pos = locate_area(set, start);

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
