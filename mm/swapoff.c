/* SPDX-License-Identifier: MIT */
#include "mm/swapon.h"

#include "mm/lru.h"
#include "mm/page_table.h"
#include "mm/swap_area.h"
#include "mm/swap_state.h"

/* Rounds over all address spaces that bring nothing back, before what is left counts as somebody else's. */
#define FRUITLESS_ROUNDS 4

struct unuse {
    struct machine *m;
    unsigned type;
    enum mm_status status; /* MM_OK: go on */
};

static enum mm_status interruption(const struct machine *m) {
    const struct platform *p = m->platform;

    if (atomic_load_explicit(&mm_current(m)->flags, memory_order_relaxed) & TIF_MEMDIE)
        return MM_INTERRUPTED;
    return p->signal_pending && p->signal_pending(p->host) ? MM_INTERRUPTED : MM_OK;
}

/* The first entry from index on that names a slot of the area, or PTRS_PER_TABLE. */
static unsigned next_swapped(struct block *block, unsigned index, unsigned type) {
    ptl_lock(block);
    while (index < PTRS_PER_TABLE) {
        pte_t pte = block_pte(block, index);

        if ((pte & PTE_SWAP) && swp_type(pte_entry(pte)) == type)
            break;
        index++;
    }
    ptl_unlock(block);
    return index;
}

/* Every page of the block that lies in the area is brought in by a fault of ours. */
static void unuse_block(struct block *block, void *arg) {
    struct unuse *unuse = arg;
    struct mm *mm = block->mm;
    const struct platform *p = unuse->m->platform;
    unsigned index = 0;

    if (unuse->status != MM_OK)
        return;
    read_lock(p, &mm->mmap_lock);
    while (unuse->status == MM_OK && (index = next_swapped(block, index, unuse->type)) < PTRS_PER_TABLE) {
        unuse->status = interruption(unuse->m);
        if (unuse->status == MM_OK && handle_mm_fault(mm, block_address(block, index), false, NULL, NULL) == FAULT_OOM)
            unuse->status = MM_NOMEM;
        index++;
    }
    read_unlock(p, &mm->mmap_lock);
}

static void unuse_address_spaces(struct unuse *unuse) {
    struct machine *m = unuse->m;

    for (uint64_t id = 1; id <= MAX_MMS && unuse->status == MM_OK; id++) {
        struct mm *mm = rmap_get_mm(m, id << 40);

        if (mm)
            for_each_block(mm, mm->start, mm->end, unuse_block, unuse);
        rmap_put_mm(m);
    }
}

/* Slots that only the swap cache still counts on: the page is back in memory, or nobody wants it. */
static void unuse_swap_cache(struct unuse *unuse) {
    struct machine *m = unuse->m;
    uint32_t offset = 0;

    while (unuse->status == MM_OK && (offset = swap_next_used(m, unuse->type, offset + 1)) != 0) {
        swp_entry_t entry = swp_entry(unuse->type, offset);
        struct page *page = lookup_swap_cache(m, entry);

        unuse->status = interruption(m);
        if (!page)
            continue;
        lock_page(m, page);
        wait_on_page_writeback(m, page);
        if (page_test(page, PG_swapcache) && page->private == entry.val)
            remove_exclusive_swap_page(m, page);
        unlock_page(m, page);
        release_pages(m, &page, 1, false);
    }
}

static enum mm_status try_to_unuse(struct machine *m, unsigned type) {
    struct unuse unuse = {.m = m, .type = type};
    unsigned fruitless = 0;
    uint32_t left;

    while (unuse.status == MM_OK && (left = swap_inuse(m, type)) != 0) {
        unuse_address_spaces(&unuse);
        unuse_swap_cache(&unuse);
        if (unuse.status != MM_OK || swap_inuse(m, type) < left) {
            fruitless = 0;
            continue;
        }
        /* Entries on the move (mremap), or pages that the host is busy with, are back by the next time round. */
        if (++fruitless == FRUITLESS_ROUNDS)
            return MM_BUSY;
        m->platform->sleep(m->platform->host, TICK_NS);
    }
    return unuse.status;
}

enum mm_status swapoff(struct machine *m, unsigned type) {
    struct task *task = mm_current(m);
    uint32_t was = atomic_load_explicit(&task->flags, memory_order_relaxed);
    struct swap_area_state state;
    enum mm_status status;

    if (!(was & TASK_SYS_ADMIN))
        return MM_PERM;
    if (!swap_area_state(m, type, &state))
        return MM_INVAL;
    if (!vm_enough_memory(m, state.pages, true))
        return MM_NOMEM;
    if (!swap_area_drain(m, type))
        return MM_INVAL;

    atomic_fetch_or_explicit(&task->flags, PF_SWAPOFF, memory_order_relaxed);
    status = try_to_unuse(m, type);
    if (!(was & PF_SWAPOFF))
        atomic_fetch_and_explicit(&task->flags, ~(uint32_t)PF_SWAPOFF, memory_order_relaxed);
    if (status == MM_OK)
        status = swap_remove(m, type);
    if (status != MM_OK)
        swap_set_writable(m, type, true);
    return status;
}

bool vm_enough_memory(const struct machine *m, unsigned long pages, bool privileged) {
    long nr_swap = __atomic_load_n(&m->nr_swap_pages, __ATOMIC_RELAXED);
    unsigned long enough = global_page_state(m, NR_FILE_PAGES) + global_page_state(m, NR_SLAB_RECLAIMABLE);
    unsigned long free = global_page_state(m, NR_FREE_PAGES);

    enough += nr_swap > 0 ? (unsigned long)nr_swap : 0;
    if (!privileged)
        enough -= enough / 32;
    if (enough > pages)
        return true;
    if (free <= m->totalreserve_pages)
        return false;
    free -= m->totalreserve_pages;
    if (!privileged)
        free -= free / 32;
    return enough + free > pages;
}
