/* SPDX-License-Identifier: MIT */
#include "mm/lock.h"

/* How often a lock is tried before its taker waits: about the length of the critical sections of the core. */
#define SPINS 100

static inline void cpu_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

void lock_init(struct lock *lock, enum lock_rank rank) {
    atomic_store_explicit(&lock->word, 0, memory_order_relaxed);
    lock->rank = rank;
}

bool lock_try(const struct platform *p, struct lock *lock) {
    uint32_t free = 0;

    lock_point(p);
    /* Pairs with the release in lock_release. */
    if (!atomic_compare_exchange_strong_explicit(&lock->word, &free, 1, memory_order_acquire, memory_order_relaxed))
        return false;
    lock_note_taken(p, lock->rank, false);
    return true;
}

void lock_acquire_contended(const struct platform *p, struct lock *lock) {
    for (int i = 0; i < SPINS; i++) {
        uint32_t seen = 0;

        if (atomic_compare_exchange_weak_explicit(&lock->word, &seen, 1, memory_order_acquire, memory_order_relaxed))
            return;
        if (seen == 2)
            break;
        cpu_relax();
    }
    /* From here on the word says 2, so that whoever releases it wakes us. */
    while (atomic_exchange_explicit(&lock->word, 2, memory_order_acquire) != 0)
        p->lock_wait(p->host, &lock->word, 2);
}

void lock_release_contended(const struct platform *p, struct lock *lock) {
    p->lock_wake(p->host, &lock->word, false);
}

bool lock_is_held(const struct lock *lock) {
    return atomic_load_explicit(&lock->word, memory_order_relaxed) != 0;
}

void rwlock_init(struct rwlock *lock, enum lock_rank rank) {
    atomic_store_explicit(&lock->word, 0, memory_order_relaxed);
    atomic_store_explicit(&lock->writers, 0, memory_order_relaxed);
    lock->rank = rank;
}

void read_lock(const struct platform *p, struct rwlock *lock) {
    lock_point(p);
    lock_note_taken(p, lock->rank, true);
    for (;;) {
        uint32_t seen = atomic_load_explicit(&lock->word, memory_order_relaxed);

        if (!(seen & RWLOCK_WRITER) && atomic_load_explicit(&lock->writers, memory_order_relaxed) == 0) {
            if (atomic_compare_exchange_weak_explicit(&lock->word, &seen, seen + 1, memory_order_acquire,
                                                      memory_order_relaxed))
                return;
        } else if (seen & RWLOCK_WRITER) {
            p->lock_wait(p->host, &lock->word, seen);
        } else {
            uint32_t writers = atomic_load_explicit(&lock->writers, memory_order_relaxed);

            if (writers)
                p->lock_wait(p->host, &lock->writers, writers);
        }
    }
}

bool read_try(const struct platform *p, struct rwlock *lock) {
    uint32_t seen = atomic_load_explicit(&lock->word, memory_order_relaxed);

    lock_point(p);
    do {
        if (seen & RWLOCK_WRITER || atomic_load_explicit(&lock->writers, memory_order_relaxed) != 0)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&lock->word, &seen, seen + 1, memory_order_acquire,
                                                    memory_order_relaxed));
    lock_note_taken(p, lock->rank, false);
    return true;
}

void read_unlock(const struct platform *p, struct rwlock *lock) {
    lock_note_dropped(p, lock->rank);
    /* The last reader lets a waiting writer in. seq_cst pairs with write_lock's announcement in `writers`. */
    if (atomic_fetch_sub_explicit(&lock->word, 1, memory_order_seq_cst) == 1 &&
        atomic_load_explicit(&lock->writers, memory_order_seq_cst) != 0)
        p->lock_wake(p->host, &lock->word, true);
}

void write_lock(const struct platform *p, struct rwlock *lock) {
    lock_point(p);
    lock_note_taken(p, lock->rank, true);
    atomic_fetch_add_explicit(&lock->writers, 1, memory_order_seq_cst);
    for (;;) {
        uint32_t seen = 0;

        if (atomic_compare_exchange_strong_explicit(&lock->word, &seen, RWLOCK_WRITER, memory_order_seq_cst,
                                                    memory_order_relaxed))
            return;
        p->lock_wait(p->host, &lock->word, seen);
    }
}

void write_unlock(const struct platform *p, struct rwlock *lock) {
    lock_note_dropped(p, lock->rank);
    atomic_store_explicit(&lock->word, 0, memory_order_seq_cst);
    atomic_fetch_sub_explicit(&lock->writers, 1, memory_order_seq_cst);
    p->lock_wake(p->host, &lock->word, true);
    p->lock_wake(p->host, &lock->writers, true);
}
