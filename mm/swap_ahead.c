/* SPDX-License-Identifier: MIT */
/* What a stream of faults, or faults at even distances, will want next, told to the host, so that its device need not
 * rest meanwhile. */
#include "mm/fault.h"

#include "mm/page_table.h"
#include "mm/swapfile.h"

/* So many pages are looked at, and so many of those that are swapped out told to the host. */
#define AHEAD_LOOK 512u
#define AHEAD_MAX 128u

struct ahead {
    swp_entry_t entries[AHEAD_MAX];
    unsigned nr;
};

/* The entries of a part of a block, in the stream's direction, that are of the area's type. */
static void note_ahead(struct block *block, unsigned first, unsigned end, bool down, unsigned type,
                       struct ahead *ahead) {
    if (!block_lock_table(block))
        return;
    for (unsigned i = first; i < end && ahead->nr < AHEAD_MAX; i++) {
        pte_t pte = block_pte(block, down ? end - 1 - (i - first) : i);

        if (pte & PTE_SWAP && swp_type(pte_entry(pte)) == type)
            ahead->entries[ahead->nr++] = pte_entry(pte);
    }
    block_unlock_table(block);
}

void prefetch_ahead(const struct fault *fault, uintptr_t addr, bool down, unsigned type) {
    const struct machine *m = fault->mm->machine;
    uintptr_t limit = down ? fault->area->start : fault->area->end;
    unsigned looked = 0;
    struct ahead ahead = {.nr = 0};

    while (addr != limit && looked < AHEAD_LOOK && ahead.nr < AHEAD_MAX) {
        uintptr_t at = down ? addr - PAGE_SIZE : addr;
        struct block *block = find_block(fault->mm, at);
        uintptr_t start = at & ~(BLOCK_SIZE - 1), end = start + BLOCK_SIZE;

        if (down) {
            end = addr;
            start = start > limit ? start : limit;
        } else {
            start = addr;
            end = end < limit ? end : limit;
        }
        if (block)
            note_ahead(block, pte_index(start), pte_index(end - PAGE_SIZE) + 1, down, type, &ahead);
        looked += (unsigned)((end - start) >> PAGE_SHIFT);
        addr = down ? start : end;
    }
    if (ahead.nr)
        m->platform->swap_prefetch(m->platform->host, ahead.entries, ahead.nr);
}

/* Faults at even distances: so many steps are looked at, and so many pages told at a time. */
#define STRIDE_LOOK 96u
#define STRIDE_MAX 32u

void prefetch_stride(const struct fault *fault, intptr_t stride, unsigned type) {
    const struct machine *m = fault->mm->machine;
    uintptr_t addr = fault->addr;
    struct ahead ahead = {.nr = 0};

    for (unsigned i = 0; i < STRIDE_LOOK && ahead.nr < STRIDE_MAX; i++) {
        struct block *block;

        addr += (uintptr_t)stride;
        if (addr < fault->area->start || addr >= fault->area->end)
            break;
        block = find_block(fault->mm, addr);
        if (block)
            note_ahead(block, pte_index(addr), pte_index(addr) + 1, false, type, &ahead);
    }
    if (ahead.nr)
        m->platform->swap_prefetch(m->platform->host, ahead.entries, ahead.nr);
}
