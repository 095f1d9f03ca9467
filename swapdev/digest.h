/* SPDX-License-Identifier: MIT */
/*
 * digest.h - a 128-bit hash of each page kept in a swap area, to tell later whether a page in memory still equals
 * its copy. Linux offers user space no dirty bit that can be trusted across UFFDIO_MOVE; a hash can be.
 *
 * Memory for the table comes from the page allocator, a page for each 256 slots in use at some time. Thread-safe.
 */
#ifndef SWAPDEV_DIGEST_H
#define SWAPDEV_DIGEST_H

#include "mm/machine.h"

struct digest_table;

struct digest_table *digest_create(struct machine *m, uint32_t nr_slots);
void digest_destroy(struct digest_table *table);
/* Remembers the hash of the 4096 bytes. Where no memory can be had the slot simply never matches. */
void digest_set(struct digest_table *table, uint32_t offset, const void *bytes);
void digest_clear(struct digest_table *table, uint32_t offset);
bool digest_matches(const struct digest_table *table, uint32_t offset, const void *bytes);

#endif
