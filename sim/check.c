/* SPDX-License-Identifier: MIT */
/* Does the machine agree with itself, and the MMU with the machine? */
#include "sim/internal.h"

#include <stdlib.h>

#include "mm/check.h"
#include "mm/filemap.h"
#include "mm/page_table.h"
#include "mm/swap_state.h"
#include "mm/swapfile.h"

/* The page that the swap cache has for an entry; no reference is left behind. */
static struct page *cached_page(struct sim *sim, swp_entry_t entry) {
    struct page *page = lookup_swap_cache(sim->machine, entry);

    if (page)
        put_page_testzero(page);
    return page;
}

/* A page that is neither dirty nor being written has its copy, as far as it keeps one. */
static bool copy_is_current(struct sim *sim, uint32_t n, const struct page *page) {
    const uint8_t *bytes = (sim->mmu[n].parked ? sim->parked : sim->mapped) + ((size_t)n << PAGE_SHIFT);

    return !page_test(page, PG_swapcache) || page_test(page, PG_dirty) || page_test(page, PG_writeback) ||
           sim_slot_holds(sim, (swp_entry_t){page->private}, bytes);
}

static const char *check_mmu_page(struct sim *sim, uint32_t n) {
    const struct sim_mmu_page *mmu = &sim->mmu[n];
    pte_t pte = sim_pte(sim, n);
    enum sim_page_state state = SIM_HOLE;
    bool parked = false;

    if (pte_is_accessible(pte))
        state = SIM_MAPPED;
    else if (pte & PTE_POISON)
        state = SIM_POISONED;
    parked = pte_is_parked(pte);
    if (pte & PTE_SWAP) {
        const struct page *page = cached_page(sim, pte_entry(pte));

        parked = page && page_owner(page) == page_owner_of(sim->mm, sim_address(n));
    }
    if (mmu->state != state)
        return "sim: a page is not mapped as its entry says";
    if (mmu->parked != parked)
        return "sim: a page's place in the shadow is not what its entry says";
    if (mmu->clean && (pte & PTE_PRESENT) && !copy_is_current(sim, n, pte_page(sim->machine, pte)))
        return "sim: a page that has not been written to differs from its copy";
    return NULL;
}

/* References that pagevecs hold. Each frame's goes into refs. */
static void count_pagevecs(struct sim *sim, uint8_t *refs) {
    struct machine *m = sim->machine;

    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++) {
        const struct pagevec *vecs[] = {&m->per_cpu[cpu].lru_add, &m->per_cpu[cpu].lru_add_active,
                                        &m->per_cpu[cpu].lru_rotate};

        for (unsigned v = 0; v < 3; v++)
            for (unsigned i = 0; i < vecs[v]->nr; i++)
                refs[page_to_pfn(m, vecs[v]->pages[i]) - m->start_pfn]++;
    }
}

/* Every page of the program's has exactly the references that its uses come to, and is on a list. */
static const char *check_references(struct sim *sim) {
    struct machine *m = sim->machine;
    uint8_t *refs = calloc(m->end_pfn - m->start_pfn, 1);
    const char *wrong = NULL;

    count_pagevecs(sim, refs);
    for (uint32_t pfn = m->start_pfn; pfn < m->end_pfn && !wrong; pfn++) {
        const struct page *page = pfn_to_page(m, pfn);
        unsigned in_pagevecs = refs[pfn - m->start_pfn];
        bool ours = page_mapped(page) || page_test(page, PG_swapcache) || page_test(page, PG_lru);
        int mappings = page_mapping(page) ? atomic_load(&page->mapcount) + 1 : page_mapped(page);
        int caches = page_test(page, PG_swapcache) || page_mapping(page) != NULL;

        if (!pfn_valid(m, pfn))
            continue;
        if (ours && page_count(page) != mappings + caches + (int)in_pagevecs)
            wrong = "sim: a page has more or fewer references than uses";
        else if (ours && !page_test(page, PG_lru) && !in_pagevecs)
            wrong = "sim: a page in use is on no list";
        else if (page_test(page, PG_locked))
            wrong = "sim: a page is locked";
    }
    free(refs);
    return wrong;
}

/* Every slot has exactly the counts that entries and the cache come to. */
static const char *check_slots(struct sim *sim, const struct sim_device *device) {
    struct machine *m = sim->machine;
    uint32_t nr_slots = device->config.nr_slots;
    unsigned d = device->type;
    uint8_t *counts = calloc(nr_slots + 1, 1);
    const char *wrong = NULL;

    for (uint32_t n = 0; n < sim->nr_region; n++) {
        pte_t pte = sim_pte(sim, n);

        if ((pte & PTE_SWAP) && swp_type(pte_entry(pte)) == d)
            counts[swp_offset(pte_entry(pte))]++;
    }
    for (uint32_t pfn = m->start_pfn; pfn < m->end_pfn; pfn++) {
        const struct page *page = pfn_to_page(m, pfn);
        swp_entry_t entry = {page->private};

        if (page_test(page, PG_swapcache) && swp_type(entry) == d)
            counts[swp_offset(entry)]++;
    }
    for (uint32_t slot = 1; slot < nr_slots && !wrong; slot++)
        if (swap_count(m, swp_entry(d, slot)) % SWAP_MAP_BAD != counts[slot])
            wrong = "sim: a swap slot has more or fewer counts than uses";
    free(counts);
    return wrong;
}

const char *sim_check(struct sim *sim) {
    const char *wrong = mm_check(sim->machine);

    if (!wrong)
        wrong = memory_check(sim->machine);
    for (uint32_t n = 0; n < sim->nr_region && !wrong; n++)
        wrong = check_mmu_page(sim, n);
    if (!wrong)
        wrong = check_references(sim);
    for (unsigned d = 0; d < SIM_DEVICES && !wrong; d++)
        if (sim->devices[d].online)
            wrong = check_slots(sim, &sim->devices[d]);
    return wrong;
}
