/* SPDX-License-Identifier: MIT */
/*
 * file.h - a swap area in a private, unlinked file.
 *
 * Writes are gathered into clusters (adjacent slots, up to 256 KiB) in buffers given at creation and sent off with
 * io_uring, or by plain pwrite where io_uring is refused; reads of adjacent slots are one request. O_DIRECT where the
 * file system can. Every request's result is checked in full: errors and short transfers are reported for
 * each page they touch. The file grows by fallocate ahead of its use, so that a full disk shows before data is at
 * stake; where the file system has no fallocate, a failed write shows it.
 *
 * Thread-safe. The caller's threads share the descriptor table in which the file was opened (weir's own). No malloc:
 * all memory comes from the buffer handed to swap_file_open. No lock is held while I/O is waited for.
 */
#ifndef SWAPDEV_FILE_H
#define SWAPDEV_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mm/platform.h"

struct swap_file;

struct swap_file_stats {
    uint64_t out_pages, in_pages, write_requests, read_requests, write_errors, read_errors;
};

/*
 * Called once for every page whose write is done, without any lock, from whichever thread reaps it: one in
 * swap_file_wait, swap_file_write, swap_file_flush or swap_file_close. It must not call these itself.
 */
/* Does a little work; false: there is no more. */
typedef bool swap_file_meanwhile_fn(void);
typedef void swap_file_done_fn(void *arg, uint32_t offset, void *cookie, enum mm_status status);

/* For swap_file_open and swap_file_adopt: what to do without, though the machine may have it. */
enum swap_file_flags {
    SWAP_FILE_NO_URING = 1u << 0,  /* plain pwrite and pread */
    SWAP_FILE_NO_DIRECT = 1u << 1, /* through the page cache */
    SWAP_FILE_NO_TMPFILE = 1u << 2,
    SWAP_FILE_NO_FALLOCATE = 1u << 3,
    SWAP_FILE_SMALL = 1u << 4, /* without 1.4 MiB of buffers: fewer writes at a time, less read ahead */
};

/* Bytes of page-aligned memory that swap_file_open and swap_file_adopt want with these flags. */
size_t swap_file_memory(unsigned flags);
/*
 * Makes an unlinked file in the directory dir (O_TMPFILE, or a unique name unlinked at once) that may grow to
 * max_bytes. Of the platform only its locks are used; its host's lock_wait must work in every calling thread.
 * Returns NULL and a negative errno in *ret_errno: -ENOTDIR for what is no directory, which is left as it was.
 */
struct swap_file *swap_file_open(const struct platform *platform, const char *dir, uint64_t max_bytes, unsigned flags,
                                 void *memory, swap_file_done_fn *done, void *arg, int *ret_errno);
/*
 * The same in steps: the directory (a descriptor, or a negative errno), which may be renamed, removed or put out of
 * reach afterwards; the file (the same), which need not be used by the process that makes it; its use.
 */
int swap_file_dir(const char *path);
int swap_file_make(int dir, unsigned flags);
struct swap_file *swap_file_open_made(const struct platform *platform, int fd, uint64_t max_bytes, unsigned flags,
                                      void *memory, swap_file_done_fn *done, void *arg);
/*
 * Takes over an already open file for reading only (a child that inherits it). The rings of the struct that it
 * inherits along with the file do not exist in the child, but memory may be that struct's own.
 */
struct swap_file *swap_file_adopt(const struct platform *platform, int fd, unsigned flags, void *memory,
                                  int *ret_errno);
/* Waits for what is in flight (done() follows for all of it) and closes the file. */
void swap_file_close(struct swap_file *file);
int swap_file_fd(const struct swap_file *file);

/*
 * How many slots (pages) can be written now, slot 0 included; grows the file by further steps while it has fewer than
 * `wanted` beyond slot `used`. Never more than max_bytes / 4096, and never the last of the disk's free space. ENOSPC
 * simply stops the growth.
 */
uint32_t swap_file_grow(struct swap_file *file, uint32_t used, uint32_t wanted);

/*
 * Takes a copy of the 4096 bytes for slot offset and returns MM_SUBMITTED; done() follows with the result. Slots are
 * gathered by aligned windows of 64, in whatever order they come; a window is sent off when it is full or others need
 * its buffer. Waits for a buffer if all are in flight. A slot written again ends with the newer bytes; if the older
 * ones had not been sent yet, they never are, and their done() says MM_OK.
 * MM_IO: the device refuses all writes. MM_INVAL: the file is read-only, or has no such slot.
 */
enum mm_status swap_file_write(struct swap_file *file, uint32_t offset, const void *bytes, void *cookie);
/* Sends off what is gathered. */
void swap_file_flush(struct swap_file *file);
/* Flushes; calls done() for what has completed; if nothing had, waits up to timeout_ns for the first. */
void swap_file_wait(struct swap_file *file, uint64_t timeout_ns);
/* Are there writes gathered or in flight, or completed ones whose done() has not returned? */
bool swap_file_busy(const struct swap_file *file);

/*
 * Reads nr slots into nr * 4096 page-aligned bytes at buf, in the order given; adjacent offsets share a request.
 * Returns when all are done; status[i] is MM_OK or MM_IO. A slot whose write is still gathered or in flight is served
 * from its buffer. While the device is at it, meanwhile() is called again and again until it returns false; it may
 * write to the file. NULL: there is nothing to do meanwhile.
 */
void swap_file_read(struct swap_file *file, const uint32_t *offsets, unsigned nr, void *buf, enum mm_status *status,
                    swap_file_meanwhile_fn *meanwhile);
/* The same, but only for those whose status is MM_SUBMITTED; what lies at buf for the others stays as it is. */
void swap_file_read_rest(struct swap_file *file, const uint32_t *offsets, unsigned nr, void *buf,
                         enum mm_status *status, swap_file_meanwhile_fn *meanwhile);

/* The most slots that are read ahead at a time. */
#define SWAP_FILE_PREFETCH 128u
/*
 * Begins to read nr slots that are likely to be wanted next, in that order, and returns at once; swap_file_read() finds
 * them. What was read ahead before and is not among them is forgotten. Slots that are written later are, too. Does
 * nothing where there is no io_uring.
 */
void swap_file_prefetch(struct swap_file *file, const uint32_t *offsets, unsigned nr);
/* Waits for what is being read ahead, and forgets it: before a fork. */
void swap_file_prefetch_drop(struct swap_file *file);

void swap_file_get_stats(const struct swap_file *file, struct swap_file_stats *ret_stats);

#endif
