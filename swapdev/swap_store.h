/* SPDX-License-Identifier: MIT */
/*
 * swap_store.h - what keeps a swap area's pages: a file with the compressed pool in front of it, or the pool alone.
 *
 * A page for the file goes to the pool first, under the file's slot, and later from there to the file, or to the file
 * at once. These hold for each slot:
 *
 * 1. What the pool holds of it is its newest; what it does not hold is in the file, or on its way there in a cluster,
 *    from which reads are served. So who reads asks the pool first, and then the file.
 * 2. A digest is that of the bytes handed to the file last, whatever the pool holds. One whose bytes the file did not
 *    get is cleared before anybody could rely on it.
 * 3. So a page in memory still has its copy if the digest matches and the pool has nothing newer (POOL_ONLY).
 * 4. As long as the slot's page is on its way from the pool to the file the pool takes no other for it (MM_BUSY), and
 *    nothing else is sent to the file under it.
 *
 * Thread-safe; but what is done about one slot is its owner's, one thing at a time: the page lock sees to that. Writing
 * back and freeing go on beside it.
 */
#ifndef SWAPDEV_SWAP_STORE_H
#define SWAPDEV_SWAP_STORE_H

#include "swapdev/digest.h"
#include "swapdev/file.h"
#include "swapdev/pool.h"

/* All constant while the area is in use. */
struct swap_store {
    unsigned type;                /* of the area */
    struct pool *pool;            /* NULL: none */
    struct swap_file *file;       /* NULL: the pool alone */
    struct digest_table *digests; /* of the file; NULL: none */
};

/*
 * Stores the page under its entry. MM_OK; MM_SUBMITTED: the file's done() follows, with cookie; MM_REJECTED: the pool
 * alone does not take it; MM_BUSY: not now; MM_IO. `cookie` is not NULL.
 */
enum mm_status swap_store_write(struct swap_store *store, swp_entry_t entry, const void *bytes, void *cookie);
/*
 * What the file's done() has to call. cookie NULL: the page came from the pool, and that was all. Else whoever wrote it
 * is to be told.
 */
void swap_store_written(struct swap_store *store, uint32_t offset, const void *cookie, enum mm_status status);
/*
 * Reads in two steps, since only the second one waits: status[i] is MM_SUBMITTED after the first for the pages that the
 * pool does not have, the number of which it returns. After the second it is MM_OK or MM_IO.
 */
unsigned swap_store_read_pool(struct swap_store *store, const swp_entry_t *entries, unsigned nr, void *bytes,
                              enum mm_status *status);
void swap_store_read_file(struct swap_store *store, const swp_entry_t *entries, unsigned nr, void *bytes,
                          enum mm_status *status, swap_file_meanwhile_fn *meanwhile);
/* These are likely to be read soon (swap_file_prefetch): those that only the file has are read ahead. */
void swap_store_prefetch(struct swap_store *store, const swp_entry_t *entries, unsigned nr);
/* Entry's page is in memory again, and these are its bytes: does the file have them? */
bool swap_store_is_clean(struct swap_store *store, swp_entry_t entry, const void *bytes);
/* Would the pool keep a copy of a page that is evicted now, though the file has it? (swap_store_write finds out.) */
bool swap_store_wants_copy(struct swap_store *store);
/* May be called with machine->swap_lock held. */
void swap_store_slot_free(struct swap_store *store, swp_entry_t entry);
/*
 * Sends the oldest pages that the pool has too much of to the file, at most nr; one thread at a time. bytes: a page to
 * work in. Waits for the file where that has no buffer free.
 */
void swap_store_write_back(struct swap_store *store, unsigned long nr, void *bytes);
/* Slots whose pages are in the file. */
uint64_t swap_store_file_pages(const struct swap_store *store);

#endif
