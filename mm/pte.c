/* SPDX-License-Identifier: MIT */
/* Entries of page tables, and what is counted of them. */
#include "mm/page_table.h"

static void count_absent(struct block *block, pte_t pte, int by) {
    if (pte & PTE_SWAP) {
        block->nr_swapped += (uint32_t)by;
        atomic_fetch_add_explicit(&block->mm->nr_swapped, by, memory_order_relaxed);
    }
    if (pte & PTE_POISON)
        block->nr_poisoned += (uint32_t)by;
}

static void count_flags(struct block *block, pte_t pte, int by) {
    if (pte & PTE_PARKED) {
        block->nr_parked += (uint32_t)by;
        atomic_fetch_add_explicit(&block->mm->nr_parked, by, memory_order_relaxed);
    }
    if (pte & PTE_KEEP)
        atomic_fetch_add_explicit(&block->mm->nr_locked, by, memory_order_relaxed);
}

void pte_map_page(struct block *block, unsigned index, struct page *page, unsigned flags) {
    struct mm *mm = block->mm;
    struct machine *m = mm->machine;
    pte_t pte = pte_of_page(m, page, flags);

    count_absent(block, block->table->pte[index], -1);
    block->table->pte[index] = pte;
    count_flags(block, pte, 1);
    block->nr_present++;
    atomic_fetch_add_explicit(&mm->nr_rss, 1, memory_order_relaxed);
    get_page(page);
    atomic_store_explicit(&page->owner, page_owner_of(mm, block_address(block, index)), memory_order_release);
    atomic_store_explicit(&page->mapcount, 0, memory_order_release);
    inc_zone_page_state(page_zone(m, page), NR_ANON_PAGES);
}

struct page *pte_unmap_page(struct block *block, unsigned index, pte_t pte) {
    struct mm *mm = block->mm;
    struct machine *m = mm->machine;
    struct page *page = pte_page(m, block->table->pte[index]);

    count_flags(block, block->table->pte[index], -1);
    block->nr_present--;
    atomic_fetch_sub_explicit(&mm->nr_rss, 1, memory_order_relaxed);
    block->table->pte[index] = pte;
    count_absent(block, pte, 1);
    atomic_store_explicit(&page->mapcount, -1, memory_order_release);
    dec_zone_page_state(page_zone(m, page), NR_ANON_PAGES);
    return page;
}

void pte_set_absent(struct block *block, unsigned index, pte_t pte) {
    count_absent(block, block->table->pte[index], -1);
    block->table->pte[index] = pte;
    count_absent(block, pte, 1);
}

void pte_change(struct block *block, unsigned index, unsigned clear, unsigned set) {
    pte_t *pte = &block->table->pte[index];

    count_flags(block, *pte, -1);
    *pte = (*pte & ~(pte_t)clear) | set;
    count_flags(block, *pte, 1);
}

unsigned pte_unpark(struct block *block, unsigned index, unsigned nr) {
    const struct platform *p = block->mm->machine->platform;
    unsigned done = p->unpark(p->host, block->mm, block_address(block, index), nr);

    for (unsigned i = 0; i < done; i++)
        pte_change(block, index + i, PTE_PARKED, 0);
    return done;
}
