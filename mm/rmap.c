/* SPDX-License-Identifier: MIT */
#include "mm/rmap.h"

#include "mm/filemap.h"
#include "mm/page_table.h"
#include "mm/swap_token.h"
#include "mm/swapfile.h"

struct mm *rmap_get_mm(struct machine *m, uint64_t owner) {
    uint64_t id = owner >> 40;

    /* seq_cst pairs with mm_destroy: either it sees us, or we see that the address space is gone. */
    atomic_fetch_add_explicit(&m->rmap_walkers, 1, memory_order_seq_cst);
    return id && !(owner & PAGE_OWNER_FILE) ? __atomic_load_n(&m->mms[id - 1], __ATOMIC_SEQ_CST) : NULL;
}

void rmap_put_mm(struct machine *m) {
    atomic_fetch_sub_explicit(&m->rmap_walkers, 1, memory_order_release);
}

bool rmap_walk_begin(struct machine *m, struct page *page, struct rmap_walk *ret_walk) {
    uint64_t owner;

    while ((owner = page_owner(page)) != 0 && !(owner & PAGE_OWNER_FILE)) {
        uintptr_t addr = owner_address(owner);
        struct mm *mm = rmap_get_mm(m, owner);
        struct block *block = NULL;

        if (mm) {
            read_lock(m->platform, &mm->rmap_lock);
            block = find_block(mm, addr);
        }
        if (block) {
            ptl_lock(block);
            if (page_owner(page) == owner) {
                *ret_walk = (struct rmap_walk){.mm = mm, .block = block, .addr = addr, .index = pte_index(addr)};
                return true;
            }
            ptl_unlock(block);
        }
        if (mm)
            read_unlock(m->platform, &mm->rmap_lock);
        rmap_put_mm(m);
    }
    return false;
}

void rmap_walk_end(struct rmap_walk *walk) {
    struct machine *m = walk->mm->machine;

    ptl_unlock(walk->block);
    read_unlock(m->platform, &walk->mm->rmap_lock);
    rmap_put_mm(m);
}

static pte_t walk_pte(const struct rmap_walk *walk) {
    return block_pte(walk->block, walk->index);
}

static bool walk_maps(const struct rmap_walk *walk, const struct machine *m, const struct page *page) {
    pte_t pte = walk_pte(walk);

    return (pte & PTE_PRESENT) && pte_page(m, pte) == page;
}

unsigned page_referenced(struct machine *m, struct page *page) {
    unsigned referenced = page_test_and_clear(page, PG_referenced);
    struct address_space *mapping = page_mapping(page);
    struct rmap_walk walk;

    if (mapping)
        return page_mapped(page) && mapping->ops->referenced ? referenced + mapping->ops->referenced(mapping, page)
                                                             : referenced;
    if (page_mapped(page) && swap_token_protects(m, page_owner(page)))
        referenced++;
    /* On the active list a page that is not parked may have been so since it came: that says nothing. */
    if (!page_mapped(page) || page_test(page, PG_active) || !rmap_walk_begin(m, page, &walk))
        return referenced;
    if (walk_maps(&walk, m, page) && !pte_is_parked(walk_pte(&walk)))
        referenced++;
    rmap_walk_end(&walk);
    return referenced;
}

unsigned page_referenced_unlocked(struct machine *m, struct page *page) {
    unsigned referenced;

    if (!page_mapping(page))
        return page_referenced(m, page);
    if (!trylock_page(page))
        return 1u + page_test_and_clear(page, PG_referenced);
    referenced = page_referenced(m, page);
    unlock_page(m, page);
    return referenced;
}

enum unmap_result try_to_unmap(struct machine *m, struct page *page) {
    struct address_space *mapping = page_mapping(page);
    swp_entry_t entry = {page->private};
    enum unmap_result result = SWAP_FAIL;
    struct rmap_walk walk;
    pte_t pte;

    if (mapping)
        return mapping->ops->unmap ? mapping->ops->unmap(mapping, page) : SWAP_FAIL;
    if (!rmap_walk_begin(m, page, &walk))
        return SWAP_SUCCESS; /* zapped meanwhile */
    pte = walk_pte(&walk);
    if (!walk_maps(&walk, m, page)) {
        result = SWAP_SUCCESS;
    } else if (block_is_still(walk.block, walk.addr)) {
        result = SWAP_AGAIN;
    } else if (pte_is_parked(pte) && !(pte & PTE_KEEP) && swap_duplicate(m, entry) == MM_OK) {
        if (!page_test(page, PG_dirty) && !m->platform->parked_is_clean(m->platform->host, walk.mm, walk.addr, entry))
            page_set(page, PG_dirty);
        pte_unmap_page(walk.block, walk.index, pte_of_entry(entry));
        /* Never the last: the swap cache has one. */
        put_page_testzero(page);
        result = SWAP_SUCCESS;
    }
    rmap_walk_end(&walk);
    return result;
}

bool rmap_restore(struct machine *m, struct page *page) {
    swp_entry_t entry = {page->private};
    struct rmap_walk walk;
    bool wanted;

    if (!rmap_walk_begin(m, page, &walk))
        return false;
    wanted = walk_pte(&walk) == pte_of_entry(entry);
    if (wanted) {
        pte_map_page(walk.block, walk.index, page, PTE_PARKED);
        swap_free(m, entry);
    }
    rmap_walk_end(&walk);
    return wanted;
}

void rmap_change_entry(struct machine *m, struct page *page, swp_entry_t old, swp_entry_t new) {
    struct rmap_walk walk;

    if (!rmap_walk_begin(m, page, &walk))
        return;
    if (walk_pte(&walk) == pte_of_entry(old) && swap_duplicate(m, new) == MM_OK) {
        pte_set_absent(walk.block, walk.index, pte_of_entry(new));
        swap_free(m, old);
    }
    rmap_walk_end(&walk);
}
