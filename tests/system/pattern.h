/* SPDX-License-Identifier: MIT */
/*
 * pattern.h - memory whose right contents can be recomputed at any time.
 *
 * The bytes of a page follow from its index and its generation alone: some pages are zero, some hold one word
 * throughout, some compress well and some not at all, so that every way in which a page can leave memory is taken.
 * Nothing here allocates, so that a check never disturbs what it checks.
 */
#ifndef TESTS_SYSTEM_PATTERN_H
#define TESTS_SYSTEM_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATTERN_PAGE ((size_t)4096)

/* A scrambled form of x: successive values look random. */
uint64_t pattern_mix(uint64_t x);
/* The next value of a generator whose state is *state. */
uint64_t pattern_next(uint64_t *state);

/* Writes the 4096 bytes that page `index` has in `generation`. */
void pattern_fill(void *page, uint64_t index, uint64_t generation);
/* How many of the 4096 bytes are not what pattern_fill wrote; 0 is right. */
size_t pattern_wrong(const void *page, uint64_t index, uint64_t generation);
/* The same for a piece: bytes [from, from + len) of page `index`, held at bytes. */
size_t pattern_wrong_part(const void *bytes, uint64_t index, uint64_t generation, size_t from, size_t len);
/* How many of len bytes are not zero. */
size_t pattern_not_zero(const void *bytes, size_t len);

/* Memory of `pages` pages at base, page i of which has index seed + i. */
struct region {
    unsigned char *base;
    size_t pages;
    uint64_t seed;
};

/* Private anonymous memory from mmap(2); ends the program if there is none. */
struct region region_map(size_t pages, uint64_t seed);
void region_fill(const struct region *region, uint64_t generation);
/* Pages [from, from + nr) only. */
void region_fill_part(const struct region *region, uint64_t generation, size_t from, size_t nr);
/* Wrong bytes, and a line about the first wrong page on stderr. */
size_t region_wrong(const struct region *region, uint64_t generation);
size_t region_wrong_part(const struct region *region, uint64_t generation, size_t from, size_t nr);

/* Memory from malloc(3) in blocks of many sizes, up to a total of `bytes`. */
struct heap;
struct heap *heap_create(size_t bytes, uint64_t seed);
size_t heap_wrong(const struct heap *heap);
void heap_destroy(struct heap *heap);

#endif
