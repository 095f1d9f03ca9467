/* SPDX-License-Identifier: MIT */
/*
 * pageblock.h - the free frames of one pageblock, as bits, and the buddy blocks that they form. (specification, section
 * 4)
 *
 * A free block is what the bits say: the largest aligned run of free frames around a frame. So two free buddies have
 * merged without anybody doing it, and nothing is written to frames or descriptors. How many blocks of each order there
 * are is kept in one packed word. Knows nothing of lists, types or locks.
 */
#ifndef MM_PAGEBLOCK_H
#define MM_PAGEBLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define PAGEBLOCK_ORDER 9
#define PAGEBLOCK_PAGES (1u << PAGEBLOCK_ORDER)
#define PAGEBLOCK_WORDS (PAGEBLOCK_PAGES / 64)
#define PAGEBLOCK_NONE UINT32_MAX

/* Free blocks of orders 0 to 9, a field each, just wide enough. */
typedef struct {
    uint64_t packed;
} block_counts_t;

struct pageblock {
    block_counts_t counts;
    uint32_t next, prev; /* on a list of the zone, by index */
    uint16_t nr_free;
    uint8_t full;      /* bit per word of frames that are all free */
    uint8_t list_type; /* whose requests it serves: its migrate type, or that of who took from it for want of others */
    uint8_t place;     /* which list (mm/shard.c) */
    uint8_t has_descriptors; /* they are initialised when a frame is first taken; or there are no frames */
};

/* Bits of free frames, PAGEBLOCK_WORDS a pageblock. */
typedef uint64_t pageblock_map[PAGEBLOCK_WORDS];

/* The field of order o begins at bit block_count_shift[o]; whose field a bit is in. */
static const uint8_t block_count_shift[PAGEBLOCK_ORDER + 2] = {0, 9, 17, 24, 30, 35, 39, 42, 44, 45, 46};
static const uint8_t block_count_order[46] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2,
                                              2, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 7, 7, 8, 9};

static inline uint64_t block_count_field(unsigned order) {
    return (UINT64_C(1) << block_count_shift[order + 1]) - (UINT64_C(1) << block_count_shift[order]);
}
static inline unsigned block_count(block_counts_t counts, unsigned order) {
    return (unsigned)((counts.packed & block_count_field(order)) >> block_count_shift[order]);
}
/* The largest order of which there is a block, or -1. */
static inline int largest_block(block_counts_t counts) {
    return counts.packed ? block_count_order[63 - __builtin_clzll(counts.packed)] : -1;
}
/* The smallest one of at least that order, or -1. */
static inline int smallest_block(block_counts_t counts, unsigned order) {
    uint64_t from = counts.packed >> block_count_shift[order] << block_count_shift[order];

    return from ? block_count_order[__builtin_ctzll(from)] : -1;
}

/*
 * Frees the frame `at` and returns the order of the block that it becomes, if that is within its word. If it would be
 * more, does nothing and returns PAGEBLOCK_ORDER. Has no branch that depends on which frames are free.
 */
unsigned pageblock_give_single(struct pageblock *block, pageblock_map map, unsigned at);
/* Frees the block of that order at frame `at` of the pageblock: sets its bits and counts it, merged. */
void pageblock_give(struct pageblock *block, pageblock_map map, unsigned at, unsigned order);
/* Frees nr single frames of one word. */
void pageblock_give_singles(struct pageblock *block, pageblock_map map, unsigned word, uint64_t frames, unsigned nr);
/* Takes the first 2^order frames of a free block of exactly order from. Returns its first frame's number. */
unsigned pageblock_take(struct pageblock *block, pageblock_map map, unsigned order, unsigned from);
/* Frees a pageblock that is wholly in use, and takes one that is wholly free. */
static inline void pageblock_give_all(struct pageblock *block, pageblock_map map) {
    for (unsigned i = 0; i < PAGEBLOCK_WORDS; i++)
        __atomic_store_n(&map[i], UINT64_MAX, __ATOMIC_RELAXED);
    block->counts.packed = block_count_field(PAGEBLOCK_ORDER);
    block->nr_free = PAGEBLOCK_PAGES;
    block->full = UINT8_MAX;
}
static inline void pageblock_take_all(struct pageblock *block, pageblock_map map) {
    for (unsigned i = 0; i < PAGEBLOCK_WORDS; i++)
        __atomic_store_n(&map[i], 0, __ATOMIC_RELAXED);
    block->counts.packed = 0;
    block->nr_free = 0;
    block->full = 0;
}
/* Takes the free block at frame `at`, of exactly that order. */
void pageblock_take_at(struct pageblock *block, pageblock_map map, unsigned at, unsigned order);
/* Takes up to nr single frames, those in broken words first. Returns how many; their numbers are added to base. */
unsigned pageblock_take_singles(struct pageblock *block, pageblock_map map, unsigned nr, uint32_t base,
                                uint32_t *ret_pfns);
/* The order of the free block that frame `at` is in, or -1 if it is in use. */
int pageblock_order_at(const pageblock_map map, unsigned at);
/* Counts anew what the bits say. */
block_counts_t pageblock_count(const pageblock_map map);

#endif
