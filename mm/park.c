/* SPDX-License-Identifier: MIT */
#include "mm/park.h"

#include "mm/lru.h"
#include "mm/page_list.h"
#include "mm/page_table.h"
#include "mm/shrink.h"

#define MASK_WORDS (PTRS_PER_TABLE / 64)

/* One block's pages on their way into the shadow. */
struct park_run {
    struct block *block;
    uint64_t mask[MASK_WORDS]; /* entries that are to be parked; their pages are on no list */
    struct page_list *hot, *cold;
};

static bool mask_test(const uint64_t *mask, unsigned index) {
    return mask[index / 64] >> (index % 64) & 1u;
}

static void mask_set(uint64_t *mask, unsigned index) {
    mask[index / 64] |= UINT64_C(1) << (index % 64);
}

/* May the page of this entry lose its accessed bit? */
static bool may_park(const struct block *block, unsigned index) {
    pte_t pte = block_pte(block, index);

    return pte_is_accessible(pte) && !(pte & PTE_KEEP) && !block_is_still(block, block_address(block, index));
}

/* Sorts an isolated page whose owner lies in the block: to be parked, or to one of the lists. */
static void sort_page(struct park_run *run, struct page *page) {
    struct machine *m = run->block->mm->machine;
    unsigned index = pte_index(owner_address(page_owner(page)));
    pte_t pte = block_pte(run->block, index);

    if (!(pte & PTE_PRESENT) || pte_page(m, pte) != page || pte_is_parked(pte))
        list_add_tail(m, run->cold, page);
    else if (may_park(run->block, index))
        mask_set(run->mask, index);
    else
        list_add_tail(m, run->hot, page);
}

static void take_from_list(struct park_run *run, struct page_list *list) {
    struct machine *m = run->block->mm->machine;
    uint64_t first = page_owner_of(run->block->mm, run->block->start);

    for (struct page *page = list_page(m, list->head), *next; page; page = next) {
        next = list_page(m, page->lru_next);
        if (page_owner(page) - first >= PTRS_PER_TABLE)
            continue;
        list_del(m, list, page);
        sort_page(run, page);
    }
}

/* Isolates what the block has on the active list besides, unless it was marked accessed. */
static unsigned take_neighbours(struct park_run *run) {
    struct block *block = run->block;
    struct machine *m = block->mm->machine;
    unsigned taken = 0;

    for (unsigned index = 0; index < PTRS_PER_TABLE; index++) {
        struct page *page;

        if (!may_park(block, index) || mask_test(run->mask, index))
            continue;
        page = pte_page(m, block_pte(block, index));
        if (!page_test(page, PG_active) || page_test(page, PG_referenced) || !isolate_lru_page(m, page))
            continue;
        mask_set(run->mask, index);
        taken++;
    }
    return taken;
}

/* Has the platform park the entries of the mask and puts their pages on the lists. */
static void park_mask(struct park_run *run) {
    struct block *block = run->block;
    struct machine *m = block->mm->machine;
    uint64_t parked[MASK_WORDS], any = 0;

    for (unsigned word = 0; word < MASK_WORDS; word++)
        any |= parked[word] = run->mask[word];
    if (!any)
        return;
    m->platform->park(m->platform->host, block->mm, block->start, parked);
    for (unsigned index = 0; index < PTRS_PER_TABLE; index++) {
        if (!mask_test(run->mask, index))
            continue;
        if (mask_test(parked, index)) {
            pte_change(block, index, PTE_ZERO, PTE_PARKED);
            list_add_tail(m, run->cold, pte_page(m, block_pte(block, index)));
        } else {
            list_add_tail(m, run->hot, pte_page(m, block_pte(block, index)));
        }
    }
}

unsigned long park_pages(struct machine *m, struct page_list *list, struct page_list *cold, bool neighbours) {
    struct page_list hot;
    unsigned long taken = 0;

    page_list_init(&hot);
    while (!page_list_empty(list)) {
        struct page *page = list_page(m, list->head);
        struct park_run run = {.hot = &hot, .cold = cold};
        struct rmap_walk walk;

        if (!rmap_walk_begin(m, page, &walk)) {
            list_del(m, list, page);
            list_add_tail(m, cold, page);
            continue;
        }
        run.block = walk.block;
        take_from_list(&run, list);
        if (neighbours)
            taken += take_neighbours(&run);
        park_mask(&run);
        rmap_walk_end(&walk);
    }
    *list = hot;
    return taken;
}

/* -- MADV_COLD and MADV_PAGEOUT. -------------------------------------------------------------------------------------
 */

struct cooling {
    uintptr_t start, end;
    struct page_list pages;
};

/* Isolates the mapped pages of the range that may lose their accessed bit or have lost it. */
static void isolate_block(struct block *block, void *arg) {
    struct cooling *cooling = arg;
    struct machine *m = block->mm->machine;

    ptl_lock(block);
    for (unsigned index = 0; index < PTRS_PER_TABLE; index++) {
        uintptr_t addr = block_address(block, index);
        pte_t pte = block_pte(block, index);
        struct page *page;

        if (addr < cooling->start || addr >= cooling->end || !(pte & PTE_PRESENT) || (pte & PTE_KEEP))
            continue;
        page = pte_page(m, pte);
        if (!isolate_lru_page(m, page))
            continue;
        page_clear(page, PG_referenced);
        list_add_tail(m, &cooling->pages, page);
    }
    ptl_unlock(block);
}

static void evict_pages(struct machine *m, struct page_list *list) {
    struct scan_control sc = reclaim_freely(m, SWAP_CLUSTER_MAX);
    uint32_t saved = memalloc_save(m);

    shrink_page_list(m, list, &sc);
    memalloc_restore(m, saved);
}

void cool_range(struct mm *mm, uintptr_t start, uintptr_t end, bool evict) {
    struct machine *m = mm->machine;

    lru_add_drain_all(m);
    for (uintptr_t addr = start; addr < end; addr = (addr & ~(BLOCK_SIZE - 1)) + BLOCK_SIZE) {
        struct block *block = find_block(mm, addr);
        struct cooling cooling = {.start = start, .end = end};
        struct page_list cold;

        if (!block)
            continue;
        page_list_init(&cooling.pages);
        page_list_init(&cold);
        isolate_block(block, &cooling);
        park_pages(m, &cooling.pages, &cold, false);
        for (struct page *page = list_page(m, cold.head); page; page = list_page(m, page->lru_next))
            page_clear(page, PG_active);
        if (evict)
            evict_pages(m, &cold);
        putback_lru_pages(m, &cold);
        putback_lru_pages(m, &cooling.pages);
    }
}
