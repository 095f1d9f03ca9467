/* SPDX-License-Identifier: MIT */
/* shrink_page_list: what becomes of pages taken off the inactive list. (specification, section 10.2) */
#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/page_io.h"
#include "mm/page_list.h"
#include "mm/page_writeback.h"
#include "mm/read_around.h"
#include "mm/rmap.h"
#include "mm/shrink.h"
#include "mm/swap_state.h"
#include "mm/swapfile.h"

enum verdict { PAGE_KEEP, PAGE_ACTIVATE, PAGE_FREE };

/* A device that is congested gets more only from those whose task it is. */
static bool may_write_to(const struct machine *m, bool congested, const struct backing_dev_info *bdi) {
    const struct task *task = mm_current(m);

    return !congested || atomic_load_explicit(&task->flags, memory_order_relaxed) & PF_SWAPWRITE ||
           (bdi && task->backing_dev_info == bdi);
}

static bool may_enter_fs(const struct page *page, const struct scan_control *sc) {
    return (sc->gfp_mask & __GFP_FS) || (page_test(page, PG_swapcache) && (sc->gfp_mask & __GFP_IO));
}

/* Writes a dirty, unmapped page of the swap cache. PAGE_FREE: it is clean now. */
static enum verdict pageout(struct machine *m, struct page *page) {
    /* The cache's reference and ours. A third is a fault that waits for the page lock. */
    if (page_count(page) != 2)
        return PAGE_KEEP;
    if (m->platform->swap_write_congested &&
        !may_write_to(m, m->platform->swap_write_congested(m->platform->host, swp_type((swp_entry_t){page->private})),
                      NULL))
        return PAGE_KEEP;
    /* Zapped, or its slot is wanted by the cache only: no need to write. */
    if (page_owner(page) == 0 || swap_count(m, (swp_entry_t){page->private}) == 1) {
        page_clear(page, PG_dirty);
        return PAGE_FREE;
    }

    page_clear(page, PG_dirty);
    page_set(page, PG_reclaim);
    inc_zone_page_state(page_zone(m, page), NR_VMSCAN_WRITE);
    switch (swap_writepage(m, page)) {
    case MM_OK:
        page_clear(page, PG_reclaim);
        page_clear(page, PG_error);
        return PAGE_FREE;
    case MM_SUBMITTED:
        return PAGE_KEEP;
    case MM_REJECTED:
        /* No area takes it: back to where it was. If nobody maps it any more it can simply go. */
        page_clear(page, PG_reclaim);
        if (!rmap_restore(m, page))
            return PAGE_FREE;
        delete_from_swap_cache(m, page);
        return PAGE_ACTIVATE;
    default:
        /* It stays in memory; a touch finds it in the swap cache. */
        page_clear(page, PG_reclaim);
        page_set(page, PG_error);
        page_set(page, PG_dirty);
        return PAGE_ACTIVATE;
    }
}

/* The same for a file page. A page with private data has a reference for that. */
static enum verdict pageout_file(struct machine *m, struct page *page) {
    struct address_space *mapping = page_mapping(page);
    enum mm_status status;

    if (page_count(page) - page_test(page, PG_private) != 2)
        return PAGE_KEEP;
    if (!mapping->ops->writepage)
        return PAGE_ACTIVATE;
    if (!may_write_to(m, bdi_write_congested(mapping->bdi), mapping->bdi))
        return PAGE_KEEP;
    if (!clear_page_dirty_for_io(m, page))
        return PAGE_FREE;
    page_set(page, PG_reclaim);
    inc_zone_page_state(page_zone(m, page), NR_VMSCAN_WRITE);
    status = write_page(m, page);
    if (status == MM_REJECTED)
        return PAGE_ACTIVATE;
    /* Written at once or not at all, it is not waited for any more. */
    if (status != MM_SUBMITTED)
        page_clear(page, PG_reclaim);
    return page_test(page, PG_writeback) || page_test(page, PG_dirty) ? PAGE_KEEP : PAGE_FREE;
}

/* Steps 9 and 10 for a clean page of a file. */
static enum verdict reclaim_file(struct page *page, const struct scan_control *sc) {
    struct address_space *mapping = page_mapping(page);

    if (page_test(page, PG_private) &&
        (!mapping->ops->releasepage || !mapping->ops->releasepage(mapping, page, sc->gfp_mask)))
        return PAGE_ACTIVATE;
    return remove_mapping(page) ? PAGE_FREE : PAGE_KEEP;
}

