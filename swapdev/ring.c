/* SPDX-License-Identifier: MIT */
#include "swapdev/ring.h"

#include <errno.h>
#include <sched.h>

/* The kernel says EAGAIN while it is short of memory for requests. */
#define MAX_TRIES 1000

int ring_open(struct ring *ring, int fd, unsigned entries) {
    /* A completion waits until this thread comes by the kernel, rather than interrupt what it does (Linux 5.19). */
    int error = io_uring_queue_init(entries, &ring->uring, IORING_SETUP_COOP_TASKRUN);

    if (error == -EINVAL)
        error = io_uring_queue_init(entries, &ring->uring, 0);
    if (error)
        return error;
    error = io_uring_ring_dontfork(&ring->uring);
    if (error) {
        io_uring_queue_exit(&ring->uring);
        return error;
    }
    ring->fd = fd;
    ring->registered = io_uring_register_files(&ring->uring, &fd, 1) == 0;
    return 0;
}

void ring_close(struct ring *ring) {
    io_uring_queue_exit(&ring->uring);
}

void ring_prepare(struct ring *ring, enum ring_op op, void *bytes, size_t len, uint64_t position, uint64_t data) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    int fd = ring->registered ? 0 : ring->fd;

    if (op == RING_READ)
        io_uring_prep_read(sqe, fd, bytes, (unsigned)len, position);
    else
        io_uring_prep_write(sqe, fd, bytes, (unsigned)len, position);
    if (ring->registered)
        io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
    io_uring_sqe_set_data64(sqe, data);
}

unsigned ring_submit(struct ring *ring, unsigned nr) {
    unsigned done = 0;

    for (unsigned tries = 0; done < nr && tries < MAX_TRIES; tries++) {
        int had = io_uring_submit(&ring->uring);

        if (had > 0)
            done += (unsigned)had;
        else if (had == -EAGAIN || had == -EBUSY)
            sched_yield();
        else if (had != -EINTR && had != 0)
            break;
    }
    return done;
}
