/* SPDX-License-Identifier: MIT */
/*
 * swap_map.h - the use counts of a swap area's slots.
 *
 * A tree of two levels over arrays of one page, each for 2048 slots and present only while one of them is in use, so
 * that a large area costs next to nothing until it fills. The area's lock, machine->swap_lock, guards it.
 */
#ifndef MM_SWAP_MAP_H
#define MM_SWAP_MAP_H

#include "mm/machine.h"

#define SWAP_MAP_MAX 0x7fff /* a count that gets there stays */
#define SWAP_MAP_BAD 0x8000 /* not to be used */

struct swap_map_directory;

struct swap_map {
    struct swap_map_directory **root; /* one page of pointers */
};

/* False: no memory. May sleep. */
bool swap_map_init(struct machine *m, struct swap_map *map);
/* Frees everything. */
void swap_map_finish(struct machine *m, struct swap_map *map);

uint16_t swap_map_get(const struct swap_map *map, uint32_t offset);
/* Never fails for a slot whose count is not 0. Does not sleep. False: no memory for the array. */
bool swap_map_set(struct machine *m, struct swap_map *map, uint32_t offset, uint16_t count);

/* The first free slot of [from, to], or 0. */
uint32_t swap_map_find_free(const struct swap_map *map, uint32_t from, uint32_t to);
/* The first slot of the first run of nr (at least 256) free slots within [from, to], or 0. */
uint32_t swap_map_find_run(const struct swap_map *map, uint32_t from, uint32_t to, uint32_t nr);
/* The first slot of [from, max) that is in use, or 0. Bad ones are not. */
uint32_t swap_map_next_used(const struct swap_map *map, uint32_t from, uint32_t max);
/* Calls fn for each slot below max that is in use, ascending. */
void swap_map_for_each_used(const struct swap_map *map, uint32_t max, void (*fn)(uint32_t offset, void *arg),
                            void *arg);
/* Slots whose count is not 0, the bad ones among them. */
uint32_t swap_map_used(const struct swap_map *map);

#endif
