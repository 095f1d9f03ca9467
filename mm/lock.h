/* SPDX-License-Identifier: MIT */
/*
 * lock.h - the locks of the core: a mutex that spins briefly and then waits through the platform, and a
 * reader-writer lock of the same make.
 *
 * Ranks are the executable lock order (docs/locking.md): a task takes locks in rising rank only. Locks of the same
 * rank never nest.
 */
#ifndef MM_LOCK_H
#define MM_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/platform.h"

enum lock_rank {
    RANK_MMAP = 1,   /* mm->mmap_lock */
    RANK_RMAP,       /* mm->rmap_lock: page tables stay where they are */
    RANK_PTL,        /* one page table */
    RANK_SWAP,       /* machine->swap_lock */
    RANK_SWAP_CACHE, /* swap cache tree */
    RANK_PAGEVEC,    /* one CPU's pagevecs */
    RANK_LRU,        /* zone->lru_lock */
    RANK_PCP,        /* one CPU's page lists of one zone */
    RANK_ZONE,       /* zone->lock */
    RANK_OOM,        /* machine->oom_lock: zone flags of a whole zonelist */
    RANK_HOST,       /* the platform's own, innermost */
};

/* word: 0 free, 1 held, 2 held and somebody waits. */
struct lock {
    _Atomic uint32_t word;
    uint32_t rank;
};

/* word: the number of readers, or RWLOCK_WRITER; waiting: writers that wait keep new readers out. */
struct rwlock {
    _Atomic uint32_t word;
    _Atomic uint32_t writers;
    uint32_t rank;
};

#define RWLOCK_WRITER 0x80000000u

void lock_init(struct lock *lock, enum lock_rank rank);
/* Blocks until the lock is this task's. */
void lock_acquire(const struct platform *p, struct lock *lock);
/* Returns false at once where lock_acquire would block. */
bool lock_try(const struct platform *p, struct lock *lock);
void lock_release(const struct platform *p, struct lock *lock);
bool lock_is_held(const struct lock *lock);

void rwlock_init(struct rwlock *lock, enum lock_rank rank);
void read_lock(const struct platform *p, struct rwlock *lock);
void read_unlock(const struct platform *p, struct rwlock *lock);
void write_lock(const struct platform *p, struct rwlock *lock);
void write_unlock(const struct platform *p, struct rwlock *lock);

#endif
