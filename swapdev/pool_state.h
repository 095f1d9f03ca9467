/* SPDX-License-Identifier: MIT */
/*
 * pool_state.h - what the parts of the pool share: pool.c (storing and loading) and pool_writeback.c (the oldest).
 */
#ifndef SWAPDEV_POOL_STATE_H
#define SWAPDEV_POOL_STATE_H

#include "mm/swapfile.h"
#include "swapdev/pool.h"
#include "swapdev/pool_policy.h"
#include "swapdev/slot_table.h"
#include "swapdev/workspaces.h"
#include "swapdev/zspage.h"

#define SLOTS_PER_CHUNK 336u

/*
 * A slot's word is 0 while it holds nothing; the repeated word of a same-filled page, its bit in `same` set; or
 * WORD_OBJECT | flags | compressed length << 48 | object's index << 32 | object's pfn. stamps: the pool's clock when it
 * was stored. All under the chunk's lock.
 */
struct slot_chunk {
    uint64_t words[SLOTS_PER_CHUNK];
    uint32_t stamps[SLOTS_PER_CHUNK];
    uint8_t same[SLOTS_PER_CHUNK / 8];
};
_Static_assert(sizeof(struct slot_chunk) <= PAGE_SIZE, "a chunk is one page");
_Static_assert((1u << SWAP_TYPE_SHIFT) / SLOTS_PER_CHUNK < SLOT_TABLE_MAX_CHUNKS, "every swap offset has a chunk");
_Static_assert(ZSPAGE_MAX_BYTES < 1u << 12, "a length fits a word");

#define WORD_OBJECT (1ull << 63)
#define WORD_COPIED (1ull << 62)
/*
 * Being written back. It is the slot's lock against any other write to it: as long as the bit is set nothing else is
 * stored or sent to the device under this entry, so that no older bytes can overtake newer ones. Set and cleared by who
 * writes back only; a free meanwhile sets WORD_DEAD, and the end of the write drops the slot.
 */
#define WORD_WRITING (1ull << 61)
#define WORD_DEAD (1ull << 60)

struct slot {
    uint64_t word;
    uint32_t stamp;
    bool same;
};

/* One area's slots; in a page of its own. */
struct pool_area {
    struct slot_table slots;
    struct page *page;          /* (C) */
    uint32_t nr_slots;          /* (C) */
    _Atomic uint32_t nr_chunks; /* (A) all that ever held anything are below */
};
_Static_assert(sizeof(struct pool_area) <= PAGE_SIZE, "an area takes one page");

struct pool {
    struct frames frames;
    struct page *page; /* (C) its own */
    struct zspages zspages;
    struct workspaces workspaces;
    struct pool_area *areas[MAX_SWAPFILES]; /* changed while nobody uses the area */

    _Atomic int backed;    /* (A) the area that can be written back to, or -1 */
    unsigned compact_area; /* where compaction goes on, and in which chunk; who writes back */
    uint32_t compact_chunk;
    uint32_t hand; /* its slot at which the sweep goes on; who writes back */
    struct pool_policy policy;
    unsigned long refaults_seen;                      /* who judges: the machine's, as of the last judgement */
    _Atomic uint64_t stored_pages, same_pages, bytes; /* (A) statistics */
    _Atomic uint64_t out_pages, in_pages, out_bytes, written_back_pages;

    struct workspace first_workspaces[WORKSPACES_PER_BLOCK];
};
_Static_assert(sizeof(struct pool) <= PAGE_SIZE << WORKSPACES_ORDER, "the pool with its workspaces lies in one block");

static inline void pool_count(_Atomic uint64_t *counter, uint64_t n) {
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static inline bool slot_holds(struct slot slot) {
    return slot.word || slot.same;
}

static inline size_t slot_bytes(struct slot slot) {
    return slot.same ? 0 : slot.word >> 48 & 0xfff;
}

static inline struct zs_object slot_object(struct slot slot) {
    return (struct zs_object){(uint32_t)slot.word, (uint16_t)(slot.word >> 32)};
}

static inline bool slot_has(struct slot slot, uint64_t flag) {
    return !slot.same && (slot.word & flag);
}

static inline struct slot slot_get(const struct slot_chunk *chunk, uint32_t i) {
    return (struct slot){chunk->words[i], chunk->stamps[i], chunk->same[i / 8] >> i % 8 & 1};
}

static inline void slot_set(struct slot_chunk *chunk, uint32_t i, struct slot slot) {
    chunk->words[i] = slot.word;
    chunk->stamps[i] = slot.stamp;
    chunk->same[i / 8] = (uint8_t)((chunk->same[i / 8] & ~(1u << i % 8)) | (unsigned)slot.same << i % 8);
}

/* pool.c. Lets go of what a slot held; it is out of the table already. No chunk locked. */
void pool_drop(struct pool *pool, struct slot slot);
/* Makes a page of what a slot held, `packed` being a copy of its object. False: it is damaged. */
bool pool_unpack(struct slot slot, const char *packed, void *bytes);

#endif
