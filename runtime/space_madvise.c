/* SPDX-License-Identifier: MIT */
#include "runtime/space.h"

#include <errno.h>
#include <sys/mman.h>

#include "mm/machine.h"
#include "runtime/runtime.h"
#include "runtime/space_areas.h"
#include "runtime/sys.h"

/* Newer than some headers. */
#define ADVICE_DONTNEED_LOCKED 24
#define ADVICE_COLLAPSE 25
#define ADVICE_GUARD_INSTALL 102
#define ADVICE_GUARD_REMOVE 103

/* What one kind of advice does to a part of one area. */
struct advice {
    int number;
    uint32_t clear, set; /* area flags to change */
    bool tell_linux;     /* Linux has to know as well (what happens at a fork) */
    bool not_locked;     /* -EINVAL on locked memory */
    int (*act)(uintptr_t start, uintptr_t end, uint32_t flags);
};

static int forget(uintptr_t start, uintptr_t end, uint32_t flags) {
    (void)flags;
    zap_page_range(rt.mm, start, end);
    return 0;
}

static int cool(uintptr_t start, uintptr_t end, uint32_t flags) {
    (void)flags;
    cool_range(rt.mm, start, end, false);
    return 0;
}

static int evict(uintptr_t start, uintptr_t end, uint32_t flags) {
    (void)flags;
    cool_range(rt.mm, start, end, true);
    return 0;
}

static void populate_run(uintptr_t start, uintptr_t end) {
    unsigned long free = global_page_state(rt.machine, NR_FREE_PAGES);

    /* Advice is no reason to push out what is in use: what finds no free frames stays where it is. */
    if (pages_of(start, end) < free / 2)
        (void)populate_range(rt.mm, start, end);
}

/* Only what has been swapped out comes in; what was never touched is not invented. */
static int will_need(uintptr_t start, uintptr_t end, uint32_t flags) {
    (void)flags;
    space_for_each_run(start, end, PTE_SWAP, populate_run);
    return 0;
}

static int populate(uintptr_t start, uintptr_t end) {
    enum mm_status status = populate_range(rt.mm, start, end);

    return status == MM_OK ? 0 : status == MM_NOMEM ? -ENOMEM : -EFAULT;
}

static int populate_read(uintptr_t start, uintptr_t end, uint32_t flags) {
    return flags & VM_ACCESS ? populate(start, end) : -EINVAL;
}

static int populate_write(uintptr_t start, uintptr_t end, uint32_t flags) {
    return flags & VM_WRITE ? populate(start, end) : -EINVAL;
}

/* MADV_FREE may forget at once: what is written afterwards survives, what is read before that may be zeros. */
static const struct advice all_advice[] = {
    {.number = MADV_NORMAL, .clear = VM_SEQ_READ | VM_RAND_READ},
    {.number = MADV_RANDOM, .clear = VM_SEQ_READ, .set = VM_RAND_READ},
    {.number = MADV_SEQUENTIAL, .clear = VM_RAND_READ, .set = VM_SEQ_READ},
    {.number = MADV_WILLNEED, .act = will_need},
    {.number = MADV_DONTNEED, .act = forget, .not_locked = true},
    {.number = ADVICE_DONTNEED_LOCKED, .act = forget},
    {.number = MADV_FREE, .act = forget, .not_locked = true},
    {.number = MADV_COLD, .act = cool, .not_locked = true},
    {.number = MADV_PAGEOUT, .act = evict, .not_locked = true},
    {.number = MADV_POPULATE_READ, .act = populate_read},
    {.number = MADV_POPULATE_WRITE, .act = populate_write},
    {.number = MADV_DONTFORK, .set = VM_DONTFORK, .tell_linux = true},
    {.number = MADV_DOFORK, .clear = VM_DONTFORK, .tell_linux = true},
    {.number = MADV_WIPEONFORK, .set = VM_WIPEONFORK, .tell_linux = true},
    {.number = MADV_KEEPONFORK, .clear = VM_WIPEONFORK, .tell_linux = true},
    /* Wishes for Linux's own paging, which does not page this memory. */
    {.number = MADV_HUGEPAGE},
    {.number = MADV_NOHUGEPAGE},
    {.number = MADV_MERGEABLE},
    {.number = MADV_UNMERGEABLE},
    {.number = MADV_DONTDUMP},
    {.number = MADV_DODUMP},
};

static const struct advice *find_advice(int number) {
    for (unsigned i = 0; i < sizeof(all_advice) / sizeof(all_advice[0]); i++)
        if (all_advice[i].number == number)
            return &all_advice[i];
    return NULL;
}

static long advise_area(const struct advice *advice, uintptr_t start, uintptr_t end, uint32_t flags) {
    long result = 0;

    if (flags & VM_FOREIGN)
        return sys3(SYS_madvise, start, end - start, advice->number);
    if (advice->not_locked && flags & VM_LOCKED)
        return -EINVAL;
    if (advice->tell_linux)
        result = sys3(SYS_madvise, start, end - start, advice->number);
    if (!result && (advice->set || advice->clear) &&
        area_change_range(rt.mm, start, end, advice->clear, advice->set) != MM_OK)
        result = -ENOMEM;
    if (!result && advice->act)
        result = advice->act(start, end, flags);
    return result;
}

long space_madvise(uintptr_t addr, size_t len, int number) {
    const struct advice *advice = find_advice(number);
    bool changes, hole = false;
    long result = 0;
    uintptr_t end;

    /* Both would put Linux's own marks into the page tables that weir keeps: said to be unknown, as on older kernels.
     */
    if (number == ADVICE_GUARD_INSTALL || number == ADVICE_GUARD_REMOVE || number == ADVICE_COLLAPSE)
        return -EINVAL;
    if (!advice)
        return sys3(SYS_madvise, addr, len, number);
    if (addr % PAGE_SIZE || (len && page_align(len) == 0))
        return -EINVAL;
    len = page_align(len);
    if (len == 0)
        return 0;
    if (!space_holds(addr, len))
        return -ENOMEM;
    end = addr + len;

    changes = advice->set || advice->clear;
    if (changes)
        space_write_lock();
    else
        space_read_lock();
    while (addr < end && !result) {
        const struct vm_area *area = find_area_from(rt.mm, addr);

        if (!area || area->start >= end) {
            hole = true;
            break;
        }
        if (area->start > addr) {
            hole = true;
            addr = area->start;
        }
        uintptr_t to = area->end < end ? area->end : end;

        result = advise_area(advice, addr, to, area->flags);
        addr = to;
    }
    if (changes)
        space_write_unlock();
    else
        space_read_unlock();
    return result ? result : hole ? -ENOMEM : 0;
}
