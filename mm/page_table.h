/* SPDX-License-Identifier: MIT */
/*
 * page_table.h - entries of page tables and how they change. Internal to the address-space half of mm/.
 *
 * Every change keeps the block's and the address space's counters right. All with the block's page-table lock held.
 */
#ifndef MM_PAGE_TABLE_H
#define MM_PAGE_TABLE_H

#include "mm/machine.h"
#include "mm/memory.h"
#include "mm/rmap.h"

#define PTE_KEEP (PTE_LOCKED | PTE_HELD)

static inline pte_t pte_of_page(const struct machine *m, const struct page *page, unsigned flags) {
    return (pte_t)page_to_pfn(m, page) << PTE_PFN_SHIFT | PTE_PRESENT | flags;
}
static inline pte_t pte_of_entry(swp_entry_t entry) {
    return (pte_t)entry.val << PTE_PFN_SHIFT | PTE_SWAP;
}
static inline struct page *pte_page(const struct machine *m, pte_t pte) {
    return pfn_to_page(m, (uint32_t)(pte >> PTE_PFN_SHIFT));
}
static inline swp_entry_t pte_entry(pte_t pte) {
    return (swp_entry_t){(uint32_t)(pte >> PTE_PFN_SHIFT)};
}
static inline bool pte_is_parked(pte_t pte) {
    return (pte & (PTE_PRESENT | PTE_PARKED)) == (PTE_PRESENT | PTE_PARKED);
}
static inline bool pte_is_accessible(pte_t pte) {
    return (pte & (PTE_PRESENT | PTE_PARKED)) == PTE_PRESENT;
}
static inline unsigned pte_holds(pte_t pte) {
    return (unsigned)(pte >> PTE_HOLDS_SHIFT);
}
static inline pte_t block_pte(const struct block *block, unsigned index) {
    return block->table ? block->table->pte[index] : 0;
}
static inline uintptr_t block_address(const struct block *block, unsigned index) {
    return block->start + ((uintptr_t)index << PAGE_SHIFT);
}

static inline void ptl_lock(struct block *block) {
    lock_acquire(block->mm->machine->platform, &block->ptl);
}
static inline void ptl_unlock(struct block *block) {
    lock_release(block->mm->machine->platform, &block->ptl);
}

/* The block that holds addr, made if need be. NULL: no memory. Sleeps; no spinning lock held. */
struct block *block_get(struct mm *mm, uintptr_t addr);
/*
 * Takes the page-table lock of a block and sees to it that there is a table. False: no memory, and the lock is not
 * held. Sleeps.
 */
bool block_lock_table(struct block *block);
/* Drops the lock, and the table if it is empty. */
void block_unlock_table(struct block *block);

/* Maps a page not mapped so far into an empty or swap entry; the entry takes a reference. flags: PTE_ZERO, ... */
void pte_map_page(struct block *block, unsigned index, struct page *page, unsigned flags);
/* The reverse; the entry becomes pte (none or a swap entry), its reference goes to the caller. Keeps page->owner. */
struct page *pte_unmap_page(struct block *block, unsigned index, pte_t pte);
/* Replaces an entry that is not present by one that is not present either. */
void pte_set_absent(struct block *block, unsigned index, pte_t pte);
/* Sets and clears PTE_PARKED, PTE_ZERO, PTE_LOCKED or PTE_HELD of a present entry. */
void pte_change(struct block *block, unsigned index, unsigned clear, unsigned set);
/* Makes the parked entries of a run accessible: the platform's unpark, and PTE_PARKED cleared for as many as it did. */
unsigned pte_unpark(struct block *block, unsigned index, unsigned nr);

/* Would reclaim disturb a range that is to stay as it is (mm_still)? */
bool block_is_still(const struct block *block, uintptr_t addr);

#endif
