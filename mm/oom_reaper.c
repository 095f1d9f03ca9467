/* SPDX-License-Identifier: MIT */
#include "mm/oom_reaper.h"

#include "mm/rmap.h"

static uint64_t now(const struct machine *m) {
    return m->platform->now_ns(m->platform->host);
}

/* Takes the first that is due out of the queue; tells when the next will be. 0: none is. */
static uint32_t take_due(struct machine *m, struct oom_victim *ret_victim, uint64_t *ret_next) {
    uint32_t id = 0;

    *ret_next = OOM_REAPER_NEVER;
    lock_acquire(m->platform, &m->reaper.lock);
    for (uint32_t i = 0; i < MAX_MMS; i++) {
        struct oom_victim *victim = &m->reaper.victims[i];

        if (victim->due_ns == 0)
            continue;
        if (!id && victim->due_ns <= now(m)) {
            id = i + 1;
            *ret_victim = *victim;
            victim->due_ns = 0;
        } else if (victim->due_ns < *ret_next) {
            *ret_next = victim->due_ns;
        }
    }
    lock_release(m->platform, &m->reaper.lock);
    return id;
}

static void put_back(struct mm *mm, unsigned tries, uint64_t due_ns) {
    struct machine *m = mm->machine;

    lock_acquire(m->platform, &m->reaper.lock);
    m->reaper.victims[mm->id - 1] = (struct oom_victim){.due_ns = due_ns, .tries = tries};
    lock_release(m->platform, &m->reaper.lock);
}

void oom_reaper_add(struct machine *m, struct mm *mm) {
    const struct platform *p = m->platform;
    uint64_t due_ns = now(m) + OOM_REAPER_DELAY_NS;

    if (!m->tune.oom_reaper ||
        atomic_fetch_or_explicit(&mm->flags, MM_OOM_VICTIM, memory_order_relaxed) & MM_OOM_VICTIM)
        return;
    put_back(mm, 0, due_ns);
    if (p->wake_oom_reaper)
        p->wake_oom_reaper(p->host, due_ns);
}

void oom_reaper_forget(struct mm *mm) {
    put_back(mm, 0, 0);
}

static bool try_to_reap(struct mm *mm) {
    const struct platform *p = mm->machine->platform;

    if (!read_trylock(p, &mm->mmap_lock))
        return false;
    /* Whoever faults from now on would find zeros where data was: such a fault fails. */
    atomic_fetch_or_explicit(&mm->flags, MM_UNSTABLE, memory_order_seq_cst);
    for (const struct vm_area *area = find_area_from(mm, mm->start); area; area = area_next(mm, area))
        if (!(area->flags & VM_FOREIGN))
            zap_unkept_range(mm, area->start, area->end);
    read_unlock(p, &mm->mmap_lock);
    return true;
}

static void reap(struct machine *m, uint32_t id, struct oom_victim victim) {
    struct mm *mm = rmap_get_mm(m, (uint64_t)id << 40);

    if (mm) {
        bool done = try_to_reap(mm);

        if (done || victim.tries + 1 == OOM_REAPER_TRIES)
            atomic_fetch_or_explicit(&mm->flags, MM_OOM_SKIP, memory_order_release);
        else
            put_back(mm, victim.tries + 1, now(m) + OOM_REAPER_RETRY_NS);
    }
    rmap_put_mm(m);
}

uint64_t oom_reaper_run(struct machine *m) {
    struct oom_victim victim = {0};
    uint64_t next;
    uint32_t id;

    while ((id = take_due(m, &victim, &next)) != 0)
        reap(m, id, victim);
    return next;
}
