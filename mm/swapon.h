/* SPDX-License-Identifier: MIT */
/*
 * swapon.h - swapon(2) and swapoff(2): an area as a file or a device holds it comes into use, and goes again.
 * (specification, section 12.1)
 */
#ifndef MM_SWAPON_H
#define MM_SWAPON_H

#include "mm/swap_extent.h"
#include "mm/swap_header.h"
#include "mm/swapfile.h"

#define SWAP_FLAG_PREFER 0x8000u
#define SWAP_FLAG_PRIO_MASK 0x7fffu

/* A file or device that the host would swap to. The core keeps nothing of it but copies. */
struct swap_source {
    const void *header;                /* its first page; aligned to 4 bytes */
    uint64_t nr_pages;                 /* how long it is; 0: the host does not know */
    bool is_regular;                   /* a regular file, not a device */
    uint64_t identity;                 /* the host's name for it: one file has one, whatever path leads there; not 0 */
    const struct swap_extent *extents; /* of a file, where its pages lie, in ascending order; NULL: in a row, from 0 */
    uint32_t nr_extents;
    unsigned area_flags; /* SWP_EXCLUSIVE or 0 */
};

/*
 * Takes an area into use. prio_flags: SWAP_FLAG_PREFER and a priority, or 0: lower than every one before (-1, -2, ...).
 * MM_OK: *ret_type is its number, by which the platform's swap calls know it from then on; even before this returns.
 * Else *ret_why tells the reason, and the status what swapon(2) says: MM_PERM, MM_BUSY, MM_INVAL or MM_NOMEM. May
 * sleep.
 */
enum mm_status swapon(struct machine *m, const struct swap_source *source, unsigned prio_flags, unsigned *ret_type,
                      enum swap_refusal *ret_why);

/*
 * Brings everything back that an area holds, and forgets the area. While that goes on the current task is the first
 * that the OOM killer takes (PF_SWAPOFF). No lock held; sleeps. On failure the area is in use as before:
 * MM_PERM      the task may not
 * MM_INVAL     there is no such area, or it takes no pages just now
 * MM_NOMEM     what is swapped there would not fit into memory and the other areas, or no longer did
 * MM_INTERRUPTED the task was told to die, or platform->signal_pending says that it is wanted elsewhere
 * MM_BUSY      the host itself keeps slots of it
 */
enum mm_status swapoff(struct machine *m, unsigned type);

/* Where on the area's device an entry's page lies, in pages. Takes no lock: any time while the slot is in use. */
uint64_t map_swap_page(const struct machine *m, swp_entry_t entry);

/*
 * Would so many more pages of memory be backed by what is free, can be reclaimed or swapped? By the heuristic of
 * overcommit: totalreserve_pages do not count, and unless privileged a 32nd is left.
 */
bool vm_enough_memory(const struct machine *m, unsigned long pages, bool privileged);

#endif
