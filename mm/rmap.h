/* SPDX-License-Identifier: MIT */
/*
 * rmap.h - from a page to the page-table entry that maps it. (specification, sections 9 and 10.2)
 *
 * An anonymous page is mapped by one address space at one address: page->owner. The owner is set while the page is
 * mapped, and after that for as long as its bytes lie parked at that address: an evicted page under writeback still has
 * one. It changes under the page-table lock only. A page without an owner has its bytes at page_address().
 */
#ifndef MM_RMAP_H
#define MM_RMAP_H

#include "mm/memory.h"

struct address_space;

static inline uint64_t page_owner_of(const struct mm *mm, uintptr_t addr) {
    return (uint64_t)mm->id << 40 | addr >> PAGE_SHIFT;
}
static inline uint64_t page_owner(const struct page *page) {
    return atomic_load_explicit(&page->owner, memory_order_acquire);
}
/* The owner of a file page has this bit, which no address space's has, and the rest is its file (mm/filemap.h). */
#define PAGE_OWNER_FILE (UINT64_C(1) << 63)
static inline uint64_t page_file_owner(const struct address_space *mapping) {
    return PAGE_OWNER_FILE | (uint64_t)(uintptr_t)mapping >> 1;
}
static inline uintptr_t owner_address(uint64_t owner) {
    return (uintptr_t)(owner & ((UINT64_C(1) << 40) - 1)) << PAGE_SHIFT;
}

/*
 * The address space that an owner names, or NULL. It stays until rmap_put_mm(), to be called in either case: who frees
 * one waits for that.
 */
struct mm *rmap_get_mm(struct machine *m, uint64_t owner);
void rmap_put_mm(struct machine *m);

/* Where a page's owner is, with the page-table lock held. */
struct rmap_walk {
    struct mm *mm;
    struct block *block;
    uintptr_t addr;
    unsigned index; /* of the entry in block->table */
};

/*
 * Finds the page's owner and takes its locks. False: the page has none. The entry need not map the page any more.
 * No lock from RANK_RMAP on held.
 */
bool rmap_walk_begin(struct machine *m, struct page *page, struct rmap_walk *ret_walk);
void rmap_walk_end(struct rmap_walk *walk);

/*
 * How often the page was referenced since the last look: PG_referenced, which is cleared, and for an inactive mapped
 * page an entry that is not parked, since it was parked when the page became inactive; one more if its address space
 * has the swap token (mm/swap_token.h). Of a file page, PG_referenced
 * and what its file says. One that is not locked must not be a file page, or see page_referenced_unlocked().
 */
unsigned page_referenced(struct machine *m, struct page *page);
/* The same for a page that is not locked; a file page whose lock cannot be had counts as referenced. */
unsigned page_referenced_unlocked(struct machine *m, struct page *page);

enum unmap_result { SWAP_SUCCESS, SWAP_AGAIN, SWAP_FAIL };
/*
 * Replaces the entry of a parked page in the swap cache by its swap entry. FAIL: touched since it was parked, locked or
 * held. AGAIN: this range is to stay as it is for now. If the page had an older copy in swap and differs from it,
 * PG_dirty is set. The page is locked.
 */
enum unmap_result try_to_unmap(struct machine *m, struct page *page);

/*
 * Undoes try_to_unmap() where the page could not be written: its entry becomes present and parked again. False: nobody
 * wants the page any more. The page is locked and in the swap cache.
 */
bool rmap_restore(struct machine *m, struct page *page);
/* A page of the swap cache moves to another slot: its entry, if it still says old, follows. The page is locked. */
void rmap_change_entry(struct machine *m, struct page *page, swp_entry_t old, swp_entry_t new);

#endif
