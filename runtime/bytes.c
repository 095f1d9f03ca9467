/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "mm/machine.h"
#include "runtime/handler.h"
#include "runtime/runtime.h"
#include "runtime/stale.h"
#include "runtime/sys.h"
#include "runtime/thread.h"
#include "runtime/uffd.h"

/* Below this a copy is cheaper than a move, whose source has to be unmapped on every CPU. */
#define MOVE_BACK_MIN 8u

/* Never written, so it costs no memory: Linux maps its zero page for every read. */
static char zeros[BLOCK_SIZE] __attribute__((aligned(4096)));

static int mem_fd = -1; /* /proc/self/mem: reads what the program may not */

void bytes_open(void) {
    mem_fd = (int)sys4(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDONLY | O_CLOEXEC, 0);
    stale_open();
    uffd_open_pagemap();
}

static uintptr_t shadow_of(uintptr_t addr) {
    return addr + (uintptr_t)rt.shadow_offset;
}

const void *bytes_parked(uintptr_t addr) {
    return (const void *)shadow_of(addr);
}

static void drop(uintptr_t start, size_t len) {
    sys3(SYS_madvise, start, len, MADV_DONTNEED);
}

static bool bit_of(const uint64_t *bits, unsigned i) {
    return (bits[i / 64] >> (i % 64)) & 1u;
}

/* -- mapping ------------------------------------------------------------------------------------------------------- */

/* Copies len bytes to where nothing is mapped; returns how many pages were done. */
static unsigned copy_to(uintptr_t to, const char *from, size_t len, bool wake) {
    size_t done = 0;

    while (done < len) {
        long copied = uffd_copy(rt.uffd, to + done, from + done, len - done, wake);

        if (copied > 0)
            done += (size_t)copied;
        else if (copied == -EAGAIN)
            handler_drain_events(); /* Linux wants its fork event read first */
        else
            break;
    }
    return (unsigned)(done / PAGE_SIZE);
}

/* The same, to the program's address. */
static unsigned copy_in(uintptr_t to, const char *from, size_t len) {
    return copy_to(to, from, len, true);
}

/*
 * A bulk copy of zeros costs less than as many faults on Linux's zero page, and the frames are charged anyway. A run
 * that crosses a boundary between Linux's mappings is refused whole: then the first page has to do.
 */
unsigned bytes_map_zero(void *host, struct mm *mm, uintptr_t addr, struct page *const *pages, unsigned nr) {
    unsigned done = copy_in(addr, zeros, nr * PAGE_SIZE);

    (void)host;
    (void)mm;
    (void)pages;
    if (done == 0 && nr > 1)
        done = copy_in(addr, zeros, PAGE_SIZE);
    return done;
}

/* Where swap_read has left these pages, one after the other. */
static const char *staged_at(struct page *const *pages, unsigned nr) {
    struct weir_thread *self = weir_thread_self();
    unsigned first = 0;

    while (first < self->nr_staged && self->staged[first] != pages[0])
        first++;
    MM_ASSERT(rt.machine, first + nr <= self->nr_staged);
    for (unsigned i = 0; i < nr; i++)
        MM_ASSERT(rt.machine, self->staged[first + i] == pages[i]);
    return self->staging + first * PAGE_SIZE;
}

unsigned bytes_map_pages(void *host, struct mm *mm, uintptr_t addr, struct page *const *pages, unsigned nr,
                         unsigned map_flags) {
    const char *from = staged_at(pages, nr);
    unsigned done = copy_in(addr, from, nr * PAGE_SIZE);

    (void)host;
    (void)mm;
    (void)map_flags;
    if (done == 0 && nr > 1)
        done = copy_in(addr, from, PAGE_SIZE);
    return done;
}

unsigned bytes_map_parked(void *host, struct mm *mm, uintptr_t addr, struct page *const *pages, unsigned nr) {
    struct block *block = find_block(mm, addr);

    (void)host;
    stale_drop_block(block);
    return copy_to(shadow_of(addr), staged_at(pages, nr), nr * PAGE_SIZE, false);
}

unsigned bytes_unpark(void *host, struct mm *mm, uintptr_t addr, unsigned nr) {
    struct block *block = find_block(mm, addr);
    unsigned done = 0;

    (void)host;
    while (done < nr) {
        uintptr_t at = addr + done * PAGE_SIZE;
        size_t left = (nr - done) * PAGE_SIZE;

        if (rt.have_move && nr - done >= MOVE_BACK_MIN) {
            long moved = uffd_move(at, shadow_of(at), left, false, true);

            if (moved > 0) {
                done += (unsigned)((size_t)moved / PAGE_SIZE);
                continue;
            }
            if (moved == -EAGAIN) {
                handler_drain_events();
                continue;
            }
            left = PAGE_SIZE; /* shared with a forked process, or no VM_WRITE: this one by copy */
        }
        unsigned copied = copy_in(at, bytes_parked(at), left);

        if (!copied && left > PAGE_SIZE)
            copied = copy_in(at, bytes_parked(at), PAGE_SIZE);
        if (!copied)
            break;
        stale_note(block, pte_index(at), copied);
        done += copied;
    }
    return done;
}

/* -- parking ------------------------------------------------------------------------------------------------------- */

/*
 * For what UFFDIO_MOVE refuses: a mapping the program may not write, or a kernel without it. Writers are stopped by
 * write protection (synchronous: they wait for a handler, who waits for the block's lock), the bytes are read out, the
 * page is dropped.
 */
