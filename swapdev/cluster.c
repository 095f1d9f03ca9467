/* SPDX-License-Identifier: MIT */
/*
 * cluster.c - what becomes of a gathered cluster: it is sent off, reaped, written by hand where that failed, reported.
 */
#include "swapdev/file_state.h"

#include <poll.h>
#include <stdatomic.h>
#include <string.h>

#include "swapdev/transfer.h"

/* The most requests in flight: every second slot of every cluster. */
#define WRITE_RING_ENTRIES 256u
/* How long a wait for a completion may last before it is asked whether another thread has reaped it. */
#define WAIT_SLICE_NS 1000000u

_Static_assert(NR_CLUSTERS *CLUSTER_SLOTS / 2 <= WRITE_RING_ENTRIES, "the ring takes whatever can be in flight");

/* Bitmaps of a window's slots. */

static uint64_t run_mask(unsigned first, unsigned nr) {
    return (nr < CLUSTER_SLOTS ? (1ull << nr) - 1 : ~0ull) << first;
}

/* The first run of set bits; bits is not 0. Returns its length. */
static unsigned first_run(uint64_t bits, unsigned *ret_first) {
    unsigned first = (unsigned)__builtin_ctzll(bits);
    uint64_t beyond = ~(bits >> first);

    *ret_first = first;
    return beyond ? (unsigned)__builtin_ctzll(beyond) : CLUSTER_SLOTS;
}

static unsigned count_runs(uint64_t bits) {
    /* A run starts at each set bit whose lower neighbour is clear. */
    return (unsigned)__builtin_popcountll(bits & ~(bits << 1));
}

/* What a request carries through the ring: cluster, first slot, number of slots. */
static uint64_t request_data(unsigned cluster, unsigned first, unsigned nr) {
    return cluster | first << 8 | nr << 16;
}

/* Sending. */

/* With submit_lock. The ring is opened by the first write: most programs never come so far. */
static bool ring_is_open(struct swap_file *file) {
    int state = atomic_load_explicit(&file->write_ring_state, memory_order_relaxed);

    if (state == RING_NONE) {
        state = ring_open(&file->write_ring, file->fd, WRITE_RING_ENTRIES) ? RING_REFUSED : RING_OPEN;
        /* Pairs with the acquire in ring_exists. */
        atomic_store_explicit(&file->write_ring_state, state, memory_order_release);
    }
    return state == RING_OPEN;
}

/* Are there completions to look for? */
static bool ring_exists(const struct swap_file *file) {
    int state = atomic_load_explicit(&file->write_ring_state, memory_order_acquire);

    return state == RING_OPEN || state == RING_BROKEN;
}

/*
 * Hands the runs of a cluster to the ring. Returns the slots of those it did not take. The window and its slots are
 * handed over: without the lock, only what never changes may be read from a cluster that others may reap.
 */
static uint64_t submit(struct swap_file *file, const struct cluster *c, uint32_t window, uint64_t slots) {
    uint64_t left = slots;
    unsigned nr = count_runs(left), taken = 0;

    lock_acquire(file->platform, &file->submit_lock);
    if (ring_is_open(file)) {
        for (uint64_t bits = left; bits;) {
            unsigned first, len = first_run(bits, &first);

            ring_prepare(&file->write_ring, RING_WRITE, c->bytes + first * PAGE_SIZE, len * PAGE_SIZE,
                         slot_position(window * CLUSTER_SLOTS + first),
                         request_data((unsigned)(c - file->clusters), first, len));
            bits &= ~run_mask(first, len);
        }
        taken = ring_submit(&file->write_ring, nr);
        if (taken < nr)
            atomic_store_explicit(&file->write_ring_state, RING_BROKEN, memory_order_release);
    }
    lock_release(file->platform, &file->submit_lock);
    file_count(&file->write_requests, nr);
    for (; taken; taken--) {
        unsigned first, len = first_run(left, &first);

        left &= ~run_mask(first, len);
    }
    return left;
}

/* Writes by hand what no request has written, page by page after an error. Returns the slots that failed. */
static uint64_t redo(struct swap_file *file, const struct cluster *c) {
    uint64_t failed = 0;

    for (uint64_t bits = c->redo; bits;) {
        unsigned first, len = first_run(bits, &first);
        size_t done = transfer_write(file->fd, c->bytes + first * PAGE_SIZE, len * PAGE_SIZE,
                                     slot_position(c->window * CLUSTER_SLOTS + first)) /
                      PAGE_SIZE;

        bits &= ~run_mask(first, len);
        if (done < len) {
            failed |= 1ull << (first + done);
            bits |= run_mask(first, len) & ~run_mask(first, (unsigned)done + 1);
        }
    }
    return failed;
}

static void report(struct swap_file *file, const struct cluster *c, uint64_t failed) {
    unsigned nr = (unsigned)__builtin_popcountll(c->slots), nr_failed = (unsigned)__builtin_popcountll(failed);

    file_count(&file->out_pages, nr - nr_failed);
    file_count(&file->write_errors, nr_failed);
    for (uint64_t bits = c->slots; bits; bits &= bits - 1) {
        unsigned i = (unsigned)__builtin_ctzll(bits);

        file->done(file->arg, c->window * CLUSTER_SLOTS + i, c->cookies[i], failed >> i & 1 ? MM_IO : MM_OK);
    }
}

