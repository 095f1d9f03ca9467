/* SPDX-License-Identifier: MIT */
/* Faults on swapped-out pages: do_swap_page() of the book, with its neighbours by address. */
#include "mm/fault.h"

#include "mm/fault_stream.h"
#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/page_io.h"
#include "mm/page_table.h"
#include "mm/psi.h"
#include "mm/read_around.h"
#include "mm/probation.h"
#include "mm/swap_state.h"
#include "mm/swap_token.h"
#include "mm/swapfile.h"

/* The entry's page is lost: reading it failed. Page-table lock held. */
static void poison_entry(struct fault *fault, swp_entry_t entry) {
    struct machine *m = fault->mm->machine;

    pte_set_absent(fault->block, fault->index, (pte_t)entry.val << PTE_PFN_SHIFT | PTE_POISON);
    m->platform->poison(m->platform->host, fault->mm, fault->addr, entry);
    swap_free(m, entry);
    fault->result = FAULT_SIGBUS;
}

/* Gives up the slot of a page that is back, if it is to; the page is locked and mapped. */
static void settle_slot(struct machine *m, struct page *page, bool give_up) {
    if (give_up)
        remove_exclusive_swap_page(m, page);
}

/* The page was on its way out, and its bytes still lie parked where they were. */
static void bring_back_parked(struct fault *fault, struct page *page, swp_entry_t entry) {
    struct machine *m = fault->mm->machine;

    pte_map_page(fault->block, fault->index, page, PTE_PARKED);
    swap_free(m, entry);
    fault->result = FAULT_SPURIOUS;
    if (pte_unpark(fault->block, fault->index, 1) == 0)
        return;
    if (fault->area->flags & VM_LOCKED)
        pte_change(fault->block, fault->index, 0, PTE_LOCKED);
    /* A slot that has not been written is worth nothing. */
    settle_slot(m, page, page_test(page, PG_dirty) || swap_gives_up_slot(m, entry));
    fault->nr_pages = 1;
    fault->result = FAULT_SOFT;
    activate_page(m, page);
}

/* Read ahead: its bytes are at page_address(). */
static void map_cached(struct fault *fault, struct page *page, swp_entry_t entry) {
    struct machine *m = fault->mm->machine;
    const struct platform *p = m->platform;
    unsigned map_flags = swap_gives_up_slot(m, entry) ? 0 : MAP_CLEAN;

    if (!page_test(page, PG_uptodate)) {
        poison_entry(fault, entry);
        return;
    }
    fault->result = FAULT_SPURIOUS;
    if (p->map_pages(p->host, fault->mm, fault->addr, &page, 1, map_flags) == 0)
        return;
    pte_map_page(fault->block, fault->index, page, fault_pte_flags(fault));
    /* What it leaves at page_address() is of no more use. */
    if (p->frame_to_user)
        p->frame_to_user(p->host, page_to_pfn(m, page));
    swap_free(m, entry);
    settle_slot(m, page, !map_flags);
    if (!page_test(page, PG_probation))
        mark_page_accessed(m, page);
    fault->nr_pages = 1;
    fault->result = FAULT_SOFT;
}

/* Maps a page found in the swap cache; takes over its reference. */
static bool map_from_cache(struct fault *fault, struct page *page, swp_entry_t entry) {
    struct machine *m = fault->mm->machine;
    struct block *block = fault->block;
    bool same;

    lock_page(m, page);
    ptl_lock(block);
    same = block_pte(block, fault->index) == pte_of_entry(entry) && page_test(page, PG_swapcache) &&
           page->private == entry.val;
    if (same && page_owner(page) != 0) {
        MM_ASSERT(m, page_owner(page) == page_owner_of(fault->mm, fault->addr));
        bring_back_parked(fault, page, entry);
    } else if (same) {
        map_cached(fault, page, entry);
    }
    block_unlock_table(block);
    if (same && fault->result == FAULT_SIGBUS)
        remove_exclusive_swap_page(m, page);
    unlock_page(m, page);
    put_page(m, page);
    return same;
}

