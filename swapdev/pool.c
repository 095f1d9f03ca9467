/* SPDX-License-Identifier: MIT */
#include "swapdev/pool.h"

#include <lz4.h>
#include <string.h>

#include "swapdev/slot_table.h"
#include "swapdev/zspage.h"

#define POOL_ORDER 4
/*
 * Measured on a Python heap, 1 to 4 differ by 4 % in time and by 3 % in size; on program text, 4 rejects twice as many
 * pages, each of which goes to a file; and 2 sees nothing in words that alternate with zeros.
 */
#define ACCELERATION 1
#define SLOTS_PER_CHUNK 496u
#define WORKSPACES_PER_BLOCK 3u
#define MAX_BLOCKS 10u

/* What a compression needs; one thread at a time uses it. */
struct workspace {
    LZ4_stream_t state;
    _Alignas(64) char out[ZSPAGE_MAX_BYTES];
};

/*
 * A slot's word is 0 while it holds nothing; the repeated word of a same-filled page, its bit in `same` set; or
 * 1 << 63 | compressed length << 48 | object's index << 32 | object's pfn.
 */
struct slot_chunk {
    uint64_t words[SLOTS_PER_CHUNK];
    uint8_t same[SLOTS_PER_CHUNK / 8];
};
_Static_assert(sizeof(struct slot_chunk) <= PAGE_SIZE, "a chunk is one page");
_Static_assert((1u << 27) / SLOTS_PER_CHUNK < SLOT_TABLE_MAX_CHUNKS, "every swap offset has a chunk");

#define WORD_OBJECT (1ull << 63)

struct slot {
    uint64_t word;
    bool same;
};

struct pool {
    struct frames frames;
    struct slot_table slots;
    struct zspages zspages;
    uint32_t nr_slots;               /* (C) */
    unsigned nr_blocks;              /* (C) */
    struct page *blocks[MAX_BLOCKS]; /* (C) the pool itself, then further workspaces */

    _Atomic uint32_t free_workspaces; /* (A) a bit each */
    _Atomic uint32_t waiters;         /* (A) for one of those */

    _Atomic uint64_t stored_pages, same_pages, bytes; /* (A) statistics */
    _Atomic uint64_t out_pages, in_pages, out_bytes;

    struct workspace workspaces[WORKSPACES_PER_BLOCK];
};
_Static_assert(sizeof(struct pool) <= PAGE_SIZE << POOL_ORDER, "the pool with its workspaces lies in one block");

