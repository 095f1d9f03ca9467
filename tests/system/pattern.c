/* SPDX-License-Identifier: MIT */
#include "pattern.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define WORDS (PATTERN_PAGE / sizeof(uint64_t))
#define HEAP_SIZES 6
#define GENERATIONS 10 /* no test goes beyond */

struct heap {
    size_t nr;
    uint64_t seed;
    unsigned char **blocks;
};

uint64_t pattern_mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

uint64_t pattern_next(uint64_t *state) {
    *state += 0x9e3779b97f4a7c15ull;
    return pattern_mix(*state);
}

/* Word i of a page whose key is `key`; of eight keys one is a zero page and one a page of one word. */
static inline uint64_t pattern_word(uint64_t key, size_t i) {
    switch (key & 7) {
    case 0:
        return 0;
    case 1:
        return key;
    case 2:
    case 3:
    case 4:
        return i % 16 == 0 ? pattern_mix(key + i) : key ^ (i / 16);
    default:
        return pattern_mix(key + i);
    }
}

static uint64_t pattern_key(uint64_t index, uint64_t generation) {
    return pattern_mix(index * 0x100000001b3ull + pattern_mix(generation));
}

void pattern_fill(void *page, uint64_t index, uint64_t generation) {
    uint64_t key = pattern_key(index, generation);
    uint64_t *words = page;

    for (size_t i = 0; i < WORDS; i++)
        words[i] = pattern_word(key, i);
}

size_t pattern_wrong_part(const void *bytes, uint64_t index, uint64_t generation, size_t from, size_t len) {
    unsigned char right[PATTERN_PAGE];
    size_t wrong = 0;

    pattern_fill(right, index, generation);
    if (memcmp(bytes, right + from, len) == 0)
        return 0;
    for (size_t i = 0; i < len; i++)
        wrong += ((const unsigned char *)bytes)[i] != right[from + i];
    /* Bytes that were wrong when compared and are right now were wrong all the same. */
    return wrong ? wrong : 1;
}

size_t pattern_wrong(const void *page, uint64_t index, uint64_t generation) {
    return pattern_wrong_part(page, index, generation, 0, PATTERN_PAGE);
}

size_t pattern_not_zero(const void *bytes, size_t len) {
    size_t wrong = 0;

    for (size_t i = 0; i < len; i++)
        wrong += ((const unsigned char *)bytes)[i] != 0;
    return wrong;
}

struct region region_map(size_t pages, uint64_t seed) {
    struct region region = {.pages = pages, .seed = seed};
    void *base = mmap(NULL, pages * PATTERN_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (base == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }
    region.base = base;
    return region;
}

void region_fill_part(const struct region *region, uint64_t generation, size_t from, size_t nr) {
    for (size_t i = from; i < from + nr; i++)
        pattern_fill(region->base + i * PATTERN_PAGE, region->seed + i, generation);
}

void region_fill(const struct region *region, uint64_t generation) {
    region_fill_part(region, generation, 0, region->pages);
}

/* Says what the wrong page `i` holds instead: whose page it is tells who made the mistake. */
static void region_explain(const struct region *region, size_t i) {
    const unsigned char *page = region->base + i * PATTERN_PAGE;

    for (uint64_t generation = 0; generation < GENERATIONS; generation++)
        for (size_t other = 0; other < region->pages; other++)
            if (pattern_wrong_part(page, region->seed + other, generation, 0, PATTERN_PAGE) == 0) {
                fprintf(stderr, "  it holds page %zu of generation %llu\n", other, (unsigned long long)generation);
                return;
            }
}

size_t region_wrong_part(const struct region *region, uint64_t generation, size_t from, size_t nr) {
    size_t wrong = 0, wrong_pages = 0;

    for (size_t i = from; i < from + nr; i++) {
        const unsigned char *page = region->base + i * PATTERN_PAGE;
        size_t here = pattern_wrong(page, region->seed + i, generation);

        if (here && wrong_pages++ == 0) {
            fprintf(stderr, "page %zu of %zu at %p, seed %#llx, generation %llu: %zu bytes wrong, %zu not zero\n", i,
                    region->pages, (const void *)page, (unsigned long long)region->seed, (unsigned long long)generation,
                    here, pattern_not_zero(page, PATTERN_PAGE));
            region_explain(region, i);
        }
        wrong += here;
    }
    if (wrong_pages > 1)
        fprintf(stderr, "%zu pages wrong in all\n", wrong_pages);
    return wrong;
}

size_t region_wrong(const struct region *region, uint64_t generation) {
    return region_wrong_part(region, generation, 0, region->pages);
}

static size_t heap_block_size(uint64_t seed, size_t i) {
    static const size_t sizes[HEAP_SIZES] = {24, 200, 1000, 4096, 30000, 300000};
    uint64_t draw = pattern_mix(seed + i);
    size_t base = sizes[draw % HEAP_SIZES];

    return base + (size_t)(draw >> 32) % base;
}

static unsigned char heap_byte(uint64_t seed, size_t i, size_t at) {
    return (unsigned char)(pattern_mix(seed ^ i) + at * (i | 1) / 7);
}

struct heap *heap_create(size_t bytes, uint64_t seed) {
    struct heap *heap = malloc(sizeof(*heap));
    size_t total = 0, nr = 0;

    while (total < bytes)
        total += heap_block_size(seed, nr++);
    if (!heap || !(heap->blocks = malloc(nr * sizeof(*heap->blocks)))) {
        perror("malloc");
        exit(2);
    }
    heap->nr = nr;
    heap->seed = seed;
    for (size_t i = 0; i < nr; i++) {
        size_t size = heap_block_size(seed, i);

        if (!(heap->blocks[i] = malloc(size))) {
            perror("malloc");
            exit(2);
        }
        for (size_t at = 0; at < size; at++)
            heap->blocks[i][at] = heap_byte(seed, i, at);
    }
    return heap;
}

size_t heap_wrong(const struct heap *heap) {
    size_t wrong = 0;

    for (size_t i = 0; i < heap->nr; i++) {
        size_t size = heap_block_size(heap->seed, i);

        for (size_t at = 0; at < size; at++)
            wrong += heap->blocks[i][at] != heap_byte(heap->seed, i, at);
    }
    if (wrong)
        fprintf(stderr, "%zu bytes of malloc'ed memory are wrong\n", wrong);
    return wrong;
}

void heap_destroy(struct heap *heap) {
    for (size_t i = 0; i < heap->nr; i++)
        free(heap->blocks[i]);
    free(heap->blocks);
    free(heap);
}
