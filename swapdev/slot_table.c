/* SPDX-License-Identifier: MIT */
#include "swapdev/slot_table.h"

#include <string.h>

static struct lock *stripe_of(struct slot_table *table, uint32_t chunk) {
    return &table->stripes[chunk % SLOT_TABLE_STRIPES];
}

/* An entry is pfn + 1, so that a zeroed page of entries is an empty one. */
static struct page *entry_page(const struct slot_table *table, uint32_t entry) {
    return entry ? pfn_to_page(table->frames->machine, entry - 1) : NULL;
}

static struct page *alloc_zeroed(struct slot_table *table) {
    struct page *page = frames_alloc(table->frames, 0);

    if (page) {
        memset(page_address(table->frames->machine, page), 0, PAGE_SIZE);
        page->private = 0;
    }
    return page;
}

static void free_chunk(struct slot_table *table, struct page *page) {
    page->private = 0;
    frames_free(table->frames, page, 0);
}

/* The directory entry of a chunk, or NULL if no chunk near it was ever used. */
static uint32_t *find_entry(const struct slot_table *table, uint32_t chunk) {
    const struct machine *m = table->frames->machine;
    /* Pairs with the release in make_directory: the page is seen zeroed. */
    uint32_t directory =
        atomic_load_explicit(&table->directories[chunk / SLOT_TABLE_PER_DIRECTORY], memory_order_acquire);

    if (!directory)
        return NULL;
    return (uint32_t *)page_address(m, entry_page(table, directory)) + chunk % SLOT_TABLE_PER_DIRECTORY;
}

static bool make_directory(struct slot_table *table, uint32_t chunk) {
    _Atomic uint32_t *directory = &table->directories[chunk / SLOT_TABLE_PER_DIRECTORY];
    struct page *page;
    uint32_t none = 0;

    if (atomic_load_explicit(directory, memory_order_acquire))
        return true;
    page = alloc_zeroed(table);
    if (!page)
        return false;
    /* Directories have no lock: of two that make the same one, the second gives its page back. */
    if (!atomic_compare_exchange_strong_explicit(directory, &none, page_to_pfn(table->frames->machine, page) + 1,
                                                 memory_order_acq_rel, memory_order_acquire))
        free_chunk(table, page);
    return true;
}

void slot_table_init(struct slot_table *table, struct frames *frames) {
    table->frames = frames;
    for (unsigned i = 0; i < SLOT_TABLE_DIRECTORIES; i++)
        atomic_store_explicit(&table->directories[i], 0, memory_order_relaxed);
    slot_table_after_fork(table);
}

void slot_table_finish(struct slot_table *table) {
    for (unsigned i = 0; i < SLOT_TABLE_DIRECTORIES; i++) {
        uint32_t *entries = find_entry(table, (uint32_t)(i * SLOT_TABLE_PER_DIRECTORY));

        if (!entries)
            continue;
        for (unsigned j = 0; j < SLOT_TABLE_PER_DIRECTORY; j++)
            if (entries[j])
                free_chunk(table, entry_page(table, entries[j]));
        free_chunk(table, entry_page(table, atomic_exchange(&table->directories[i], 0)));
    }
}

void *slot_table_lock(struct slot_table *table, uint32_t chunk) {
    const struct machine *m = table->frames->machine;
    uint32_t *entry;

    lock_acquire(m->platform, stripe_of(table, chunk));
    entry = find_entry(table, chunk);
    return entry && *entry ? page_address(m, entry_page(table, *entry)) : NULL;
}

void *slot_table_lock_create(struct slot_table *table, uint32_t chunk) {
    const struct machine *m = table->frames->machine;
    void *bytes = slot_table_lock(table, chunk);
    struct page *page;

    if (bytes)
        return bytes;
    /* The page allocator's locks rank below a stripe: let go, allocate, and look again who was first. */
    lock_release(m->platform, stripe_of(table, chunk));
    page = make_directory(table, chunk) ? alloc_zeroed(table) : NULL;
    bytes = slot_table_lock(table, chunk);
    if (!bytes && page) {
        *find_entry(table, chunk) = page_to_pfn(m, page) + 1;
        return page_address(m, page);
    }
    if (page) {
        /* The chunk that the other one made may become empty while no lock is held: so start over. */
        lock_release(m->platform, stripe_of(table, chunk));
        free_chunk(table, page);
        return slot_table_lock_create(table, chunk);
    }
    if (!bytes)
        lock_release(m->platform, stripe_of(table, chunk));
    return bytes;
}

void slot_table_use(struct slot_table *table, uint32_t chunk, int delta) {
    struct page *page = entry_page(table, *find_entry(table, chunk));

    page->private += (uint32_t)delta;
    MM_DEBUG_ASSERT(table->frames->machine, page->private <= PAGE_SIZE);
}

void slot_table_unlock(struct slot_table *table, uint32_t chunk) {
    uint32_t *entry = find_entry(table, chunk);
    struct page *unused = NULL;

    if (entry && *entry && entry_page(table, *entry)->private == 0) {
        unused = entry_page(table, *entry);
        *entry = 0;
    }
    lock_release(table->frames->machine->platform, stripe_of(table, chunk));
    if (unused)
        free_chunk(table, unused);
}

void slot_table_after_fork(struct slot_table *table) {
    for (unsigned i = 0; i < SLOT_TABLE_STRIPES; i++)
        lock_init(&table->stripes[i], RANK_SLOTS);
}
