/* SPDX-License-Identifier: MIT */
/*
 * contents.h - a region whose every word follows from its page, how often that was written, and its place.
 *
 * A page is written whole, or one line of it (64 bytes; which one follows from the page). Its last word always holds
 * the number of the page that comes next on a random walk through all of them. Whatever is read is compared.
 */
#ifndef BENCH_PAGING_CONTENTS_H
#define BENCH_PAGING_CONTENTS_H

#include <stddef.h>
#include <stdint.h>

#define PAGE ((size_t)4096)
#define WORDS (PAGE / sizeof(uint64_t))
#define LINE_WORDS ((size_t)8)

enum contents {
    CONTENTS_NONE, /* nothing compresses */
    CONTENTS_HALF, /* half of each page does */
    CONTENTS_ZERO, /* all but a sixteenth of each page is zero */
};

/* Maps the region, nothing in it touched. 0, or -1 with errno. */
int contents_map(size_t nr_pages, enum contents contents);

void page_write(size_t page);
void page_check(size_t page);
void line_write(size_t page);
void line_check(size_t page);

/* The first word that the others touch: touching it brings the page in. */
volatile uint64_t *page_first_word(size_t page);
volatile uint64_t *line_first_word(size_t page);

/* Reads the page's last word: the page that comes next on the walk. */
size_t page_next(size_t page);
volatile uint64_t *page_last_word(size_t page);
/* The place on the walk where a thread begins. */
size_t walk_page(size_t place);

/* How many pages or lines were found to be wrong. */
uint64_t contents_wrong(void);

/* A thorough mixing of 64 bits. */
uint64_t mix(uint64_t x);
/* A permutation of the numbers below nr_pages, and its inverse. */
size_t shuffled(size_t x);
size_t unshuffled(size_t x);

#endif
