/* SPDX-License-Identifier: MIT */
/*
 * writeback.c - when the pool's oldest pages go on to the swap file, so that the pool takes those evicted now.
 *
 * kswapd's thread does it between two pages that it stores, and before it sleeps, and nobody else: a handler that
 * reclaims has somebody waiting, and wakes it. Where it does not keep up, pages go to the file directly.
 */
#include "runtime/device_table.h"
#include "runtime/devices.h"
#include "runtime/kswapd.h"
#include "runtime/thread.h"

/* Looked at once in so many pages evicted. */
#define EVICTIONS 32u
/* At most so many pages at a time: kswapd has other work. */
#define BATCH 512u

static _Atomic uint32_t evictions;
static char bytes[PAGE_SIZE] __attribute__((aligned(4096))); /* kswapd */

void devices_write_back(void) {
    if (!pool)
        return;
    pool_compact(pool);
    if (file_type >= 0)
        swap_store_write_back(&devices[file_type].store, BATCH, bytes);
}

void writeback_tend(void) {
    if (!pool || atomic_fetch_add_explicit(&evictions, 1, memory_order_relaxed) % EVICTIONS != 0)
        return;
    if (weir_thread_self() == weir_thread_of(THREAD_KSWAPD))
        devices_write_back();
    else if (pool_wants_care(pool))
        kswapd_wake();
}
