/* SPDX-License-Identifier: MIT */
#include "runtime/space.h"

#include <errno.h>
#include <sys/mman.h>

#include "mm/machine.h"
#include "runtime/reserve.h"
#include "runtime/runtime.h"
#include "runtime/space_areas.h"
#include "runtime/sys.h"

void space_write_lock(void) {
    write_lock(rt.machine->platform, &rt.mm->mmap_lock);
}

void space_write_unlock(void) {
    write_unlock(rt.machine->platform, &rt.mm->mmap_lock);
}

void space_read_lock(void) {
    read_lock(rt.machine->platform, &rt.mm->mmap_lock);
}

void space_read_unlock(void) {
    read_unlock(rt.machine->platform, &rt.mm->mmap_lock);
}

bool space_holds(uintptr_t addr, size_t len) {
    return addr >= rt.region_start && addr <= rt.region_end && len <= rt.region_end - addr;
}

size_t page_align(size_t len) {
    return (len + PAGE_SIZE - 1) & PAGE_MASK;
}

size_t space_mapped_bytes(uintptr_t start, uintptr_t end) {
    const struct vm_area *area = find_area_from(rt.mm, start);
    size_t bytes = 0;

    for (; area && area->start < end; area = area_next(rt.mm, area))
        bytes += (area->end < end ? area->end : end) - (area->start > start ? area->start : start);
    return bytes;
}

bool space_may_commit(size_t pages) {
    uint64_t limit = (rt.config.ram_bytes + rt.config.swap_bytes) >> PAGE_SHIFT;

    return !rt.config.oom_fail || (rt.mm->committed <= limit && pages <= limit - rt.mm->committed);
}

static void count_pages(uintptr_t start, uintptr_t end, size_t mapped, size_t accounted) {
    rt.mm->total_vm += pages_of(start, start + space_mapped_bytes(start, end)) - mapped / PAGE_SIZE;
    rt.mm->committed += range_accounted(rt.mm, start, end) / PAGE_SIZE - accounted / PAGE_SIZE;
}

/* Maps the parts of [start, end) anew of which Linux holds more than their access. Their pages are gone already. */
static int renew_special(uintptr_t start, uintptr_t end) {
    const struct vm_area *area = find_area_from(rt.mm, start);
    int result = 0;

    for (; area && area->start < end && !result; area = area_next(rt.mm, area))
        if (area->flags & VM_SPECIAL)
            result = reserve_renew(area->start > start ? area->start : start, area->end < end ? area->end : end);
    return result;
}

static bool has_special(uintptr_t start, uintptr_t end) {
    const struct vm_area *area = find_area_from(rt.mm, start);

    for (; area && area->start < end; area = area_next(rt.mm, area))
        if (area->flags & VM_SPECIAL)
            return true;
    return false;
}

/*
 * Pages leave the page tables before Linux maps a range anew: parking one that Linux no longer knows would wait for a
 * fault handler, which waits for our lock. So a special range is emptied first, which cannot be undone if something
 * then fails; any other changes only once nothing can fail any more.
 */
static int clear_special(uintptr_t start, uintptr_t end) {
    if (!has_special(start, end))
        return 0;
    zap_page_range(rt.mm, start, end);
    return renew_special(start, end);
}

int space_map(uintptr_t start, uintptr_t end, uint32_t flags) {
    size_t mapped = space_mapped_bytes(start, end), accounted = range_accounted(rt.mm, start, end);
    size_t wanted = flags & VM_ACCOUNTED ? end - start : 0;

    if (wanted > accounted && !space_may_commit((wanted - accounted) / PAGE_SIZE))
        return -ENOMEM;
    if (mapped && clear_special(start, end) != 0)
        return -ENOMEM;
    if (reserve_protect(start, end, flags) != 0 || area_set_range(rt.mm, start, end, flags) != MM_OK) {
        reserve_follow(start, end);
        return -ENOMEM;
    }
    if (mapped)
        zap_page_range(rt.mm, start, end);
    count_pages(start, end, mapped, accounted);
    return 0;
}

int space_unmap(uintptr_t start, uintptr_t end) {
    size_t mapped = space_mapped_bytes(start, end), accounted = range_accounted(rt.mm, start, end);

    if (mapped == 0)
        return 0;
    if (clear_special(start, end) != 0)
        return -ENOMEM;
    if (reserve_protect(start, end, 0) != 0 || area_clear_range(rt.mm, start, end) != MM_OK) {
        reserve_follow(start, end);
        return -ENOMEM;
    }
    zap_page_range(rt.mm, start, end);
    count_pages(start, end, mapped, accounted);
    return 0;
}

/* -- mmap, munmap ------------------------------------------------------------------------------------------------- */

/* Where a mapping of len bytes goes, or a negative errno. */
static long choose_address(uintptr_t addr, size_t len, int flags) {
    uintptr_t found;

    if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
        if (addr % PAGE_SIZE)
            return -EINVAL;
        if (!space_holds(addr, len))
            return -ENOMEM;
        if (flags & MAP_FIXED_NOREPLACE && space_mapped_bytes(addr, addr + len) != 0)
            return -EEXIST;
        return (long)addr;
    }
    addr &= PAGE_MASK;
    if (addr && space_holds(addr, len) && space_mapped_bytes(addr, addr + len) == 0)
        return (long)addr;
    /* Whole blocks are parked and evicted in one go: large mappings begin with one. */
    found = find_free_range(rt.mm, 0, len, len >= BLOCK_SIZE ? BLOCK_SIZE : PAGE_SIZE);
    return found ? (long)found : -ENOMEM;
}

