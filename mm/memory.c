/* SPDX-License-Identifier: MIT */
#include "mm/memory.h"

#include "mm/fault.h"
#include "mm/fault_stream.h"
#include "mm/inactive_share.h"
#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/page_table.h"
#include "mm/read_around.h"

/* A first touch gets neighbours only while this many times as many frames are free, beyond pages_high. */
#define PLENTY 8u

static unsigned min_unsigned(unsigned a, unsigned b) {
    return a < b ? a : b;
}

struct fault_run fault_clip(const struct fault *fault, uintptr_t start, uintptr_t end, bool down) {
    uintptr_t block_start = fault->block->start, block_end = block_start + BLOCK_SIZE;

    if (start < fault->area->start)
        start = fault->area->start;
    if (start < block_start)
        start = block_start;
    if (end > fault->area->end)
        end = fault->area->end;
    if (end > block_end)
        end = block_end;
    return (struct fault_run){(unsigned)((start - block_start) >> PAGE_SHIFT),
                              (unsigned)((end - block_start) >> PAGE_SHIFT), down};
}

struct fault_run fault_shrink(const struct fault *fault, struct fault_run run, unsigned nr) {
    if (run.end - run.first <= nr)
        return run;
    if (run.down) {
        run.end = fault->index + 1;
        if (run.end - run.first > nr)
            run.first = run.end - nr;
    } else {
        if (run.end - fault->index < nr)
            run.first = run.end - nr;
        else
            run.first = fault->index;
        run.end = run.first + nr;
    }
    return run;
}

/* The entries around the fault's own, within run, that are of one kind with it. Page-table lock held. */
static struct fault_run alike(const struct fault *fault, struct fault_run run, bool (*kind)(pte_t pte)) {
    unsigned first = fault->index, end = fault->index + 1;

    while (first > run.first && kind(block_pte(fault->block, first - 1)))
        first--;
    while (end < run.end && kind(block_pte(fault->block, end)))
        end++;
    return (struct fault_run){first, end, run.down};
}

static bool pte_is_none(pte_t pte) {
    return pte == 0;
}

/* How many pages a first touch outside any stream is given. */
static unsigned fresh_chunk(struct machine *m) {
    unsigned fresh = m->tune.fault_around_fresh;
    const struct zone *zone = gfp_zonelist(m, GFP_HIGHUSER_MOVABLE)->zones[0];

    if (fresh <= 1 || !zone || zone_page_state(zone, NR_FREE_PAGES) <= zone->pages_high + (unsigned long)PLENTY * fresh)
        return 1;
    /* A power of two, so that chunks do not overlap. */
    return 1u << (31 - __builtin_clz(fresh));
}

/* Has the platform map zeros at entries [first, first + nr) and gives them pages. Returns how many it took. */
static unsigned map_fresh(struct fault *fault, unsigned first, unsigned nr, struct page **pages) {
    struct block *block = fault->block;
    struct machine *m = fault->mm->machine;
    const struct platform *p = m->platform;
    unsigned done = p->map_zero(p->host, fault->mm, block_address(block, first), pages, nr);

    for (unsigned i = 0; i < done; i++) {
        pte_map_page(block, first + i, pages[i], PTE_ZERO | fault_pte_flags(fault));
        lru_cache_add_active(m, pages[i]);
    }
    return done;
}

/* A first touch. Called with the page-table lock held, returns without it; as do_swap_page(). */
static bool do_anonymous_page(struct fault *fault) {
    struct machine *m = fault->mm->machine;
    struct fault_window window = fault_stream_window(fault->mm, fault->addr, fresh_chunk(m), m->tune.fault_around_max);
    struct fault_run run = alike(fault, fault_clip(fault, window.start, window.end, window.down), pte_is_none);
    struct page *pages[PTRS_PER_TABLE];
    unsigned nr, got, done = 0;

    ptl_unlock(fault->block);
    got = alloc_pages_bulk(m, GFP_HIGHUSER_MOVABLE, run.end - run.first, pages);
    fault->result = FAULT_OOM;
    if (got == 0)
        return true;
    if (!block_lock_table(fault->block))
        goto out_unlocked;
    if (block_pte(fault->block, fault->index) != 0) {
        block_unlock_table(fault->block);
        release_pages(m, pages, got, false);
        return false;
    }

    run = fault_shrink(fault, alike(fault, run, pte_is_none), got);
    nr = run.end - run.first;
    done = map_fresh(fault, run.first, nr, pages);
    fault->result = FAULT_MINOR;
    if (run.first + done <= fault->index) {
        unsigned one = map_fresh(fault, fault->index, 1, pages + done);

        done += one;
        if (!one)
            fault->result = FAULT_SPURIOUS; /* the host is busy there: the touch comes again */
    }
    fault->nr_pages = done;
    block_unlock_table(fault->block);
out_unlocked:
    /* Those mapped keep the reference of their entry; those not needed are free again. */
    release_pages(m, pages, got, false);
    return true;
}

