/* SPDX-License-Identifier: MIT */
/*
 * bytes.h - where a page's bytes lie: at the program's address, in the shadow, or in the arena; and how they move.
 *
 * Implements the address-space calls of struct platform (mm/platform.h) over userfaultfd. What copies leave behind in
 * the shadow is runtime/stale.h's.
 */
#ifndef RUNTIME_BYTES_H
#define RUNTIME_BYTES_H

#include "mm/memory.h"

/* Opens what these calls need in the caller's descriptor table. Service thread, at boot. */
void bytes_open(void);

unsigned bytes_map_zero(void *host, struct mm *mm, uintptr_t addr, struct page *const *pages, unsigned nr);
unsigned bytes_map_pages(void *host, struct mm *mm, uintptr_t addr, struct page *const *pages, unsigned nr,
                         unsigned map_flags);
unsigned bytes_map_parked(void *host, struct mm *mm, uintptr_t addr, struct page *const *pages, unsigned nr);
void bytes_park(void *host, struct mm *mm, uintptr_t block, uint64_t mask[8]);
unsigned bytes_unpark(void *host, struct mm *mm, uintptr_t addr, unsigned nr);
void bytes_zap(void *host, struct mm *mm, uintptr_t addr, unsigned nr);
void bytes_discard(void *host, struct mm *mm, uintptr_t addr);
void bytes_poison(void *host, struct mm *mm, uintptr_t addr, swp_entry_t entry);
void bytes_frame_to_user(void *host, uint32_t pfn);

/* The bytes of the parked page at addr. */
const void *bytes_parked(uintptr_t addr);

#endif
