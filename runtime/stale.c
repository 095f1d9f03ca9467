/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/stale.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "mm/machine.h"
#include "runtime/bytes.h"
#include "runtime/runtime.h"
#include "runtime/sys.h"

/* A block that has as many drops them at once. */
#define BLOCK_STALE_MAX 64u

static _Atomic uint32_t stale_pages;
static int self_pidfd = -1;

void stale_open(void) {
    self_pidfd = (int)sys2(SYS_pidfd_open, sys0(SYS_getpid), 0);
}

static void drop_ranges(const struct iovec *ranges, unsigned nr) {
    size_t len = 0;

    for (unsigned i = 0; i < nr; i++)
        len += ranges[i].iov_len;
    /* One call for all; kernels that do not take MADV_DONTNEED there get one for each. */
    if (nr > 1 && self_pidfd >= 0 && sys5(SYS_process_madvise, self_pidfd, ranges, nr, MADV_DONTNEED, 0) == (long)len)
        return;
    for (unsigned i = 0; i < nr; i++)
        sys3(SYS_madvise, ranges[i].iov_base, ranges[i].iov_len, MADV_DONTNEED);
}

static bool bit_of(const uint64_t *bits, unsigned i) {
    return (bits[i / 64] >> (i % 64)) & 1u;
}

void stale_drop_block(struct block *block) {
    struct iovec ranges[64];
    unsigned nr = 0;

    if (!block->host_flags)
        return;
    for (unsigned i = 0; i < PTRS_PER_TABLE;) {
        unsigned end;

        if (!bit_of(block->host_bits, i)) {
            i++;
            continue;
        }
        for (end = i + 1; end < PTRS_PER_TABLE && bit_of(block->host_bits, end); end++)
            ;
        if (nr == 64) {
            drop_ranges(ranges, nr);
            nr = 0;
        }
        ranges[nr++] = (struct iovec){(void *)bytes_parked(block->start + i * PAGE_SIZE), (end - i) * PAGE_SIZE};
        i = end;
    }
    drop_ranges(ranges, nr);
    memset(block->host_bits, 0, sizeof(block->host_bits));
    atomic_fetch_sub(&stale_pages, block->host_flags);
    block->host_flags = 0;
}

void stale_note(struct block *block, unsigned first, unsigned nr) {
    for (unsigned i = first; i < first + nr; i++) {
        if (bit_of(block->host_bits, i))
            continue;
        block->host_bits[i / 64] |= 1ull << (i % 64);
        block->host_flags++;
        atomic_fetch_add(&stale_pages, 1);
    }
    if (block->host_flags >= BLOCK_STALE_MAX)
        stale_drop_block(block);
}

void stale_forget(struct block *block, unsigned first, unsigned nr) {
    for (unsigned i = first; i < first + nr; i++) {
        if (!bit_of(block->host_bits, i))
            continue;
        block->host_bits[i / 64] &= ~(1ull << (i % 64));
        block->host_flags--;
        atomic_fetch_sub(&stale_pages, 1);
    }
}

static void drop_if_stale(struct block *block, void *arg) {
    (void)arg;
    if (!block->host_flags)
        return;
    lock_acquire(rt.machine->platform, &block->ptl);
    stale_drop_block(block);
    lock_release(rt.machine->platform, &block->ptl);
}

void stale_drop(bool all) {
    uint32_t limit = (uint32_t)(rt.config.ram_bytes / PAGE_SIZE / 64);

    if (limit > STALE_MAX)
        limit = STALE_MAX;
    if (all || atomic_load(&stale_pages) >= limit)
        for_each_block(rt.mm, rt.mm->start, rt.mm->end, drop_if_stale, NULL);
}
