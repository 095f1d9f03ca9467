/* SPDX-License-Identifier: MIT */
/*
 * pool.h - a swap area in compressed RAM.
 *
 * Pages compressed with LZ4 are packed by size class into runs of one to four pages from the page allocator (an
 * object may straddle two of them). A same-filled page (one 64-bit word repeated) takes no storage beyond its slot.
 * All of it, the tables that find an object included, is memory of the machine and so inside its budget; share_percent
 * bounds it.
 *
 * Thread-safe. Calls may allocate pages, never block on I/O, never touch the program's memory but through `bytes`.
 */
#ifndef SWAPDEV_POOL_H
#define SWAPDEV_POOL_H

#include "mm/machine.h"

struct pool;

struct pool_stats {
    uint64_t pages; /* RAM taken, tables included */
    uint64_t peak_pages;
    uint64_t stored_pages; /* pages kept, same-filled ones too */
    uint64_t same_pages;
    uint64_t bytes;                          /* compressed size of what is kept */
    uint64_t out_pages, in_pages, out_bytes; /* ever */
};

/*
 * nr_slots: offsets 1..nr_slots-1 may be stored to, at most 2^27. share_percent: of the machine's present pages.
 * NULL: no memory. The pool itself takes 64 KiB; what slots cost, they cost while something is stored near them.
 */
struct pool *pool_create(struct machine *m, uint32_t nr_slots, unsigned share_percent);
/* Frees everything. */
void pool_destroy(struct pool *pool);
/*
 * Keeps a copy of the 4096 bytes under offset, in place of what that held before. MM_REJECTED: it would not compress
 * to three quarters, or the share is used up, or no page could be had; the offset then holds nothing. MM_INVAL: no
 * such offset. Allocates with __GFP_HIGH and without __GFP_WAIT, so it never reclaims from within.
 */
enum mm_status pool_store(struct pool *pool, uint32_t offset, const void *bytes);
/* Gives the page at offset back; it stays stored. MM_IO: nothing is there, or it does not decompress to a page. */
enum mm_status pool_load(struct pool *pool, uint32_t offset, void *bytes);
/* Drops what offset holds, if anything. May be called with machine->swap_lock held. */
void pool_slot_free(struct pool *pool, uint32_t offset);
/* Could a page that compresses be stored now, as far as the share goes? */
bool pool_has_room(const struct pool *pool);
void pool_get_stats(const struct pool *pool, struct pool_stats *ret_stats);
/* After fork, in the child: its locks are whoever-held-them's in the parent; nobody holds them here. */
void pool_after_fork(struct pool *pool);

#endif
