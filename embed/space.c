/* SPDX-License-Identifier: MIT */
/* Address spaces: the calls of weir/mm.h, and the locks that a host need not know of. */
#include "embed/names.h"
#include "mm/memory.h"
#include "mm/mlock.h"

static void write_locked(struct mm *mm) {
    write_lock(mm->machine->platform, &mm->mmap_lock);
}
static void write_unlocked(struct mm *mm) {
    write_unlock(mm->machine->platform, &mm->mmap_lock);
}
static void read_locked(struct mm *mm) {
    read_lock(mm->machine->platform, &mm->mmap_lock);
}
static void read_unlocked(struct mm *mm) {
    read_unlock(mm->machine->platform, &mm->mmap_lock);
}

/* Is [start, end) a range of whole pages of the address space? */
static bool is_range(const struct mm *mm, uintptr_t start, uintptr_t end) {
    return start < end && start >= mm->start && end <= mm->end && ((start | end) & (PAGE_SIZE - 1)) == 0;
}

struct weir_mm *weir_mm_create(struct weir_machine *m, uintptr_t start, uintptr_t end, struct weir_task *owner,
                               void *host_private) {
    struct mm *mm = mm_create(machine_of(m), start, end);

    if (mm) {
        __atomic_store_n(&mm->owner, (struct task *)owner, __ATOMIC_RELEASE);
        mm->host_private = host_private;
    }
    return (struct weir_mm *)mm;
}

void weir_mm_destroy(struct weir_mm *mm) {
    mm_destroy(mm_of(mm));
}

void *weir_mm_host_private(const struct weir_mm *mm) {
    return mm_of(mm)->host_private;
}

static unsigned long at_least_0(long n) {
    return n > 0 ? (unsigned long)n : 0;
}

unsigned long weir_mm_resident(const struct weir_mm *mm) {
    return at_least_0(atomic_load_explicit(&mm_of(mm)->nr_rss, memory_order_relaxed));
}

unsigned long weir_mm_swapped(const struct weir_mm *mm) {
    return at_least_0(atomic_load_explicit(&mm_of(mm)->nr_swapped, memory_order_relaxed));
}

/* Pages of the range that are mapped. */
static uint64_t mapped_pages(const struct mm *mm, uintptr_t start, uintptr_t end) {
    uint64_t bytes = 0;

    for (const struct vm_area *area = find_area_from(mm, start); area && area->start < end; area = area_next(mm, area))
        bytes += (area->end < end ? area->end : end) - (area->start > start ? area->start : start);
    return bytes >> PAGE_SHIFT;
}

/* The OOM killer reads it without the lock. */
static void set_total_vm(struct mm *mm, uint64_t pages) {
    __atomic_store_n(&mm->total_vm, pages, __ATOMIC_RELAXED);
}

enum weir_status weir_mm_map(struct weir_mm *public, uintptr_t start, uintptr_t end, unsigned flags) {
    struct mm *mm = mm_of(public);
    enum mm_status status;
    uint64_t before;

    if (!is_range(mm, start, end) || flags & ~(unsigned)(VM_ACCESS | VM_LOCKED))
        return WEIR_INVAL;
    write_locked(mm);
    before = mapped_pages(mm, start, end);
    status = area_set_range(mm, start, end, flags);
    if (status == MM_OK) {
        zap_page_range(mm, start, end);
        set_total_vm(mm, mm->total_vm + ((end - start) >> PAGE_SHIFT) - before);
    }
    write_unlocked(mm);
    return (enum weir_status)status;
}

enum weir_status weir_mm_unmap(struct weir_mm *public, uintptr_t start, uintptr_t end) {
    struct mm *mm = mm_of(public);
    enum mm_status status;
    uint64_t before;

    if (!is_range(mm, start, end))
        return WEIR_INVAL;
    write_locked(mm);
    before = mapped_pages(mm, start, end);
    status = area_clear_range(mm, start, end);
    if (status == MM_OK) {
        zap_page_range(mm, start, end);
        set_total_vm(mm, mm->total_vm - before);
    }
    write_unlocked(mm);
    return (enum weir_status)status;
}

bool weir_mm_area(struct weir_mm *public, uintptr_t addr, unsigned *ret_flags) {
    struct mm *mm = mm_of(public);
    const struct vm_area *area;

    read_locked(mm);
    area = find_area(mm, addr);
    if (area)
        *ret_flags = area->flags & (VM_ACCESS | VM_LOCKED);
    read_unlocked(mm);
    return area;
}

enum weir_fault_result weir_mm_fault(struct weir_mm *public, uintptr_t addr, bool write) {
    struct mm *mm = mm_of(public);
    enum fault_result result;

