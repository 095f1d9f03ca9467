/* SPDX-License-Identifier: MIT */
/*
 * mmap.h - the areas of an address space: which ranges are mapped, and how.
 *
 * A sorted set of non-overlapping areas within [mm->start, mm->end). Adjacent areas that are alike are one; areas
 * with VM_APART are never joined. All calls need mm->mmap_lock: for writing where they change the set, for reading
 * else. Ranges are page-aligned and not empty.
 *
 * The set takes pages from the page allocator: up to about 43 000 areas, beyond which calls say MM_NOMEM.
 */
#ifndef MM_MMAP_H
#define MM_MMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mm/platform.h"

enum vm_flags {
    VM_READ = 1u << 0,
    VM_WRITE = 1u << 1,
    VM_EXEC = 1u << 2,
    VM_LOCKED = 1u << 3,
    VM_NORESERVE = 1u << 4, /* does not count towards mm->committed */
    VM_DONTFORK = 1u << 5,
    VM_WIPEONFORK = 1u << 6,
    VM_FOREIGN = 1u << 7, /* a mapping of the host's (a file, shared memory) lies here; not paged by this mm */
    VM_SEQ_READ = 1u << 8,
    VM_RAND_READ = 1u << 9,
    VM_ACCOUNTED = 1u << 10, /* counted in mm->committed */
    VM_APART = 1u << 11,     /* the host keeps this area apart from its neighbours (moved there, a protection key) */
};
#define VM_ACCESS (VM_READ | VM_WRITE | VM_EXEC)

struct vm_area {
    uintptr_t start, end; /* bytes, page-aligned, end exclusive */
    uint32_t flags;       /* enum vm_flags */
};

struct area_set; /* area_set.h */
struct mm;

/* The area that holds addr, or NULL. The pointer is good until the set changes. */
const struct vm_area *find_area(const struct mm *mm, uintptr_t addr);
/* The first area that ends above addr, or NULL. Walk with area_next(mm, area). */
const struct vm_area *find_area_from(const struct mm *mm, uintptr_t addr);
const struct vm_area *area_next(const struct mm *mm, const struct vm_area *area);

/*
 * Finds len free bytes aligned to align (a power of two), the lowest that fits at or above hint, else the lowest of
 * all. 0 if there is none.
 */
uintptr_t find_free_range(const struct mm *mm, uintptr_t hint, size_t len, size_t align);

/* Makes [start, end) one area with these flags, replacing what was there. Splits and merges. MM_NOMEM: nothing done. */
enum mm_status area_set_range(struct mm *mm, uintptr_t start, uintptr_t end, uint32_t flags);
/* Changes flags of what is mapped in [start, end): (flags & ~clear) | set. Holes stay holes. */
enum mm_status area_change_range(struct mm *mm, uintptr_t start, uintptr_t end, uint32_t clear, uint32_t set);
/* Removes what is mapped in [start, end). */
enum mm_status area_clear_range(struct mm *mm, uintptr_t start, uintptr_t end);
/* Is all of [start, end) mapped? */
bool range_is_mapped(const struct mm *mm, uintptr_t start, uintptr_t end);
/* Bytes of [start, end) that are mapped with VM_ACCOUNTED. */
size_t range_accounted(const struct mm *mm, uintptr_t start, uintptr_t end);

enum mm_status areas_init(struct mm *mm);
void areas_finish(struct mm *mm);

#endif
