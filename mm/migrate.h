/* SPDX-License-Identifier: MIT */
/*
 * migrate.h - a page's content moves to another frame, and everybody who knows the page follows. (specification,
 * sections 4 and 18; for mm/compaction.h and mm/memory_hotplug.h)
 */
#ifndef MM_MIGRATE_H
#define MM_MIGRATE_H

#include "mm/machine.h"

/*
 * Moves an isolated page, with the isolation's reference, into new: a frame of the caller's alone, on no list. MM_OK:
 * new is the page now, still with the caller's one reference more, PG_active saying where it belongs; old has the
 * caller's reference only and nothing else. MM_BUSY: it is locked, held, under writeback, or somebody else knows it.
 */
enum mm_status migrate_page(struct machine *m, struct page *old, struct page *new);

/* Where pages go to: a frame as migrate_page() wants it, or NULL when there are no more. */
struct migrate_target {
    struct page *(*take)(struct migrate_target *target);
    /* Takes back one that was not used. */
    void (*give_back)(struct migrate_target *target, struct page *page);
};
/* Moves what it can of an isolated list, and puts all pages, moved or not, back on the LRU lists. Returns how many. */
unsigned long migrate_pages(struct machine *m, struct page_list *list, struct migrate_target *target);

#endif
