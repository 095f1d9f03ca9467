/* SPDX-License-Identifier: MIT */
/* What must hold of page tables, the pages they map and the swap cache while no task is inside the core. */
#include "mm/buddy.h"
#include "mm/page_table.h"
#include "mm/swap_state.h"
#include "mm/swapfile.h"
#include "mm/workingset.h"

struct tally {
    const char *wrong;
    uint32_t present, parked, swapped, poisoned;
    long rss, nr_parked, nr_swapped, locked; /* of the address space */
};

static const char *check_present(const struct block *block, unsigned index, pte_t pte) {
    struct machine *m = block->mm->machine;
    const struct page *page = pte_page(m, pte);

    if (!pfn_valid(m, page_to_pfn(m, page)))
        return "page table: an entry maps a frame that does not exist";
    if (page_owner(page) != page_owner_of(block->mm, block_address(block, index)) || !page_mapped(page))
        return "page table: a mapped page has another owner";
    if (page_count(page) < 1 || frame_is_free(page_zone(m, page), page_to_pfn(m, page)) || page_test(page, PG_pcp))
        return "page table: an entry maps a free page";
    if ((pte & PTE_PARKED) && (pte & (PTE_KEEP | PTE_ZERO)))
        return "page table: a page that is kept is parked";
    if (!!(pte & PTE_HELD) != (pte_holds(pte) != 0))
        return "page table: PTE_HELD without holds, or holds without it";
    return NULL;
}

static const char *check_entry(const struct block *block, unsigned index, struct tally *tally) {
    pte_t pte = block_pte(block, index);

    if (pte & PTE_PRESENT) {
        tally->present++;
        tally->parked += (pte & PTE_PARKED) != 0;
        tally->locked += (pte & PTE_KEEP) != 0;
        return check_present(block, index, pte);
    }
    if (pte & PTE_SWAP) {
        tally->swapped++;
        if (swap_count(block->mm->machine, pte_entry(pte)) % SWAP_MAP_BAD == 0)
            return "page table: an entry names a swap slot that is free, or bad";
    } else if (pte & PTE_POISON) {
        tally->poisoned++;
    } else if (pte) {
        return "page table: an entry is of no kind";
    }
    return NULL;
}

static void check_block(struct block *block, void *arg) {
    struct tally *tally = arg;

    if (tally->wrong)
        return;
    tally->present = tally->parked = tally->swapped = tally->poisoned = 0;
    for (unsigned index = 0; index < PTRS_PER_TABLE && !tally->wrong; index++)
        tally->wrong = check_entry(block, index, tally);
    tally->rss += tally->present;
    tally->nr_parked += tally->parked;
    tally->nr_swapped += tally->swapped;
    if (tally->wrong)
        return;
    if (block->nr_present != tally->present || block->nr_parked != tally->parked ||
        block->nr_swapped != tally->swapped || block->nr_poisoned != tally->poisoned)
        tally->wrong = "page table: a block's counters are not what its entries are";
    else if (block->table && tally->present + tally->swapped + tally->poisoned == 0)
        tally->wrong = "page table: an empty table has been kept";
    else if (lock_is_held(&block->ptl))
        tally->wrong = "lock: a page-table lock is held";
}

static const char *check_mm(struct mm *mm) {
    struct tally tally = {0};

    for_each_block(mm, mm->start, mm->end, check_block, &tally);
    if (tally.wrong)
        return tally.wrong;
    if (tally.rss != atomic_load_explicit(&mm->nr_rss, memory_order_relaxed) ||
        tally.nr_parked != atomic_load_explicit(&mm->nr_parked, memory_order_relaxed) ||
        tally.nr_swapped != atomic_load_explicit(&mm->nr_swapped, memory_order_relaxed) ||
        tally.locked != atomic_load_explicit(&mm->nr_locked, memory_order_relaxed))
        return "mm: the counters of an address space are not what its entries are";
    return NULL;
}

static const char *check_cached(struct machine *m, struct page *page) {
    swp_entry_t entry = {page->private};
    struct page *found = lookup_swap_cache(m, entry);

    if (found)
        put_page_testzero(found);
    if (found != page)
        return "swap cache: a page says that it is in the cache, and is not found there";
    if (swap_count(m, entry) == 0)
        return "swap cache: a page's slot is free";
    return NULL;
}

/* What the cache's index has, of shadows or of pages. */
static unsigned long count_cached(struct machine *m, bool shadows) {
    swp_entry_t at = {0};
    unsigned long nr = 0;
    uint32_t value;

    for (; (value = swap_cache_next(m, &at)) != PFN_NONE; at.val++)
        nr += is_shadow(value) == shadows;
    return nr;
}

/* Every page of the swap cache is found there, and there are no others. */
static const char *check_swap_cache(struct machine *m) {
    unsigned long cached = 0;
    const char *wrong = NULL;

    for (uint32_t pfn = m->start_pfn; pfn < m->end_pfn && !wrong; pfn++) {
        struct page *page = pfn_to_page(m, pfn);

        if (!pfn_valid(m, pfn))
            continue;
        if (page_mapped(page) && !page_owner(page))
            return "rmap: a mapped page has no owner";
        if (!page_test(page, PG_swapcache))
            continue;
        cached++;
        wrong = check_cached(m, page);
    }
    if (!wrong && cached != swap_cache_pages(m))
        wrong = "swap cache: its count of pages is wrong";
    if (!wrong && count_cached(m, true) != swap_cache_shadows(m))
        wrong = "swap cache: its count of shadows is wrong";
    if (!wrong && count_cached(m, false) != cached)
        wrong = "swap cache: it has pages that do not say so";
    return wrong;
}

/* All page-table memory belongs to some address space: its head, and what it counts as its own. */
static const char *check_tables(struct machine *m) {
    long tables = 0;

    for (unsigned i = 0; i < MAX_MMS; i++)
        if (m->mms[i])
            tables += 1 + atomic_load_explicit(&m->mms[i]->nr_tables, memory_order_relaxed);
    for_each_populated_zone(m, zone) tables -= zone_page_state_exact(zone, NR_PAGETABLE);
    return tables ? "mm: NR_PAGETABLE is not what the address spaces have" : NULL;
}

const char *memory_check(struct machine *m) {
    const char *wrong = NULL;

    if (atomic_load_explicit(&m->rmap_walkers, memory_order_relaxed) != 0)
        return "rmap: a walk has not ended";
    for (unsigned i = 0; i < MAX_MMS && !wrong; i++)
        if (m->mms[i])
            wrong = check_mm(m->mms[i]);
    if (!wrong)
        wrong = check_tables(m);
    return wrong ? wrong : check_swap_cache(m);
}
