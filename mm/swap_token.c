/* SPDX-License-Identifier: MIT */
#include "mm/swap_token.h"

#include "mm/rmap.h"

#define TAKEN_BONUS 2u

static void take(struct machine *m, struct mm *mm) {
    mm->token_priority += TAKEN_BONUS;
    __atomic_store_n(&m->swap_token.mm_id, mm->id, __ATOMIC_RELAXED);
}

static struct mm *holder(const struct machine *m) {
    return m->swap_token.mm_id ? m->mms[m->swap_token.mm_id - 1] : NULL;
}

/* It faults more often than it did, and so thrashes more, or less. */
static void challenge(struct machine *m, struct mm *mm, unsigned interval) {
    if (interval < mm->token_interval)
        mm->token_priority++;
    else if (mm->token_priority)
        mm->token_priority--;
    if (mm->token_priority > holder(m)->token_priority)
        take(m, mm);
}

void grab_swap_token(struct mm *mm) {
    struct machine *m = mm->machine;
    unsigned interval;

    if (!m->tune.swap_token)
        return;
    /* Whoever comes while another contends has other things to do. */
    if (!lock_try(m->platform, &m->swap_token.lock))
        return;
    /* Time is counted in faults. */
    interval = ++m->swap_token.faults - mm->token_stamp;
    if (holder(m) == mm)
        mm->token_priority += TAKEN_BONUS;
    else if (!holder(m))
        take(m, mm);
    else
        challenge(m, mm, interval);
    mm->token_stamp = m->swap_token.faults;
    mm->token_interval = interval;
    lock_release(m->platform, &m->swap_token.lock);
}

void put_swap_token(struct mm *mm) {
    struct machine *m = mm->machine;

    lock_acquire(m->platform, &m->swap_token.lock);
    if (m->swap_token.mm_id == mm->id)
        __atomic_store_n(&m->swap_token.mm_id, 0, __ATOMIC_RELAXED);
    lock_release(m->platform, &m->swap_token.lock);
}

void disable_swap_token(struct machine *m) {
    if (!__atomic_load_n(&m->swap_token.mm_id, __ATOMIC_RELAXED))
        return;
    lock_acquire(m->platform, &m->swap_token.lock);
    __atomic_store_n(&m->swap_token.mm_id, 0, __ATOMIC_RELAXED);
    lock_release(m->platform, &m->swap_token.lock);
}

bool has_swap_token(const struct mm *mm) {
    return __atomic_load_n(&mm->machine->swap_token.mm_id, __ATOMIC_RELAXED) == mm->id;
}

bool swap_token_protects(struct machine *m, uint64_t owner) {
    uint32_t id = __atomic_load_n(&m->swap_token.mm_id, __ATOMIC_RELAXED);
    struct mm *mm;
    bool protects;

    if (!id || owner >> 40 != id || !m->tune.swap_token)
        return false;
    mm = rmap_get_mm(m, owner);
    protects = mm && mm != mm_current(m)->mm && atomic_load_explicit(&mm->mmap_lock.word, memory_order_relaxed) != 0;
    rmap_put_mm(m);
    return protects;
}