/* A cluster none of whose requests is in flight any more. Lets go of the lock meanwhile. */
static void finish(struct swap_file *file, struct cluster *c) {
    uint64_t failed;

    c->state = CLUSTER_FINISHING;
    file_unlock(file);
    failed = redo(file, c);
    file_lock(file);
    c->state = CLUSTER_DONE;
    file->failures = failed == c->slots ? file->failures + 1 : 0;
    atomic_fetch_sub_explicit(&file->nr_pending, 1, memory_order_release);
    file_unlock(file);
    report(file, c, failed);
    file_lock(file);
    c->state = CLUSTER_FREE;
    atomic_fetch_sub_explicit(&file->nr_busy, 1, memory_order_release);
    atomic_fetch_add_explicit(&file->completions, 1, memory_order_release);
    if (file->nr_waiting)
        file->platform->lock_wake(file->platform->host, &file->completions, true);
}

void cluster_send(struct swap_file *file, struct cluster *c) {
    uint64_t slots = c->slots, left;
    uint32_t window = c->window;

    c->state = CLUSTER_IN_FLIGHT;
    c->redo = 0;
    /* All of them count at once: whoever reaps the first must not think that it was the last. */
    c->requests = count_runs(slots);
    file->nr_gathering--;
    file_unlock(file);
    left = submit(file, c, window, slots);
    file_lock(file);
    /* If the ring took everything, the cluster may be reaped, free and in use again by now. */
    if (left) {
        c->redo |= left;
        c->requests -= count_runs(left);
        if (c->requests == 0)
            finish(file, c);
    }
}

/* Reaping. */

static void take_completion(struct swap_file *file, uint64_t data, int result) {
    struct cluster *c = &file->clusters[data & 0xff];
    unsigned first = data >> 8 & 0xff, nr = data >> 16 & 0xff;
    unsigned done = result > 0 ? (unsigned)((size_t)result / PAGE_SIZE) : 0;

    if (done < nr)
        c->redo |= run_mask(first + done, nr - done);
    c->requests--;
}

bool cluster_reap(struct swap_file *file) {
    bool any = false;

    if (ring_exists(file)) {
        struct io_uring_cqe *cqe;
        unsigned head, nr = 0;

        io_uring_for_each_cqe(&file->write_ring.uring, head, cqe) {
            take_completion(file, io_uring_cqe_get_data64(cqe), cqe->res);
            nr++;
        }
        io_uring_cq_advance(&file->write_ring.uring, nr);
    }
    for (unsigned i = 0; i < file->nr_clusters; i++) {
        struct cluster *c = &file->clusters[i];

        if (c->state == CLUSTER_IN_FLIGHT && c->requests == 0) {
            finish(file, c);
            any = true;
        }
    }
    return any;
}

void cluster_wait(struct swap_file *file, uint64_t timeout_ns) {
    uint32_t seen = atomic_load_explicit(&file->completions, memory_order_relaxed);
    int state = atomic_load_explicit(&file->write_ring_state, memory_order_acquire);

    file->nr_waiting++;
    file_unlock(file);
    if (state == RING_REFUSED) {
        file->platform->lock_wait(file->platform->host, &file->completions, seen);
    } else {
        struct pollfd ready = {.fd = file->write_ring.uring.ring_fd, .events = POLLIN};

        while (timeout_ns && atomic_load_explicit(&file->completions, memory_order_relaxed) == seen) {
            uint64_t slice = timeout_ns < WAIT_SLICE_NS ? timeout_ns : WAIT_SLICE_NS;

            /* While the first thread to write opens the ring there is nothing to poll yet. */
            if (ppoll(&ready, state != RING_NONE, &(struct timespec){.tv_nsec = (long)slice}, NULL) > 0 ||
                state == RING_NONE)
                break;
            timeout_ns -= slice;
        }
    }
    file_lock(file);
    file->nr_waiting--;
}

bool cluster_read_pending(struct swap_file *file, uint32_t offset, void *bytes) {
    bool found = false;

    file_lock(file);
    for (unsigned i = 0; i < file->nr_clusters && !found; i++) {
        found = cluster_has(&file->clusters[i], offset);
        if (found)
            memcpy(bytes, cluster_slot(&file->clusters[i], offset), PAGE_SIZE);
    }
    file_unlock(file);
    return found;
}

void clusters_init(struct swap_file *file, char *memory) {
    lock_init(&file->lock, RANK_HOST);
    lock_init(&file->submit_lock, RANK_HOST);
    file->nr_clusters = clusters_most(file->flags);
    for (unsigned i = 0; i < file->nr_clusters; i++)
        file->clusters[i].bytes = memory + i * CLUSTER_BYTES;
    atomic_store(&file->write_ring_state, file->flags & SWAP_FILE_NO_URING ? RING_REFUSED : RING_NONE);
}

void clusters_finish(struct swap_file *file) {
    if (ring_exists(file))
        ring_close(&file->write_ring);
}
