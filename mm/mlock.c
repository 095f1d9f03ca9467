/* SPDX-License-Identifier: MIT */
#include "mm/mlock.h"

#include "mm/page_table.h"

/* So many holds are not counted any more: the page stays until it is unmapped. */
#define HOLDS_MAX 0xffffu

static pte_t with_holds(pte_t pte, unsigned holds) {
    return (pte & ((UINT64_C(1) << PTE_HOLDS_SHIFT) - 1)) | (pte_t)holds << PTE_HOLDS_SHIFT;
}

/* The block of addr with its lock held and its entry accessible; brings the page in for that. */
static enum mm_status lock_accessible(struct mm *mm, uintptr_t addr, struct block **ret_block) {
    for (;;) {
        enum mm_status status = populate_range(mm, addr, addr + PAGE_SIZE);
        struct block *block;

        if (status != MM_OK)
            return status;
        block = find_block(mm, addr);
        ptl_lock(block);
        if (pte_is_accessible(block_pte(block, pte_index(addr)))) {
            *ret_block = block;
            return MM_OK;
        }
        ptl_unlock(block); /* reclaim was faster */
    }
}

enum mm_status mlock_range(struct mm *mm, uintptr_t start, uintptr_t end) {
    for (uintptr_t addr = start; addr < end;) {
        struct block *block;
        enum mm_status status = lock_accessible(mm, addr, &block);
        unsigned index = pte_index(addr);

        if (status != MM_OK)
            return status;
        do {
            pte_change(block, index++, 0, PTE_LOCKED);
            addr += PAGE_SIZE;
        } while (addr < end && index < PTRS_PER_TABLE && pte_is_accessible(block_pte(block, index)));
        ptl_unlock(block);
    }
    return MM_OK;
}

struct unlocking {
    uintptr_t start, end;
};

static void munlock_block(struct block *block, void *arg) {
    const struct unlocking *range = arg;

    ptl_lock(block);
    for (unsigned index = 0; index < PTRS_PER_TABLE; index++) {
        uintptr_t addr = block_address(block, index);

        if (addr >= range->start && addr < range->end && (block_pte(block, index) & PTE_LOCKED))
            pte_change(block, index, PTE_LOCKED, 0);
    }
    ptl_unlock(block);
}

void munlock_range(struct mm *mm, uintptr_t start, uintptr_t end) {
    struct unlocking range = {start, end};

    for_each_block(mm, start, end, munlock_block, &range);
}

enum mm_status mm_hold(struct mm *mm, uintptr_t addr) {
    struct block *block;
    enum mm_status status = lock_accessible(mm, addr & PAGE_MASK, &block);
    unsigned index = pte_index(addr), holds;

    if (status != MM_OK)
        return status;
    holds = pte_holds(block_pte(block, index));
    if (holds < HOLDS_MAX) {
        pte_change(block, index, 0, PTE_HELD);
        block->table->pte[index] = with_holds(block_pte(block, index), holds + 1);
    }
    ptl_unlock(block);
    return status;
}

void mm_release(struct mm *mm, uintptr_t addr) {
    struct block *block = find_block(mm, addr);
    unsigned index = pte_index(addr), holds;

    if (!block)
        return;
    ptl_lock(block);
    holds = pte_holds(block_pte(block, index));
    if ((block_pte(block, index) & PTE_HELD) && holds < HOLDS_MAX) {
        block->table->pte[index] = with_holds(block_pte(block, index), holds - 1);
        if (holds == 1)
            pte_change(block, index, PTE_HELD, 0);
    }
    ptl_unlock(block);
}