/* One fault in so many of a stride tells what is ahead. */
#define STRIDE_INTERVAL 8u

/* -- a window of neighbours by address. -------------------------------------------------------------------------- */

struct swapin {
    swp_entry_t entries[PTRS_PER_TABLE];
    struct page *pages[PTRS_PER_TABLE];
    enum mm_status status[PTRS_PER_TABLE];
    unsigned first, end; /* entries [first, end) of the fault's block; arrays start at first */
    bool stream;         /* the window is a stream's */
    bool down;           /* the stream's direction */
    bool around;         /* no stream: the neighbours may be wanted, and are to be parked */
    intptr_t stride;     /* no stream: how far away the next fault is likely to be, in bytes; 0: unknown */
};

/* Notes the run of swapped entries of one area around the fault's. False: that one has changed. */
static bool choose_run(struct fault *fault, swp_entry_t entry, struct swapin *in) {
    unsigned max = fault->mm->machine->tune.fault_around_max;
    unsigned around = swap_gives_up_slot(fault->mm->machine, entry) ? 1 : read_around_window(fault->mm->machine);
    struct fault_window window = fault_stream_window(fault->mm, fault->addr, around < max ? around : 1, max);
    struct fault_run run = fault_clip(fault, window.start, window.end, window.down);
    struct block *block = fault->block;
    bool same;

    in->first = fault->index;
    in->end = fault->index + 1;
    in->stream = window.stream;
    in->stride = window.stride;
    in->down = run.down;
    in->around = !window.stream && around > 1;
    ptl_lock(block);
    same = block_pte(block, fault->index) == pte_of_entry(entry);
    while (same && in->first > run.first) {
        pte_t pte = block_pte(block, in->first - 1);

        if (!(pte & PTE_SWAP) || swp_type(pte_entry(pte)) != swp_type(entry))
            break;
        in->first--;
    }
    while (same && in->end < run.end) {
        pte_t pte = block_pte(block, in->end);

        if (!(pte & PTE_SWAP) || swp_type(pte_entry(pte)) != swp_type(entry))
            break;
        in->end++;
    }
    for (unsigned i = in->first; same && i < in->end; i++)
        in->entries[i - in->first] = pte_entry(block_pte(block, i));
    ptl_unlock(block);
    return same;
}

/* Cuts the run to [first, end), which it holds. */
static void cut_run(struct swapin *in, unsigned first, unsigned end) {
    unsigned skip = first - in->first;

    for (unsigned i = 0; skip && i < end - first; i++) {
        in->entries[i] = in->entries[i + skip];
        in->pages[i] = in->pages[i + skip];
    }
    in->first = first;
    in->end = end;
}

/*
 * Enters the run's pages into the swap cache, from the fault's outwards, as far as it goes without a gap; frees the
 * rest. MM_OK: the fault's own is among them; else all are free.
 */
static enum mm_status enter_run(struct fault *fault, struct swapin *in) {
    struct machine *m = fault->mm->machine;
    unsigned first = fault->index, end = first, nr = in->end - in->first;
    enum mm_status status;

    status = swap_cache_prepare(m, in->pages[end - in->first], in->entries[end - in->first], GFP_KERNEL);
    if (status == MM_OK) {
        end++;
        while (end < in->end && swap_cache_prepare(m, in->pages[end - in->first], in->entries[end - in->first],
                                                   GFP_NOWAIT | __GFP_NOWARN) == MM_OK)
            end++;
        while (first > in->first &&
               swap_cache_prepare(m, in->pages[first - 1 - in->first], in->entries[first - 1 - in->first],
                                  GFP_NOWAIT | __GFP_NOWARN) == MM_OK)
            first--;
    }
    release_pages(m, in->pages, first - in->first, false);
    release_pages(m, in->pages + (end - in->first), nr - (end - in->first), false);
    cut_run(in, first, end);
    return status;
}

