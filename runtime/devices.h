/* SPDX-License-Identifier: MIT */
/*
 * devices.h - the swap areas of this process and what stores each: the compressed pool, a file of its own, and files
 * inherited from the process that forked it, which are only read.
 *
 * Implements the swap calls of struct platform over swapdev/. Descriptors live in weir's own table.
 */
#ifndef RUNTIME_DEVICES_H
#define RUNTIME_DEVICES_H

#include <stdbool.h>

#include "mm/machine.h"

/* Bytes of page-aligned memory that the file needs for its buffers. */
size_t devices_memory(void);
/* How the swap file, or one that a child inherits, is to be opened: enum swap_file_flags. */
unsigned devices_file_flags(void);
/* Makes pool and file as rt.config asks. memory: devices_memory() bytes. False: has said why. Service thread. */
bool devices_open(void *memory);

enum mm_status devices_swap_write(void *host, swp_entry_t entry, struct page *page, struct mm *mm, uintptr_t addr);
void devices_swap_read(void *host, const swp_entry_t *entries, struct page *const *pages, unsigned nr,
                       enum mm_status *status);
void devices_swap_prefetch(void *host, const swp_entry_t *entries, unsigned nr);
unsigned devices_map_pages(void *host, struct mm *mm, uintptr_t addr, struct page *const *pages, unsigned nr,
                           unsigned map_flags);
unsigned devices_map_parked(void *host, struct mm *mm, uintptr_t addr, struct page *const *pages, unsigned nr);
void devices_slot_free(void *host, swp_entry_t entry);
bool devices_has_room(void *host, unsigned type);
bool devices_parked_is_clean(void *host, struct mm *mm, uintptr_t addr, swp_entry_t entry);

/* Reads one slot into 4096 bytes at buf, outside of any fault: for a forked child that is not on its feet yet. */
bool devices_read_slot(swp_entry_t entry, void *buf);
bool devices_is_file(unsigned type);

/* Grows the file ahead of its use. No lock held. */
void devices_tend(void);
/* Gives back areas that a fork left and nothing uses any more. kswapd, no lock. */
void devices_close_unused(void);
/* Writes back what the pool has too much of. kswapd, no spinning lock. */
void devices_write_back(void);
/* Sends gathered writes off and waits up to timeout_ns for one to complete; returns at once if there are none. */
void devices_wait(uint64_t timeout_ns);
/* Waits until no write is in flight. */
void devices_settle(void);
/* Waits until nothing is in flight, reads ahead included, and forgets those. While the world is stopped. */
void devices_stop(void);

void devices_refresh_stats(void);
/* A line on standard error about the state of swap, for an OOM report. */
void devices_say_swap(void);

/* -- inheritance.c: what a forked child gets of them. -- */
#define DEVICES_MAX_INHERITED 30
#define DEVICES_MAX_SPARE 16
struct devices_inheritance {
    int dir_fd; /* the swap directory; or a negative errno */
    int own_fd; /* a file made for the child, which may have no right to make one itself; or a negative errno */
    unsigned nr_spare;
    int spare_fds[DEVICES_MAX_SPARE]; /* files made ahead, if the child cannot make any for children of its own */
    unsigned nr;
    struct {
        unsigned type;
        int file_fd; /* the swap file */
        int hold_fd; /* write end of the pipe whose closing tells the parent that this child needs it no more */
    } areas[DEVICES_MAX_INHERITED];
};
/* In the parent, world stopped: what the child to come may read; freezes its slots. own_fd, the
 * spare_fds and the hold_fds are the caller's to close. */
void devices_bequeath(struct devices_inheritance *ret_inheritance);
/*
 * The process may be about to lose the right to make files in the swap directory: makes some ahead, for children. After
 * those are used up a child has no file of its own.
 */
void devices_foresee(void);
/* Frees slots frozen for children that are gone. No lock held. */
void devices_thaw(void);
/* In the child's service thread: takes the inheritance over and makes a file of its own. False: has said why. */
bool devices_inherit(const struct devices_inheritance *inheritance);

#endif
