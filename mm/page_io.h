/* SPDX-License-Identifier: MIT */
/*
 * page_io.h - a page on its way to its swap slot, or back: by the platform's own calls, or, where it has only devices
 * of blocks, page by page through platform->swap_block. (specification, section 12.2)
 */
#ifndef MM_PAGE_IO_H
#define MM_PAGE_IO_H

#include "mm/machine.h"

/* As platform->swap_write and platform->swap_read say. */
enum mm_status swap_page_write(struct machine *m, swp_entry_t entry, struct page *page, struct mm *mm, uintptr_t addr);
void swap_pages_read(struct machine *m, const swp_entry_t *entries, struct page *const *pages, unsigned nr,
                     enum mm_status *status);

/*
 * Writes a locked, clean-marked page of the swap cache to its slot, or to one of the next area by priority that takes
 * it. MM_OK: done; MM_SUBMITTED: PG_writeback is set until end_swap_write(); MM_REJECTED: no area takes it; MM_IO.
 */
enum mm_status swap_writepage(struct machine *m, struct page *page);
/*
 * The host reports the end of a write that it had answered with MM_SUBMITTED. Any of the host's threads, no spinning
 * lock of the core held.
 */
void end_swap_write(struct machine *m, struct page *page, enum mm_status status);

#endif
