/* SPDX-License-Identifier: MIT */
/*
 * swap_io.c - pages to and from the swap areas: the swap calls of struct platform.
 */
#include "mm/page_alloc.h"
#include "mm/page_io.h"
#include "mm/swap_state.h"
#include "mm/swapfile.h"
#include "mm/vmscan.h"
#include "runtime/bytes.h"
#include "runtime/device_table.h"
#include "runtime/devices.h"
#include "runtime/duty.h"
#include "runtime/runtime.h"
#include "runtime/stale.h"
#include "runtime/sys.h"
#include "runtime/thread.h"

static _Atomic uint32_t writes_until_tend;
static _Atomic uint64_t pool_full_bytes; /* what the pool held when it was last full; 0 while it takes pages */

static uint64_t pool_bytes(void) {
    struct pool_stats stats;

    pool_get_stats(pool, &stats);
    return stats.bytes;
}

/*
 * As an area of its own a full pool takes pages again once a twentieth of it has come free. Taking each page that just
 * fits would send neighbours now here, now elsewhere, and they could not be read back in runs.
 */
static bool pool_is_open(void) {
    uint64_t full = atomic_load(&pool_full_bytes);

    if (full && pool_bytes() < full - full / 20)
        atomic_store(&pool_full_bytes, full = 0);
    return full == 0;
}

/* -- out. -------------------------------------------------------------------------------------------------------- */

enum mm_status devices_swap_write(void *host, swp_entry_t entry, struct page *page, struct mm *mm, uintptr_t addr) {
    struct device *device = &devices[swp_type(entry)];
    const void *bytes = mm ? bytes_parked(addr) : page_address(rt.machine, page);
    enum mm_status status = MM_REJECTED;

    (void)host;
    stale_drop(false);
    if (device->kind == DEVICE_POOL) {
        status = swap_store_write(&device->store, entry, bytes, page);
        if (status == MM_REJECTED && !pool_has_room(pool))
            atomic_store(&pool_full_bytes, pool_bytes());
    } else if (device->kind == DEVICE_FILE) {
        if (atomic_fetch_add(&writes_until_tend, 1) % 1024 == 0)
            devices_tend();
        status = swap_store_write(&device->store, entry, bytes, page);
        writeback_tend();
    }
    return status;
}

void devices_write_done(void *arg, uint32_t offset, void *cookie, enum mm_status status) {
    (void)arg;
    if (status != MM_OK && atomic_fetch_add(&rt.stats->write_errors, 1) == 0)
        weir_say("a write to the swap file in %s failed: what could not be written stays in memory",
                 rt.config.swap_dir);
    swap_store_written(&devices[file_type].store, offset, cookie, status);
    if (cookie)
        end_swap_write(rt.machine, cookie, status);
}

/* -- in. --------------------------------------------------------------------------------------------------------- */

static bool assist(void) {
    return kswapd_assist(rt.machine, 0);
}

void devices_swap_read(void *host, const swp_entry_t *entries, struct page *const *pages, unsigned nr,
                       enum mm_status *status) {
    struct weir_thread *self = weir_thread_self();
    struct swap_store *store = &devices[swp_type(entries[0])].store;
    unsigned nr_file;

    (void)host;
    MM_ASSERT(rt.machine, nr <= STAGING_PAGES);
    for (unsigned i = 0; i < nr; i++)
        self->staged[i] = pages[i];
    self->nr_staged = nr;
    nr_file = swap_store_read_pool(store, entries, nr, self->staging, status);
    self->read_file = nr_file != 0;
    if (self->read_file) {
        swap_file_meanwhile_fn *meanwhile = self->assists && kswapd_wants_assistance(rt.machine, 0) ? assist : NULL;
        uint64_t start;

        duty_hand_over();
        start = now_ns();
        swap_store_read_file(store, entries, nr, self->staging, status, meanwhile);
        /* What is done meanwhile may take longer than the file does. */
        if (store->pool && !meanwhile)
            pool_note_file_read(store->pool, nr_file, now_ns() - start);
    }
    if (store->pool)
        pool_note_run(store->pool, nr);
    for (unsigned i = 0; i < nr; i++) {
        if (status[i] == MM_OK)
            continue;
        if (atomic_fetch_add(&rt.stats->read_errors, 1) == 0)
            weir_say("a page could not be read back from %s: a program that touches it gets SIGBUS",
                     self->read_file ? "the swap file" : "the compressed pool");
    }
}

void devices_swap_prefetch(void *host, const swp_entry_t *entries, unsigned nr) {
    struct device *device = &devices[swp_type(entries[0])];

    (void)host;
    if (device->kind == DEVICE_FILE)
        swap_store_prefetch(&device->store, entries, nr);
}

bool devices_read_slot(swp_entry_t entry, void *buf) {
    struct swap_store *store = &devices[swp_type(entry)].store;
    enum mm_status status;

    if (swap_store_read_pool(store, &entry, 1, buf, &status))
        swap_store_read_file(store, &entry, 1, buf, &status, NULL);
    return status == MM_OK;
}

/*
 * The page is resident: what the pool keeps of it would only take room, and goes. Not before, since a page that cannot
 * be mapped is forgotten, and its slot is all there is. The page is locked and still in the swap cache. If the file has
 * no copy either, the slot holds nothing from now on: no digest says otherwise, so it is written again.
 */
static void note_resident(struct page *const *pages, unsigned nr, bool wanted) {
    for (unsigned i = 0; pool && i < nr; i++)
        pool_came_back(pool, (swp_entry_t){pages[i]->private}, wanted);
}

unsigned devices_map_pages(void *host, struct mm *mm, uintptr_t addr, struct page *const *pages, unsigned nr,
                           unsigned map_flags) {
    unsigned done = bytes_map_pages(host, mm, addr, pages, nr, map_flags);

    note_resident(pages, done, true);
    return done;
}

unsigned devices_map_parked(void *host, struct mm *mm, uintptr_t addr, struct page *const *pages, unsigned nr) {
    unsigned done = bytes_map_parked(host, mm, addr, pages, nr);

    note_resident(pages, done, false);
    return done;
}

/* -- slots. ------------------------------------------------------------------------------------------------------ */

void devices_slot_free(void *host, swp_entry_t entry) {
    (void)host;
    swap_store_slot_free(&devices[swp_type(entry)].store, entry);
}

bool devices_has_room(void *host, unsigned type) {
    (void)host;
    if (devices[type].kind == DEVICE_POOL)
        return pool_is_open();
    return devices[type].kind == DEVICE_FILE;
}

bool devices_parked_is_clean(void *host, struct mm *mm, uintptr_t addr, swp_entry_t entry) {
    struct swap_store *store = &devices[swp_type(entry)].store;

    (void)host;
    (void)mm;
    if (!swap_store_is_clean(store, entry, bytes_parked(addr)))
        return false;
    /* Written once more it comes to the pool. A slot that a child counts on is not written to: it would get another. */
    if ((int)swp_type(entry) == file_type && swap_store_wants_copy(store) && !devices_are_frozen())
        return false;
    if (pool)
        pool_note_evictions(pool, 1);
    atomic_fetch_add(&rt.stats->dropped_clean_pages, 1);
    return true;
}
