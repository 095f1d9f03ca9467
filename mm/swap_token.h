/* SPDX-License-Identifier: MIT */
/*
 * swap_token.h - one address space at a time is spared by reclaim while it faults pages in, so that it gets somewhere.
 * (specification, sections 9 and 12.2; tunable swap_token)
 *
 * Owns machine->swap_token and the token fields of struct mm.
 */
#ifndef MM_SWAP_TOKEN_H
#define MM_SWAP_TOKEN_H

#include "mm/machine.h"
#include "mm/memory.h"

/* An address space is about to wait for a page from swap: it contends for the token. mm->mmap_lock held. */
void grab_swap_token(struct mm *mm);
/* The address space goes: so does the token, if it has it. */
void put_swap_token(struct mm *mm);
/* Whoever has it, has had it: reclaim is at its wits' end. */
void disable_swap_token(struct machine *m);
bool has_swap_token(const struct mm *mm);
/*
 * Do the pages of the owner (page->owner) count as referenced for the token's sake? If its address space has the token
 * and mmap_lock held by somebody, which says that a fault is under way, and is not the current task's.
 */
bool swap_token_protects(struct machine *m, uint64_t owner);

#endif