static bool can_map(const struct fault *fault, const struct swapin *in, unsigned index) {
    return index < in->end && in->status[index - in->first] == MM_OK &&
           block_pte(fault->block, index) == pte_of_entry(in->entries[index - in->first]);
}

/* Maps pages [first, end) of the run, all of which can be. Returns how many. Page-table lock held. */
static unsigned map_run(struct fault *fault, struct swapin *in, unsigned first, unsigned end, bool give_up) {
    struct machine *m = fault->mm->machine;
    const struct platform *p = m->platform;
    struct page **pages = in->pages + (first - in->first);
    unsigned done = p->map_pages(p->host, fault->mm, block_address(fault->block, first), pages, end - first,
                                 give_up ? 0 : MAP_CLEAN);

    for (unsigned i = 0; i < done; i++) {
        pte_map_page(fault->block, first + i, pages[i], fault_pte_flags(fault));
        swap_free(m, in->entries[first + i - in->first]);
        settle_slot(m, pages[i], give_up);
        if (page_test(pages[i], PG_probation) && !m->tune.probation) {
            lru_cache_add(m, pages[i]);
            continue;
        }
        if (m->tune.probation && (page_test(pages[i], PG_probation) || !m->tune.workingset_anon)) {
            lru_cache_add_on_probation(m, pages[i]);
            continue;
        }
        lru_cache_add_active(m, pages[i]);
        if (first + i == fault->index)
            mark_page_accessed(m, pages[i]);
    }
    return done;
}

/* Makes pages [first, end) of the run resident but not accessible. Page-table lock held. */
static unsigned park_run(struct fault *fault, struct swapin *in, unsigned first, unsigned end) {
    struct machine *m = fault->mm->machine;
    const struct platform *p = m->platform;
    struct page **pages = in->pages + (first - in->first);
    unsigned done = p->map_parked(p->host, fault->mm, block_address(fault->block, first), pages, end - first);

    for (unsigned i = 0; i < done; i++) {
        pte_map_page(fault->block, first + i, pages[i], PTE_PARKED);
        swap_free(m, in->entries[first + i - in->first]);
        /* Parked as it is, a touch is a reason to keep it. */
        page_clear(pages[i], PG_probation);
        page_set(pages[i], PG_readahead);
        lru_cache_add(m, pages[i]);
    }
    return done;
}

static void park_neighbours(struct fault *fault, struct swapin *in) {
    unsigned end;

    for (unsigned index = in->first; index < in->end; index = end + 1) {
        for (end = index; end != fault->index && can_map(fault, in, end); end++)
            ;
        if (end > index)
            park_run(fault, in, index, end);
    }
}

static void map_read_pages(struct fault *fault, struct swapin *in) {
    unsigned mapped = 0, index = in->first;
    bool give_up = swap_gives_up_slot(fault->mm->machine, in->entries[0]);
    swp_entry_t own = in->entries[fault->index - in->first];

    while (index < in->end && !in->around) {
        unsigned end = index;

        while (can_map(fault, in, end))
            end++;
        if (end > index)
            mapped += map_run(fault, in, index, end, give_up);
        index = end + 1;
    }
    /* The host may have stopped short of the page that matters. */
    if (can_map(fault, in, fault->index))
        mapped += map_run(fault, in, fault->index, fault->index + 1, give_up);
    if (in->around && mapped)
        park_neighbours(fault, in);
    fault->nr_pages = mapped;
    fault->result = FAULT_SPURIOUS;
    if (block_pte(fault->block, fault->index) & PTE_PRESENT)
        fault->result = FAULT_MAJOR;
    else if (in->status[fault->index - in->first] != MM_OK &&
             block_pte(fault->block, fault->index) == pte_of_entry(own))
        poison_entry(fault, own);
}

