/* SPDX-License-Identifier: MIT */
/*
 * touch.c - touches a region page by page, in order and at random, and times it.
 *
 *     touch MIB [NR_RANDOM [half|none|all]]
 *
 * Each page is half random words and half repeated ones (or `none`: nothing compresses, or `all`: everything does).
 * Every page that is read is compared with what it must hold, word by word. Prints a line for each phase when it is
 * done: its name, the pages touched and the seconds they took. Status 1: a wrong byte.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE ((size_t)4096)
#define WORDS (PAGE / sizeof(uint64_t))

static uint64_t *region;
static size_t nr_pages;
static size_t random_words = WORDS / 2; /* of each page */
static uint32_t *generations;           /* how often each page was written */
static unsigned long long wrong;

static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    return x ^ (x >> 29);
}

static uint64_t word_of(uint64_t key, size_t i) {
    /* One multiplication a word: what is measured is the touch, not the generator. */
    return i < random_words ? (key + i) * 0xd6e8feb86659fd93ull ^ key >> (i & 31) : key & 0xffff;
}

static void write_page(size_t page) {
    uint64_t key = mix(page ^ (uint64_t)++generations[page] << 40);
    uint64_t *words = region + page * WORDS;

    for (size_t i = 0; i < WORDS; i++)
        words[i] = word_of(key, i);
}

static void read_page(size_t page) {
    uint64_t key = mix(page ^ (uint64_t)generations[page] << 40), difference = 0;
    const uint64_t *words = region + page * WORDS;

    for (size_t i = 0; i < WORDS; i++)
        difference |= words[i] ^ word_of(key, i);
    if (difference && wrong++ == 0)
        fprintf(stderr, "touch: page %zu is wrong\n", page);
}

static double now_s(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void phase(const char *name, void (*touch)(size_t page), size_t nr, bool random) {
    static uint64_t draws;
    double start = now_s();

    for (size_t i = 0; i < nr; i++)
        touch(random ? (size_t)(mix(draws++) % nr_pages) : i);
    printf("%s %zu %.6f\n", name, nr, now_s() - start);
    fflush(stdout);
}

int main(int argc, char **argv) {
    size_t nr_random = argc > 2 ? strtoul(argv[2], NULL, 10) : 100000;

    if (argc < 2 || argc > 4 || (nr_pages = strtoul(argv[1], NULL, 10) * 256) == 0) {
        fprintf(stderr, "usage: touch MIB [NR_RANDOM [half|none|all]]\n");
        return 2;
    }
    if (argc == 4)
        random_words = strcmp(argv[3], "none") == 0 ? WORDS : strcmp(argv[3], "all") == 0 ? 0 : WORDS / 2;
    region = mmap(NULL, nr_pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    generations = calloc(nr_pages, sizeof(*generations));
    if (region == MAP_FAILED || !generations) {
        perror("touch");
        return 2;
    }
    /* Large pages would hide the faults that are to be counted. */
    madvise(region, nr_pages * PAGE, MADV_NOHUGEPAGE);

    phase("fill", write_page, nr_pages, false);
    phase("read", read_page, nr_pages, false);
    phase("rewrite", write_page, nr_pages, false);
    phase("random_read", read_page, nr_random, true);
    phase("random_write", write_page, nr_random, true);
    phase("check", read_page, nr_pages, false);
    return wrong != 0;
}
