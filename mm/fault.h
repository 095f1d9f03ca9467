/* SPDX-License-Identifier: MIT */
/*
 * fault.h - a page fault on its way through memory.c and swap_fault.c.
 */
#ifndef MM_FAULT_H
#define MM_FAULT_H

#include "mm/memory.h"

struct fault {
    struct mm *mm;
    uintptr_t addr; /* page-aligned */
    const struct vm_area *area;
    struct block *block;
    unsigned index;    /* of addr's entry */
    unsigned nr_pages; /* made accessible */
    unsigned type;     /* swap area it was read from */
    enum fault_result result;
};

/* Entries [first, end) of the fault's block. */
struct fault_run {
    unsigned first, end;
    bool down;
};

/* Flags of entries that this fault makes present. */
static inline unsigned fault_pte_flags(const struct fault *fault) {
    return fault->area->flags & VM_LOCKED ? PTE_LOCKED : 0;
}

/* The part of [start, end) that lies in the fault's area and block. */
struct fault_run fault_clip(const struct fault *fault, uintptr_t start, uintptr_t end, bool down);
/*
 * Shrinks a run to nr entries, of which the fault's is one: those that a walk in the run's direction touches next.
 */
struct fault_run fault_shrink(const struct fault *fault, struct fault_run run, unsigned nr);

/* A stream goes on from addr, upwards or down to it: tells the host which entries of the area it will want next. */
void prefetch_ahead(const struct fault *fault, uintptr_t addr, bool down, unsigned type);
/* The same for faults that are so many bytes apart. */
void prefetch_stride(const struct fault *fault, intptr_t stride, unsigned type);

/*
 * The entry is a swap entry. Called with the page-table lock held, returns without it. True: fault->result tells what
 * came of it; false: the entry has changed, look at it again.
 */
bool do_swap_page(struct fault *fault, swp_entry_t entry);

#endif
