/* SPDX-License-Identifier: MIT */
#include "runtime/space.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "mm/machine.h"
#include "mm/mlock.h"
#include "runtime/runtime.h"
#include "runtime/space_areas.h"
#include "runtime/sys.h"

/* Of the budget, this share stays unlocked, or nothing could be paged any more. */
#define UNLOCKED_SHARE 4

size_t space_locked_bytes(uintptr_t start, uintptr_t end) {
    const struct vm_area *area = find_area_from(rt.mm, rt.region_start);
    size_t bytes = 0;

    for (; area; area = area_next(rt.mm, area)) {
        uintptr_t from = area->start > start ? area->start : start;
        uintptr_t to = area->end < end ? area->end : end;

        if ((area->flags & (VM_LOCKED | VM_FOREIGN)) == VM_LOCKED)
            bytes += area->end - area->start - (from < to ? to - from : 0);
    }
    return bytes;
}

int space_may_lock(size_t bytes) {
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

    sys4(SYS_prlimit64, 0, RLIMIT_MEMLOCK, NULL, &limit);
    if (sys0(SYS_geteuid) != 0 && bytes > limit.rlim_cur)
        return limit.rlim_cur ? -ENOMEM : -EPERM;
    return bytes <= rt.config.ram_bytes - rt.config.ram_bytes / UNLOCKED_SHARE ? 0 : -ENOMEM;
}

void space_lock_pages(uintptr_t start, uintptr_t end) {
    /* As after mlockall(MCL_FUTURE): what cannot be brought in now is locked when it is first touched. */
    (void)mlock_range(rt.mm, start, end);
}

void space_for_each_run(uintptr_t start, uintptr_t end, pte_t flags, void (*fn)(uintptr_t start, uintptr_t end)) {
    while (start < end) {
        struct block *block = find_block(rt.mm, start);
        uintptr_t block_end = (start & ~(uintptr_t)(BLOCK_SIZE - 1)) + BLOCK_SIZE;
        uint64_t bits[PTRS_PER_TABLE / 64] = {0};
        uintptr_t at = start, run;

        if (block_end > end)
            block_end = end;
        if (block) {
            lock_acquire(rt.machine->platform, &block->ptl);
            for (; block->table && at < block_end; at += PAGE_SIZE)
                if (block->table->pte[pte_index(at)] & flags)
                    bits[pte_index(at) / 64] |= 1ull << (pte_index(at) % 64);
            lock_release(rt.machine->platform, &block->ptl);
        }
        for (at = start; at < block_end; at += PAGE_SIZE) {
            for (run = at; at < block_end && bits[pte_index(at) / 64] >> (pte_index(at) % 64) & 1u; at += PAGE_SIZE)
                ;
            if (at > run)
                fn(run, at);
        }
        start = block_end;
    }
}

/* -- mlock -------------------------------------------------------------------------------------------------------- */

static void lock_run(uintptr_t start, uintptr_t end) {
    (void)mlock_range(rt.mm, start, end);
}

/* Bytes of [start, end) that are mappings of the host's, which locks those itself. */
static size_t foreign_bytes(uintptr_t start, uintptr_t end) {
    const struct vm_area *area = find_area_from(rt.mm, start);
    size_t bytes = 0;

    for (; area && area->start < end; area = area_next(rt.mm, area))
        if (area->flags & VM_FOREIGN)
            bytes += (area->end < end ? area->end : end) - (area->start > start ? area->start : start);
    return bytes;
}

static long lock_area(uintptr_t start, uintptr_t end, uint32_t flags, bool on_fault) {
    if (flags & VM_FOREIGN)
        return sys3(SYS_mlock2, start, end - start, on_fault ? MLOCK_ONFAULT : 0);
    if (!on_fault)
        return mlock_range(rt.mm, start, end) == MM_OK ? 0 : -EAGAIN;
    space_for_each_run(start, end, PTE_PRESENT, lock_run);
    return 0;
}

/* Locks every area of a range that is mapped throughout. on_fault: what is not there yet once it is touched. */
static long lock_range(uintptr_t start, uintptr_t end, bool on_fault) {
    const struct vm_area *area;
    long result = 0;

    space_write_lock();
    if (!range_is_mapped(rt.mm, start, end))
        result = -ENOMEM;
    else
        result = space_may_lock(space_locked_bytes(start, end) + (end - start) - foreign_bytes(start, end));
    if (!result && area_change_range(rt.mm, start, end, 0, VM_LOCKED) != MM_OK)
        result = -ENOMEM;
    space_write_unlock();
    if (result)
        return result;

    space_read_lock();
    for (area = find_area(rt.mm, start); area && area->start < end && !result; area = area_next(rt.mm, area))
        result = lock_area(area->start > start ? area->start : start, area->end < end ? area->end : end, area->flags,
                           on_fault);
    space_read_unlock();
    return result;
}

