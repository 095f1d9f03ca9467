/* SPDX-License-Identifier: MIT */
/* Reading swapped pages into the swap cache, with the slots around them. (specification, section 12.2) */
#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/page_io.h"
#include "mm/swap_state.h"
#include "mm/swapfile.h"

#define READAHEAD_MAX 64u /* slots */

struct readahead {
    swp_entry_t entries[READAHEAD_MAX + 1]; /* ascending; the wanted one is among them */
    struct page *pages[READAHEAD_MAX + 1];
    enum mm_status status[READAHEAD_MAX + 1];
    unsigned nr;
};

static bool slot_is_used(struct machine *m, swp_entry_t entry) {
    unsigned count = swap_count(m, entry);

    return count != 0 && count != SWAP_MAP_BAD;
}

/* The slots of the aligned window, up to the first that is free or bad, and the wanted one. */
static void choose_slots(struct machine *m, swp_entry_t wanted, struct readahead *ra) {
    uint32_t window = 1u << m->tune.page_cluster;
    uint32_t offset, base;
    bool found = false;

    if (window > READAHEAD_MAX)
        window = READAHEAD_MAX;
    base = swp_offset(wanted) & ~(window - 1);
    ra->nr = 0;
    for (offset = base; m->tune.page_cluster && offset < base + window; offset++) {
        swp_entry_t entry = swp_entry(swp_type(wanted), offset);

        if (offset == 0)
            continue;
        if (!slot_is_used(m, entry))
            break;
        found |= entry.val == wanted.val;
        ra->entries[ra->nr++] = entry;
    }
    if (!found)
        ra->entries[ra->nr++] = wanted;
}

/*
 * Enters new pages into the cache, as far as memory goes and for slots that are not there yet, and drops the other
 * slots from the list. MM_OK: the wanted one is there, by us (*ret_page set) or by somebody else (NULL).
 */
static enum mm_status enter_pages(struct machine *m, swp_entry_t wanted, gfp_t gfp, struct readahead *ra,
                                  struct page **ret_page) {
    struct page *fresh[READAHEAD_MAX + 1];
    unsigned nr_fresh = alloc_pages_bulk(m, gfp, ra->nr, fresh), used = 0, nr = 0;
    enum mm_status result = MM_NOMEM;

    *ret_page = NULL;
    for (unsigned i = 0; i < ra->nr; i++) {
        bool own = ra->entries[i].val == wanted.val;
        enum mm_status status;

        /* The last frame is for the page that is wanted. */
        if (used == nr_fresh || (!own && result == MM_NOMEM && used + 1 == nr_fresh))
            continue;
        status = swap_cache_prepare(m, fresh[used], ra->entries[i], own ? GFP_KERNEL : GFP_NOWAIT | __GFP_NOWARN);
        if (own)
            result = status;
        if (status != MM_OK)
            continue;
        if (own) {
            get_page(fresh[used]);
            *ret_page = fresh[used];
        }
        ra->entries[nr] = ra->entries[i];
        ra->pages[nr++] = fresh[used++];
    }
    ra->nr = nr;
    release_pages(m, fresh + used, nr_fresh - used, false);
    return result == MM_BUSY ? MM_OK : result;
}

static void read_pages(struct machine *m, struct readahead *ra, const struct page *wanted) {
    if (ra->nr == 0)
        return;
    swap_pages_read(m, ra->entries, ra->pages, ra->nr, ra->status);
    count_vm_events(m, PSWPIN, ra->nr);
    count_vm_events(m, PGPGIN, ra->nr * (PAGE_SIZE / 512));
    for (unsigned i = 0; i < ra->nr; i++) {
        struct page *page = ra->pages[i];

        if (ra->status[i] == MM_OK) {
            page_set(page, PG_uptodate);
            if (page_test(page, PG_probation))
                lru_cache_add(m, page);
            else
                lru_cache_add_active(m, page);
        } else if (page != wanted) {
            /* Nobody has asked for it: whoever does tries again. */
            delete_from_swap_cache(m, page);
        }
        unlock_page(m, page);
    }
    release_pages(m, ra->pages, ra->nr, false);
}

enum mm_status swapin_readahead(struct machine *m, swp_entry_t entry, gfp_t gfp, struct page **ret_page) {
    struct readahead ra;
    struct page *page;
    enum mm_status status;

    do {
        choose_slots(m, entry, &ra);
        status = enter_pages(m, entry, gfp, &ra, &page);
        read_pages(m, &ra, page);
        if (status != MM_OK)
            return status;
        /* Somebody else reads it: their page is as good, unless it is gone again. */
        if (!page)
            page = lookup_swap_cache(m, entry);
    } while (!page);
    *ret_page = page;
    return MM_OK;
}