static void count(_Atomic uint64_t *counter, uint64_t n) {
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void uncount(_Atomic uint64_t *counter, uint64_t n) {
    atomic_fetch_sub_explicit(counter, n, memory_order_relaxed);
}

/* Workspaces. A thread that has one may allocate pages; so this is no lock of lock.h, whose ranks forbid that. */

static struct workspace *workspace_at(struct pool *pool, unsigned i) {
    struct workspace *block = pool->workspaces;

    if (i >= WORKSPACES_PER_BLOCK)
        block = page_address(pool->frames.machine, pool->blocks[i / WORKSPACES_PER_BLOCK]);
    return &block[i % WORKSPACES_PER_BLOCK];
}

/* Takes the first free one, so that few are used where few are needed. */
static bool workspace_try(struct pool *pool, unsigned *ret_index) {
    uint32_t free = atomic_load_explicit(&pool->free_workspaces, memory_order_seq_cst);

    while (free) {
        unsigned i = (unsigned)__builtin_ctz(free);

        if (atomic_compare_exchange_weak_explicit(&pool->free_workspaces, &free, free & ~(1u << i),
                                                  memory_order_seq_cst, memory_order_seq_cst)) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

static unsigned workspace_get(struct pool *pool) {
    const struct platform *p = pool->frames.machine->platform;
    unsigned i;

    if (workspace_try(pool, &i))
        return i;
    /* seq_cst pairs with workspace_put: either it sees the waiter, or the waiter the free bit. */
    atomic_fetch_add_explicit(&pool->waiters, 1, memory_order_seq_cst);
    while (!workspace_try(pool, &i))
        p->lock_wait(p->host, &pool->free_workspaces, 0);
    atomic_fetch_sub_explicit(&pool->waiters, 1, memory_order_relaxed);
    return i;
}

static void workspace_put(struct pool *pool, unsigned i) {
    const struct platform *p = pool->frames.machine->platform;

    atomic_fetch_or_explicit(&pool->free_workspaces, 1u << i, memory_order_seq_cst);
    if (atomic_load_explicit(&pool->waiters, memory_order_seq_cst))
        p->lock_wake(p->host, &pool->free_workspaces, false);
}

/* Slots. */

static bool slot_is_same(const struct slot_chunk *chunk, uint32_t i) {
    return chunk->same[i / 8] >> i % 8 & 1;
}

static struct slot slot_get(const struct slot_chunk *chunk, uint32_t i) {
    return (struct slot){chunk->words[i], slot_is_same(chunk, i)};
}

static bool slot_holds(struct slot slot) {
    return slot.word || slot.same;
}

static void slot_set(struct slot_chunk *chunk, uint32_t i, struct slot slot) {
    chunk->words[i] = slot.word;
    chunk->same[i / 8] = (uint8_t)((chunk->same[i / 8] & ~(1u << i % 8)) | (unsigned)slot.same << i % 8);
}

static struct slot slot_of_object(size_t len, struct zs_object object) {
    return (struct slot){WORD_OBJECT | (uint64_t)len << 48 | (uint64_t)object.index << 32 | object.pfn, false};
}

static size_t slot_bytes(struct slot slot) {
    return slot.same ? 0 : slot.word >> 48 & 0x7fff;
}

static struct zs_object slot_object(struct slot slot) {
    return (struct zs_object){(uint32_t)slot.word, (uint16_t)(slot.word >> 32)};
}

/* Lets go of what a slot held; it is out of the table already. */
static void slot_drop(struct pool *pool, struct slot slot) {
    if (!slot_holds(slot))
        return;
    uncount(&pool->stored_pages, 1);
    if (slot.same) {
        uncount(&pool->same_pages, 1);
    } else {
        uncount(&pool->bytes, slot_bytes(slot));
        zspages_free(&pool->zspages, slot_bytes(slot), slot_object(slot));
    }
}

/* Puts slot under offset, in place of what was there. False: no page for the table, and slot is dropped. */
static bool slot_store(struct pool *pool, uint32_t offset, struct slot slot) {
    uint32_t index = offset / SLOTS_PER_CHUNK, i = offset % SLOTS_PER_CHUNK;
    struct slot_chunk *chunk;
    struct slot old;

    /* Counted before anybody can find it, and so before anybody can drop it. */
    count(&pool->stored_pages, 1);
    count(&pool->same_pages, slot.same);
    count(&pool->bytes, slot_bytes(slot));
    chunk = slot_table_lock_create(&pool->slots, index);
    if (!chunk) {
        slot_drop(pool, slot);
        return false;
    }
    old = slot_get(chunk, i);
    slot_set(chunk, i, slot);
    if (!slot_holds(old))
        slot_table_use(&pool->slots, index, 1);
    slot_table_unlock(&pool->slots, index);
    slot_drop(pool, old);
    count(&pool->out_pages, 1);
    count(&pool->out_bytes, slot_bytes(slot));
    return true;
}

/* The interface. */

/* One workspace for each CPU and one to spare. What cannot be had is done without. */
static void add_workspaces(struct pool *pool, unsigned nr_cpus) {
    pool->nr_blocks = 1;
    while (pool->nr_blocks * WORKSPACES_PER_BLOCK < nr_cpus + 1 && pool->nr_blocks < MAX_BLOCKS) {
        struct page *block = frames_alloc(&pool->frames, POOL_ORDER);

        if (!block)
            break;
        pool->blocks[pool->nr_blocks++] = block;
    }
}

static unsigned long present_pages(const struct machine *m) {
    unsigned long pages = 0;

    for (unsigned i = 0; i < m->nr_nodes; i++)
        pages += m->nodes[i]->node_present_pages;
    return pages;
}

struct pool *pool_create(struct machine *m, uint32_t nr_slots, unsigned share_percent) {
    struct frames frames;
    struct page *page;
    struct pool *pool;

    if (nr_slots > 1u << 27)
        return NULL;
    frames_init(&frames, m, present_pages(m) * share_percent / 100);
    page = frames_alloc(&frames, POOL_ORDER);
    if (!page)
        return NULL;
    pool = page_address(m, page);
    memset(pool, 0, sizeof(*pool));
    pool->frames = frames;
    pool->nr_slots = nr_slots;
    pool->blocks[0] = page;
    slot_table_init(&pool->slots, &pool->frames);
    zspages_init(&pool->zspages, &pool->frames);
    add_workspaces(pool, m->nr_cpus);
    pool_after_fork(pool);
    return pool;
}

void pool_destroy(struct pool *pool) {
    struct frames frames = pool->frames;
    struct page *first = pool->blocks[0];

    for (uint32_t base = 0; base < pool->nr_slots && atomic_load(&pool->stored_pages); base += SLOTS_PER_CHUNK) {
        struct slot_chunk *chunk = slot_table_lock(&pool->slots, base / SLOTS_PER_CHUNK);

        /* Nobody else is left to change it once it is unlocked. */
        slot_table_unlock(&pool->slots, base / SLOTS_PER_CHUNK);
        for (uint32_t i = 0; chunk && i < SLOTS_PER_CHUNK; i++)
            slot_drop(pool, slot_get(chunk, i));
    }
    slot_table_finish(&pool->slots);
    for (unsigned i = 1; i < pool->nr_blocks; i++)
        frames_free(&pool->frames, pool->blocks[i], POOL_ORDER);
    frames_free(&frames, first, POOL_ORDER);
}

static bool is_same_filled(const void *bytes) {
    return memcmp(bytes, (const char *)bytes + sizeof(uint64_t), PAGE_SIZE - sizeof(uint64_t)) == 0;
}

/* Compresses into an object of its own. False: too large, or no room. */
static bool compress(struct pool *pool, const void *bytes, struct slot *ret_slot) {
    unsigned i = workspace_get(pool);
    struct workspace *workspace = workspace_at(pool, i);
    struct zs_object object;
    int len = LZ4_compress_fast_extState(&workspace->state, bytes, workspace->out, (int)PAGE_SIZE,
                                         (int)ZSPAGE_MAX_BYTES, ACCELERATION);
    bool done = len > 0 && zspages_alloc(&pool->zspages, (size_t)len, &object);

    if (done) {
        zspages_write(&pool->zspages, (size_t)len, object, workspace->out);
        *ret_slot = slot_of_object((size_t)len, object);
    }
    workspace_put(pool, i);
    return done;
}

enum mm_status pool_store(struct pool *pool, uint32_t offset, const void *bytes) {
    struct slot slot;

    if (offset == 0 || offset >= pool->nr_slots)
        return MM_INVAL;
    if (is_same_filled(bytes)) {
        memcpy(&slot.word, bytes, sizeof(slot.word));
        slot.same = true;
    } else if (!compress(pool, bytes, &slot)) {
        pool_slot_free(pool, offset);
        return MM_REJECTED;
    }
    /* If that fails the offset held nothing, or its chunk would be there. */
    return slot_store(pool, offset, slot) ? MM_OK : MM_REJECTED;
}

enum mm_status pool_load(struct pool *pool, uint32_t offset, void *bytes) {
    uint32_t index = offset / SLOTS_PER_CHUNK;
    char packed[ZSPAGE_MAX_BYTES];
    struct slot slot = {0, false};
    const struct slot_chunk *chunk;

    if (offset >= pool->nr_slots)
        return MM_IO;
    chunk = slot_table_lock(&pool->slots, index);
    if (chunk)
        slot = slot_get(chunk, offset % SLOTS_PER_CHUNK);
    /* Under the lock only a copy is made: it is what keeps the object from being freed. */
    if (!slot.same && slot.word)
        zspages_read(&pool->zspages, slot_bytes(slot), slot_object(slot), packed);
    slot_table_unlock(&pool->slots, index);

    if (!slot_holds(slot))
        return MM_IO;
    if (slot.same) {
        for (size_t i = 0; i < PAGE_SIZE; i += sizeof(slot.word))
            memcpy((char *)bytes + i, &slot.word, sizeof(slot.word));
    } else if (LZ4_decompress_safe(packed, bytes, (int)slot_bytes(slot), (int)PAGE_SIZE) != (int)PAGE_SIZE) {
        return MM_IO;
    }
    count(&pool->in_pages, 1);
    return MM_OK;
}

void pool_slot_free(struct pool *pool, uint32_t offset) {
    uint32_t index = offset / SLOTS_PER_CHUNK, i = offset % SLOTS_PER_CHUNK;
    struct slot old = {0, false};
    struct slot_chunk *chunk;

    if (offset >= pool->nr_slots)
        return;
    chunk = slot_table_lock(&pool->slots, index);
    if (chunk)
        old = slot_get(chunk, i);
    if (slot_holds(old)) {
        slot_set(chunk, i, (struct slot){0, false});
        slot_table_use(&pool->slots, index, -1);
    }
    slot_table_unlock(&pool->slots, index);
    slot_drop(pool, old);
}

bool pool_has_room(const struct pool *pool) {
    /* The most that one page can take: a whole zspage, a chunk and a directory. */
    return frames_count(&pool->frames) + ZSPAGE_MAX_PAGES + 2 <= pool->frames.limit;
}

void pool_get_stats(const struct pool *pool, struct pool_stats *ret_stats) {
    *ret_stats = (struct pool_stats){
        .pages = frames_count(&pool->frames),
        .peak_pages = atomic_load_explicit(&pool->frames.peak, memory_order_relaxed),
        .stored_pages = atomic_load_explicit(&pool->stored_pages, memory_order_relaxed),
        .same_pages = atomic_load_explicit(&pool->same_pages, memory_order_relaxed),
        .bytes = atomic_load_explicit(&pool->bytes, memory_order_relaxed),
        .out_pages = atomic_load_explicit(&pool->out_pages, memory_order_relaxed),
        .in_pages = atomic_load_explicit(&pool->in_pages, memory_order_relaxed),
        .out_bytes = atomic_load_explicit(&pool->out_bytes, memory_order_relaxed),
    };
}

void pool_after_fork(struct pool *pool) {
    unsigned nr = pool->nr_blocks * WORKSPACES_PER_BLOCK;

    slot_table_after_fork(&pool->slots);
    zspages_after_fork(&pool->zspages);
    atomic_store(&pool->waiters, 0);
    atomic_store(&pool->free_workspaces, (1u << nr) - 1);
}
