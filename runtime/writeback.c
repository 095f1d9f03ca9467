/* SPDX-License-Identifier: MIT */
/*
 * writeback.c - when the pool's oldest pages go on to the swap file, so that the pool takes those evicted now.
 *
 * kswapd does it between two pages that it stores, and before it sleeps, and nobody else: a handler that reclaims for
 * itself has somebody waiting. Where kswapd does not keep up, pages go to the file directly.
 */
#include "runtime/device_table.h"
#include "runtime/devices.h"
#include "runtime/thread.h"

/* Looked at once in so many pages evicted. */
#define EVICTIONS 32u
/* At most so many pages at a time: kswapd has other work. */
#define BATCH 512u

static unsigned evictions;                                   /* kswapd */
static char bytes[PAGE_SIZE] __attribute__((aligned(4096))); /* kswapd */

void devices_write_back(void) {
    if (!pool)
        return;
    pool_compact(pool);
    if (file_type >= 0)
        swap_store_write_back(&devices[file_type].store, BATCH, bytes);
}

void writeback_tend(void) {
    const struct weir_thread *self = weir_thread_self();

    if (self && (atomic_load_explicit(&self->task.flags, memory_order_relaxed) & PF_KSWAPD) &&
        ++evictions % EVICTIONS == 0)
        devices_write_back();
}
