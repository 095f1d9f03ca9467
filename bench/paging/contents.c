/* SPDX-License-Identifier: MIT */
#include "contents.h"

#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>

#define MULTIPLIER 0x9e3779b1u /* odd, so that it has an inverse */

/* What was written last: the page as a whole, and its line since then (0: not since then). */
struct generation {
    uint16_t page, line;
};

static uint64_t *region;
static struct generation *generations;
static size_t nr_pages;
static size_t random_words; /* of each page; the others repeat */
static uint64_t filler_mask;
static unsigned shuffle_bits;
static uint32_t shuffle_inverse; /* of MULTIPLIER, modulo 2^32 */
static _Atomic uint64_t nr_wrong;

int contents_map(size_t nr, enum contents contents) {
    nr_pages = nr;
    random_words = contents == CONTENTS_NONE ? WORDS : contents == CONTENTS_HALF ? WORDS / 2 : WORDS / 16;
    filler_mask = contents == CONTENTS_ZERO ? 0 : 0xffff;
    while ((size_t)1 << shuffle_bits < nr)
        shuffle_bits++;
    shuffle_inverse = MULTIPLIER;
    for (int i = 0; i < 5; i++) /* Newton: each step doubles the bits that are right */
        shuffle_inverse *= 2 - MULTIPLIER * shuffle_inverse;
    region = mmap(NULL, nr * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    generations = mmap(NULL, nr * sizeof(*generations), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (region == MAP_FAILED || generations == MAP_FAILED)
        return -1;
    /* Large pages would hide the faults that are to be counted. */
    madvise(region, nr * PAGE, MADV_NOHUGEPAGE);
    return 0;
}

uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

/* Each step can be undone: an odd factor has an inverse, and so has a shift by at least half of the bits. */
size_t shuffled(size_t x) {
    uint32_t mask = (uint32_t)(((uint64_t)1 << shuffle_bits) - 1), y = (uint32_t)x;
    unsigned shift = (shuffle_bits + 1) / 2;

    do {
        for (int i = 0; i < 3; i++) {
            y = y * MULTIPLIER & mask;
            y ^= y >> shift;
        }
    } while (y >= nr_pages); /* numbers beyond lie on the way from one below to another */
    return y;
}

size_t unshuffled(size_t x) {
    uint32_t mask = (uint32_t)(((uint64_t)1 << shuffle_bits) - 1), y = (uint32_t)x;
    unsigned shift = (shuffle_bits + 1) / 2;

    do {
        for (int i = 0; i < 3; i++) {
            y ^= y >> shift;
            y = y * shuffle_inverse & mask;
        }
    } while (y >= nr_pages);
    return y;
}

static uint64_t page_key(size_t page, unsigned generation) {
    return mix(page ^ (uint64_t)generation << 40);
}

static uint64_t line_key(size_t page, unsigned generation) {
    return mix(page ^ (uint64_t)generation << 40 ^ (uint64_t)1 << 63);
}

/* One multiplication a word: what is to be measured is the touch. */
static uint64_t word_of(uint64_t key, size_t i) {
    return i < random_words ? (key + i) * 0xd6e8feb86659fd93ull ^ key >> (i & 31) : key & filler_mask;
}

/* Never the line with the last word. */
static size_t line_of(size_t page) {
    return (uint32_t)(page * 0x85ebca6bu) % (WORDS / LINE_WORDS - 1) * LINE_WORDS;
}

static void write_words(uint64_t *words, uint64_t key, size_t from, size_t to) {
    for (size_t i = from; i < to; i++)
        words[i] = word_of(key, i);
}

static uint64_t differences(const uint64_t *words, uint64_t key, size_t from, size_t to) {
    uint64_t difference = 0;

    for (size_t i = from; i < to; i++)
        difference |= words[i] ^ word_of(key, i);
    return difference;
}

static void wrong(size_t page, const char *what) {
    if (atomic_fetch_add(&nr_wrong, 1) == 0)
        fprintf(stderr, "patterns: %s of page %zu is wrong\n", what, page);
}

static size_t next_on_walk(size_t page) {
    size_t place = unshuffled(page) + 1;

    return shuffled(place == nr_pages ? 0 : place);
}

void page_write(size_t page) {
    uint64_t *words = region + page * WORDS;

    generations[page].page++;
    generations[page].line = 0;
    write_words(words, page_key(page, generations[page].page), 0, WORDS - 1);
    words[WORDS - 1] = next_on_walk(page);
}

void page_check(size_t page) {
    const uint64_t *words = region + page * WORDS;
    struct generation generation = generations[page];
    uint64_t key = page_key(page, generation.page), difference;
    size_t line = line_of(page), after = line + LINE_WORDS;

    if (generation.line == 0) {
        difference = differences(words, key, 0, WORDS - 1);
    } else {
        difference = differences(words, key, 0, line) | differences(words, key, after, WORDS - 1) |
                     differences(words, line_key(page, generation.line), line, after);
    }
    if (difference || words[WORDS - 1] != next_on_walk(page))
        wrong(page, "something");
}

void line_write(size_t page) {
    size_t line = line_of(page);

    if (++generations[page].line == 0)
        generations[page].line = 1;
    write_words(region + page * WORDS, line_key(page, generations[page].line), line, line + LINE_WORDS);
}

void line_check(size_t page) {
    struct generation generation = generations[page];
    uint64_t key = generation.line ? line_key(page, generation.line) : page_key(page, generation.page);
    size_t line = line_of(page);

    if (differences(region + page * WORDS, key, line, line + LINE_WORDS))
        wrong(page, "a line");
}

volatile uint64_t *page_first_word(size_t page) {
    return region + page * WORDS;
}

volatile uint64_t *line_first_word(size_t page) {
    return region + page * WORDS + line_of(page);
}

volatile uint64_t *page_last_word(size_t page) {
    return region + page * WORDS + WORDS - 1;
}

size_t page_next(size_t page) {
    uint64_t next = *page_last_word(page);

    /* A wrong number must not be followed. */
    if (next != next_on_walk(page)) {
        wrong(page, "the last word");
        return next_on_walk(page);
    }
    return (size_t)next;
}

size_t walk_page(size_t place) {
    return shuffled(place);
}

uint64_t contents_wrong(void) {
    return atomic_load(&nr_wrong);
}
