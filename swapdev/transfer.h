/* SPDX-License-Identifier: MIT */
/*
 * transfer.h - plain reads and writes of whole pages, carried through to the end.
 *
 * Continues after short transfers, EINTR and EAGAIN. A file that refuses O_DIRECT (EINVAL) goes on without it.
 */
#ifndef SWAPDEV_TRANSFER_H
#define SWAPDEV_TRANSFER_H

#include <stddef.h>
#include <stdint.h>

/*
 * Transfer len bytes at position of the file (all multiples of the page size). Return how many were, in whole pages
 * from the start: less than len if the page after those met an error or the end of the file.
 */
size_t transfer_read(int fd, void *bytes, size_t len, uint64_t position);
size_t transfer_write(int fd, const void *bytes, size_t len, uint64_t position);

#endif
