/* SPDX-License-Identifier: MIT */
/*
 * space_areas.h - what the space_* files share: mapping and unmapping with the lock held, the commitment, and locked
 * memory's limit.
 *
 * All with mm->mmap_lock held for writing unless a call says otherwise. Ranges are page-aligned and within the managed
 * range.
 */
#ifndef RUNTIME_SPACE_AREAS_H
#define RUNTIME_SPACE_AREAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mm/memory.h"

/* Areas of which Linux holds more than their access: freed, they need reserve_renew. */
#define VM_SPECIAL (VM_FOREIGN | VM_APART | VM_DONTFORK | VM_WIPEONFORK)

static inline size_t pages_of(uintptr_t start, uintptr_t end) {
    return (end - start) >> PAGE_SHIFT;
}

void space_write_lock(void);
void space_write_unlock(void);
void space_read_lock(void);
void space_read_unlock(void);

/* Is [addr, addr+len) within the managed range? */
bool space_holds(uintptr_t addr, size_t len);
/* Rounds len up to whole pages; 0 where that overflows. */
size_t page_align(size_t len);

/* Makes [start, end) one fresh area, replacing what was there. -ENOMEM: no memory, or beyond the commitment. */
int space_map(uintptr_t start, uintptr_t end, uint32_t flags);
/* Unmaps what is mapped in [start, end). -ENOMEM: nothing done. */
int space_unmap(uintptr_t start, uintptr_t end);

/* Bytes of [start, end) that are mapped. Reading is enough. */
size_t space_mapped_bytes(uintptr_t start, uintptr_t end);
/* May this many more pages be committed? Always, unless the user asked for failure before death. */
bool space_may_commit(size_t pages);

/* The calls below need mmap_lock for reading. */
/* Bytes in areas with VM_LOCKED, but for those of [start, end). */
size_t space_locked_bytes(uintptr_t start, uintptr_t end);
/* May bytes of memory be locked, all in all? 0, or the errno that mlock(2) gives. */
int space_may_lock(size_t bytes);
/* Brings in and locks the pages of a fresh VM_LOCKED area. */
void space_lock_pages(uintptr_t start, uintptr_t end);

/* Calls fn for each run of consecutive pages of [start, end) that have left RAM or are in it, as asked. */
void space_for_each_run(uintptr_t start, uintptr_t end, pte_t flags, void (*fn)(uintptr_t start, uintptr_t end));

#endif
