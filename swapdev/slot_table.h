/* SPDX-License-Identifier: MIT */
/*
 * slot_table.h - a sparse array of page-sized chunks, each there only while somebody uses something in it.
 *
 * Owns the pages of the chunks and of the directories that find them. What a chunk holds is its user's business. The
 * pages come from a struct frames and are counted there.
 */
#ifndef SWAPDEV_SLOT_TABLE_H
#define SWAPDEV_SLOT_TABLE_H

#include "swapdev/frames.h"

#define SLOT_TABLE_STRIPES 64
#define SLOT_TABLE_DIRECTORIES 512
#define SLOT_TABLE_PER_DIRECTORY (PAGE_SIZE / sizeof(uint32_t))
#define SLOT_TABLE_MAX_CHUNKS (SLOT_TABLE_DIRECTORIES * SLOT_TABLE_PER_DIRECTORY)

/* (A) atomic, set once; (C) constant. A chunk, its directory entry and its use count: under stripes[chunk % 64]. */
struct slot_table {
    struct frames *frames;                                /* (C) */
    _Atomic uint32_t directories[SLOT_TABLE_DIRECTORIES]; /* (A) pfn + 1 of a page of chunk pfns + 1; 0: none */
    struct lock stripes[SLOT_TABLE_STRIPES];
};

/* Costs nothing beyond the struct. */
void slot_table_init(struct slot_table *table, struct frames *frames);
/* Frees all chunks, in use or not, and all directories. Nobody else may use the table any more. */
void slot_table_finish(struct slot_table *table);

/* Locks a chunk and returns its bytes, or NULL, locked all the same, where there is none. */
void *slot_table_lock(struct slot_table *table, uint32_t chunk);
/* The same, with a zeroed chunk made where there is none. NULL: no page could be had, and nothing is locked. */
void *slot_table_lock_create(struct slot_table *table, uint32_t chunk);
/* Counts the uses of a locked chunk up or down. */
void slot_table_use(struct slot_table *table, uint32_t chunk, int delta);
/* Unlocks a chunk; one without uses is freed. */
void slot_table_unlock(struct slot_table *table, uint32_t chunk);

/* After fork, in the child: nobody holds a lock here. */
void slot_table_after_fork(struct slot_table *table);

#endif
