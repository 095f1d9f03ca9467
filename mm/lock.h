/* SPDX-License-Identifier: MIT */
/*
 * lock.h - the locks of the core: a mutex that spins briefly and then waits through the platform, and a
 * reader-writer lock of the same make.
 *
 * Ranks are the executable lock order (docs/locking.md): a task waits for locks in rising rank only. Locks of the same
 * rank never nest, but where they are only tried. With MM_DEBUG each lock taken and dropped is told to the platform,
 * which can hold a task to that.
 */
#ifndef MM_LOCK_H
#define MM_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "mm/platform.h"

enum lock_rank {
    RANK_SHRINKER,   /* machine->shrinkers_lock */
    RANK_MMAP,       /* mm->mmap_lock */
    RANK_RMAP,       /* mm->rmap_lock: page tables stay where they are */
    RANK_PTL,        /* one page table */
    RANK_MM,         /* mm->lock: fault streams, storage of blocks */
    RANK_SWAP,       /* machine->swap_lock */
    RANK_SWAP_CACHE, /* swap cache tree */
    RANK_FILES,      /* machine->files_lock: the lists of files and devices */
    RANK_FILE,       /* the pages of one file */
    RANK_MEMPOOL,    /* a pool of elements */
    RANK_PAGEVEC,    /* one CPU's pagevecs */
    RANK_LRU,        /* zone->lru_lock */
    RANK_PCP,        /* one CPU's page lists of one zone */
    RANK_ZONE,       /* zone->lock */
    RANK_SHARD,      /* a part of a zone's free blocks */
    RANK_OOM,        /* machine->oom_lock: zone flags of a whole zonelist */
    RANK_SLOTS,      /* a chunk of a swap device's table of slots */
    RANK_HOST,       /* the platform's own, innermost */
};

/* word: 0 free, 1 held, 2 held and somebody waits. */
struct lock {
    _Atomic uint32_t word;
    uint32_t rank;
};

/* word: the number of readers, or RWLOCK_WRITER; writers: those that hold it or wait, who keep new readers out. */
struct rwlock {
    _Atomic uint32_t word;
    _Atomic uint32_t writers;
    uint32_t rank;
};

#define RWLOCK_WRITER 0x80000000u

void lock_init(struct lock *lock, enum lock_rank rank);
/* Returns false at once where lock_acquire would block. */
bool lock_try(const struct platform *p, struct lock *lock);
bool lock_is_held(const struct lock *lock);

/* Parts of the two below that only contention needs. */
void lock_acquire_contended(const struct platform *p, struct lock *lock);
void lock_release_contended(const struct platform *p, struct lock *lock);

/* Every attempt at a lock comes through here: a simulator's chance to run somebody else. */
static inline void lock_point(const struct platform *p) {
    if (p->lock_point)
        p->lock_point(p->host);
}
static inline void lock_note_taken(const struct platform *p, uint32_t rank, bool may_wait) {
#ifdef MM_DEBUG
    if (p->lock_taken)
        p->lock_taken(p->host, rank, may_wait);
#else
    (void)p, (void)rank, (void)may_wait;
#endif
}
static inline void lock_note_dropped(const struct platform *p, uint32_t rank) {
#ifdef MM_DEBUG
    if (p->lock_dropped)
        p->lock_dropped(p->host, rank);
#else
    (void)p, (void)rank;
#endif
}

/* Blocks until the lock is this task's. */
static inline void lock_acquire(const struct platform *p, struct lock *lock) {
    uint32_t seen = 0;

    lock_point(p);
    lock_note_taken(p, lock->rank, true);
    /* Pairs with the release in lock_release. */
    if (__builtin_expect(
            !atomic_compare_exchange_strong_explicit(&lock->word, &seen, 1, memory_order_acquire, memory_order_relaxed),
            0))
        lock_acquire_contended(p, lock);
}
static inline void lock_release(const struct platform *p, struct lock *lock) {
    lock_note_dropped(p, lock->rank);
    /* Pairs with the acquire in lock_acquire and lock_try. */
    if (__builtin_expect(atomic_exchange_explicit(&lock->word, 0, memory_order_release) == 2, 0))
        lock_release_contended(p, lock);
}

void rwlock_init(struct rwlock *lock, enum lock_rank rank);
void read_lock(const struct platform *p, struct rwlock *lock);
/* False at once where read_lock would block. */
bool read_trylock(const struct platform *p, struct rwlock *lock);
void read_unlock(const struct platform *p, struct rwlock *lock);
void write_lock(const struct platform *p, struct rwlock *lock);
void write_unlock(const struct platform *p, struct rwlock *lock);

#endif
