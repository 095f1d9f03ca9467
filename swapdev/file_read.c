/* SPDX-License-Identifier: MIT */
/*
 * file_read.c - the way of pages out of a swap file.
 *
 * A single run of slots is one pread, unless the thread has something to do meanwhile. Several go through a ring, which
 * a thread has for itself as long as it reads; one that finds none free reads its runs one after the other.
 */
#include "swapdev/file_state.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>

#include "swapdev/transfer.h"

/* One call of swap_file_read. */
struct read_call {
    struct swap_file *file;
    const uint32_t *offsets;
    unsigned nr;
    char *bytes;
    enum mm_status *status;
    swap_file_meanwhile_fn *meanwhile; /* NULL: nothing, or no more */
};

/* Finds the next run of adjacent slots to be read, from index `from`. Returns its length, 0: none is left. */
static unsigned next_run(const struct read_call *call, unsigned from, unsigned *ret_first) {
    unsigned first = from, nr = 1;

    while (first < call->nr && call->status[first] != TO_READ)
        first++;
    if (first == call->nr)
        return 0;
    while (first + nr < call->nr && call->status[first + nr] == TO_READ &&
           call->offsets[first + nr] == call->offsets[first] + nr)
        nr++;
    *ret_first = first;
    return nr;
}

/* Reads a run by hand. A page that fails does not take those behind it along. */
static void read_run(const struct read_call *call, unsigned first, unsigned nr) {
    struct swap_file *file = call->file;

    file_count(&file->read_requests, 1);
    while (nr) {
        unsigned had = (unsigned)(transfer_read(file->fd, call->bytes + first * PAGE_SIZE, nr * PAGE_SIZE,
                                                slot_position(call->offsets[first])) /
                                  PAGE_SIZE);

        for (unsigned i = 0; i < had; i++)
            call->status[first + i] = MM_OK;
        first += had;
        nr -= had;
        if (nr) {
            call->status[first++] = MM_IO;
            nr--;
        }
    }
}

/* Takes a ring that no thread has and that works. */
static struct ring *ring_get(struct swap_file *file) {
    uint32_t free = atomic_load_explicit(&file->free_read_rings, memory_order_relaxed);

    while (free) {
        unsigned i = (unsigned)__builtin_ctz(free);

        /* Acquire pairs with the release in ring_put. */
        if (!atomic_compare_exchange_weak_explicit(&file->free_read_rings, &free, free & ~(1u << i),
                                                   memory_order_acquire, memory_order_relaxed))
            continue;
        if (atomic_load_explicit(&file->open_read_rings, memory_order_relaxed) >> i & 1)
            return &file->read_rings[i];
        if (ring_open(&file->read_rings[i], file->fd, READ_RING_ENTRIES) == 0) {
            atomic_fetch_or_explicit(&file->open_read_rings, 1u << i, memory_order_relaxed);
            return &file->read_rings[i];
        }
        /* Refused: its bit stays taken, so that it is not tried again and again. */
        free = atomic_load_explicit(&file->free_read_rings, memory_order_relaxed);
    }
    return NULL;
}

static void ring_put(struct swap_file *file, struct ring *ring) {
    atomic_fetch_or_explicit(&file->free_read_rings, 1u << (ring - file->read_rings), memory_order_release);
}

/* A completion is seen only once the thread comes by the kernel, and the work need not lead there. */
#define MEANWHILE_MAX 16u

/* Does what there is to do until the first request is through. */
static void work_meanwhile(struct read_call *call, struct ring *ring) {
    for (unsigned i = 0; i < MEANWHILE_MAX && call->meanwhile && !io_uring_cq_ready(&ring->uring); i++)
        if (!call->meanwhile())
            call->meanwhile = NULL;
}

