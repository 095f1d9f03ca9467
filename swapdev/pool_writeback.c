/* SPDX-License-Identifier: MIT */
/*
 * pool_writeback.c - the pool's oldest pages on their way to the file behind it.
 *
 * There is no list by age: each slot has a stamp, a sample of them says how old the oldest are, and a hand that goes
 * round the slots in their order picks those. So what is written comes in the file's order, storing and freeing a page
 * cost nothing more, and nothing has to be kept in step. A page that is wanted leaves the pool (pool_came_back), so
 * what is old here has not been wanted since it was stored.
 */
#include <string.h>

#include "swapdev/pool_state.h"

/* A sample looks at about so many chunks, of 336 slots each. */
#define SAMPLE_CHUNKS 64u
/* Ages are counted by eighths of an octave. */
#define BUCKETS (32u * 8u)

static struct pool_area *backed_area(struct pool *pool, unsigned *ret_type) {
    int type = atomic_load_explicit(&pool->backed, memory_order_acquire);

    *ret_type = (unsigned)type;
    return type >= 0 ? pool->areas[type] : NULL;
}

/* Same-filled pages stay: they take nothing but their slot's word, and the file would not get it back for less. */
static bool can_go(struct slot slot) {
    return slot_has(slot, WORD_OBJECT) && !slot_has(slot, WORD_WRITING);
}

static uint32_t age_of(const struct pool *pool, struct slot slot) {
    return pool_policy_age(&pool->policy, slot.stamp);
}

/* What becomes of a slot of this chunk from i on, the first that is old enough. Returns SLOTS_PER_CHUNK: none is. */
static uint32_t find_old(const struct pool *pool, const struct slot_chunk *chunk, uint32_t i, uint32_t min_age) {
    while (i < SLOTS_PER_CHUNK) {
        struct slot slot = slot_get(chunk, i);

        if (can_go(slot) && age_of(pool, slot) >= min_age)
            break;
        i++;
    }
    return i;
}

/*
 * The first slot from the hand on, in the hand's chunk, that is old enough. The chunk's lock is what decides: here the
 * slot is marked or emptied, and who comes after finds it so.
 */
static enum pool_sweep sweep_chunk(struct pool *pool, struct pool_area *area, swp_entry_t *ret_entry, void *bytes,
                                   uint32_t min_age) {
    uint32_t index = pool->hand / SLOTS_PER_CHUNK, i = SLOTS_PER_CHUNK;
    struct slot_chunk *chunk = slot_table_lock(&area->slots, index);
    char packed[ZSPAGE_MAX_BYTES];
    struct slot slot = {0, 0, false};

    if (chunk)
        i = find_old(pool, chunk, pool->hand % SLOTS_PER_CHUNK, min_age);
    if (i < SLOTS_PER_CHUNK) {
        slot = slot_get(chunk, i);
        if (slot_has(slot, WORD_COPIED)) {
            slot_set(chunk, i, (struct slot){0, 0, false});
            slot_table_use(&area->slots, index, -1);
        } else {
            chunk->words[i] |= WORD_WRITING;
            zspages_read(&pool->zspages, slot_bytes(slot), slot_object(slot), packed);
        }
    }
    slot_table_unlock(&area->slots, index);

    pool->hand = index * SLOTS_PER_CHUNK + i;
    if (i == SLOTS_PER_CHUNK)
        return POOL_SWEEP_END;
    pool->hand++;
    ret_entry->val += index * SLOTS_PER_CHUNK + i;
    if (slot_has(slot, WORD_COPIED)) {
        pool_drop(pool, slot);
        return POOL_SWEEP_DROPPED;
    }
    if (pool_unpack(slot, packed, bytes))
        return POOL_SWEEP_WRITE;
    /* Damaged: who reads it is told so, and nobody gets it from the file as if it were good. */
    (void)pool_writeback_done(pool, *ret_entry, false);
    return POOL_SWEEP_DROPPED;
}

enum pool_sweep pool_writeback_next(struct pool *pool, uint32_t min_age, swp_entry_t *ret_entry, void *bytes) {
    unsigned type;
    struct pool_area *area = backed_area(pool, &type);
    uint32_t nr_chunks = area ? atomic_load_explicit(&area->nr_chunks, memory_order_relaxed) : 0;

    for (uint32_t seen = 0; seen <= nr_chunks; seen++) {
        enum pool_sweep what;

        if (pool->hand / SLOTS_PER_CHUNK >= nr_chunks)
            pool->hand = 0;
        *ret_entry = swp_entry(type, 0);
        what = area ? sweep_chunk(pool, area, ret_entry, bytes, min_age) : POOL_SWEEP_END;
        if (what != POOL_SWEEP_END)
            return what;
    }
    return POOL_SWEEP_END;
}

