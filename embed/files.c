/* SPDX-License-Identifier: MIT */
/* File pages, the devices behind them, and the host's own caches and reserves. */
#include "embed/names.h"
#include "mm/filemap.h"
#include "mm/lru.h"
#include "mm/mempool.h"
#include "mm/page_writeback.h"
#include "mm/shrinker.h"
#include "mm/vmscan.h"

/* The host's storage, as the core uses it. */
static struct backing_dev_info *bdi_of(struct weir_device *device) {
    return (struct backing_dev_info *)(void *)device;
}
static struct address_space *mapping_of(struct weir_file *file) {
    return (struct address_space *)(void *)file;
}
static struct mempool *pool_of(struct weir_pool *pool) {
    return (struct mempool *)(void *)pool;
}

/* -- devices. -- */

void weir_device_init(struct weir_machine *m, struct weir_device *device, unsigned nr_requests) {
    bdi_init(machine_of(m), bdi_of(device), nr_requests);
}

void weir_device_destroy(struct weir_device *device) {
    bdi_destroy(bdi_of(device));
}

void weir_device_request_started(struct weir_device *device) {
    bdi_request_started(bdi_of(device));
}

bool weir_device_request_finished(struct weir_device *device) {
    return bdi_request_finished(bdi_of(device));
}

/* -- files. -- */

void weir_file_init(struct weir_machine *m, struct weir_file *file, const struct weir_file_operations *operations,
                    struct weir_device *device) {
    address_space_init(machine_of(m), mapping_of(file), (const struct address_space_operations *)operations,
                       bdi_of(device));
}

void weir_file_destroy(struct weir_file *file) {
    address_space_destroy(mapping_of(file));
}

enum weir_status weir_file_add(struct weir_file *file, struct weir_page *page, uint32_t index, uint32_t gfp) {
    struct machine *m = mapping_of(file)->machine;
    enum mm_status status;

    lock_page(m, page_of(page));
    status = add_to_page_cache_lru(mapping_of(file), page_of(page), index, gfp);
    if (status != MM_OK)
        unlock_page(m, page_of(page));
    return (enum weir_status)status;
}

struct weir_page *weir_file_find(struct weir_file *file, uint32_t index, bool lock) {
    return public_page(lock ? find_lock_page(mapping_of(file), index) : find_get_page(mapping_of(file), index));
}

struct weir_file *weir_page_file(const struct weir_page *page, uint32_t *ret_index) {
    *ret_index = page_index(page_of(page));
    return (struct weir_file *)(void *)page_mapping(page_of(page));
}

void weir_page_lock(struct weir_machine *m, struct weir_page *page) {
    lock_page(machine_of(m), page_of(page));
}

void weir_page_unlock(struct weir_machine *m, struct weir_page *page) {
    unlock_page(machine_of(m), page_of(page));
}

void weir_page_set_uptodate(struct weir_page *page) {
    page_set(page_of(page), PG_uptodate);
}

bool weir_page_is_uptodate(const struct weir_page *page) {
    return page_test(page_of(page), PG_uptodate);
}

void weir_page_accessed(struct weir_machine *m, struct weir_page *page) {
    mark_page_accessed(machine_of(m), page_of(page));
}

bool weir_page_dirty(struct weir_machine *m, struct weir_page *page) {
    return set_page_dirty(machine_of(m), page_of(page));
}

void weir_page_write_done(struct weir_machine *m, struct weir_page *page, enum weir_status status) {
    end_page_writeback(machine_of(m), page_of(page), (enum mm_status)status);
}

void weir_page_mapped(struct weir_machine *m, struct weir_page *page) {
    page_add_file_rmap(machine_of(m), page_of(page));
}

void weir_page_unmapped(struct weir_machine *m, struct weir_page *page) {
    page_remove_file_rmap(machine_of(m), page_of(page));
}

void weir_file_count_mappings(struct weir_file *file, int by) {
    atomic_fetch_add_explicit(&mapping_of(file)->nr_mmaps, (unsigned)by, memory_order_relaxed);
}

void weir_file_dirtied(struct weir_file *file, unsigned nr_pages) {
    balance_dirty_pages_ratelimited(mapping_of(file), nr_pages);
}

unsigned long weir_file_invalidate(struct weir_file *file, uint32_t start, uint32_t end) {
    return invalidate_mapping_pages(mapping_of(file), start, end);
}

void weir_file_truncate(struct weir_file *file, uint32_t start) {
    truncate_inode_pages(mapping_of(file), start);
}

void weir_free_more_memory(struct weir_machine *m) {
    free_more_memory(machine_of(m));
}

void weir_writeback(struct weir_machine *m, unsigned long nr_pages) {
    background_writeout(machine_of(m), nr_pages);
}

/* -- caches and reserves. -- */

void weir_shrinker_add(struct weir_machine *m, struct weir_shrinker *shrinker) {
    register_shrinker(machine_of(m), (struct shrinker *)shrinker);
}

void weir_shrinker_remove(struct weir_machine *m, struct weir_shrinker *shrinker) {
    unregister_shrinker(machine_of(m), (struct shrinker *)shrinker);
}

void weir_shrinker_freed(struct weir_machine *m, unsigned long nr_pages) {
    struct reclaim_state *state = mm_current(machine_of(m))->reclaim_state;

    if (state)
        state->reclaimed_slab += nr_pages;
}

long weir_shrinker_pressure(const struct weir_machine *m, unsigned long nr_unused) {
    return shrinker_pressure(machine_of(m), nr_unused);
}

void weir_count_slab(struct weir_machine *m, struct weir_page *page, bool reclaimable, int nr_pages) {
    mod_zone_page_state(page_zone(machine_of(m), page_of(page)),
                        reclaimable ? NR_SLAB_RECLAIMABLE : NR_SLAB_UNRECLAIMABLE, nr_pages);
}

void weir_drop_caches(struct weir_machine *m, bool pages, bool objects) {
    drop_caches(machine_of(m), (pages ? DROP_PAGECACHE : 0u) | (objects ? DROP_SLAB : 0u));
}

enum weir_status weir_pool_init(struct weir_machine *m, struct weir_pool *pool, unsigned min_nr,
                                void *(*alloc)(uint32_t gfp, void *data), void (*free)(void *element, void *data),
                                void *data) {
    return (enum weir_status)mempool_init(machine_of(m), pool_of(pool), min_nr, alloc, free, data);
}

enum weir_status weir_pool_destroy(struct weir_pool *pool) {
    return (enum weir_status)mempool_destroy(pool_of(pool));
}

void *weir_pool_alloc(struct weir_pool *pool, uint32_t gfp) {
    return mempool_alloc(pool_of(pool), gfp);
}

void weir_pool_free(struct weir_pool *pool, void *element) {
    mempool_free(pool_of(pool), element);
}

enum weir_status weir_pool_resize(struct weir_pool *pool, unsigned min_nr, uint32_t gfp) {
    return (enum weir_status)mempool_resize(pool_of(pool), min_nr, gfp);
}
