/* SPDX-License-Identifier: MIT */
#include "mm/zonelist_cache.h"

void zonelist_scan_mark(struct zonelist_scan *scan) {
    atomic_fetch_or_explicit(&scan->zonelist->cache->full_zones, UINT64_C(1) << (scan->next - 1), memory_order_relaxed);
}

void zonelist_scan_consult(struct machine *m, struct zonelist_scan *scan) {
    struct zonelist_cache *cache = scan->zonelist->cache;
    uint64_t now = m->platform->now_ns(m->platform->host);
    uint64_t last = atomic_load_explicit(&cache->last_full_zap_ns, memory_order_relaxed);

    if (now - last > ZONELIST_CACHE_NS) {
        atomic_store_explicit(&cache->full_zones, 0, memory_order_relaxed);
        atomic_store_explicit(&cache->last_full_zap_ns, now, memory_order_relaxed);
    }
    scan->consulted = scan->hint = true;
}
