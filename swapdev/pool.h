/* SPDX-License-Identifier: MIT */
/*
 * pool.h - pages in compressed RAM: a swap area of its own, and a cache in front of others.
 *
 * Pages compressed with LZ4 are packed by size class into runs of one to sixteen pages from the page allocator (an
 * object may straddle two of them). A same-filled page (one 64-bit word repeated) takes no storage beyond its slot.
 * All of it, the tables that find an object included, is memory of the machine and so inside its budget; share_percent
 * bounds it.
 *
 * A page is kept under its swap entry. If the entry's area is a file, the pool holds either the only copy of the slot's
 * page, and what the file has there is worth nothing, or (copied) a copy of what the file has as well. What the pool
 * holds is always the slot's newest: who reads asks it first. Only copies of one area, the backed one, are written back
 * to its file, oldest first (pool_writeback_next), and the pool's stays until the file has it. So a page moves from
 * the pool to the file under the eyes of those who read it, and no page table knows.
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
    uint64_t target_pages; /* what it is to take */
    uint64_t file_read_ns; /* what the file takes for a page, on average; 0: it has not been read */
    uint64_t stored_pages; /* pages kept, same-filled ones too */
    uint64_t same_pages;
    uint64_t bytes;                          /* compressed size of what is kept */
    uint64_t out_pages, in_pages, out_bytes; /* ever */
    uint64_t written_back_pages;             /* ever: of out_pages, moved on to the file */
};

enum pool_holding {
    POOL_NOTHING,
    POOL_COPY, /* the slot's device has the same bytes */
    POOL_ONLY, /* it does not, or has not yet */
};

/* share_percent: of the machine's present pages. NULL: no memory. The pool itself takes 64 KiB. */
struct pool *pool_create(struct machine *m, unsigned share_percent);
/* Frees everything. */
void pool_destroy(struct pool *pool);
/*
 * Takes an area into use: its offsets 1..nr_slots-1 may be stored to, at most 2^27. Takes a page; what slots cost, they
 * cost while something is stored near them. False: no memory. Nobody uses the area meanwhile; nor when it is closed,
 * which drops what the pool holds of it.
 */
bool pool_open_area(struct pool *pool, unsigned area, uint32_t nr_slots);
void pool_close_area(struct pool *pool, unsigned area);
/* Of which area pages are to be written back; -1: none. Nothing may be being written back. */
void pool_set_backed(struct pool *pool, int area);
/*
 * Keeps a copy of the 4096 bytes under entry, in place of what that held before. copied: its device has them, too.
 * MM_REJECTED: it would not compress to three quarters, or the share is used up, or no page could be had; the entry
 * then holds nothing. MM_BUSY: what it holds is just being written back; nothing has changed. MM_INVAL: no such slot.
 * Allocates with __GFP_HIGH and without __GFP_WAIT, so it never reclaims from within.
 */
enum mm_status pool_store(struct pool *pool, swp_entry_t entry, const void *bytes, bool copied);
/* Gives entry's page; it stays stored. MM_INVAL: nothing is there. MM_IO: it does not decompress to a page. */
enum mm_status pool_load(struct pool *pool, swp_entry_t entry, void *bytes);
enum pool_holding pool_holds(struct pool *pool, swp_entry_t entry);
/*
 * Entry's page goes to its device now, whatever the pool has of an earlier one. False: that is just being written
 * back, and would arrive after it.
 */
bool pool_forget(struct pool *pool, swp_entry_t entry);
/*
 * Entry's page is in memory again: a copy here would only take room. One that is being written back stays until that
 * is done. wanted: it was touched, not only read along.
 */
void pool_came_back(struct pool *pool, swp_entry_t entry, bool wanted);
/* Drops what entry holds, if anything. May be called with machine->swap_lock held. */
void pool_slot_free(struct pool *pool, swp_entry_t entry);

/* -- writing back: one thread at a time, but for pool_writeback_done. -------------------------------------------- */

enum pool_sweep {
    POOL_SWEEP_END,     /* nothing that old is left */
    POOL_SWEEP_DROPPED, /* its device had it: it has been dropped */
    POOL_SWEEP_WRITE,   /* bytes are to be written; until pool_writeback_done the slot takes no other page */
};
/*
 * Takes up the next page that was stored min_age evictions ago or earlier, in order of slots, going round. A call may
 * see a whole round, where nothing is that old.
 */
enum pool_sweep pool_writeback_next(struct pool *pool, uint32_t min_age, swp_entry_t *ret_entry, void *bytes);
/*
 * The device has it, or (not written) has failed: then the pool keeps it. Any thread, no lock held. False: the slot has
 * been freed meanwhile.
 */
bool pool_writeback_done(struct pool *pool, swp_entry_t entry, bool written);
/*
 * Moves objects together, where pages are used sparsely, so that some come free; goes through a few chunks of slots at
 * a time. Returns false where nothing is to be gained.
 */
bool pool_compact(struct pool *pool);
/* At least about how old the oldest `nr` of the pages are that can be written back, by a sample. */
uint32_t pool_age_of_oldest(struct pool *pool, unsigned long nr);

/* Should a page that goes to a file be stored? copied: the file has it already. */
bool pool_admits(struct pool *pool, bool copied);
/* Would it be, if copied? */
bool pool_wants_copies(const struct pool *pool);
/*
 * The pool judges for itself how much RAM it is to take, as far as its share: beyond that its oldest pages are to be
 * written back. The thread that writes back calls pool_judge, which does nothing most of the time; for tests, the
 * target can be set.
 */
void pool_judge(struct pool *pool);
/* Is there something to judge or to write back? */
bool pool_wants_care(const struct pool *pool);
void pool_set_target(struct pool *pool, unsigned long pages);
/* Could a page that compresses be stored now, as far as the share goes? */
bool pool_has_room(const struct pool *pool);
/* Notes so many evictions that did not come here: the pool's clock, by which pages are young or old. */
void pool_note_evictions(struct pool *pool, unsigned nr);
/* Notes a fault that brings nr pages; and that the file has taken ns for nr pages, at least one. */
void pool_note_run(struct pool *pool, unsigned nr);
void pool_note_file_read(struct pool *pool, unsigned nr, uint64_t ns);
void pool_get_stats(const struct pool *pool, struct pool_stats *ret_stats);
/* After fork, in the child: its locks are whoever-held-them's in the parent; nobody holds them here. */
void pool_after_fork(struct pool *pool);

#endif
