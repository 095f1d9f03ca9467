/* SPDX-License-Identifier: MIT */
#define XXH_INLINE_ALL
#include "swapdev/digest.h"

#include <limits.h>
#include <xxhash.h>

#include "swapdev/slot_table.h"

#define DIGESTS_PER_CHUNK 256u

/* Both words 0: no hash. */
struct digest {
    uint64_t low, high;
};

struct digest_table {
    struct frames frames;
    struct slot_table chunks; /* of DIGESTS_PER_CHUNK digests each */
    uint32_t nr_slots;
    _Atomic unsigned long nr_set; /* (A) */
};
_Static_assert(sizeof(struct digest_table) <= PAGE_SIZE, "the table lies in one page");
_Static_assert(sizeof(struct digest) * DIGESTS_PER_CHUNK == PAGE_SIZE, "a chunk is one page");

static struct digest hash_page(const void *bytes) {
    XXH128_hash_t hash = XXH3_128bits(bytes, PAGE_SIZE);
    struct digest digest = {hash.low64, hash.high64};

    if (!(digest.low | digest.high))
        digest.low = 1;
    return digest;
}

static bool is_set(const struct digest *digest) {
    return digest->low | digest->high;
}

struct digest_table *digest_create(struct machine *m, uint32_t nr_slots) {
    struct digest_table *table;
    struct frames frames;
    struct page *page;

    if (nr_slots > DIGESTS_PER_CHUNK * SLOT_TABLE_MAX_CHUNKS)
        return NULL;
    frames_init(&frames, m, ULONG_MAX);
    page = frames_alloc(&frames, 0);
    if (!page)
        return NULL;
    table = page_address(m, page);
    table->frames = frames;
    table->nr_slots = nr_slots;
    atomic_store(&table->nr_set, 0);
    slot_table_init(&table->chunks, &table->frames);
    return table;
}

void digest_destroy(struct digest_table *table) {
    struct frames frames = table->frames;

    slot_table_finish(&table->chunks);
    frames_free(&frames, virt_to_page(frames.machine, table), 0);
}

void digest_set(struct digest_table *table, uint32_t offset, const void *bytes) {
    uint32_t chunk = offset / DIGESTS_PER_CHUNK;
    struct digest new = hash_page(bytes), *digests;

    if (offset >= table->nr_slots)
        return;
    digests = slot_table_lock_create(&table->chunks, chunk);
    /* Without a chunk there is no older hash either that might match later. */
    if (!digests)
        return;
    if (!is_set(&digests[offset % DIGESTS_PER_CHUNK])) {
        slot_table_use(&table->chunks, chunk, 1);
        atomic_fetch_add_explicit(&table->nr_set, 1, memory_order_relaxed);
    }
    digests[offset % DIGESTS_PER_CHUNK] = new;
    slot_table_unlock(&table->chunks, chunk);
}

void digest_clear(struct digest_table *table, uint32_t offset) {
    uint32_t chunk = offset / DIGESTS_PER_CHUNK;
    struct digest *digests;

    if (offset >= table->nr_slots)
        return;
    digests = slot_table_lock(&table->chunks, chunk);
    if (digests && is_set(&digests[offset % DIGESTS_PER_CHUNK])) {
        digests[offset % DIGESTS_PER_CHUNK] = (struct digest){0, 0};
        slot_table_use(&table->chunks, chunk, -1);
        atomic_fetch_sub_explicit(&table->nr_set, 1, memory_order_relaxed);
    }
    slot_table_unlock(&table->chunks, chunk);
}

/* False: no hash is known of that slot. */
static bool look_up(struct digest_table *table, uint32_t offset, struct digest *ret_digest) {
    uint32_t chunk = offset / DIGESTS_PER_CHUNK;
    struct digest kept = {0, 0};
    const struct digest *digests;

    if (offset >= table->nr_slots)
        return false;
    digests = slot_table_lock(&table->chunks, chunk);
    if (digests)
        kept = digests[offset % DIGESTS_PER_CHUNK];
    slot_table_unlock(&table->chunks, chunk);
    *ret_digest = kept;
    return is_set(&kept);
}

static bool is_hash_of(const struct digest *digest, const void *bytes) {
    struct digest now = hash_page(bytes);

    return now.low == digest->low && now.high == digest->high;
}

bool digest_matches(struct digest_table *table, uint32_t offset, const void *bytes) {
    struct digest kept;

    return look_up(table, offset, &kept) && is_hash_of(&kept, bytes);
}

bool digest_contradicts(struct digest_table *table, uint32_t offset, const void *bytes) {
    struct digest kept;

    return look_up(table, offset, &kept) && !is_hash_of(&kept, bytes);
}

unsigned long digest_count(const struct digest_table *table) {
    return atomic_load_explicit(&table->nr_set, memory_order_relaxed);
}

unsigned long digest_pages(const struct digest_table *table) {
    return frames_count(&table->frames);
}

void digest_after_fork(struct digest_table *table) {
    slot_table_after_fork(&table->chunks);
}