/* Waits for one request and takes it up: what it left out is read by hand. */
static void take_completion(const struct read_call *call, struct ring *ring) {
    struct io_uring_cqe *cqe;
    unsigned first, nr, had;

    /* The buffers are the kernel's until it says otherwise: no error lets us leave before. */
    while (io_uring_wait_cqe(&ring->uring, &cqe) < 0)
        sched_yield();
    first = (unsigned)(io_uring_cqe_get_data64(cqe) >> 32);
    nr = (unsigned)io_uring_cqe_get_data64(cqe);
    had = cqe->res > 0 ? (unsigned)((size_t)cqe->res / PAGE_SIZE) : 0;
    io_uring_cqe_seen(&ring->uring, cqe);

    had = had < nr ? had : nr;
    for (unsigned i = 0; i < had; i++)
        call->status[first + i] = MM_OK;
    if (had < nr)
        read_run(call, first + had, nr - had);
}

/* Reads up to READ_RING_ENTRIES runs at a time. Returns false if the ring broke; what is TO_READ is still to be. */
static bool read_in_ring(struct read_call *call, struct ring *ring) {
    unsigned from = 0, first = 0, nr;

    do {
        unsigned prepared = 0, taken;

        while (prepared < READ_RING_ENTRIES && (nr = next_run(call, from, &first))) {
            ring_prepare(ring, RING_READ, call->bytes + first * PAGE_SIZE, nr * PAGE_SIZE,
                         slot_position(call->offsets[first]), (uint64_t)first << 32 | nr);
            from = first + nr;
            prepared++;
        }
        if (!prepared)
            return true;
        taken = ring_submit(ring, prepared);
        file_count(&call->file->read_requests, taken);
        if (taken)
            work_meanwhile(call, ring);
        for (unsigned i = 0; i < taken; i++)
            take_completion(call, ring);
        if (taken < prepared)
            return false;
    } while (true);
}

/* Are there at least two runs? */
static bool has_several_runs(const struct read_call *call) {
    unsigned first = 0, nr = next_run(call, 0, &first);

    return nr && next_run(call, first + nr, &first);
}

static void read_from_file(struct read_call *call) {
    unsigned first = 0, nr;

    bool waits = call->meanwhile ? next_run(call, 0, &first) != 0 : has_several_runs(call);

    if (waits && !(call->file->flags & SWAP_FILE_NO_URING)) {
        struct ring *ring = ring_get(call->file);

        /* A broken one is kept: nobody uses it any more. */
        if (ring && read_in_ring(call, ring))
            ring_put(call->file, ring);
    }
    while ((nr = next_run(call, 0, &first)))
        read_run(call, first, nr);
}

void swap_file_read_rest(struct swap_file *file, const uint32_t *offsets, unsigned nr, void *buf,
                         enum mm_status *status, swap_file_meanwhile_fn *meanwhile) {
    struct read_call call = {file, offsets, nr, buf, status, meanwhile};
    unsigned asked = 0, others = 0, good = 0;

    for (unsigned i = 0; i < nr; i++) {
        /* A slot's own write counted itself pending before the slot could be read; acquire pairs with finish(). */
        bool pending = atomic_load_explicit(&file->nr_pending, memory_order_acquire) != 0;

        if (status[i] != TO_READ) {
            others += status[i] == MM_OK;
            continue;
        }
        asked++;
        if (pending && cluster_read_pending(file, offsets[i], (char *)buf + i * PAGE_SIZE))
            status[i] = MM_OK;
    }
    prefetch_take(file, offsets, nr, buf, status);
    read_from_file(&call);
    for (unsigned i = 0; i < nr; i++)
        good += status[i] == MM_OK;
    file_count(&file->in_pages, good - others);
    file_count(&file->read_errors, asked - (good - others));
}

void swap_file_read(struct swap_file *file, const uint32_t *offsets, unsigned nr, void *buf, enum mm_status *status,
                    swap_file_meanwhile_fn *meanwhile) {
    for (unsigned i = 0; i < nr; i++)
        status[i] = TO_READ;
    swap_file_read_rest(file, offsets, nr, buf, status, meanwhile);
}

void file_read_init(struct swap_file *file) {
    atomic_store(&file->free_read_rings, (1u << NR_READ_RINGS) - 1);
}

void file_read_finish(struct swap_file *file) {
    for (uint32_t open = atomic_load(&file->open_read_rings); open; open &= open - 1)
        ring_close(&file->read_rings[__builtin_ctz(open)]);
}