static uint32_t flags_of_mapping(int prot, int flags) {
    uint32_t vm_flags = (uint32_t)prot & VM_ACCESS;

    if (flags & MAP_NORESERVE && !(flags & SPACE_MAP_COUNTED))
        vm_flags |= VM_NORESERVE;
    else if (vm_flags & VM_WRITE)
        vm_flags |= VM_ACCOUNTED;
    if (flags & MAP_LOCKED || rt.locked_future)
        vm_flags |= VM_LOCKED;
    return vm_flags;
}

long space_mmap(uintptr_t addr, size_t len, int prot, int flags) {
    uint32_t vm_flags;
    long start;

    if (len == 0)
        return -EINVAL;
    len = page_align(len);
    if (len == 0)
        return -ENOMEM;

    space_write_lock();
    vm_flags = flags_of_mapping(prot, flags);
    start = choose_address(addr, len, flags);
    if (start > 0 && vm_flags & VM_LOCKED &&
        space_may_lock(space_locked_bytes((uintptr_t)start, (uintptr_t)start + len) + len) != 0)
        start = -EAGAIN;
    if (start > 0) {
        int result = space_map((uintptr_t)start, (uintptr_t)start + len, vm_flags);

        if (result)
            start = result;
    }
    space_write_unlock();

    if (start > 0 && vm_flags & VM_ACCESS) {
        space_read_lock();
        if (vm_flags & VM_LOCKED)
            space_lock_pages((uintptr_t)start, (uintptr_t)start + len);
        else if (flags & MAP_POPULATE && !(flags & MAP_NONBLOCK))
            (void)populate_range(rt.mm, (uintptr_t)start, (uintptr_t)start + len);
        space_read_unlock();
    }
    return start;
}

long space_munmap(uintptr_t addr, size_t len) {
    long result;

    if (addr % PAGE_SIZE || len == 0)
        return -EINVAL;
    len = page_align(len);
    if (!space_holds(addr, len) || len == 0)
        return -EINVAL;
    space_write_lock();
    result = space_unmap(addr, addr + len);
    space_write_unlock();
    return result;
}

long space_foreign(uintptr_t addr, size_t len, bool no_replace) {
    long result;

    if (addr % PAGE_SIZE || len == 0)
        return -EINVAL;
    len = page_align(len);
    if (!space_holds(addr, len) || len == 0)
        return -ENOMEM;
    space_write_lock();
    if (no_replace && space_mapped_bytes(addr, addr + len) != 0)
        result = -EEXIST;
    else
        result = space_map(addr, addr + len, VM_FOREIGN);
    space_write_unlock();
    return result;
}

/* -- mprotect ----------------------------------------------------------------------------------------------------- */

/* Changes the access of a part of one area. */
static int protect_area(uintptr_t start, uintptr_t end, uint32_t flags, uint32_t access, int pkey) {
    uint32_t set = access | (pkey >= 0 ? VM_APART : 0u);
    int result;

    /* Memory counts from when it may first be written; what was mapped without reserve never does. */
    if (access & VM_WRITE && !(flags & (VM_ACCOUNTED | VM_NORESERVE | VM_FOREIGN))) {
        if (!space_may_commit(pages_of(start, end)))
            return -ENOMEM;
        set |= VM_ACCOUNTED;
    }
    if (pkey >= 0)
        result = (int)sys4(SYS_pkey_mprotect, start, end - start, access, pkey);
    else if ((flags & VM_ACCESS) == access && !(flags & (VM_FOREIGN | VM_APART)))
        result = 0;
    else
        result = reserve_protect(start, end, access);
    if (result)
        return result;
    if (area_change_range(rt.mm, start, end, VM_ACCESS, set) != MM_OK) {
        reserve_follow(start, end);
        return -ENOMEM;
    }
    if (set & VM_ACCOUNTED)
        rt.mm->committed += pages_of(start, end);
    return 0;
}

long space_mprotect(uintptr_t addr, size_t len, int prot, int pkey) {
    uintptr_t end;
    long result = 0;

    if (addr % PAGE_SIZE || prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC))
        return -EINVAL;
    if (len == 0)
        return 0;
    len = page_align(len);
    if (!space_holds(addr, len) || len == 0)
        return -ENOMEM;
    end = addr + len;

    space_write_lock();
    while (addr < end && !result) {
        const struct vm_area *area = find_area(rt.mm, addr);
        uintptr_t to;

        if (!area) {
            result = -ENOMEM; /* as Linux: what lies before the hole has been done */
            break;
        }
        to = area->end < end ? area->end : end;
        result = protect_area(addr, to, area->flags, (uint32_t)prot, pkey);
        addr = to;
    }
    space_write_unlock();
    return result;
}

/* -- fork --------------------------------------------------------------------------------------------------------- */

long space_after_fork(void) {
    uintptr_t addr = rt.region_start;
    const struct vm_area *area;
    long result = 0;

    space_write_lock();
    while (!result && (area = find_area_from(rt.mm, addr)) != NULL) {
        struct vm_area it = *area;
        size_t accounted = range_accounted(rt.mm, it.start, it.end);

        addr = it.end;
        if (it.flags & (VM_DONTFORK | VM_WIPEONFORK))
            zap_page_range(rt.mm, it.start, it.end);
        if (!(it.flags & VM_DONTFORK))
            continue;
        result = reserve_renew(it.start, it.end);
        if (area_clear_range(rt.mm, it.start, it.end) != MM_OK)
            result = -ENOMEM;
        else
            count_pages(it.start, it.end, it.end - it.start, accounted);
    }
    space_write_unlock();
    return result;
}
