/* SPDX-License-Identifier: MIT */
/*
 * space.h - the program's address space: mmap(2) and its relatives over the managed range.
 *
 * Runs on the service thread only. Each call changes the areas of the address space (mm/mmap.h), its page tables
 * (mm/memory.h) and Linux's own mapping (runtime/reserve.h) together, under mm->mmap_lock. Results are as of the
 * system call of the same name: an address or 0, or a negative errno. Ranges lie within the managed range, unless a
 * call says otherwise; a caller splits those that reach beyond it.
 */
#ifndef RUNTIME_SPACE_H
#define RUNTIME_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A flag of space_mmap beside MAP_*: the memory allocator asks, so that what it maps counts as the program's
 * commitment although it says MAP_NORESERVE. (Linux gives this bit a meaning with MAP_HUGETLB only.)
 */
#define SPACE_MAP_COUNTED 0x40000000

/* Anonymous private memory. len as the program gave it; without MAP_FIXED the address is weir's choice. */
long space_mmap(uintptr_t addr, size_t len, int prot, int flags);
long space_munmap(uintptr_t addr, size_t len);
/* pkey: a protection key, or -1. */
long space_mprotect(uintptr_t addr, size_t len, int prot, int pkey);
/* new_addr may lie outside the managed range: the pages then belong to Linux. */
long space_mremap(uintptr_t addr, size_t old_len, size_t new_len, int flags, uintptr_t new_addr);
long space_madvise(uintptr_t addr, size_t len, int advice);
long space_mlock(uintptr_t addr, size_t len, int flags);
long space_munlock(uintptr_t addr, size_t len);
long space_mlockall(int flags);
long space_munlockall(void);
long space_mincore(uintptr_t addr, size_t len, unsigned char *vec);
/*
 * Makes way for a mapping of the host's that the caller is about to lay over the range. no_replace: -EEXIST if
 * something is mapped there. Undone, like the mapping itself, by space_munmap.
 */
long space_foreign(uintptr_t addr, size_t len, bool no_replace);
long space_hold(uintptr_t addr, size_t len);
long space_release(uintptr_t addr, size_t len);

/*
 * In a forked child that has its userfaultfd: removes what was not to be inherited (MADV_DONTFORK), of which Linux left
 * holes in the reservation, and empties what was to come empty (MADV_WIPEONFORK).
 */
long space_after_fork(void);

#endif
