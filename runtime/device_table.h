/* SPDX-License-Identifier: MIT */
/*
 * device_table.h - which swap area is stored where: what devices.c, which reads and writes them, and inheritance.c,
 * which hands them on at a fork, have in common.
 */
#ifndef RUNTIME_DEVICE_TABLE_H
#define RUNTIME_DEVICE_TABLE_H

#include <stdbool.h>

#include "mm/swapfile.h"
#include "swapdev/swap_store.h"

enum device_kind { DEVICE_NONE, DEVICE_POOL, DEVICE_FILE, DEVICE_INHERITED };

struct device {
    enum device_kind kind;
    struct swap_store store;
    void *memory; /* of the file */
    int hold_fd;  /* DEVICE_INHERITED: open as long as we read from it */
};

/* By the type of the swap area (mm/swapfile.h). */
extern struct device devices[MAX_SWAPFILES];
extern int file_type;     /* this process's own file, or -1 */
extern struct pool *pool; /* its pool, or NULL */
extern void *file_memory; /* of its own file, should it have one */

/*
 * Makes fd the process's own swap file: a file made for it, or a negative errno that says why there is none. False:
 * has said why.
 */
bool devices_open_file(int fd);
/* swap_io.c: the end of any write to the file (swapdev/file.h). */
void devices_write_done(void *arg, uint32_t offset, void *cookie, enum mm_status status);
/* writeback.c. */
/* devices_write_back() now and then, by kswapd. A page has just been evicted; it is locked. */
void writeback_tend(void);
/* inheritance.c: is there a child that may still read slots of ours? A hint. */
bool devices_are_frozen(void);
/* inheritance.c: such a file for this process or a child of it, or a negative errno. */
int devices_make_file(void);

#endif
