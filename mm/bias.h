/* SPDX-License-Identifier: MIT */
/*
 * bias.h - a lock that costs its usual taker no atomic instruction.
 *
 * A task that takes the lock again and again, and nobody else does, becomes its owner: the lock stays held for it, and
 * it goes in and out by plain stores to a word of its own. Another task that wants the lock first takes it away: it
 * strikes the owner out, makes every CPU see that (platform->barrier), and waits until the old owner is outside. That
 * costs microseconds, so that ownership is given again only after a longer and longer run of takings by one task. A
 * host without a barrier has an ordinary lock.
 *
 * So per-CPU data needs neither disabled preemption nor restartable sequences, of any length, in C; and whoever drains
 * another CPU's data just takes its lock.
 */
#ifndef MM_BIAS_H
#define MM_BIAS_H

#include "mm/lock.h"

#define BIAS_SLOTS 4

/* A task that has been owner. It keeps its slot for ever, so that a store that comes late hits nobody else's word. */
struct bias_slot {
    struct task *task;
    _Atomic uint32_t busy; /* the owner is inside */
};

struct bias_lock {
    _Atomic(struct bias_slot *) owner; /* never NULL: `nobody` stands for none */
    struct lock lock;                  /* held while there is an owner */
    struct bias_slot nobody;
    /* Under the lock: */
    struct task *last; /* took it last, `run` times in a row, of which `wanted` make it owner */
    uint32_t run, wanted;
    struct bias_slot slots[BIAS_SLOTS];
};

void bias_init(struct bias_lock *bias, enum lock_rank rank);
bool bias_is_held(const struct bias_lock *bias);

/* Parts of the two below for a task that is not the owner. */
void bias_acquire_shared(const struct platform *p, struct bias_lock *bias);
void bias_release_shared(const struct platform *p, struct bias_lock *bias, struct task *task);
void bias_wake(const struct platform *p, struct bias_slot *slot);

/*
 * For the shortest ways: the owner's slot if the current task is it and goes in, else NULL at once. On the way out
 * bias_leave() returns false if bias_wake() is due.
 */
static inline struct bias_slot *bias_enter(const struct platform *p, struct bias_lock *bias, const struct task *task) {
    struct bias_slot *slot = atomic_load_explicit(&bias->owner, memory_order_relaxed);

    if (__builtin_expect(slot->task != task, 0))
        return NULL;
    lock_note_taken(p, bias->lock.rank, true);
    atomic_store_explicit(&slot->busy, 1, memory_order_relaxed);
    /* Pairs with platform->barrier in take_away(): it sees us inside, or bias_is_ours() that we own nothing any more.
     */
    atomic_signal_fence(memory_order_seq_cst);
    return slot;
}
static inline bool bias_is_ours(const struct bias_lock *bias, const struct bias_slot *slot) {
    return __builtin_expect(atomic_load_explicit(&bias->owner, memory_order_acquire) == slot, 1);
}
static inline bool bias_leave(const struct platform *p, struct bias_lock *bias, struct bias_slot *slot) {
    lock_note_dropped(p, bias->lock.rank);
    atomic_store_explicit(&slot->busy, 0, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
    return __builtin_expect(atomic_load_explicit(&bias->owner, memory_order_relaxed) == slot, 1);
}

/*
 * Blocks until the lock is the current task's, and returns what bias_release() wants. A task holds at most one lock of
 * a rank, as ever.
 */
static inline struct bias_slot *bias_acquire(const struct platform *p, struct bias_lock *bias,
                                             const struct task *task) {
    struct bias_slot *slot = bias_enter(p, bias, task);

    if (__builtin_expect(slot != NULL, 1)) {
        if (bias_is_ours(bias, slot))
            return slot;
        bias_leave(p, bias, slot);
        bias_wake(p, slot);
    }
    bias_acquire_shared(p, bias);
    return NULL;
}

static inline void bias_release(const struct platform *p, struct bias_lock *bias, struct bias_slot *slot,
                                struct task *task) {
    if (__builtin_expect(slot == NULL, 0))
        bias_release_shared(p, bias, task);
    else if (!bias_leave(p, bias, slot))
        bias_wake(p, slot);
}

#endif
