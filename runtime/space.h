/* SPDX-License-Identifier: MIT */
/*
 * space.h - the program's address space: mmap(2) and its relatives over the managed range.
 *
 * Runs on the service thread only. Each call changes the areas of the address space (mm/mmap.h), its page tables
 * (mm/memory.h) and Linux's own mapping together, under mm->mmap_lock. Results are as of the system call of the same
 * name: an address or 0, or a negative errno.
 */
#ifndef RUNTIME_SPACE_H
#define RUNTIME_SPACE_H

#include <stddef.h>
#include <stdint.h>

long space_mmap(uintptr_t addr, size_t len, int prot, int flags);
long space_munmap(uintptr_t addr, size_t len);
long space_mprotect(uintptr_t addr, size_t len, int prot);
long space_mremap(uintptr_t addr, size_t old_len, size_t new_len, int flags, uintptr_t new_addr);
long space_madvise(uintptr_t addr, size_t len, int advice);
long space_mlock(uintptr_t addr, size_t len, int flags);
long space_munlock(uintptr_t addr, size_t len);
long space_mlockall(int flags);
long space_munlockall(void);
long space_mincore(uintptr_t addr, size_t len, unsigned char *vec);
long space_foreign(uintptr_t addr, size_t len);
long space_hold(uintptr_t addr, size_t len);
long space_release(uintptr_t addr, size_t len);

#endif