/* The page is unmapped and in the swap cache or a file: write it if need be, and take it out. */
static enum verdict reclaim_unmapped(struct machine *m, struct page *page, bool referenced,
                                     const struct scan_control *sc) {
    if (page_test(page, PG_dirty)) {
        enum verdict verdict;

        if ((sc->order <= PAGE_ALLOC_COSTLY_ORDER && referenced) || !may_enter_fs(page, sc) || !sc->may_writepage)
            return PAGE_KEEP;
        verdict = page_mapping(page) ? pageout_file(m, page) : pageout(m, page);
        if (verdict != PAGE_FREE)
            return verdict;
    }
    if (page_mapping(page))
        return reclaim_file(page, sc);
    return remove_from_swap_cache(m, page) ? PAGE_FREE : PAGE_KEEP;
}

/* Does somebody use the page as memory, so that its being referenced says that it will be used again? */
static bool page_in_use(const struct page *page) {
    const struct address_space *mapping = page_mapping(page);

    return page_mapped(page) || page_test(page, PG_swapcache) ||
           (mapping && atomic_load_explicit(&mapping->nr_mmaps, memory_order_relaxed) != 0);
}

/* Decides about a locked page and does it. */
static enum verdict shrink_page(struct machine *m, struct page *page, struct scan_control *sc, bool sync) {
    bool costly = sc->order > PAGE_ALLOC_COSTLY_ORDER;
    bool referenced;

    sc->nr_scanned++;
    if (!sc->may_swap && page_mapped(page))
        return PAGE_KEEP;
    if (page_mapped(page) || page_test(page, PG_swapcache))
        sc->nr_scanned++;
    if (page_test(page, PG_writeback)) {
        if (!sync || !may_enter_fs(page, sc))
            return PAGE_KEEP;
        wait_on_page_writeback(m, page);
    }

    referenced = page_referenced(m, page) != 0;
    if (!costly && referenced && page_in_use(page))
        return PAGE_ACTIVATE;
    if (!page_test(page, PG_swapcache) && !page_mapping(page)) {
        /* Anonymous: one that is neither mapped nor in the swap cache has only us left. */
        if (!page_mapped(page))
            return page_count(page) == 1 ? PAGE_FREE : PAGE_KEEP;
        if (!add_to_swap(m, page))
            return PAGE_ACTIVATE;
    }
    if (page_mapped(page)) {
        switch (try_to_unmap(m, page)) {
        case SWAP_FAIL:
            return PAGE_ACTIVATE;
        case SWAP_AGAIN:
            return PAGE_KEEP;
        case SWAP_SUCCESS:
            break;
        }
    }
    return reclaim_unmapped(m, page, referenced, sc);
}

/* A page that stays in use needs no slot where slots are short, or where its slot holds nothing yet. */
static void give_up_slot(struct machine *m, struct page *page) {
    if (page_test(page, PG_swapcache) && page_mapped(page) && (vm_swap_full(m) || page_test(page, PG_dirty)))
        remove_exclusive_swap_page(m, page);
}

unsigned long shrink_pages(struct machine *m, struct page_list *list, struct scan_control *sc, bool sync) {
    struct page_list kept;
    struct page *batch[PAGEVEC_SIZE] = {NULL};
    unsigned long freed = 0, activated = 0;
    unsigned nr_batch = 0;

    page_list_init(&kept);
    while (!page_list_empty(list)) {
        struct page *page = list_page(m, list->head);
        enum verdict verdict = PAGE_KEEP;

        list_del(m, list, page);
        if (trylock_page(page)) {
            verdict = shrink_page(m, page, sc, sync);
            if (verdict == PAGE_ACTIVATE) {
                give_up_slot(m, page);
                page_set(page, PG_active);
                activated++;
            }
            unlock_page(m, page);
        }
        if (verdict != PAGE_FREE) {
            list_add_tail(m, &kept, page);
            continue;
        }
        read_around_missed(m, page);
        freed++;
        batch[nr_batch++] = page;
        if (nr_batch == PAGEVEC_SIZE) {
            release_pages(m, batch, nr_batch, true);
            nr_batch = 0;
        }
    }
    release_pages(m, batch, nr_batch, true);
    if (activated)
        count_vm_events(m, PGACTIVATE, activated);
    *list = kept;
    return freed;
}

unsigned long shrink_page_list(struct machine *m, struct page_list *list, struct scan_control *sc) {
    return shrink_pages(m, list, sc, false);
}
