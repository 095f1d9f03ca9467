/* SPDX-License-Identifier: MIT */
/*
 * shrinker.h - the host's caches that can give memory back, and how hard reclaim shakes them. (specification, section
 * 11)
 */
#ifndef MM_SHRINKER_H
#define MM_SHRINKER_H

#include "mm/gfp.h"
#include "mm/machine.h"

#define DEFAULT_SEEKS 2u
#define SHRINK_BATCH 128

struct shrinker {
    /*
     * nr 0: how many objects the cache could free. Else it tries to free nr and returns what remains; -1: it refuses
     * (the mask forbids what it would take). Frames that it gives back it adds to the current task's reclaim_state.
     * May sleep. It must not add or remove shrinkers.
     */
    long (*shrink)(struct shrinker *shrinker, long nr, gfp_t gfp);
    unsigned seeks; /* what it costs to make an object again; DEFAULT_SEEKS */

    struct shrinker *next;         /* under machine->shrinkers_lock */
    _Atomic unsigned long backlog; /* (A) objects that should have been scanned */
};

/* seeks is at least 1. No lock held. */
void register_shrinker(struct machine *m, struct shrinker *shrinker);
/* Waits until nobody is in it. */
void unregister_shrinker(struct machine *m, struct shrinker *shrinker);

/*
 * Shakes each cache in proportion to what was scanned of lru_pages pages. Returns the objects freed, 1 if the list of
 * shrinkers is just being changed.
 */
unsigned long shrink_slab(struct machine *m, unsigned long scanned, gfp_t gfp, unsigned long lru_pages);

/* What a cache of names and inodes with so many unused objects should say that it has. */
static inline long shrinker_pressure(const struct machine *m, unsigned long unused) {
    return (long)(unused / 100 * m->tune.vfs_cache_pressure);
}

enum drop_caches { DROP_PAGECACHE = 1, DROP_SLAB = 2 };
/* Drops clean file pages, and shakes the caches until they give nearly nothing. what: enum drop_caches. (section 17) */
void drop_caches(struct machine *m, unsigned what);

#endif