/* False: there are holes in the range. */
static bool unlock_range(uintptr_t start, uintptr_t end) {
    bool mapped;

    space_write_lock();
    mapped = range_is_mapped(rt.mm, start, end);
    /* Without memory to split an area the flag stays, and with it the limit's count: the pages are free all the same.
     */
    (void)area_change_range(rt.mm, start, end, VM_LOCKED, 0);
    munlock_range(rt.mm, start, end);
    for (const struct vm_area *area = find_area_from(rt.mm, start); area && area->start < end;
         area = area_next(rt.mm, area))
        if (area->flags & VM_FOREIGN)
            sys2(SYS_munlock, area->start > start ? area->start : start,
                 (area->end < end ? area->end : end) - (area->start > start ? area->start : start));
    space_write_unlock();
    return mapped;
}

/* Linux rounds the start down here. 0: nothing to do; else the whole pages in *ret_start, *ret_end. */
static long pages_around(uintptr_t addr, size_t len, uintptr_t *ret_start, uintptr_t *ret_end) {
    uintptr_t start = addr & PAGE_MASK;
    size_t whole = page_align(len + (addr - start));

    if (len && (whole == 0 || whole < len))
        return -EINVAL;
    if (!space_holds(start, whole))
        return -ENOMEM;
    *ret_start = start;
    *ret_end = start + whole;
    return 0;
}

long space_mlock(uintptr_t addr, size_t len, int flags) {
    uintptr_t start, end;
    long result;

    if ((unsigned)flags & ~MLOCK_ONFAULT)
        return -EINVAL;
    result = pages_around(addr, len, &start, &end);
    if (result || start == end)
        return result;
    return lock_range(start, end, flags != 0);
}

long space_munlock(uintptr_t addr, size_t len) {
    uintptr_t start, end;
    long result = pages_around(addr, len, &start, &end);

    if (result || start == end)
        return result;
    return unlock_range(start, end) ? 0 : -ENOMEM;
}

long space_mlockall(int flags) {
    uintptr_t addr = rt.region_start;
    const struct vm_area *area;
    long result = 0;

    if (!flags || flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) || flags == MCL_ONFAULT)
        return -EINVAL;
    if (flags & MCL_CURRENT) {
        space_read_lock();
        result = space_may_lock(space_mapped_bytes(rt.region_start, rt.region_end));
        space_read_unlock();
    }
    if (result)
        return result;
    rt.locked_future = flags & MCL_FUTURE;
    /* No lock for the walk: this thread is the only one that changes areas. */
    while (flags & MCL_CURRENT && (area = find_area_from(rt.mm, addr)) != NULL) {
        struct vm_area it = *area;

        addr = it.end;
        /* Reservations without access are not brought in, and foreign mappings are Linux's. */
        if (it.flags & VM_FOREIGN)
            sys2(SYS_mlock, it.start, it.end - it.start);
        else
            (void)lock_range(it.start, it.end, flags & MCL_ONFAULT || !(it.flags & VM_ACCESS));
    }
    return 0;
}

long space_munlockall(void) {
    rt.locked_future = false;
    (void)unlock_range(rt.region_start, rt.region_end);
    return 0;
}

/* -- mincore, holds ----------------------------------------------------------------------------------------------- */

long space_mincore(uintptr_t addr, size_t len, unsigned char *vec) {
    uintptr_t end;
    long result = 0;

    if (addr % PAGE_SIZE)
        return -EINVAL;
    len = page_align(len);
    if (!space_holds(addr, len))
        return -ENOMEM;
    end = addr + len;
    space_read_lock();
    while (addr < end && !result) {
        const struct vm_area *area = find_area(rt.mm, addr);
        uintptr_t to = !area || area->end > end ? end : area->end;

        if (!area)
            result = -ENOMEM;
        else if (area->flags & VM_FOREIGN)
            result = sys3(SYS_mincore, addr, to - addr, vec);
        else
            mincore_range(rt.mm, addr, to, vec);
        vec += pages_of(addr, to);
        addr = to;
    }
    space_read_unlock();
    return result;
}

long space_hold(uintptr_t addr, size_t len) {
    uintptr_t end = page_align(addr + len);
    long result = 0;

    space_read_lock();
    for (uintptr_t at = addr & PAGE_MASK; at < end && !result; at += PAGE_SIZE) {
        const struct vm_area *area = find_area(rt.mm, at);

        if (area && !(area->flags & VM_FOREIGN) && mm_hold(rt.mm, at) != MM_OK)
            result = -ENOMEM;
    }
    space_read_unlock();
    return result;
}

long space_release(uintptr_t addr, size_t len) {
    uintptr_t end = page_align(addr + len);

    space_read_lock();
    for (uintptr_t at = addr & PAGE_MASK; at < end; at += PAGE_SIZE) {
        const struct vm_area *area = find_area(rt.mm, at);

        if (area && !(area->flags & VM_FOREIGN))
            mm_release(rt.mm, at);
    }
    space_read_unlock();
    return 0;
}