/* A parked page has been touched: that is its accessed bit. Page-table lock held. */
static void do_parked_page(struct fault *fault) {
    struct machine *m = fault->mm->machine;
    struct fault_window window = fault_stream_window(fault->mm, fault->addr, 1, m->tune.fault_around_max);
    struct fault_run run = alike(fault, fault_clip(fault, window.start, window.end, window.down), pte_is_parked);
    struct block *block = fault->block;
    unsigned done = pte_unpark(block, run.first, run.end - run.first);
    pte_t pte;

    if (run.first + done <= fault->index)
        done += pte_unpark(block, fault->index, 1);
    pte = block_pte(block, fault->index);
    fault->nr_pages = done;
    fault->result = pte_is_parked(pte) ? FAULT_SPURIOUS : FAULT_SOFT;
    if (fault->result == FAULT_SPURIOUS)
        return;
    if ((fault->area->flags & VM_LOCKED) && !(pte & PTE_LOCKED))
        pte_change(block, fault->index, 0, PTE_LOCKED);
    read_around_hit(m, pte_page(m, pte));
    inactive_share_note_touch(page_zone(m, pte_page(m, pte)));
    activate_page(m, pte_page(m, pte));
}

/* One look at the entry. False: look again. */
static bool handle_pte_fault(struct fault *fault) {
    struct mm *mm = fault->mm;
    const struct platform *p = mm->machine->platform;
    pte_t pte;

    fault->area = find_area(mm, fault->addr);
    fault->result = FAULT_SPURIOUS;
    if (!fault->area || (fault->area->flags & VM_FOREIGN))
        return true; /* unmapped since the touch: the task finds that out by itself */
    fault->result = FAULT_OOM;
    if (atomic_load_explicit(&mm->flags, memory_order_seq_cst) & MM_UNSTABLE)
        return true;
    fault->block = block_get(mm, fault->addr);
    fault->result = FAULT_OOM;
    if (!fault->block)
        return true;

    ptl_lock(fault->block);
    pte = block_pte(fault->block, fault->index);
    if (pte & PTE_SWAP)
        return do_swap_page(fault, pte_entry(pte));
    if (pte == 0)
        return do_anonymous_page(fault);
    if (pte_is_parked(pte)) {
        do_parked_page(fault);
    } else if (pte & PTE_POISON) {
        p->poison(p->host, mm, fault->addr, pte_entry(pte));
        fault->result = FAULT_SIGBUS;
    } else {
        fault->result = FAULT_SPURIOUS;
    }
    ptl_unlock(fault->block);
    return true;
}

enum fault_result handle_mm_fault(struct mm *mm, uintptr_t addr, bool write, unsigned *ret_pages, unsigned *ret_type) {
    struct fault fault = {.mm = mm, .addr = addr & PAGE_MASK, .index = pte_index(addr)};

    /* All areas are private: a page is the writer's own from its first touch on. */
    (void)write;
    count_vm_event(mm->machine, PGFAULT);
    if (addr < mm->start || addr >= mm->end)
        return FAULT_SPURIOUS;
    while (!handle_pte_fault(&fault))
        ;
    if (ret_pages)
        *ret_pages = fault.nr_pages;
    if (ret_type && fault.result == FAULT_MAJOR)
        *ret_type = fault.type;
    return fault.result;
}

/* The first page of [addr, end) that a touch would fault on, or end. */
static uintptr_t first_absent(struct mm *mm, uintptr_t addr, uintptr_t end) {
    while (addr < end) {
        struct block *block = find_block(mm, addr);
        unsigned index = pte_index(addr);
        unsigned last = min_unsigned(PTRS_PER_TABLE, index + (unsigned)((end - addr) >> PAGE_SHIFT));

        if (!block)
            return addr;
        ptl_lock(block);
        while (index < last && pte_is_accessible(block_pte(block, index)))
            index++;
        ptl_unlock(block);
        addr = block_address(block, index);
        if (index < last)
            return addr;
    }
    return end;
}

enum mm_status populate_range(struct mm *mm, uintptr_t start, uintptr_t end) {
    for (uintptr_t addr = start; (addr = first_absent(mm, addr, end)) < end;) {
        const struct vm_area *area = find_area(mm, addr);

        if (!area || (area->flags & VM_FOREIGN))
            return MM_FAULT;
        switch (handle_mm_fault(mm, addr, true, NULL, NULL)) {
        case FAULT_OOM:
            return MM_NOMEM;
        case FAULT_SIGBUS:
            return MM_IO;
        default:
            break;
        }
    }
    return MM_OK;
}
