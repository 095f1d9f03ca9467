/* SPDX-License-Identifier: MIT */
/*
 * fork_channel.h - what parent and child say to each other in a fork, over a socket of whole messages.
 *
 * Parent: greeting, and if it said so the child's userfaultfd ("u"); child: "t", it takes over; parent: pages; child:
 * "r", it stands, or pages, without which it cannot.
 */
#ifndef RUNTIME_FORK_CHANNEL_H
#define RUNTIME_FORK_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/devices.h"

/* Pages that the parent's handler may give a child before the child is on its feet: libc's FILEs and the like. */
#define MAX_SERVED 256u
#define MAX_FDS (2 * DEVICES_MAX_INHERITED + DEVICES_MAX_SPARE + 4)

struct greeting {
    /* Descriptors ride along: for each area file_fd and hold_fd; then dir_fd, own_fd, the spare_fds; then the device.
     */
    struct devices_inheritance inheritance;
    bool event; /* the child's userfaultfd follows in a message of its own */
};
/* The parent's: pages that it has put into the child's memory. The child's: those that it touched and had not. */
struct fork_pages {
    unsigned nr;
    uintptr_t pages[MAX_SERVED];
};

/* Returns bytes sent or a negative errno. */
long send_message(int fd, const void *data, size_t len, const int *fds, unsigned nr_fds);
/* Returns bytes received, 0 at the other side's end, or a negative errno. ret_fds: NULL, or room for MAX_FDS. */
long receive_message(int fd, void *data, size_t len, int *ret_fds, unsigned *ret_nr_fds);

#endif
