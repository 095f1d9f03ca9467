/* SPDX-License-Identifier: MIT */
#include "mm/page_io.h"

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
