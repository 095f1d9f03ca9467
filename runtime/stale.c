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

/* Ranges that go in one call: what it costs beside the pages, to tell every CPU, is paid once. */
#define BATCH_RANGES 64u
#define BATCH_BLOCKS 32u

struct batch {
    unsigned nr_ranges, nr_blocks;
    struct iovec ranges[BATCH_RANGES];
    struct block *blocks[BATCH_BLOCKS]; /* locked until their pages are gone */
};

static void drop_ranges(struct batch *batch) {
    size_t len = 0;

    for (unsigned i = 0; i < batch->nr_ranges; i++)
        len += batch->ranges[i].iov_len;
    /* Kernels that do not take MADV_DONTNEED there get a call for each. */
    if (batch->nr_ranges < 2 || self_pidfd < 0 ||
        sys5(SYS_process_madvise, self_pidfd, batch->ranges, batch->nr_ranges, MADV_DONTNEED, 0) != (long)len)
        for (unsigned i = 0; i < batch->nr_ranges; i++)
            sys3(SYS_madvise, batch->ranges[i].iov_base, batch->ranges[i].iov_len, MADV_DONTNEED);
    batch->nr_ranges = 0;
}

static bool bit_of(const uint64_t *bits, unsigned i) {
    return (bits[i / 64] >> (i % 64)) & 1u;
}

/* The block's stale copies are forgotten; they are gone once the batch's ranges have been dropped. */
static void add_block(struct batch *batch, struct block *block) {
    for (unsigned i = 0; i < PTRS_PER_TABLE;) {
        unsigned end;

        if (!bit_of(block->host_bits, i)) {
            i++;
            continue;
        }
        for (end = i + 1; end < PTRS_PER_TABLE && bit_of(block->host_bits, end); end++)
            ;
        if (batch->nr_ranges == BATCH_RANGES)
            drop_ranges(batch);
        batch->ranges[batch->nr_ranges++] =
            (struct iovec){(void *)bytes_parked(block->start + i * PAGE_SIZE), (end - i) * PAGE_SIZE};
        i = end;
    }
    memset(block->host_bits, 0, sizeof(block->host_bits));
    atomic_fetch_sub(&stale_pages, block->host_flags);
    block->host_flags = 0;
}

void stale_drop_block(struct block *block) {
    struct batch batch = {.nr_ranges = 0};

    if (!block->host_flags)
        return;
    add_block(&batch, block);
    drop_ranges(&batch);
}

void stale_make_way(struct block *block, const uint64_t mask[8]) {
    for (unsigned word = 0; word < PTRS_PER_TABLE / 64; word++) {
        if (block->host_bits[word] & mask[word]) {
            stale_drop_block(block);
            return;
        }
    }
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

static void finish(struct batch *batch) {
    drop_ranges(batch);
    while (batch->nr_blocks)
        lock_release(rt.machine->platform, &batch->blocks[--batch->nr_blocks]->ptl);
}

/* Locks of one rank are not waited for one below the other: a block that is busy begins a new batch. */
static void add_if_stale(struct block *block, void *arg) {
    struct batch *batch = arg;

    if (!block->host_flags)
        return;
    if (batch->nr_blocks == BATCH_BLOCKS)
        finish(batch);
    if (!lock_try(rt.machine->platform, &block->ptl)) {
        finish(batch);
        lock_acquire(rt.machine->platform, &block->ptl);
    }
    batch->blocks[batch->nr_blocks++] = block;
    add_block(batch, block);
}

void stale_drop(bool all) {
    uint32_t limit = (uint32_t)(rt.config.ram_bytes / PAGE_SIZE / 64);
    struct batch batch;

    if (limit > STALE_MAX)
        limit = STALE_MAX;
    if (!all && atomic_load(&stale_pages) < limit)
        return;
    batch.nr_ranges = batch.nr_blocks = 0;
    for_each_block(rt.mm, rt.mm->start, rt.mm->end, add_if_stale, &batch);
    finish(&batch);
}