/* The device goes on while these pages are mapped and used. */
static void tell_ahead(struct fault *fault, const struct swapin *in, unsigned type) {
    struct fault_streams *streams = fault->mm->streams;

    if (!fault->mm->machine->platform->swap_prefetch)
        return;
    if (in->stream)
        prefetch_ahead(fault, block_address(fault->block, in->down ? in->first : in->end), in->down, type);
    /* A stride's pages come one by one: several are told at a time, long before they are wanted. */
    else if (in->stride && atomic_fetch_add_explicit(&streams->strided, 1, memory_order_relaxed) % STRIDE_INTERVAL == 0)
        prefetch_stride(fault, in->stride, type);
}

static bool read_window(struct fault *fault, swp_entry_t entry) {
    struct machine *m = fault->mm->machine;
    struct swapin in;
    struct fault_run run;
    enum mm_status status;
    unsigned nr;

    if (!choose_run(fault, entry, &in))
        return false;
    nr = alloc_pages_bulk(m, GFP_HIGHUSER_MOVABLE, in.end - in.first, in.pages);
    fault->result = FAULT_OOM;
    if (nr == 0)
        return true;
    run = fault_shrink(fault, (struct fault_run){in.first, in.end, in.down}, nr);
    for (unsigned i = 0; i < nr; i++)
        in.entries[i] = in.entries[i + run.first - in.first];
    in.first = run.first;
    in.end = run.end;

    status = enter_run(fault, &in);
    if (status != MM_OK)
        return status == MM_NOMEM; /* else somebody reads it, or the entry has changed */
    nr = in.end - in.first;
    swap_pages_read(m, in.entries, in.pages, nr, in.status);
    tell_ahead(fault, &in, swp_type(entry));
    count_vm_events(m, PSWPIN, nr);
    count_vm_events(m, PGPGIN, nr * (PAGE_SIZE / 512));
    count_vm_event(m, PGMAJFAULT);
    fault->type = swp_type(entry);
    for (unsigned i = 0; i < nr; i++)
        if (in.status[i] == MM_OK)
            page_set(in.pages[i], PG_uptodate);

    ptl_lock(fault->block);
    map_read_pages(fault, &in);
    block_unlock_table(fault->block);
    for (unsigned i = 0; i < nr; i++) {
        /* A page that is not mapped goes: its bytes were only where this task's map_pages() would have found them. */
        if (!page_mapped(in.pages[i]) && page_test(in.pages[i], PG_swapcache))
            delete_from_swap_cache(m, in.pages[i]);
        unlock_page(m, in.pages[i]);
    }
    release_pages(m, in.pages, nr, false);
    return true;
}

/* -- the specification's way: around the slot, into the swap cache. ---------------------------------------------- */

static bool read_slots(struct fault *fault, swp_entry_t entry) {
    struct machine *m = fault->mm->machine;
    struct page *page;
    bool done;

    switch (swapin_readahead(m, entry, GFP_HIGHUSER_MOVABLE, &page)) {
    case MM_OK:
        break;
    case MM_NOMEM:
        fault->result = FAULT_OOM;
        return true;
    default:
        return false; /* the slot is free: the entry has changed */
    }
    count_vm_event(m, PGMAJFAULT);
    done = map_from_cache(fault, page, entry);
    if (done && fault->result == FAULT_SOFT)
        fault->result = FAULT_MAJOR;
    fault->type = swp_type(entry);
    return done;
}

static bool bring_in(struct fault *fault, swp_entry_t entry) {
    struct machine *m = fault->mm->machine;
    struct page *page = lookup_swap_cache(m, entry);

    if (page)
        return map_from_cache(fault, page, entry);
    grab_swap_token(fault->mm);
    return m->tune.fault_around_max ? read_window(fault, entry) : read_slots(fault, entry);
}

bool do_swap_page(struct fault *fault, swp_entry_t entry) {
    struct machine *m = fault->mm->machine;
    bool stalls, done;

    ptl_unlock(fault->block);
    stalls = psi_memstall_enter(m);
    done = bring_in(fault, entry);
    psi_memstall_leave(m, stalls);
    return done;
}
