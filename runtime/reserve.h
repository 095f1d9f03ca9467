/* SPDX-License-Identifier: MIT */
/*
 * reserve.h - Linux's own mapping of the managed range: a reservation without access, registered with userfaultfd,
 * of which each area opens a part.
 *
 * Knows areas by their flags only. All for the service thread, with mm->mmap_lock held for writing; 0 or a negative
 * errno, -ENOMEM where Linux allows no more mappings.
 */
#ifndef RUNTIME_RESERVE_H
#define RUNTIME_RESERVE_H

#include <stddef.h>
#include <stdint.h>

/*
 * The reservation is to have no part in a core dump, which would take minutes for its terabytes of nothing. What is
 * opened in it is dumped, with all around it that makes a round piece. Once at boot.
 */
void reserve_keep_undumped(void);

/* Gives [start, end) the access (VM_ACCESS) that flags name. */
int reserve_protect(uintptr_t start, uintptr_t end, uint32_t flags);
/* Gives every part of [start, end) the access of its area, and none where there is no area. */
void reserve_follow(uintptr_t start, uintptr_t end);
/*
 * Maps [start, end) anew, without access and registered: forgets all that Linux holds of it, a foreign mapping too.
 * Nothing of it may be in the page tables any more.
 */
int reserve_renew(uintptr_t start, uintptr_t end);
/*
 * Moves what is mapped in [from, from+len) to `to`, which is reserved and not in use. The old range stays mapped, with
 * its access, and reads as untouched; both are registered. On failure everything is where it was.
 */
int reserve_move(uintptr_t from, uintptr_t to, size_t len);

#endif
