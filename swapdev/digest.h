/* SPDX-License-Identifier: MIT */
/*
 * digest.h - a 128-bit hash of each page kept in a swap area, to tell later whether a page in memory still equals
 * its copy. Linux offers user space no dirty bit that can be trusted across UFFDIO_MOVE; a hash can be.
 *
 * Memory for the table comes from the page allocator: a page for each run of 256 slots of which one has a hash, and it
 * goes back with the last of them. Thread-safe. Never sleeps, never reclaims.
 */
#ifndef SWAPDEV_DIGEST_H
#define SWAPDEV_DIGEST_H

#include "mm/machine.h"

struct digest_table;

/* NULL: no memory. nr_slots: offsets 0..nr_slots-1, at most 2^27. */
struct digest_table *digest_create(struct machine *m, uint32_t nr_slots);
void digest_destroy(struct digest_table *table);
/* Remembers the hash of the 4096 bytes. Where no memory can be had the slot simply never matches. */
void digest_set(struct digest_table *table, uint32_t offset, const void *bytes);
/* May be called with machine->swap_lock held. */
void digest_clear(struct digest_table *table, uint32_t offset);
bool digest_matches(struct digest_table *table, uint32_t offset, const void *bytes);
/* A hash is known, and it is another: these bytes are not what was stored. */
bool digest_contradicts(struct digest_table *table, uint32_t offset, const void *bytes);
/* How many hashes there are. */
unsigned long digest_count(const struct digest_table *table);
/* Pages that the table takes, itself included. */
unsigned long digest_pages(const struct digest_table *table);
/* After fork, in the child: its locks are whoever-held-them's in the parent; nobody holds them here. */
void digest_after_fork(struct digest_table *table);

#endif
