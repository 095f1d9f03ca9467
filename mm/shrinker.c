/* SPDX-License-Identifier: MIT */
#include "mm/shrinker.h"

#include "mm/filemap.h"
#include "mm/vmscan.h"

#define DROP_SLAB_PAGES 1000u
#define DROP_SLAB_ENOUGH 10u

void register_shrinker(struct machine *m, struct shrinker *shrinker) {
    atomic_store_explicit(&shrinker->backlog, 0, memory_order_relaxed);
    write_lock(m->platform, &m->shrinkers_lock);
    shrinker->next = m->shrinkers;
    m->shrinkers = shrinker;
    write_unlock(m->platform, &m->shrinkers_lock);
}

void unregister_shrinker(struct machine *m, struct shrinker *shrinker) {
    struct shrinker **link = &m->shrinkers;

    write_lock(m->platform, &m->shrinkers_lock);
    while (*link && *link != shrinker)
        link = &(*link)->next;
    if (*link)
        *link = shrinker->next;
    write_unlock(m->platform, &m->shrinkers_lock);
}

/* How many objects of the cache are due, those left from earlier calls included. */
static unsigned long take_backlog(struct shrinker *shrinker, unsigned long scanned, unsigned long objects,
                                  unsigned long lru_pages) {
    uint64_t share = (uint64_t)(4 * scanned / shrinker->seeks) * objects / (lru_pages + 1);
    unsigned long due = atomic_exchange_explicit(&shrinker->backlog, 0, memory_order_relaxed) + (unsigned long)share;

    return due > 2 * objects ? 2 * objects : due;
}

static unsigned long shake(struct machine *m, struct shrinker *shrinker, unsigned long due, gfp_t gfp) {
    unsigned long freed = 0;

    while (due >= SHRINK_BATCH) {
        long before = shrinker->shrink(shrinker, 0, gfp), after;

        after = shrinker->shrink(shrinker, SHRINK_BATCH, gfp);
        if (after == -1)
            break;
        if (after < before)
            freed += (unsigned long)(before - after);
        count_vm_events(m, SLABS_SCANNED, SHRINK_BATCH);
        due -= SHRINK_BATCH;
    }
    atomic_fetch_add_explicit(&shrinker->backlog, due, memory_order_relaxed);
    return freed;
}

unsigned long shrink_slab(struct machine *m, unsigned long scanned, gfp_t gfp, unsigned long lru_pages) {
    unsigned long freed = 0;

    if (scanned == 0)
        scanned = SWAP_CLUSTER_MAX;
    /* Only tried: the task may hold any lock by the time it reclaims. */
    if (!read_trylock(m->platform, &m->shrinkers_lock))
        return 1;
    for (struct shrinker *shrinker = m->shrinkers; shrinker; shrinker = shrinker->next) {
        long objects = shrinker->shrink(shrinker, 0, gfp);

        if (objects > 0)
            freed += shake(m, shrinker, take_backlog(shrinker, scanned, (unsigned long)objects, lru_pages), gfp);
    }
    read_unlock(m->platform, &m->shrinkers_lock);
    return freed;
}

void drop_caches(struct machine *m, unsigned what) {
    if (what & DROP_PAGECACHE)
        for (struct address_space *mapping = next_file(m, NULL); mapping; mapping = next_file(m, mapping))
            invalidate_mapping_pages(mapping, 0, UINT32_MAX);
    if (what & DROP_SLAB)
        while (shrink_slab(m, DROP_SLAB_PAGES, GFP_KERNEL, DROP_SLAB_PAGES) > DROP_SLAB_ENOUGH)
            ;
}
