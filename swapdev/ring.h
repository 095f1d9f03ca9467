/* SPDX-License-Identifier: MIT */
/*
 * ring.h - an io_uring for requests on one file.
 *
 * Hides whether the file is registered and what a failed submission means. A forked child does not have the ring's
 * memory. Not thread-safe: submission is one thread's at a time, and so is taking completions.
 */
#ifndef SWAPDEV_RING_H
#define SWAPDEV_RING_H

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ring_op { RING_READ, RING_WRITE };

struct ring {
    struct io_uring uring;
    int fd;          /* of the file */
    bool registered; /* the file is number 0 of the ring */
};

/* Returns 0 or a negative errno: there is no ring then. */
int ring_open(struct ring *ring, int fd, unsigned entries);
/* Nothing may be in flight. */
void ring_close(struct ring *ring);
/* Prepares a request; data comes back with its completion. Never more than `entries` before ring_submit. */
void ring_prepare(struct ring *ring, enum ring_op op, void *bytes, size_t len, uint64_t position, uint64_t data);
/*
 * Sends off the nr prepared requests. Returns how many, from the first, are under way; if fewer than nr, the others
 * never will be and the ring must not be given new ones.
 */
unsigned ring_submit(struct ring *ring, unsigned nr);

#endif
