/* SPDX-License-Identifier: MIT */
/*
 * pool_compact.c - objects moved together, so that frames come free.
 *
 * Pages leave the pool in any order, and a zspage is free only once its last object is. Found by their slots, objects
 * of zspages that are emptier than most of their class are put where new ones go: into the fullest.
 */
#include "swapdev/pool_state.h"

/* Chunks in a call, and the share of the pool, in parts, that may lie idle. */
#define CHUNKS 16u
#define IDLE_PARTS 16u

static bool can_move(struct pool *pool, struct slot slot) {
    return slot_has(slot, WORD_OBJECT) && !slot_has(slot, WORD_WRITING) &&
           zspages_is_sparse(&pool->zspages, slot_bytes(slot), slot_object(slot));
}

/* The first object of the chunk from slot *i on that is to be moved, with a copy of it. False: there is none. */
static bool find_sparse(struct pool *pool, struct pool_area *area, uint32_t index, uint32_t *i, struct slot *ret_slot,
                        char *packed) {
    struct slot_chunk *chunk = slot_table_lock(&area->slots, index);
    bool found = false;

    for (; chunk && *i < SLOTS_PER_CHUNK; ++*i) {
        *ret_slot = slot_get(chunk, *i);
        found = can_move(pool, *ret_slot);
        if (found)
            break;
    }
    if (found)
        zspages_read(&pool->zspages, slot_bytes(*ret_slot), slot_object(*ret_slot), packed);
    slot_table_unlock(&area->slots, index);
    return found;
}

/*
 * Puts the copy in place of the original. The slot may have been freed, or stored again, or be on its way to the file,
 * while no lock was held: then its word or its stamp is another, and the copy goes.
 */
static void move(struct pool *pool, struct pool_area *area, uint32_t index, uint32_t i, struct slot slot,
                 const char *packed) {
    struct zs_object old = slot_object(slot), new;
    struct slot_chunk *chunk;
    struct slot now = {0, 0, false};

    if (!zspages_alloc(&pool->zspages, slot_bytes(slot), &new))
        return;
    zspages_write(&pool->zspages, slot_bytes(slot), new, packed);
    chunk = slot_table_lock(&area->slots, index);
    if (chunk)
        now = slot_get(chunk, i);
    if (!now.same && now.word == slot.word && now.stamp == slot.stamp) {
        now.word = (slot.word & 0xffffull << 48) | (uint64_t) new.index << 32 | new.pfn;
        slot_set(chunk, i, now);
        new = old;
    }
    slot_table_unlock(&area->slots, index);
    zspages_free(&pool->zspages, slot_bytes(slot), new);
}

static void compact_chunk(struct pool *pool, struct pool_area *area, uint32_t index) {
    char packed[ZSPAGE_MAX_BYTES];
    struct slot slot;

    for (uint32_t i = 0; find_sparse(pool, area, index, &i, &slot, packed); i++)
        move(pool, area, index, i, slot, packed);
}

bool pool_compact(struct pool *pool) {
    unsigned areas = 0;

    if (zspages_waste(&pool->zspages) <= frames_count(&pool->frames) / IDLE_PARTS)
        return false;
    for (unsigned done = 0; done < CHUNKS && areas <= MAX_SWAPFILES;) {
        struct pool_area *area = pool->areas[pool->compact_area];

        if (area && pool->compact_chunk < atomic_load_explicit(&area->nr_chunks, memory_order_relaxed)) {
            compact_chunk(pool, area, pool->compact_chunk++);
            done++;
        } else {
            pool->compact_area = (pool->compact_area + 1) % MAX_SWAPFILES;
            pool->compact_chunk = 0;
            areas++;
        }
    }
    return true;
}