bool pool_writeback_done(struct pool *pool, swp_entry_t entry, bool written) {
    struct pool_area *area = pool->areas[swp_type(entry)];
    uint32_t index = swp_offset(entry) / SLOTS_PER_CHUNK, i = swp_offset(entry) % SLOTS_PER_CHUNK;
    struct slot_chunk *chunk = slot_table_lock(&area->slots, index);
    struct slot slot = slot_get(chunk, i);
    bool dead = slot_has(slot, WORD_DEAD), drop = written || dead;

    MM_DEBUG_ASSERT(pool->frames.machine, slot_has(slot, WORD_WRITING));
    chunk->words[i] &= ~WORD_WRITING;
    if (drop) {
        slot_set(chunk, i, (struct slot){0, 0, false});
        slot_table_use(&area->slots, index, -1);
    }
    slot_table_unlock(&area->slots, index);
    if (drop)
        pool_drop(pool, slot);
    pool_count(&pool->written_back_pages, written);
    return !dead;
}

/* -- ages. ------------------------------------------------------------------------------------------------------- */

struct sample {
    uint32_t counts[BUCKETS];
    uint32_t total;
};

/* Up to 8, each age has a bucket of its own; from there on an octave has eight. */
static unsigned bucket_of(uint32_t age) {
    unsigned octave;

    if (age < 8)
        return age;
    octave = 31u - (unsigned)__builtin_clz(age);
    return (octave - 2) * 8 + (age >> (octave - 3) & 7);
}

/* The least age that bucket_of() sends there. */
static uint32_t bucket_start(unsigned bucket) {
    return bucket < 8 ? bucket : (8u + bucket % 8) << (bucket / 8 - 1);
}

static void sample_chunk(const struct pool *pool, struct pool_area *area, uint32_t index, struct sample *sample) {
    const struct slot_chunk *chunk = slot_table_lock(&area->slots, index);

    for (uint32_t i = 0; chunk && i < SLOTS_PER_CHUNK; i++) {
        struct slot slot = slot_get(chunk, i);

        if (!can_go(slot))
            continue;
        sample->counts[bucket_of(age_of(pool, slot))]++;
        sample->total++;
    }
    slot_table_unlock(&area->slots, index);
}

/* Returns of how many chunks one was looked at. */
static uint32_t take_sample(struct pool *pool, struct sample *ret_sample) {
    unsigned type;
    struct pool_area *area = backed_area(pool, &type);
    uint32_t nr_chunks = area ? atomic_load_explicit(&area->nr_chunks, memory_order_relaxed) : 0;
    uint32_t step = nr_chunks / SAMPLE_CHUNKS + 1;

    memset(ret_sample, 0, sizeof(*ret_sample));
    /* Another offset each time, by the clock, so that no chunk is always passed by. */
    for (uint32_t index = atomic_load_explicit(&pool->policy.clock, memory_order_relaxed) % step; index < nr_chunks;
         index += step)
        sample_chunk(pool, area, index, ret_sample);
    return step;
}

/* From which age on there are so many. */
static uint32_t age_of_oldest(const struct sample *sample, uint64_t wanted) {
    unsigned bucket = BUCKETS;
    uint64_t had = 0;

    if (wanted > sample->total)
        wanted = sample->total;
    while (bucket > 0 && (had < wanted || had == 0))
        had += sample->counts[--bucket];
    return bucket_start(bucket);
}

uint32_t pool_age_of_oldest(struct pool *pool, unsigned long nr) {
    struct sample sample;
    uint32_t step = take_sample(pool, &sample);

    return age_of_oldest(&sample, nr / step);
}

/* Who will be the oldest sixteenth, once the pool has its size. */
static void note_oldest(struct pool *pool, const struct pool_census *census, const struct sample *sample) {
    unsigned long target = atomic_load_explicit(&pool->policy.target, memory_order_relaxed);
    uint64_t leaving = 0;

    if (census->frames > target)
        leaving = (uint64_t)sample->total * (census->frames - target) / census->frames;
    atomic_store_explicit(&pool->policy.old_age,
                          sample->total ? age_of_oldest(sample, leaving + (sample->total - leaving) / 16) : UINT32_MAX,
                          memory_order_relaxed);
}

/* Pages that came back since the last judgement although they had left not long before. (mm/workingset.h) */
static unsigned long take_refaults(struct pool *pool) {
    unsigned long now = atomic_load_explicit(&pool->frames.machine->workingset_activates, memory_order_relaxed);
    unsigned long refaults = now - pool->refaults_seen;

    pool->refaults_seen = now;
    return refaults;
}

void pool_judge(struct pool *pool) {
    struct pool_census census = {.frames = frames_count(&pool->frames)};
    struct sample sample;
    uint32_t step;

    if (!pool_policy_is_due(&pool->policy))
        return;
    census.refaults = take_refaults(pool);
    step = take_sample(pool, &sample);
    census.pages = (unsigned long)sample.total * step;
    for (unsigned bucket = 0; bucket < bucket_of(pool_policy_young_age(&pool->policy)); bucket++)
        census.young_pages += (unsigned long)sample.counts[bucket] * step;
    pool_policy_judge(&pool->policy, &census);
    note_oldest(pool, &census, &sample);
}
