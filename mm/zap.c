/* SPDX-License-Identifier: MIT */
/* What munmap, mremap, mincore and their like do to the page tables. */
#include "mm/lru.h"
#include "mm/page_table.h"
#include "mm/swap_state.h"
#include "mm/swapfile.h"

/* Entries [first, last) of a block that lie in [start, end). */
static void clip_block(const struct block *block, uintptr_t start, uintptr_t end, unsigned *ret_first,
                       unsigned *ret_last) {
    *ret_first = start > block->start ? pte_index(start) : 0;
    *ret_last = end < block->start + BLOCK_SIZE ? pte_index(end) : PTRS_PER_TABLE;
}

static void forget_owner(struct page *page) {
    atomic_store_explicit(&page->owner, 0, memory_order_release);
}

/* Frees an entry's slot, and the page that the cache keeps for it if nobody else uses either. */
static void free_swap_and_cache(struct block *block, unsigned index) {
    struct machine *m = block->mm->machine;
    swp_entry_t entry = pte_entry(block_pte(block, index));
    struct page *page = lookup_swap_cache(m, entry);

    pte_set_absent(block, index, 0);
    swap_free(m, entry);
    if (!page)
        return;
    /* What it had in the shadow is gone, and the address is free for another page. */
    if (page_owner(page) == page_owner_of(block->mm, block_address(block, index)))
        forget_owner(page);
    if (trylock_page(page)) {
        if (page_test(page, PG_swapcache) && page->private == entry.val)
            remove_exclusive_swap_page(m, page);
        unlock_page(m, page);
    }
    /* Else whoever holds the lock, or reclaim at the latest, sees that only the cache is left. */
    release_pages(m, &page, 1, false);
}

/* Empties a present entry; its reference goes to the caller. */
static struct page *zap_present(struct block *block, unsigned index) {
    struct machine *m = block->mm->machine;
    struct page *page = pte_unmap_page(block, index, 0);

    forget_owner(page);
    if (page_test(page, PG_swapcache) && trylock_page(page)) {
        remove_exclusive_swap_page(m, page);
        unlock_page(m, page);
    }
    return page;
}

/* Range of an operation on blocks, and its outcome. */
struct range {
    uintptr_t start, end;
    unsigned char *vec; /* mincore */
    bool unkept;        /* zap: pages that are kept stay */
};

/* Forgets entries [first, last), none of which stays. Pages whose reference is the caller's now go into batch. */
static unsigned zap_run(struct block *block, unsigned first, unsigned last, struct page **batch) {
    const struct platform *p = block->mm->machine->platform;
    unsigned nr = 0;

    p->zap(p->host, block->mm, block_address(block, first), last - first);
    for (unsigned index = first; index < last; index++) {
        pte_t pte = block_pte(block, index);

        if (pte & PTE_PRESENT)
            batch[nr++] = zap_present(block, index);
        else if (pte & PTE_SWAP)
            free_swap_and_cache(block, index);
        else if (pte & PTE_POISON)
            pte_set_absent(block, index, 0);
    }
    return nr;
}

static void zap_block(struct block *block, void *arg) {
    const struct range *range = arg;
    struct machine *m = block->mm->machine;
    struct page *batch[PTRS_PER_TABLE];
    unsigned first, last, nr = 0;

    clip_block(block, range->start, range->end, &first, &last);
    ptl_lock(block);
    while (first < last && block_pte(block, first) == 0)
        first++;
    while (last > first && block_pte(block, last - 1) == 0)
        last--;
    while (first < last) {
        unsigned end = first;

        while (end < last && !(range->unkept && block_pte(block, end) & PTE_KEEP))
            end++;
        if (end > first)
            nr += zap_run(block, first, end, batch + nr);
        first = end + 1;
    }
    block_unlock_table(block);
    release_pages(m, batch, nr, false);
}

void zap_page_range(struct mm *mm, uintptr_t start, uintptr_t end) {
    struct range range = {.start = start, .end = end};

    for_each_block(mm, start, end, zap_block, &range);
}

void zap_unkept_range(struct mm *mm, uintptr_t start, uintptr_t end) {
    struct range range = {start, end, .unkept = true};

    for_each_block(mm, start, end, zap_block, &range);
}

/* -- mremap. ---------------------------------------------------------------------------------------------------------
 */

/* Moves up to nr entries of one block to one block. Both exist, the target with a table. rmap_lock held for writing. */
static void move_entries(struct block *from, unsigned from_index, struct block *to, unsigned to_index, unsigned nr) {
    struct machine *m = from->mm->machine;
    pte_t moving[PTRS_PER_TABLE];

    /* Two page-table locks never nest; between them nobody can come by the pages: rmap_lock keeps reclaim out. */
    ptl_lock(from);
    for (unsigned i = 0; i < nr; i++) {
        pte_t pte = block_pte(from, from_index + i);

        moving[i] = pte;
        MM_ASSERT(m, !(pte & PTE_PARKED));
        if (pte & PTE_PRESENT)
            pte_unmap_page(from, from_index + i, 0);
        else if (pte)
            pte_set_absent(from, from_index + i, 0);
    }
    ptl_unlock(from);

    ptl_lock(to);
    for (unsigned i = 0; i < nr; i++) {
        if (moving[i] & PTE_PRESENT) {
            struct page *page = pte_page(m, moving[i]);

            pte_map_page(to, to_index + i, page, (unsigned)moving[i] & (PTE_ZERO | PTE_KEEP));
            to->table->pte[to_index + i] |= (pte_t)pte_holds(moving[i]) << PTE_HOLDS_SHIFT;
            put_page_testzero(page);
        } else if (moving[i]) {
            pte_set_absent(to, to_index + i, moving[i]);
        }
    }
    ptl_unlock(to);
}

