/* SPDX-License-Identifier: MIT */
#include "runtime/space.h"

#include <errno.h>
#include <sys/mman.h>

#include "mm/machine.h"
#include "mm/mlock.h"
#include "runtime/reserve.h"
#include "runtime/runtime.h"
#include "runtime/space_areas.h"
#include "runtime/sys.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

struct remap {
    uintptr_t from, to;
    size_t old_len, new_len;
    int flags;
};

/* Is any of [start, end) a mapping of the host's? */
static bool has_foreign(uintptr_t start, uintptr_t end) {
    const struct vm_area *area = find_area_from(rt.mm, start);

    for (; area && area->start < end; area = area_next(rt.mm, area))
        if (area->flags & VM_FOREIGN)
            return true;
    return false;
}

/* The flags under which the last page of [start, end) is mapped: what grows behind it gets the same. */
static uint32_t flags_at_end(uintptr_t end) {
    return find_area(rt.mm, end - PAGE_SIZE)->flags;
}

static long may_grow(size_t bytes, uint32_t flags) {
    if (flags & VM_ACCOUNTED && !space_may_commit(bytes / PAGE_SIZE))
        return -ENOMEM;
    if (flags & VM_LOCKED && space_may_lock(space_locked_bytes(0, 0) + bytes) != 0)
        return -EAGAIN;
    return 0;
}

/* Grows [from, from+old_len) where it lies. -EEXIST: something is in the way. */
static long grow_in_place(const struct remap *r) {
    uintptr_t old_end = r->from + r->old_len;
    uint32_t flags = flags_at_end(old_end);
    long result;

    if (!space_holds(r->from, r->new_len) || space_mapped_bytes(old_end, r->from + r->new_len) != 0)
        return -EEXIST;
    result = may_grow(r->new_len - r->old_len, flags);
    if (!result)
        result = space_map(old_end, r->from + r->new_len, flags & ~(uint32_t)(VM_SPECIAL));
    return result ? result : (long)r->from;
}

/*
 * Makes the areas of the new range: as the old ones, each apart from its neighbours, because Linux does not join what
 * has been moved with what lies beside it. False: no memory, nothing done.
 */
static bool copy_areas(const struct remap *r) {
    uintptr_t old_end = r->from + r->old_len;
    uint32_t flags = 0;

    for (uintptr_t at = r->from; at < old_end;) {
        struct vm_area area = *find_area(rt.mm, at);
        uintptr_t end = area.end < old_end ? area.end : old_end;

        flags = area.flags | VM_APART;
        if (area_set_range(rt.mm, at - r->from + r->to, end - r->from + r->to, flags) != MM_OK)
            goto failed;
        at = end;
    }
    if (r->new_len > r->old_len && area_set_range(rt.mm, r->to + r->old_len, r->to + r->new_len, flags) != MM_OK)
        goto failed;
    return true;
failed:
    (void)area_clear_range(rt.mm, r->to, r->to + r->new_len);
    return false;
}

/* From here on, everything of the old range lies at its address, and nothing in the shadow or under way. */
static void hold_still(const struct remap *r) {
    mm_still(rt.mm, r->from, r->from + r->old_len);
    unpark_range(rt.mm, r->from, r->from + r->old_len);
}

static long move_bytes_and_entries(const struct remap *r) {
    long result = reserve_move(r->from, r->to, r->old_len);

    if (result)
        return result;
    if (move_page_range(rt.mm, r->from, r->to, r->old_len) != MM_OK) {
        if (reserve_move(r->to, r->from, r->old_len) != 0)
            rt.machine->platform->panic(rt.machine->platform->host, "a mapping could not be moved back");
        reserve_renew(r->to, r->to + r->old_len);
        return -ENOMEM;
    }
    return 0;
}

/* Moves to r->to, which is free. */
static long move_within(const struct remap *r) {
    size_t before = range_accounted(rt.mm, r->from, r->from + r->old_len);
    uint32_t flags = flags_at_end(r->from + r->old_len);
    long result = may_grow(r->new_len - (r->flags & MREMAP_DONTUNMAP ? 0 : r->old_len), flags);

    if (result)
        return result;
    if (!copy_areas(r))
        return -ENOMEM;
    if (r->new_len > r->old_len)
        result = reserve_protect(r->to + r->old_len, r->to + r->new_len, flags);
    if (!result && prepare_page_range(rt.mm, r->from, r->to, r->old_len) != MM_OK)
        result = -ENOMEM;
    if (!result) {
        hold_still(r);
        result = move_bytes_and_entries(r);
        mm_still_end(rt.mm);
    }
    if (result) {
        zap_page_range(rt.mm, r->to, r->to + r->new_len); /* the tables */
        (void)area_clear_range(rt.mm, r->to, r->to + r->new_len);
        reserve_follow(r->to, r->to + r->new_len);
        return result;
    }
    rt.mm->total_vm += r->new_len / PAGE_SIZE;
    rt.mm->committed += (before + (flags & VM_ACCOUNTED ? r->new_len - r->old_len : 0)) / PAGE_SIZE;
    /* Should Linux be short of mappings, the old range stays, empty: better than to undo a move that has succeeded. */
    if (!(r->flags & MREMAP_DONTUNMAP))
        (void)space_unmap(r->from, r->from + r->old_len);
    return (long)r->to;
}

/*
 * To an address outside the managed range: everything has been brought in and locked; from now on it is Linux's. The
 * old range stays mapped meanwhile, so that no hole appears in the reservation.
 */
