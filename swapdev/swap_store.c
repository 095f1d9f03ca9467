/* SPDX-License-Identifier: MIT */
#include "swapdev/swap_store.h"

#include "mm/swapfile.h"

#define MAX_READ 64u

/* -- out. -------------------------------------------------------------------------------------------------------- */

static void forget_digest(struct swap_store *store, uint32_t offset) {
    if (store->digests)
        digest_clear(store->digests, offset);
}

/* MM_REJECTED: the pool does not take the page, and has nothing under its entry any more. */
static enum mm_status write_to_pool(struct swap_store *store, swp_entry_t entry, const void *bytes) {
    bool copied, stored = false;

    /*
     * First of all, so that the file's copy and its digest do not change any more: without anything in the pool there
     * is nothing to write back.
     */
    if (!pool_forget(store->pool, entry))
        return MM_BUSY;
    copied = store->digests && digest_matches(store->digests, swp_offset(entry), bytes);
    if (pool_admits(store->pool, copied))
        stored = pool_store(store->pool, entry, bytes, copied) == MM_OK;
    else
        pool_note_evictions(store->pool, 1);
    /* What the file has of the slot is of no worth any more, and is not to be counted. */
    if (stored && !copied)
        forget_digest(store, swp_offset(entry));
    /* What the pool does not want and the file has is written already. */
    return stored || copied ? MM_OK : MM_REJECTED;
}

enum mm_status swap_store_write(struct swap_store *store, swp_entry_t entry, const void *bytes, void *cookie) {
    enum mm_status status;

    if (!store->file)
        return pool_store(store->pool, entry, bytes, false);
    status = store->pool ? write_to_pool(store, entry, bytes) : MM_REJECTED;
    if (status != MM_REJECTED)
        return status;
    if (store->digests)
        digest_set(store->digests, swp_offset(entry), bytes);
    status = swap_file_write(store->file, swp_offset(entry), bytes, cookie);
    if (status != MM_SUBMITTED)
        forget_digest(store, swp_offset(entry));
    return status;
}

void swap_store_written(struct swap_store *store, uint32_t offset, const void *cookie, enum mm_status status) {
    /*
     * Before anybody could rely on it: a page that is written itself is under writeback still, and one from the pool
     * has its mark there.
     */
    if (status != MM_OK)
        forget_digest(store, offset);
    /* False: freed in the meantime, and the digest may have come after that. */
    if (!cookie && !pool_writeback_done(store->pool, swp_entry(store->type, offset), status == MM_OK))
        forget_digest(store, offset);
}

static void write_back(struct swap_store *store, swp_entry_t entry, const void *bytes) {
    uint32_t offset = swp_offset(entry);

    /* It counts only once the pool has nothing any more: rule 3. */
    if (store->digests)
        digest_set(store->digests, offset, bytes);
    if (swap_file_write(store->file, offset, bytes, NULL) != MM_SUBMITTED)
        swap_store_written(store, offset, NULL, MM_IO);
}

/* How many pages the pool takes beyond what it should. */
static unsigned long pages_over(const struct swap_store *store) {
    struct pool_stats stats;

    pool_get_stats(store->pool, &stats);
    return stats.pages > stats.target_pages ? stats.pages - stats.target_pages : 0;
}

void swap_store_write_back(struct swap_store *store, unsigned long nr, void *bytes) {
    unsigned long over;
    uint32_t age;

    pool_judge(store->pool);
    over = pages_over(store);
    /* A page of RAM holds about two. */
    nr = over * 2 < nr ? over * 2 : nr;
    age = nr ? pool_age_of_oldest(store->pool, nr) : 0;
    for (; nr > 0 && pages_over(store) > 0; nr--) {
        swp_entry_t entry;
        enum pool_sweep what = pool_writeback_next(store->pool, age, &entry, bytes);

        if (what == POOL_SWEEP_END)
            break;
        if (what == POOL_SWEEP_WRITE)
            write_back(store, entry, bytes);
    }
}

/* -- in. --------------------------------------------------------------------------------------------------------- */

unsigned swap_store_read_pool(struct swap_store *store, const swp_entry_t *entries, unsigned nr, void *bytes,
                              enum mm_status *status) {
    unsigned left = 0;

    for (unsigned i = 0; i < nr; i++) {
        status[i] = store->pool ? pool_load(store->pool, entries[i], (char *)bytes + i * PAGE_SIZE) : MM_INVAL;
        if (status[i] == MM_INVAL) {
            status[i] = store->file ? MM_SUBMITTED : MM_IO;
            left += store->file != NULL;
        }
    }
    return left;
}

/* The same, of MAX_READ pages at most. */
static void read_file(struct swap_store *store, const swp_entry_t *entries, unsigned nr, char *bytes,
                      enum mm_status *status, swap_file_meanwhile_fn *meanwhile) {
    uint32_t offsets[MAX_READ] = {0};
    bool wanted[MAX_READ];

    for (unsigned i = 0; i < nr; i++) {
        offsets[i] = swp_offset(entries[i]);
        wanted[i] = status[i] == MM_SUBMITTED;
    }
    swap_file_read_rest(store->file, offsets, nr, bytes, status, meanwhile);
    /* A device that answers with other bytes than it was given has failed, whatever it says. */
    for (unsigned i = 0; i < nr; i++)
        if (wanted[i] && status[i] == MM_OK && store->digests &&
            digest_contradicts(store->digests, offsets[i], bytes + i * PAGE_SIZE))
            status[i] = MM_IO;
}

void swap_store_read_file(struct swap_store *store, const swp_entry_t *entries, unsigned nr, void *bytes,
                          enum mm_status *status, swap_file_meanwhile_fn *meanwhile) {
    for (unsigned done = 0; done < nr; done += MAX_READ)
        read_file(store, entries + done, nr - done < MAX_READ ? nr - done : MAX_READ, (char *)bytes + done * PAGE_SIZE,
                  status + done, meanwhile);
}

void swap_store_prefetch(struct swap_store *store, const swp_entry_t *entries, unsigned nr) {
    uint32_t offsets[SWAP_FILE_PREFETCH];
    unsigned wanted = 0;

    /*
     * What the pool has is not read from the file; and should it be written back meanwhile, that write strikes out what
     * has been read ahead of the slot.
     */
    for (unsigned i = 0; i < nr && wanted < SWAP_FILE_PREFETCH; i++)
        if (!store->pool || pool_holds(store->pool, entries[i]) == POOL_NOTHING)
            offsets[wanted++] = swp_offset(entries[i]);
    if (wanted)
        swap_file_prefetch(store->file, offsets, wanted);
}

/* -- slots. ------------------------------------------------------------------------------------------------------ */

bool swap_store_wants_copy(struct swap_store *store) {
    return store->pool && store->file && pool_wants_copies(store->pool);
}

bool swap_store_is_clean(struct swap_store *store, swp_entry_t entry, const void *bytes) {
    /* In this order: what is POOL_NOTHING or POOL_COPY is not about to be written back, and its digest stays. */
    if (!store->digests || (store->pool && pool_holds(store->pool, entry) == POOL_ONLY))
        return false;
    return digest_matches(store->digests, swp_offset(entry), bytes);
}

void swap_store_slot_free(struct swap_store *store, swp_entry_t entry) {
    if (store->pool)
        pool_slot_free(store->pool, entry);
    forget_digest(store, swp_offset(entry));
}

uint64_t swap_store_file_pages(const struct swap_store *store) {
    return store->digests ? digest_count(store->digests) : 0;
}