/* What remains of a run of len bytes at both addresses within a block each, in pages. */
static unsigned step_pages(uintptr_t from, uintptr_t to, size_t len) {
    unsigned nr = PTRS_PER_TABLE - pte_index(from);

    if (nr > PTRS_PER_TABLE - pte_index(to))
        nr = PTRS_PER_TABLE - pte_index(to);
    return len >> PAGE_SHIFT < nr ? (unsigned)(len >> PAGE_SHIFT) : nr;
}

/* A table that was made for a move and got nothing, or lost all it had, goes. */
static void drop_empty_table(struct block *block, void *arg) {
    (void)arg;
    ptl_lock(block);
    block_unlock_table(block);
}

enum mm_status prepare_page_range(struct mm *mm, uintptr_t from, uintptr_t to, size_t len) {
    for (size_t done = 0; done < len;) {
        unsigned nr = step_pages(from + done, to + done, len - done);

        if (find_block(mm, from + done)) {
            struct block *block = block_get(mm, to + done);

            if (!block || !block_lock_table(block))
                goto no_memory;
            ptl_unlock(block);
        }
        done += (size_t)nr << PAGE_SHIFT;
    }
    return MM_OK;
no_memory:
    for_each_block(mm, to, to + len, drop_empty_table, NULL);
    return MM_NOMEM;
}

enum mm_status move_page_range(struct mm *mm, uintptr_t from, uintptr_t to, size_t len) {
    const struct platform *p = mm->machine->platform;
    /* So that the move cannot fail half-way. */
    enum mm_status status = prepare_page_range(mm, from, to, len);

    if (status == MM_OK) {
        write_lock(p, &mm->rmap_lock);
        for (size_t done = 0; done < len;) {
            unsigned nr = step_pages(from + done, to + done, len - done);
            struct block *block = find_block(mm, from + done);

            if (block)
                move_entries(block, pte_index(from + done), find_block(mm, to + done), pte_index(to + done), nr);
            done += (size_t)nr << PAGE_SHIFT;
        }
        write_unlock(p, &mm->rmap_lock);
        for_each_block(mm, from, from + len, drop_empty_table, NULL);
    }
    for_each_block(mm, to, to + len, drop_empty_table, NULL);
    return status;
}

/*
 * A page on its way out whose bytes lie at this entry's place in the shadow: it becomes present again. Drops and
 * retakes the page-table lock. False: there is no such page.
 */
static bool restore_evicted(struct block *block, unsigned index) {
    struct machine *m = block->mm->machine;
    swp_entry_t entry = pte_entry(block_pte(block, index));
    uint64_t owner = page_owner_of(block->mm, block_address(block, index));
    struct page *page = lookup_swap_cache(m, entry);
    bool shadow = page && page_owner(page) == owner;

    if (!page)
        return false;
    ptl_unlock(block);
    if (shadow) {
        lock_page(m, page);
        ptl_lock(block);
        if (block_pte(block, index) == pte_of_entry(entry) && page_owner(page) == owner &&
            page_test(page, PG_swapcache)) {
            pte_map_page(block, index, page, PTE_PARKED);
            swap_free(m, entry);
        }
        ptl_unlock(block);
        unlock_page(m, page);
    }
    release_pages(m, &page, 1, false);
    ptl_lock(block);
    return shadow;
}

static void unpark_block(struct block *block, void *arg) {
    const struct range *range = arg;
    unsigned first, last;

    clip_block(block, range->start, range->end, &first, &last);
    ptl_lock(block);
    for (unsigned index = first; index < last;) {
        unsigned end = index;

        if ((block_pte(block, index) & PTE_SWAP) && restore_evicted(block, index))
            continue; /* look at it again: parked now, or under way to another slot */
        while (end < last && pte_is_parked(block_pte(block, end)))
            end++;
        if (end > index)
            index += pte_unpark(block, index, end - index);
        else
            end++;
        if (index < end)
            index++; /* not parked, or the host could not bring it back */
    }
    ptl_unlock(block);
}

void unpark_range(struct mm *mm, uintptr_t start, uintptr_t end) {
    struct range range = {.start = start, .end = end};

    for_each_block(mm, start, end, unpark_block, &range);
}

/* -- mincore. --------------------------------------------------------------------------------------------------------
 */

static void mincore_block(struct block *block, void *arg) {
    const struct range *range = arg;
    unsigned first, last;

    clip_block(block, range->start, range->end, &first, &last);
    ptl_lock(block);
    for (unsigned index = first; index < last; index++)
        if (block_pte(block, index) & PTE_PRESENT)
            range->vec[(block_address(block, index) - range->start) >> PAGE_SHIFT] = 1;
    ptl_unlock(block);
}

void mincore_range(struct mm *mm, uintptr_t start, uintptr_t end, unsigned char *vec) {
    struct range range = {start, end, .vec = vec};

    __builtin_memset(vec, 0, (end - start) >> PAGE_SHIFT);
    for_each_block(mm, start, end, mincore_block, &range);
}
