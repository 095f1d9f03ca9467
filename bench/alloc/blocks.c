/* SPDX-License-Identifier: MIT */
/*
 * blocks.c - what weir's page allocator keeps together, and whether its time grows with memory.
 *
 *   blocks e1|e2|e3 FRAMES    prints how many blocks of order 9 can still be had after
 *       e1: memory 90 % full, 60 rounds of freeing a random tenth of it and allocating as much again
 *       e2: every second frame in use, at random, then 100 rounds of the same
 *       e3: all memory taken, one frame in 16 unmovable, at random; then everything movable freed
 *   blocks growth GIB REPEATS prints, for a machine of so many GiB, nanoseconds per order-0 pair, per page of a fill of
 *       1 GiB, and per order-9 pair, one line for each repeat
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/alloc/host.h"
#include "mm/page_alloc.h"
#include "mm/pcp.h"

#define MOVABLE (GFP_HIGHUSER_MOVABLE | __GFP_NOWARN)
#define UNMOVABLE (GFP_KERNEL | __GFP_NOWARN)
#define FRAMES_PER_GIB (UINT32_C(1) << 18)

static struct machine *machine;
static struct page **held;
static uint32_t nr_held;
static uint64_t seed = 88172645463325252ull;

static uint32_t below(uint32_t n) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((__uint128_t)seed * n >> 64);
}

static struct page *get(gfp_t gfp, unsigned order) {
    return alloc_pages_by(machine, gfp, order, host_task());
}

/* As many frames as that, or all there are. */
static void take(uint32_t nr) {
    struct page *page;

    while (nr-- > 0 && (page = get(MOVABLE, 0)))
        held[nr_held++] = page;
}

static void free_random(uint32_t nr) {
    while (nr-- > 0) {
        uint32_t i = below(nr_held);

        free_pages_by(machine, held[i], 0, host_task());
        held[i] = held[--nr_held];
    }
}

static void churn(unsigned rounds) {
    for (unsigned i = 0; i < rounds; i++) {
        uint32_t nr = nr_held / 10;

        free_random(nr);
        take(nr);
    }
}

static void e3(uint32_t frames) {
    for (uint32_t i = 0; i < frames; i++) {
        bool unmovable = below(16) == 0;
        struct page *page = get(unmovable ? UNMOVABLE : MOVABLE, 0);

        if (!page)
            break;
        if (!unmovable)
            held[nr_held++] = page;
    }
    while (nr_held > 0)
        free_pages_by(machine, held[--nr_held], 0, host_task());
}

static unsigned order9_blocks(void) {
    unsigned nr = 0;

    drain_all_local_pages(machine);
    while (get(MOVABLE, 9))
        nr++;
    return nr;
}

static double now_ns(void) {
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void pairs(unsigned order, uint32_t nr) {
    for (uint32_t i = 0; i < nr; i++)
        free_pages_by(machine, get(MOVABLE, order), order, host_task());
}

static void growth(unsigned repeats) {
    for (unsigned i = 0; i <= repeats; i++) {
        double start = now_ns(), pair, fill, block;

        pairs(0, 1000000);
        pair = (now_ns() - start) / 1e6;
        start = now_ns();
        take(FRAMES_PER_GIB / 8 * 7);
        fill = (now_ns() - start) / nr_held;
        start = now_ns();
        pairs(9, 100000);
        block = (now_ns() - start) / 1e5;
        free_random(nr_held);
        if (i > 0)
            printf("%.2f %.2f %.2f\n", pair, fill, block);
    }
}

int main(int argc, char **argv) {
    bool grows = argc == 4 && !strcmp(argv[1], "growth");
    uint32_t frames = argc >= 3 ? (uint32_t)strtoul(argv[2], NULL, 0) * (grows ? FRAMES_PER_GIB : 1) : 0;
    size_t boot_bytes;

    if (!grows && (argc != 3 || argv[1][0] != 'e')) {
        fprintf(stderr, "usage: blocks e1|e2|e3 FRAMES\n       blocks growth GIB REPEATS\n");
        return 2;
    }
    /* Of the last frame too, without reclaim. */
    host_thread(0, !grows);
    machine = host_boot(frames, 1, &boot_bytes);
    held = calloc(grows ? FRAMES_PER_GIB : frames, sizeof(held[0]));
    if (!machine || !held) {
        fprintf(stderr, "blocks: no memory\n");
        return 1;
    }
    if (grows) {
        growth((unsigned)atoi(argv[3]));
        return 0;
    }
    if (!strcmp(argv[1], "e1")) {
        take((uint32_t)((uint64_t)frames * 9 / 10));
        churn(60);
    } else if (!strcmp(argv[1], "e2")) {
        take(frames);
        free_random(frames / 2);
        churn(100);
    } else {
        e3(frames);
    }
    printf("%u\n", order9_blocks());
    return 0;
}