static bool park_by_copy(uintptr_t addr) {
    char *to = (char *)shadow_of(addr);
    struct iovec here = {to, PAGE_SIZE}, there = {(void *)addr, PAGE_SIZE};
    long got;

    if (uffd_protect(addr, PAGE_SIZE) < 0)
        return false;
    got = sys6(SYS_process_vm_readv, sys0(SYS_getpid), &here, 1, &there, 1, 0);
    if (got != (long)PAGE_SIZE) /* the program may not read it either */
        got = sys4(SYS_pread64, mem_fd, to, PAGE_SIZE, addr);
    if (got != (long)PAGE_SIZE) {
        drop((uintptr_t)to, PAGE_SIZE);
        uffd_unprotect(addr, PAGE_SIZE);
        return false;
    }
    drop(addr, PAGE_SIZE);
    return true;
}

static bool park_one(uintptr_t addr) {
    long moved = -EINVAL;

    for (int attempt = 0; rt.have_move && attempt < 3; attempt++) {
        moved = uffd_move(shadow_of(addr), addr, PAGE_SIZE, false, false);
        if (moved > 0)
            return true;
        if (moved == -EAGAIN)
            handler_drain_events();
        else if (moved == -EBUSY)
            sys3(SYS_madvise, addr, PAGE_SIZE, MADV_POPULATE_WRITE);
        else
            break;
    }
    /* Pinned by I/O in flight (EBUSY), or something in the way: it stays. */
    return moved == -EINVAL && park_by_copy(addr);
}

/*
 * A fork may have left pages shared, and Linux moves none that are: a write fault makes each its own again. Only pages
 * that are there are touched: a hole would fault into weir's own handler.
 */
static void unshare_run(uintptr_t addr, unsigned nr, const uint64_t mask[8]) {
    unsigned first = pte_index(addr);

    for (unsigned i = first; i < first + nr; i++) {
        unsigned end = i;

        while (end < first + nr && bit_of(mask, end))
            end++;
        if (end > i)
            sys3(SYS_madvise, addr + (i - first) * PAGE_SIZE, (end - i) * PAGE_SIZE, MADV_POPULATE_WRITE);
        i = end;
    }
}

/* Parks those of nr pages from addr that are in mask (the others are holes); clears from mask those that stay. */
static void park_run(uintptr_t addr, unsigned nr, uint64_t mask[8]) {
    bool unshared = false;

    while (nr) {
        unsigned index = pte_index(addr);
        long moved = rt.have_move && nr > 1 ? uffd_move(shadow_of(addr), addr, nr * PAGE_SIZE, true, false) : -ENOSYS;
        unsigned done = moved > 0 ? (unsigned)((size_t)moved / PAGE_SIZE) : 0;

        if (!done && moved == -EAGAIN) {
            handler_drain_events();
            continue;
        }
        if (!done && moved == -EBUSY && !unshared) {
            unshare_run(addr, nr, mask);
            unshared = true;
            continue;
        }
        if (!done && moved == -EINVAL && nr > 1) {
            /* Somewhere in there is a boundary between mappings, or one that may not be written. */
            park_run(addr, nr / 2, mask);
            addr += nr / 2 * PAGE_SIZE;
            nr -= nr / 2;
            continue;
        }
        if (!done) {
            if (bit_of(mask, index) && !park_one(addr))
                mask[index / 64] &= ~(1ull << (index % 64));
            done = 1;
        }
        addr += done * PAGE_SIZE;
        nr -= done;
    }
}

/*
 * One call parks a run whatever holes it has; what is mapped but not wanted, or parked already, ends a run, and so does
 * a stale copy in the shadow, where Linux would move nothing to.
 */
void bytes_park(void *host, struct mm *mm, uintptr_t block_start, uint64_t mask[8]) {
    struct block *block = find_block(mm, block_start);

    (void)host;
    stale_make_way(block, mask);
    for (unsigned i = 0; i < PTRS_PER_TABLE;) {
        unsigned end = i, last = i;

        while (end < PTRS_PER_TABLE &&
               (bit_of(mask, end) || !(block->table->pte[end] & PTE_PRESENT || bit_of(block->host_bits, end)))) {
            if (bit_of(mask, end))
                last = end + 1;
            end++;
        }
        while (i < last && !bit_of(mask, i))
            i++;
        if (last > i)
            park_run(block_start + i * PAGE_SIZE, last - i, mask);
        i = end + 1;
    }
}

/* -- the end of bytes ---------------------------------------------------------------------------------------------- */

void bytes_zap(void *host, struct mm *mm, uintptr_t addr, unsigned nr) {
    struct block *block = find_block(mm, addr);

    (void)host;
    drop(addr, nr * PAGE_SIZE);
    if (block->nr_parked || block->nr_swapped || block->host_flags) {
        drop(shadow_of(addr), nr * PAGE_SIZE);
        stale_forget(block, pte_index(addr), nr);
    }
}

void bytes_discard(void *host, struct mm *mm, uintptr_t addr) {
    struct block *block = find_block(mm, addr);

    (void)host;
    /* What is parked there now is another page's. */
    if (!(block->table->pte[pte_index(addr)] & PTE_PARKED))
        stale_note(block, pte_index(addr), 1);
}

void bytes_frame_to_user(void *host, uint32_t pfn) {
    (void)host;
    drop((uintptr_t)rt.arena + ((uintptr_t)pfn << PAGE_SHIFT), PAGE_SIZE);
}

void bytes_poison(void *host, struct mm *mm, uintptr_t addr, swp_entry_t entry) {
    (void)host;
    (void)mm;
    (void)entry;
    if (!rt.have_poison || uffd_poison(rt.uffd, addr, PAGE_SIZE) < 0) {
        rt.stats->end = WEIR_END_FAILED;
        weir_say("the page at 0x%lx is lost and this kernel cannot poison it: ending the program", addr);
        sys2(SYS_kill, sys0(SYS_getpid), SIGKILL);
    }
}
