/* SPDX-License-Identifier: MIT */
#include "mm/pageblock.h"

#define WORD_ORDER 6u
#define ALL_FREE UINT64_MAX

/* One block of each order, in a packed word. */
static const uint64_t one[PAGEBLOCK_ORDER + 1] = {
    UINT64_C(1),       UINT64_C(1) << 9,  UINT64_C(1) << 17, UINT64_C(1) << 24, UINT64_C(1) << 30,
    UINT64_C(1) << 35, UINT64_C(1) << 39, UINT64_C(1) << 42, UINT64_C(1) << 44, UINT64_C(1) << 45,
};

/* Where a block of that order can begin in a word. */
static const uint64_t starts[WORD_ORDER] = {
    UINT64_MAX,
    UINT64_C(0x5555555555555555),
    UINT64_C(0x1111111111111111),
    UINT64_C(0x0101010101010101),
    UINT64_C(0x0001000100010001),
    UINT64_C(0x0000000100000001),
};

static inline unsigned popcount(uint64_t x) {
    x -= x >> 1 & UINT64_C(0x5555555555555555);
    x = (x & UINT64_C(0x3333333333333333)) + (x >> 2 & UINT64_C(0x3333333333333333));
    x = (x + (x >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (unsigned)(x * UINT64_C(0x0101010101010101) >> 56);
}

/*
 * Blocks within one word that is not all free. Where an aligned run of 2^(o+1) free frames begins, one of 2^o does, and
 * another in its middle: so a run counts as a block of its order and takes two of the order below away. The larger the
 * order, the farther the runs' bits are apart, and the fewer steps their sum takes.
 */
static uint64_t count_word(uint64_t free) {
    const uint64_t bytes = UINT64_C(0x0101010101010101);
    uint64_t runs1 = free & free >> 1 & starts[1], runs2 = runs1 & runs1 >> 2 & starts[2];
    uint64_t runs3 = runs2 & runs2 >> 4 & starts[3], runs4 = runs3 & runs3 >> 8 & starts[4];
    uint64_t runs5 = runs4 & runs4 >> 16 & starts[5];
    uint64_t nr1 = (runs1 & starts[2]) + (runs1 >> 2 & starts[2]), nr2 = runs2 + (runs2 >> 4);

    nr1 = ((nr1 + (nr1 >> 4)) & bytes * 0x0f) * bytes >> 56;
    nr2 = (nr2 & bytes * 0x03) * bytes >> 56;
    return popcount(free) * one[0] + nr1 * (one[1] - 2 * one[0]) + nr2 * (one[2] - 2 * one[1]) +
           (runs3 * bytes >> 56) * (one[3] - 2 * one[2]) + (runs4 * starts[4] >> 48) * (one[4] - 2 * one[3]) +
           ((runs5 & 1) + (runs5 >> 32)) * (one[5] - 2 * one[4]);
}

/* Blocks of order 6 and above that the words make that are all free. */
static uint64_t count_full(unsigned full) {
    unsigned pairs = full & full >> 1 & 0x55, fours = pairs & pairs >> 2 & 0x11, all = fours & fours >> 4 & 1;

    return (popcount(full) - 2 * popcount(pairs)) * one[6] + (popcount(pairs) - 2 * popcount(fours)) * one[7] +
           (popcount(fours) - 2 * all) * one[8] + all * one[9];
}

block_counts_t pageblock_count(const pageblock_map map) {
    uint64_t sum = 0;
    unsigned full = 0;

    for (unsigned i = 0; i < PAGEBLOCK_WORDS; i++) {
        if (map[i] == ALL_FREE)
            full |= 1u << i;
        else
            sum += count_word(map[i]);
    }
    return (block_counts_t){sum + count_full(full)};
}

/* Whoever frees a frame looks whether it is free already, without the lock (pageblock_order_at). */
static inline uint64_t get_word(const uint64_t *map, unsigned word) {
    return __atomic_load_n(&map[word], __ATOMIC_RELAXED);
}

static inline void set_word(uint64_t *map, unsigned word, uint64_t frames) {
    __atomic_store_n(&map[word], frames, __ATOMIC_RELAXED);
}

static inline uint64_t run_mask(unsigned at, unsigned order) {
    return (order < WORD_ORDER ? (UINT64_C(1) << (1u << order)) - 1 : ALL_FREE) << at;
}

/* Frees whole words: order is 6 or above, or a word has just become full. counts: of what is free but that. */
static uint64_t give_words(struct pageblock *block, uint64_t counts, unsigned word, unsigned order) {
    unsigned full = block->full, size;

    for (; order < PAGEBLOCK_ORDER; order++) {
        unsigned buddy;

        size = 1u << (order - WORD_ORDER);
        buddy = ((1u << size) - 1) << (word ^ size);
        if ((full & buddy) != buddy)
            break;
        counts -= one[order];
        word &= ~size;
    }
    size = 1u << (order - WORD_ORDER);
    block->full = (uint8_t)(full | ((1u << size) - 1) << word);
    return counts + one[order];
}

void pageblock_give(struct pageblock *block, pageblock_map map, unsigned at, unsigned order) {
    uint64_t counts = block->counts.packed, free;
    unsigned word = at / 64;

    block->nr_free = (uint16_t)(block->nr_free + (1u << order));
    if (order >= WORD_ORDER) {
        for (unsigned i = 0; i < 1u << (order - WORD_ORDER); i++)
            set_word(map, word + i, ALL_FREE);
        block->counts.packed = give_words(block, counts, word, order);
        return;
    }
    at %= 64;
    free = map[word];
    set_word(map, word, free | run_mask(at, order));
    for (; order < WORD_ORDER; order++) {
        uint64_t buddy = run_mask(at ^ 1u << order, order);

        if ((free & buddy) != buddy) {
            block->counts.packed = counts + one[order];
            return;
        }
        counts -= one[order];
        at &= ~(1u << order);
    }
    block->counts.packed = give_words(block, counts, word, WORD_ORDER);
}

unsigned pageblock_give_single(struct pageblock *block, pageblock_map map, unsigned at) {
    /* What a block of each order adds, less the smaller ones that merge into it. */
    static const uint64_t merged[WORD_ORDER] = {
        UINT64_C(1),
        (UINT64_C(1) << 9) - 1,
        (UINT64_C(1) << 17) - (UINT64_C(1) << 9) - 1,
        (UINT64_C(1) << 24) - (UINT64_C(1) << 17) - (UINT64_C(1) << 9) - 1,
        (UINT64_C(1) << 30) - (UINT64_C(1) << 24) - (UINT64_C(1) << 17) - (UINT64_C(1) << 9) - 1,
        (UINT64_C(1) << 35) - (UINT64_C(1) << 30) - (UINT64_C(1) << 24) - (UINT64_C(1) << 17) - (UINT64_C(1) << 9) - 1,
    };
    uint64_t now = map[at / 64] | UINT64_C(1) << at % 64, used = ~now;
    unsigned bit = at % 64, above, below, order;

    if (__builtin_expect(!used, 0))
        return PAGEBLOCK_ORDER;
    /*
     * The frame in use whose number differs from this one's in low bits only bounds the block: its order is that of the
     * highest bit that differs. It is the nearest above or the nearest below; a side that has none says 64 or more.
     */
    above = (bit + (unsigned)__builtin_ctzll(used >> bit | UINT64_C(1) << 63)) ^ bit;
    below = (bit - (unsigned)__builtin_clzll(used << (63 - bit) | 1)) ^ bit;
    order = 31 - (unsigned)__builtin_clz(above < below ? above : below);
    set_word(map, at / 64, now);
    block->nr_free++;
    block->counts.packed += merged[order];
    return order;
}

void pageblock_give_singles(struct pageblock *block, pageblock_map map, unsigned word, uint64_t frames, unsigned nr) {
    uint64_t counts = block->counts.packed - count_word(map[word]);

    block->nr_free = (uint16_t)(block->nr_free + nr);
    set_word(map, word, map[word] | frames);
    block->counts.packed =
        map[word] == ALL_FREE ? give_words(block, counts, word, WORD_ORDER) : counts + count_word(map[word]);
}

/* First frames of the blocks of exactly that order in a word that is not all free. */
static uint64_t exact_runs(uint64_t free, unsigned order) {
    uint64_t runs = free, next;

    for (unsigned o = 0; o < order; o++)
        runs &= runs >> (1u << o) & starts[o + 1];
    next = order + 1 < WORD_ORDER ? runs & runs >> (1u << order) & starts[order + 1] : 0;
    return runs & ~(next | next << (1u << order));
}

static unsigned find_block(const struct pageblock *block, const pageblock_map map, unsigned order) {
    unsigned step = order > WORD_ORDER ? 1u << (order - WORD_ORDER) : 1;

    for (unsigned i = 0; i < PAGEBLOCK_WORDS; i += step) {
        if (order < WORD_ORDER) {
            uint64_t runs = map[i] == 0 || map[i] == ALL_FREE ? 0 : exact_runs(map[i], order);

            if (runs)
                return i * 64 + (unsigned)__builtin_ctzll(runs);
        } else {
            unsigned run = ((1u << step) - 1) << i, buddy = ((1u << step) - 1) << (i ^ step);

            if ((block->full & run) == run && (order == PAGEBLOCK_ORDER || (block->full & buddy) != buddy))
                return i * 64;
        }
    }
    return PAGEBLOCK_PAGES;
}

unsigned pageblock_take(struct pageblock *block, pageblock_map map, unsigned order, unsigned from) {
    unsigned at = find_block(block, map, from), word = at / 64;
    uint64_t counts = block->counts.packed - one[from];

    if (from >= WORD_ORDER) {
        unsigned touched = order > WORD_ORDER ? 1u << (order - WORD_ORDER) : 1;

        block->full = (uint8_t)(block->full & ~(((1u << touched) - 1) << word));
    }
    if (order >= WORD_ORDER)
        for (unsigned i = 0; i < 1u << (order - WORD_ORDER); i++)
            set_word(map, word + i, 0);
    else
        set_word(map, word, map[word] & ~run_mask(at % 64, order));
    for (unsigned o = order; o < from; o++)
        counts += one[o];
    block->counts.packed = counts;
    block->nr_free = (uint16_t)(block->nr_free - (1u << order));
    return at;
}

void pageblock_take_at(struct pageblock *block, pageblock_map map, unsigned at, unsigned order) {
    unsigned word = at / 64, words = order > WORD_ORDER ? 1u << (order - WORD_ORDER) : 1;

    if (order < WORD_ORDER) {
        set_word(map, word, map[word] & ~run_mask(at % 64, order));
    } else {
        for (unsigned i = 0; i < words; i++)
            set_word(map, word + i, 0);
        block->full = (uint8_t)(block->full & ~(((1u << words) - 1) << word));
    }
    block->counts.packed -= one[order];
    block->nr_free = (uint16_t)(block->nr_free - (1u << order));
}

static unsigned take_from_word(struct pageblock *block, uint64_t *map, unsigned word, unsigned nr, uint32_t base,
                               uint32_t *ret_pfns) {
    uint64_t free = map[word];
    unsigned got = 0;

    block->counts.packed -= free == ALL_FREE ? count_full(block->full) : count_word(free);
    if (free == ALL_FREE) {
        block->full = (uint8_t)(block->full & ~(1u << word));
        block->counts.packed += count_full(block->full);
    }
    for (; free && got < nr; free &= free - 1)
        ret_pfns[got++] = base + word * 64 + (unsigned)__builtin_ctzll(free);
    set_word(map, word, free);
    block->counts.packed += count_word(free);
    return got;
}

unsigned pageblock_take_singles(struct pageblock *block, pageblock_map map, unsigned nr, uint32_t base,
                                uint32_t *ret_pfns) {
    unsigned got = 0;

    for (unsigned word = 0; got < nr && word < PAGEBLOCK_WORDS; word++)
        if (map[word] && map[word] != ALL_FREE)
            got += take_from_word(block, map, word, nr - got, base, ret_pfns + got);
    for (unsigned word = 0; got < nr && word < PAGEBLOCK_WORDS; word++)
        if (map[word])
            got += take_from_word(block, map, word, nr - got, base, ret_pfns + got);
    block->nr_free = (uint16_t)(block->nr_free - got);
    return got;
}

int pageblock_order_at(const pageblock_map map, unsigned at) {
    unsigned order = 0;

    if (!(get_word(map, at / 64) >> at % 64 & 1))
        return -1;
    while (order < PAGEBLOCK_ORDER) {
        unsigned next = order + 1, start = at & ~((1u << next) - 1);

        if (next <= WORD_ORDER) {
            if ((get_word(map, start / 64) & run_mask(start % 64, next)) != run_mask(start % 64, next))
                break;
        } else {
            for (unsigned i = 0; i < 1u << (next - WORD_ORDER); i++)
                if (get_word(map, start / 64 + i) != ALL_FREE)
                    return (int)order;
        }
        order = next;
    }
    return (int)order;
}