    read_locked(mm);
    result = handle_mm_fault(mm, addr, write, NULL, NULL);
    read_unlocked(mm);
    return (enum weir_fault_result)result;
}

enum weir_status weir_mm_populate(struct weir_mm *public, uintptr_t start, uintptr_t end) {
    struct mm *mm = mm_of(public);
    enum mm_status status;

    if (!is_range(mm, start, end))
        return WEIR_INVAL;
    read_locked(mm);
    status = populate_range(mm, start, end);
    read_unlocked(mm);
    return (enum weir_status)status;
}

void weir_mm_discard(struct weir_mm *public, uintptr_t start, uintptr_t end) {
    struct mm *mm = mm_of(public);

    if (!is_range(mm, start, end))
        return;
    read_locked(mm);
    zap_page_range(mm, start, end);
    read_unlocked(mm);
}

static void cool(struct mm *mm, uintptr_t start, uintptr_t end, bool evict) {
    if (!is_range(mm, start, end))
        return;
    read_locked(mm);
    cool_range(mm, start, end, evict);
    read_unlocked(mm);
}

void weir_mm_cool(struct weir_mm *mm, uintptr_t start, uintptr_t end) {
    cool(mm_of(mm), start, end, false);
}

void weir_mm_evict(struct weir_mm *mm, uintptr_t start, uintptr_t end) {
    cool(mm_of(mm), start, end, true);
}

/* The areas say so first, so that what faults meanwhile is locked as it comes. */
static enum mm_status change_locked(struct mm *mm, uintptr_t start, uintptr_t end, bool locked) {
    enum mm_status status;

    write_locked(mm);
    status = range_is_mapped(mm, start, end) ? area_change_range(mm, start, end, VM_LOCKED, locked ? VM_LOCKED : 0)
                                             : MM_FAULT;
    write_unlocked(mm);
    return status;
}

enum weir_status weir_mm_lock(struct weir_mm *public, uintptr_t start, uintptr_t end) {
    struct mm *mm = mm_of(public);
    enum mm_status status;

    if (!is_range(mm, start, end))
        return WEIR_INVAL;
    status = change_locked(mm, start, end, true);
    if (status != MM_OK)
        return (enum weir_status)status;
    read_locked(mm);
    status = mlock_range(mm, start, end);
    read_unlocked(mm);
    if (status != MM_OK)
        weir_mm_unlock(public, start, end);
    return (enum weir_status)status;
}

enum weir_status weir_mm_unlock(struct weir_mm *public, uintptr_t start, uintptr_t end) {
    struct mm *mm = mm_of(public);
    enum mm_status status;

    if (!is_range(mm, start, end))
        return WEIR_INVAL;
    status = change_locked(mm, start, end, false);
    if (status == MM_OK) {
        read_locked(mm);
        munlock_range(mm, start, end);
        read_unlocked(mm);
    }
    return (enum weir_status)status;
}

enum weir_status weir_mm_protect(struct weir_mm *public, uintptr_t start, uintptr_t end, unsigned flags) {
    struct mm *mm = mm_of(public);
    enum mm_status status;

    if (!is_range(mm, start, end) || flags & ~(unsigned)(VM_ACCESS | VM_LOCKED))
        return WEIR_INVAL;
    write_locked(mm);
    status =
        range_is_mapped(mm, start, end) ? area_change_range(mm, start, end, VM_ACCESS, flags & VM_ACCESS) : MM_FAULT;
    write_unlocked(mm);
    return (enum weir_status)status;
}

uintptr_t weir_mm_find_free(struct weir_mm *public, uintptr_t hint, size_t len, size_t align) {
    struct mm *mm = mm_of(public);
    uintptr_t found;

    read_locked(mm);
    found = find_free_range(mm, hint, len, align);
    read_unlocked(mm);
    return found;
}

enum weir_status weir_mm_hold(struct weir_mm *public, uintptr_t addr) {
    struct mm *mm = mm_of(public);
    enum mm_status status;

    if (!is_range(mm, addr, addr + PAGE_SIZE))
        return WEIR_INVAL;
    read_locked(mm);
    status = mm_hold(mm, addr);
    read_unlocked(mm);
    return (enum weir_status)status;
}

void weir_mm_release(struct weir_mm *public, uintptr_t addr) {
    struct mm *mm = mm_of(public);

    read_locked(mm);
    mm_release(mm, addr);
    read_unlocked(mm);
}

void weir_mm_mincore(struct weir_mm *public, uintptr_t start, uintptr_t end, unsigned char *ret_vec) {
    struct mm *mm = mm_of(public);

    if (!is_range(mm, start, end))
        return;
    read_locked(mm);
    mincore_range(mm, start, end, ret_vec);
    read_unlocked(mm);
}
