/* SPDX-License-Identifier: MIT */
#include "mm/bias.h"

/* Takings in a row by one task that make it owner; doubled each time that ownership is taken away. */
#define RUN_FIRST 64u
#define RUN_MOST (1u << 20)

void bias_init(struct bias_lock *bias, enum lock_rank rank) {
    lock_init(&bias->lock, rank);
    atomic_store_explicit(&bias->owner, &bias->nobody, memory_order_relaxed);
    bias->wanted = RUN_FIRST;
}

bool bias_is_held(const struct bias_lock *bias) {
    const struct bias_slot *owner = atomic_load_explicit(&bias->owner, memory_order_relaxed);

    if (owner != &bias->nobody)
        return atomic_load_explicit(&owner->busy, memory_order_relaxed) != 0;
    return lock_is_held(&bias->lock);
}

void bias_wake(const struct platform *p, struct bias_slot *slot) {
    p->lock_wake(p->host, &slot->busy, true);
}

/* If there is an owner, takes the lock from it: then the caller holds it. */
static bool take_away(const struct platform *p, struct bias_lock *bias) {
    struct bias_slot *owner = atomic_load_explicit(&bias->owner, memory_order_seq_cst);

    if (owner == &bias->nobody || !atomic_compare_exchange_strong_explicit(&bias->owner, &owner, &bias->nobody,
                                                                           memory_order_seq_cst, memory_order_relaxed))
        return false;
    p->barrier(p->host);
    while (atomic_load_explicit(&owner->busy, memory_order_acquire))
        p->lock_wait(p->host, &owner->busy, 1);
    if (bias->wanted < RUN_MOST)
        bias->wanted *= 2;
    bias->last = NULL;
    return true;
}

void bias_acquire_shared(const struct platform *p, struct bias_lock *bias) {
    uint32_t seen = 0;

    lock_point(p);
    lock_note_taken(p, bias->lock.rank, true);
    if (atomic_compare_exchange_strong_explicit(&bias->lock.word, &seen, 1, memory_order_acquire, memory_order_relaxed))
        return;
    for (;;) {
        if (take_away(p, bias)) {
            /* Others may still sleep from before there was an owner: the release has to wake them. */
            atomic_store_explicit(&bias->lock.word, 2, memory_order_relaxed);
            return;
        }
        /* Pairs with become_owner(): it sees that somebody waits, or we see that it has become owner. */
        if (atomic_exchange_explicit(&bias->lock.word, 2, memory_order_seq_cst) == 0)
            return;
        if (atomic_load_explicit(&bias->owner, memory_order_seq_cst) == &bias->nobody)
            p->lock_wait(p->host, &bias->lock.word, 2);
    }
}

static struct bias_slot *slot_for(struct bias_lock *bias, struct task *task) {
    for (unsigned i = 0; i < BIAS_SLOTS; i++) {
        if (!bias->slots[i].task)
            bias->slots[i].task = task;
        if (bias->slots[i].task == task)
            return &bias->slots[i];
    }
    return NULL;
}

/* The holder keeps the lock for good. False if somebody waits for it. */
static bool become_owner(struct bias_lock *bias, struct task *task) {
    struct bias_slot *slot = slot_for(bias, task);

    if (!slot)
        return false;
    atomic_store_explicit(&bias->owner, slot, memory_order_seq_cst);
    if (atomic_load_explicit(&bias->lock.word, memory_order_seq_cst) == 1)
        return true;
    /* Who has taken it away meanwhile has the lock now. */
    return !atomic_compare_exchange_strong_explicit(&bias->owner, &slot, &bias->nobody, memory_order_seq_cst,
                                                    memory_order_relaxed);
}

void bias_release_shared(const struct platform *p, struct bias_lock *bias, struct task *task) {
    lock_note_dropped(p, bias->lock.rank);
    if (bias->last != task) {
        bias->last = task;
        bias->run = 0;
    }
    if (++bias->run >= bias->wanted && p->barrier) {
        bias->run = 0;
        if (become_owner(bias, task))
            return;
    }
    if (atomic_exchange_explicit(&bias->lock.word, 0, memory_order_release) == 2)
        lock_release_contended(p, &bias->lock);
}
