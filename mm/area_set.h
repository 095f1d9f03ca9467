/* SPDX-License-Identifier: MIT */
/*
 * area_set.h - where the areas of an address space are stored, in order. Used by mm/mmap.c alone, whose rules for
 * mmap_lock hold here. Changes keep the order: it is the caller who sees to it that areas do not overlap.
 */
#ifndef MM_AREA_SET_H
#define MM_AREA_SET_H

#include "mm/machine.h"
#include "mm/mmap.h"

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

static inline struct vm_area *area_at(const struct area_set *set, struct position pos) {
    return pos.leaf < set->nr_leaves ? &set->leaves[pos.leaf]->areas[pos.slot] : NULL;
}

static inline struct position next_position(const struct area_set *set, struct position pos) {
    if (++pos.slot >= set->leaves[pos.leaf]->nr)
        pos = (struct position){pos.leaf + 1, 0};
    return pos;
}

/* The first area that ends above addr. */
struct position locate_area(const struct area_set *set, uintptr_t addr);
/* An area of the leaf, or the gaps between two, have changed. */
void measure_gaps(struct leaf *leaf);
/* Makes sure that nr leaves can be added, nr at most MAX_SPARE. False: no memory, or no room. */
bool reserve_leaves(struct mm *mm, uint32_t nr);
/*
 * Puts an area before pos. A full leaf is halved, for which a spare must be there. Where this makes a gap, the caller
 * measures the leaf.
 */
void insert_area(struct area_set *set, struct position pos, struct vm_area area);
/* Removes the areas of [start, end), none of which reaches beyond it. */
void remove_areas(struct mm *mm, uintptr_t start, uintptr_t end);

#endif
