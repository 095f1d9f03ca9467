/* SPDX-License-Identifier: MIT */
/*
 * mlock.h - pages that stay: mlock(2)'s areas, and holds on single pages.
 */
#ifndef MM_MLOCK_H
#define MM_MLOCK_H

#include "mm/memory.h"

/* Area flags are the caller's; these set or clear PTE_LOCKED on the entries. mmap_lock held for reading. */
enum mm_status mlock_range(struct mm *mm, uintptr_t start, uintptr_t end); /* brings the pages in */
void munlock_range(struct mm *mm, uintptr_t start, uintptr_t end);

/*
 * Brings the page at addr in and keeps it resident and accessible until as many mm_release() calls: for what the
 * kernel touches where it cannot fault (robust lists, thread stacks). Goes away with the page (munmap). Whoever holds
 * without end, never releasing, has it for good: more than 65534 holds are not counted.
 */
enum mm_status mm_hold(struct mm *mm, uintptr_t addr);
void mm_release(struct mm *mm, uintptr_t addr);

#endif
