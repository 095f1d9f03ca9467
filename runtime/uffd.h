/* SPDX-License-Identifier: MIT */
/*
 * uffd.h - userfaultfd(2), as weir uses it. Calls return 0 or a negative errno, unless they say otherwise, and work on
 * weir's threads only, whose descriptor table holds rt.uffd. Addresses and lengths are bytes, multiples of a page.
 */
#ifndef RUNTIME_UFFD_H
#define RUNTIME_UFFD_H

#include <linux/userfaultfd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

/* Newer than Debian 12's header. */
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif
#ifndef UFFD_FEATURE_POISON
#define UFFD_FEATURE_POISON (1 << 14)
#endif
#ifndef UFFD_FEATURE_MOVE
#define UFFD_FEATURE_MOVE (1 << 16)
#endif

/*
 * Opens a userfaultfd through dev_fd (an open /dev/userfaultfd) if that is not negative, else the device, else the
 * system call. Returns the descriptor; *ret_dev is the device's, kept for a later fork, or -1.
 */
int uffd_open(int dev_fd, int *ret_dev);
/* Agrees on features for rt.uffd: sets rt.have_*, leaving out what rt.config forbids. */
int uffd_handshake(void);
/*
 * Should reading an event wait for one? Else it says EAGAIN where there is none. It has to be so for poll(2), which
 * says nothing of a userfaultfd that waits. Holds for all processes that share the descriptor.
 */
void uffd_set_blocking(int fd, bool blocking);
int uffd_register_shadow(uintptr_t start, size_t len);

/* Opens what uffd_move needs in the caller's descriptor table. Where that cannot be had, there is no UFFDIO_MOVE. */
void uffd_open_pagemap(void);
/* These return how many bytes were done, from the start, or a negative errno if none. */
long uffd_copy(int fd, uintptr_t to, const void *from, size_t len, bool wake);
long uffd_move(uintptr_t to, uintptr_t from, size_t len, bool allow_holes, bool wake);

int uffd_protect(uintptr_t start, size_t len);
/* Lets writers through again and wakes those that wait. */
int uffd_unprotect(uintptr_t start, size_t len);
int uffd_poison(int fd, uintptr_t start, size_t len);

#endif