static long move_out(const struct remap *r) {
    uintptr_t old_end = r->from + r->old_len;
    bool moved;
    long result;

    hold_still(r);
    result = sys5(SYS_mremap, r->from, r->old_len, r->old_len, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, r->to);
    moved = result >= 0 || result <= -4096;
    /* The pages are gone from here: only their entries are left to be forgotten. */
    if (moved)
        zap_page_range(rt.mm, r->from, old_end);
    mm_still_end(rt.mm);
    if (!moved)
        return result;
    if (r->new_len > r->old_len)
        result = sys4(SYS_mremap, r->to, r->old_len, r->new_len, 0);
    if (!(r->flags & MREMAP_DONTUNMAP))
        (void)space_unmap(r->from, old_end);
    return result < 0 && result > -4096 ? result : (long)r->to;
}

/*
 * A file or shared mapping that lies in the managed range: Linux moves it out. The range it leaves is reserved again,
 * unless somebody else's mapping has slipped in: then that is what lies there now.
 */
static long move_foreign(const struct remap *r) {
    uintptr_t old_end = r->from + r->old_len;
    long result;

    if (r->flags & MREMAP_FIXED)
        result = sys5(SYS_mremap, r->from, r->old_len, r->new_len, r->flags, r->to);
    else
        result = sys4(SYS_mremap, r->from, r->old_len, r->new_len, r->flags);
    if ((result >= 0 || result < -4095) && (uintptr_t)result != r->from && !(r->flags & MREMAP_DONTUNMAP)) {
        long again = sys6(SYS_mmap, r->from, r->old_len, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

        if (again == (long)r->from)
            (void)space_unmap(r->from, old_end);
    }
    return result;
}

/* -- the call ----------------------------------------------------------------------------------------------------- */

static long check_remap(const struct remap *r) {
    if (r->flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP) || r->from % PAGE_SIZE)
        return -EINVAL;
    if (r->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) && !(r->flags & MREMAP_MAYMOVE))
        return -EINVAL;
    if (r->flags & MREMAP_DONTUNMAP && r->old_len != r->new_len)
        return -EINVAL;
    if (r->new_len == 0 || r->old_len == 0)
        return -EINVAL;
    if (r->flags & MREMAP_FIXED &&
        (r->to % PAGE_SIZE || (r->to < r->from + r->old_len && r->from < r->to + r->new_len)))
        return -EINVAL;
    return space_holds(r->from, r->old_len) ? 0 : -EFAULT;
}

/* Finds, or clears, the place to move to. */
static long choose_target(struct remap *r) {
    if (r->flags & MREMAP_FIXED)
        return space_unmap(r->to, r->to + r->new_len);
    r->to = find_free_range(rt.mm, 0, r->new_len, r->new_len >= BLOCK_SIZE ? BLOCK_SIZE : PAGE_SIZE);
    return r->to ? 0 : -ENOMEM;
}

/* All but what moves managed memory. 1: it has to be moved. */
static long remap_in_place(struct remap *r) {
    long result;

    if (r->old_len > r->new_len) {
        result = space_unmap(r->from + r->new_len, r->from + r->old_len);
        if (result)
            return result;
        r->old_len = r->new_len;
    }
    if (!range_is_mapped(rt.mm, r->from, r->from + r->old_len))
        return -EFAULT;
    if (has_foreign(r->from, r->from + r->old_len))
        return move_foreign(r);
    if (r->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))
        return 1;
    if (r->old_len == r->new_len)
        return (long)r->from;
    result = grow_in_place(r);
    if (result != -EEXIST)
        return result;
    return r->flags & MREMAP_MAYMOVE ? 1 : -ENOMEM;
}

static long move_locked(struct remap *r, bool outside) {
    long result;

    space_write_lock();
    result = outside ? 0 : choose_target(r);
    if (!result)
        result = outside ? move_out(r) : move_within(r);
    space_write_unlock();
    return result;
}

static void lock_grown(const struct remap *r, long address) {
    uintptr_t start = (uintptr_t)address + r->old_len, end = (uintptr_t)address + r->new_len;

    if (start >= end || !space_holds((uintptr_t)address, r->new_len))
        return;
    space_read_lock();
    if (find_area(rt.mm, start) && find_area(rt.mm, start)->flags & VM_LOCKED)
        space_lock_pages(start, end);
    space_read_unlock();
}

long space_mremap(uintptr_t addr, size_t old_len, size_t new_len, int flags, uintptr_t new_addr) {
    struct remap r = {addr, new_addr, page_align(old_len), page_align(new_len), flags};
    bool outside;
    long result = check_remap(&r);

    if (result)
        return result;
    outside = r.flags & MREMAP_FIXED && !space_holds(r.to, r.new_len);
    space_write_lock();
    result = remap_in_place(&r);
    space_write_unlock();
    if (result != 1) {
        if (result > 0)
            lock_grown(&r, result);
        return result;
    }
    if (outside) {
        bool fits;

        space_read_lock();
        fits = mlock_range(rt.mm, r.from, r.from + r.old_len) == MM_OK;
        if (!fits)
            munlock_range(rt.mm, r.from, r.from + r.old_len);
        space_read_unlock();
        if (!fits)
            return -ENOMEM;
    }
    result = move_locked(&r, outside);
    if (result > 0)
        lock_grown(&r, result);
    return result;
}
