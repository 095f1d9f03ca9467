/* SPDX-License-Identifier: MIT */
/* What a program does to its address space. */
#include <string.h>

#include "mm/lock.h"
#include "mm/mlock.h"
#include "mm/mmap.h"
#include "mm/page_table.h"
#include "sim/internal.h"

#define TOUCHES_MOST 10000 /* before a touch that never succeeds counts as a livelock */

static uintptr_t range_end(uint32_t page, uint32_t nr) {
    return sim_address(page + nr);
}

void sim_map(struct sim *sim, uint32_t page, uint32_t nr, uint32_t flags) {
    struct mm *mm = sim->mm;
    enum mm_status status;

    write_lock(&sim->platform, &mm->mmap_lock);
    zap_page_range(mm, sim_address(page), range_end(page, nr));
    do
        status = area_set_range(mm, sim_address(page), range_end(page, nr), flags);
    while (sim_do_again(sim, status));
    SIM_ASSERT(sim, status == MM_OK);
    write_unlock(&sim->platform, &mm->mmap_lock);
}

void sim_unmap(struct sim *sim, uint32_t page, uint32_t nr) {
    struct mm *mm = sim->mm;
    enum mm_status status;

    write_lock(&sim->platform, &mm->mmap_lock);
    do
        status = area_clear_range(mm, sim_address(page), range_end(page, nr));
    while (sim_do_again(sim, status));
    SIM_ASSERT(sim, status == MM_OK);
    zap_page_range(mm, sim_address(page), range_end(page, nr));
    write_unlock(&sim->platform, &mm->mmap_lock);
}

/* What a touch of the page does by itself, before any fault: true if there is nothing to fault on. */
static bool try_touch(struct sim *sim, uint32_t page, bool write, enum sim_result *ret_result) {
    const struct vm_area *area = find_area(sim->mm, sim_address(page));

    *ret_result = SIM_SEGV;
    if (!area || !(area->flags & (write ? VM_WRITE : VM_READ)))
        return true;
    *ret_result = sim->mmu[page].state == SIM_POISONED ? SIM_SIGBUS : SIM_OK;
    if (write && sim->mmu[page].state == SIM_MAPPED && sim->mmu[page].clean)
        return false;
    return sim->mmu[page].state != SIM_HOLE;
}

/* When it returns SIM_OK the page is mapped, and stays so until this task waits for something. */
static enum sim_result touch(struct sim *sim, uint32_t page, bool write) {
    struct mm *mm = sim->mm;
    enum sim_result result;

    for (unsigned i = 0; i < TOUCHES_MOST; i++) {
        enum fault_result fault;

        sim_point(sim);
        if (try_touch(sim, page, write, &result))
            return result;
        read_lock(&sim->platform, &mm->mmap_lock);
        fault = handle_mm_fault(mm, sim_address(page), write, NULL, NULL);
        if (write)
            sim_mmu_make_writable(sim, page);
        read_unlock(&sim->platform, &mm->mmap_lock);
        if (!sim_do_again(sim, fault == FAULT_OOM ? MM_NOMEM : MM_OK) && fault == FAULT_OOM)
            return SIM_KILLED;
        if (fault == FAULT_SIGBUS)
            return SIM_SIGBUS;
    }
    sim_fail(sim, "livelock: a touch never succeeds");
}

enum sim_result sim_read(struct sim *sim, uint32_t page, unsigned offset, void *bytes, unsigned len) {
    enum sim_result result = touch(sim, page, false);

    if (result == SIM_OK)
        memcpy(bytes, sim->mapped + ((size_t)page << PAGE_SHIFT) + offset, len);
    return result;
}

enum sim_result sim_write(struct sim *sim, uint32_t page, unsigned offset, const void *bytes, unsigned len) {
    enum sim_result result = touch(sim, page, true);

    if (result == SIM_OK)
        memcpy(sim->mapped + ((size_t)page << PAGE_SHIFT) + offset, bytes, len);
    return result;
}

void sim_discard(struct sim *sim, uint32_t page, uint32_t nr) {
    read_lock(&sim->platform, &sim->mm->mmap_lock);
    zap_page_range(sim->mm, sim_address(page), range_end(page, nr));
    read_unlock(&sim->platform, &sim->mm->mmap_lock);
}

void sim_cool(struct sim *sim, uint32_t page, uint32_t nr, bool evict) {
    read_lock(&sim->platform, &sim->mm->mmap_lock);
    cool_range(sim->mm, sim_address(page), range_end(page, nr), evict);
    read_unlock(&sim->platform, &sim->mm->mmap_lock);
}

