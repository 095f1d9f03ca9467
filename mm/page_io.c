/* SPDX-License-Identifier: MIT */
#include "mm/page_io.h"

#include "mm/lru.h"
#include "mm/rmap.h"
#include "mm/swap_state.h"
#include "mm/swapfile.h"
#include "mm/swapon.h"

static enum mm_status transfer(struct machine *m, swp_entry_t entry, struct page *page, bool write) {
    const struct platform *p = m->platform;

    return p->swap_block(p->host, swp_type(entry), map_swap_page(m, entry), page_address(m, page), write);
}

enum mm_status swap_page_write(struct machine *m, swp_entry_t entry, struct page *page, struct mm *mm, uintptr_t addr) {
    const struct platform *p = m->platform;

    return p->swap_write ? p->swap_write(p->host, entry, page, mm, addr) : transfer(m, entry, page, true);
}

void swap_pages_read(struct machine *m, const swp_entry_t *entries, struct page *const *pages, unsigned nr,
                     enum mm_status *status) {
    const struct platform *p = m->platform;

    if (p->swap_read) {
        p->swap_read(p->host, entries, pages, nr, status);
        return;
    }
    for (unsigned i = 0; i < nr; i++)
        status[i] = transfer(m, entries[i], pages[i], false);
}

/* -- writing. --------------------------------------------------------------------------------------------------------
 */

static swp_entry_t entry_of(const struct page *page) {
    return (swp_entry_t){page->private};
}

static void start_writeback(struct machine *m, struct page *page) {
    page_set(page, PG_writeback);
    inc_zone_page_state(page_zone(m, page), NR_WRITEBACK);
}

static void finish_writeback(struct machine *m, struct page *page) {
    dec_zone_page_state(page_zone(m, page), NR_WRITEBACK);
    /* From here on the page may leave the cache and be free at once. */
    page_writeback_done(m, page);
}

/* Gives a locked, unmapped page of the cache another slot, and its page-table entry too. new may be none. */
static bool move_to_slot(struct machine *m, struct page *page, swp_entry_t new) {
    if (!new.val)
        return false;
    if (swap_cache_move(m, page, new))
        return true;
    swap_free(m, new);
    return false;
}

enum mm_status swap_writepage(struct machine *m, struct page *page) {
    enum mm_status status;

    if (!swap_slot_is_private(m, entry_of(page)) && !move_to_slot(m, page, get_swap_page(m)))
        return MM_NOMEM;
    for (;;) {
        uint64_t owner = page_owner(page);
        struct mm *mm = rmap_get_mm(m, owner);

        start_writeback(m, page);
        status = swap_page_write(m, entry_of(page), page, mm, owner_address(owner));
        rmap_put_mm(m);
        if (status == MM_SUBMITTED)
            break;
        finish_writeback(m, page);
        if (status != MM_REJECTED || !move_to_slot(m, page, get_swap_page_below(m, swp_type(entry_of(page)))))
            break;
    }
    if (status == MM_OK || status == MM_SUBMITTED) {
        count_vm_event(m, PSWPOUT);
        count_vm_events(m, PGPGOUT, PAGE_SIZE / 512);
    }
    return status;
}

void end_swap_write(struct machine *m, struct page *page, enum mm_status status) {
    if (status != MM_OK) {
        page_set(page, PG_error);
        page_set(page, PG_dirty);
        page_clear(page, PG_reclaim);
    } else if (page_test_and_clear(page, PG_reclaim) && !page_test(page, PG_locked) && !page_test(page, PG_dirty) &&
               !page_test(page, PG_active) && page_test(page, PG_lru)) {
        rotate_reclaimable_page(m, page);
    }
    finish_writeback(m, page);
}
