/* SPDX-License-Identifier: MIT */
/*
 * device_table.h - which swap area is stored where: what devices.c, which reads and writes them, and inheritance.c,
 * which hands them on at a fork, have in common.
 */
#ifndef RUNTIME_DEVICE_TABLE_H
#define RUNTIME_DEVICE_TABLE_H

#include <stdbool.h>

#include "mm/swapfile.h"
#include "swapdev/digest.h"
#include "swapdev/file.h"
#include "swapdev/pool.h"

enum device_kind { DEVICE_NONE, DEVICE_POOL, DEVICE_FILE, DEVICE_INHERITED };

struct device {
    enum device_kind kind;
    struct pool *pool;
    struct swap_file *file;
    struct digest_table *digests;
    void *memory; /* of the file */
    int hold_fd;  /* DEVICE_INHERITED: open as long as we read from it */
};

/* By the type of the swap area (mm/swapfile.h). */
extern struct device devices[MAX_SWAPFILES];
extern int file_type;     /* this process's own file, or -1 */
extern int pool_type;     /* its pool, or -1 */
extern void *file_memory; /* of its own file, should it have one */

/*
 * Makes fd the process's own swap file: a file made for it, or a negative errno that says why there is none. False:
 * has said why.
 */
bool devices_open_file(int fd);
/* inheritance.c: such a file for this process or a child of it, or a negative errno. */
int devices_make_file(void);

#endif