static void change_locked(struct sim *sim, uint32_t page, uint32_t nr, bool locked) {
    struct mm *mm = sim->mm;
    enum mm_status status;

    write_lock(&sim->platform, &mm->mmap_lock);
    do
        status = area_change_range(mm, sim_address(page), range_end(page, nr), locked ? 0 : VM_LOCKED,
                                   locked ? VM_LOCKED : 0);
    while (sim_do_again(sim, status));
    SIM_ASSERT(sim, status == MM_OK);
    write_unlock(&sim->platform, &mm->mmap_lock);
}

enum mm_status sim_mlock(struct sim *sim, uint32_t page, uint32_t nr) {
    enum mm_status status;

    change_locked(sim, page, nr, true);
    read_lock(&sim->platform, &sim->mm->mmap_lock);
    do
        status = mlock_range(sim->mm, sim_address(page), range_end(page, nr));
    while (sim_do_again(sim, status));
    read_unlock(&sim->platform, &sim->mm->mmap_lock);
    return status;
}

void sim_munlock(struct sim *sim, uint32_t page, uint32_t nr) {
    change_locked(sim, page, nr, false);
    read_lock(&sim->platform, &sim->mm->mmap_lock);
    munlock_range(sim->mm, sim_address(page), range_end(page, nr));
    read_unlock(&sim->platform, &sim->mm->mmap_lock);
}

enum mm_status sim_hold(struct sim *sim, uint32_t page) {
    enum mm_status status;

    read_lock(&sim->platform, &sim->mm->mmap_lock);
    do
        status = mm_hold(sim->mm, sim_address(page));
    while (sim_do_again(sim, status));
    read_unlock(&sim->platform, &sim->mm->mmap_lock);
    return status;
}

void sim_release(struct sim *sim, uint32_t page) {
    read_lock(&sim->platform, &sim->mm->mmap_lock);
    mm_release(sim->mm, sim_address(page));
    read_unlock(&sim->platform, &sim->mm->mmap_lock);
}

/* The MMU's part of a move: what is mapped changes its address, poison included. */
static void move_mappings(struct sim *sim, uint32_t from, uint32_t to, uint32_t nr) {
    for (uint32_t i = 0; i < nr; i++) {
        SIM_ASSERT(sim, !sim->mmu[from + i].parked && !sim->mmu[to + i].parked);
        SIM_ASSERT(sim, sim->mmu[to + i].state == SIM_HOLE);
        memcpy(sim->mapped + ((size_t)(to + i) << PAGE_SHIFT), sim->mapped + ((size_t)(from + i) << PAGE_SHIFT),
               PAGE_SIZE);
        sim->mmu[to + i] = sim->mmu[from + i];
        sim->mmu[from + i] = (struct sim_mmu_page){SIM_HOLE, false, false};
    }
}

enum mm_status sim_move(struct sim *sim, uint32_t from, uint32_t to, uint32_t nr) {
    uintptr_t source = sim_address(from), target = sim_address(to), len = (uintptr_t)nr << PAGE_SHIFT;
    struct mm *mm = sim->mm;
    const struct vm_area *area;
    enum mm_status status = MM_FAULT;
    bool injecting = sim->injecting;
    uint32_t flags;

    write_lock(&sim->platform, &mm->mmap_lock);
    area = find_area(mm, source);
    if (!area || !range_is_mapped(mm, source, source + len))
        goto out;
    flags = area->flags;
    zap_page_range(mm, target, target + len);
    do
        status = prepare_page_range(mm, source, target, len);
    while (sim_do_again(sim, status));
    if (status != MM_OK)
        goto out;
    mm_still(mm, source, source + len);
    sim->injecting = false; /* a host that cannot bring a page back would refuse the move */
    unpark_range(mm, source, source + len);
    sim->injecting = injecting;
    status = move_page_range(mm, source, target, len);
    if (status == MM_OK)
        move_mappings(sim, from, to, nr);
    mm_still_end(mm);
    if (status == MM_OK) {
        do
            status = area_set_range(mm, target, target + len, flags);
        while (sim_do_again(sim, status));
        SIM_ASSERT(sim, status == MM_OK);
        do
            status = area_clear_range(mm, source, source + len);
        while (sim_do_again(sim, status));
        SIM_ASSERT(sim, status == MM_OK);
    }
out:
    write_unlock(&sim->platform, &mm->mmap_lock);
    return status;
}

pte_t sim_pte(struct sim *sim, uint32_t page) {
    struct block *block = find_block(sim->mm, sim_address(page));

    return block ? block_pte(block, pte_index(sim_address(page))) : 0;
}

struct page *sim_page(struct sim *sim, uint32_t page) {
    pte_t pte = sim_pte(sim, page);

    return pte & PTE_PRESENT ? pte_page(sim->machine, pte) : NULL;
}
