/* SPDX-License-Identifier: MIT */
/*
 * writeback.c - when the pool's oldest pages go on to the swap file, so that the pool takes those evicted now.
 *
 * kswapd does it between two pages that it stores, and before it sleeps; a handler that reclaims for itself does not:
 * where kswapd does not keep up, pages go to the file directly.
 */
#include "runtime/device_table.h"
#include "runtime/devices.h"
#include "runtime/thread.h"

/* Looked at once in so many pages evicted. */
#define EVICTIONS 32u
/* At most so many pages at a time: kswapd has other work. */
#define BATCH 512u

static _Atomic uint32_t evictions;
static _Atomic bool writing; /* one thread at a time */
static char bytes[PAGE_SIZE] __attribute__((aligned(4096)));

void devices_write_back(void) {
    if (!pool || file_type < 0 || atomic_exchange(&writing, true))
        return;
    swap_store_write_back(&devices[file_type].store, BATCH, bytes);
    atomic_store(&writing, false);
}

void writeback_tend(void) {
    const struct weir_thread *self = weir_thread_self();

    if (self && (atomic_load_explicit(&self->task.flags, memory_order_relaxed) & PF_KSWAPD) &&
        atomic_fetch_add_explicit(&evictions, 1, memory_order_relaxed) % EVICTIONS == 0)
        devices_write_back();
}

void writeback_after_fork(void) {
    atomic_store(&writing, false);
}
