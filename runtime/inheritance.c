/* SPDX-License-Identifier: MIT */
/*
 * inheritance.c - swap files across a fork: the child reads what was swapped out before in its parent's file, and
 * writes to one of its own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "mm/swap_state.h"
#include "mm/swapfile.h"
#include "runtime/device_table.h"
#include "runtime/devices.h"
#include "runtime/host.h"
#include "runtime/runtime.h"
#include "runtime/sys.h"

/* Slots that a forked child may still read: each counts a reference until the child's end of the pipe is closed. */
struct freeze {
    uint64_t *bits; /* NULL: unused */
    size_t words;
    unsigned type;
    int pipe_fd;
};

#define MAX_FREEZES 256

static struct freeze freezes[MAX_FREEZES];
static _Atomic unsigned nr_freezes;
static int spare_fds[DEVICES_MAX_SPARE]; /* files made ahead; service thread */
static unsigned nr_spare;
static int dir_fd = -1; /* the swap directory, whatever it is called by now */

static void mark_used(uint32_t offset, void *arg) {
    struct freeze *freeze = arg;

    if (offset / 64 < freeze->words)
        freeze->bits[offset / 64] |= 1ull << (offset % 64);
}

static void for_each_frozen(const struct freeze *freeze, void (*fn)(swp_entry_t entry)) {
    for (size_t word = 0; word < freeze->words; word++)
        for (uint64_t left = freeze->bits[word]; left; left &= left - 1)
            fn(swp_entry(freeze->type, (uint32_t)(word * 64 + (unsigned)__builtin_ctzll(left))));
}

static void hold_slot(swp_entry_t entry) {
    swap_duplicate(rt.machine, entry);
}

static void release_slot(swp_entry_t entry) {
    swap_free(rt.machine, entry);
}

/* The write end of a pipe that keeps the slots now in use from being used anew, or a negative errno. */
static int freeze_file(unsigned type) {
    size_t words = (rt.config.swap_bytes / PAGE_SIZE + 64) / 64;
    struct freeze *freeze = NULL;
    int pipe_fds[2];
    long bits, error;

    for (unsigned i = 0; i < MAX_FREEZES && !freeze; i++)
        if (!freezes[i].bits)
            freeze = &freezes[i];
    if (!freeze)
        return -EMFILE;
    error = sys2(SYS_pipe2, pipe_fds, O_CLOEXEC);
    if (error < 0)
        return (int)error;
    bits = sys6(SYS_mmap, 0, words * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bits < 0 && bits > -4096) {
        sys1(SYS_close, pipe_fds[0]);
        sys1(SYS_close, pipe_fds[1]);
        return (int)bits;
    }
    *freeze = (struct freeze){.bits = (uint64_t *)bits, .words = words, .type = type, .pipe_fd = pipe_fds[0]};
    swap_for_each_used(rt.machine, type, mark_used, freeze);
    for_each_frozen(freeze, hold_slot);
    nr_freezes++;
    return pipe_fds[1];
}

bool devices_are_frozen(void) {
    return atomic_load_explicit(&nr_freezes, memory_order_relaxed) != 0;
}

int devices_make_file(void) {
    if (dir_fd < 0)
        dir_fd = swap_file_dir(rt.config.swap_dir);
    return dir_fd < 0 ? dir_fd : swap_file_make(dir_fd, 0);
}

void devices_foresee(void) {
    while (rt.config.swap_bytes && nr_spare < DEVICES_MAX_SPARE) {
        int fd = devices_make_file();

        if (fd < 0)
            return;
        spare_fds[nr_spare++] = fd;
    }
}

/* A file for a child, and if that had to be one made ahead, half of the others. */
static void bequeath_files(struct devices_inheritance *ret_inheritance) {
    ret_inheritance->nr_spare = 0;
    ret_inheritance->own_fd = rt.config.swap_bytes ? devices_make_file() : -1;
    if (ret_inheritance->own_fd >= 0 || nr_spare == 0)
        return;
    ret_inheritance->own_fd = spare_fds[--nr_spare];
    for (unsigned give = nr_spare / 2; give > 0; give--)
        ret_inheritance->spare_fds[ret_inheritance->nr_spare++] = spare_fds[--nr_spare];
}

void devices_bequeath(struct devices_inheritance *ret_inheritance) {
    ret_inheritance->nr = 0;
    /* Nobody else may have had an occasion to look for children that are gone. */
    devices_thaw();
    bequeath_files(ret_inheritance);
    ret_inheritance->dir_fd = dir_fd;
    for (unsigned type = 0; type < MAX_SWAPFILES && ret_inheritance->nr < DEVICES_MAX_INHERITED; type++) {
        struct device *device = &devices[type];
        int hold_fd;

        if (!devices_is_file(type) || swap_inuse(rt.machine, type) == 0)
            continue;
        hold_fd =
            device->kind == DEVICE_FILE ? freeze_file(type) : (int)sys3(SYS_fcntl, device->hold_fd, F_DUPFD_CLOEXEC, 0);
        ret_inheritance->areas[ret_inheritance->nr].type = type;
        ret_inheritance->areas[ret_inheritance->nr].file_fd = swap_file_fd(device->store.file);
        ret_inheritance->areas[ret_inheritance->nr].hold_fd = hold_fd;
        ret_inheritance->nr++;
    }
}

void devices_thaw(void) {
    for (unsigned i = 0; nr_freezes && i < MAX_FREEZES; i++) {
        struct freeze *freeze = &freezes[i];
        struct pollfd poll = {.fd = freeze->pipe_fd, .events = POLLIN};

        if (!freeze->bits || sys3(SYS_poll, &poll, 1, 0) != 1 || !(poll.revents & POLLHUP))
            continue;
        for_each_frozen(freeze, release_slot);
        sys2(SYS_munmap, freeze->bits, freeze->words * 8);
        sys1(SYS_close, freeze->pipe_fd);
        freeze->bits = NULL;
        nr_freezes--;
    }
}

/* The parent's freezes are copied memory here: this process holds no slot for anybody yet. */
static void forget_freezes(void) {
    for (unsigned i = 0; i < MAX_FREEZES; i++) {
        if (!freezes[i].bits)
            continue;
        for_each_frozen(&freezes[i], release_slot);
        sys2(SYS_munmap, freezes[i].bits, freezes[i].words * 8);
        freezes[i].bits = NULL;
    }
    nr_freezes = 0;
}

static bool adopt(unsigned type, int file_fd, int hold_fd) {
    struct device *device = &devices[type];
    size_t size = swap_file_memory(devices_file_flags());
    long memory = sys6(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int error;

    if (memory < 0 && memory > -4096)
        return false;
    device->kind = DEVICE_INHERITED;
    device->memory = (void *)memory;
    device->hold_fd = hold_fd;
    device->store.file = swap_file_adopt(&host_platform, file_fd, devices_file_flags(), device->memory, &error);
    swap_set_writable(rt.machine, type, false);
    return device->store.file != NULL;
}

bool devices_inherit(const struct devices_inheritance *inheritance) {
    bool adopted[MAX_SWAPFILES] = {false};

    file_type = -1;
    dir_fd = inheritance->dir_fd;
    nr_spare = inheritance->nr_spare;
    memcpy(spare_fds, inheritance->spare_fds, nr_spare * sizeof(spare_fds[0]));
    if (pool) {
        pool_after_fork(pool);
        /* What the parent's file does not have stays until it is wanted: we cannot write there. */
        pool_set_backed(pool, -1);
    }
    for (unsigned i = 0; i < inheritance->nr; i++) {
        unsigned type = inheritance->areas[i].type;

        adopted[type] = true;
        if (inheritance->areas[i].hold_fd < 0 ||
            !adopt(type, inheritance->areas[i].file_fd, inheritance->areas[i].hold_fd)) {
            weir_say("a forked child could not take over the swap file of its parent");
            return false;
        }
    }
    for (unsigned type = 0; type < MAX_SWAPFILES; type++) {
        if (!devices_is_file(type))
            continue;
        if (devices[type].store.digests)
            digest_after_fork(devices[type].store.digests);
        /* One with nothing of ours in it was not handed over. */
        if (!adopted[type]) {
            swap_set_writable(rt.machine, type, false);
            if (swap_remove(rt.machine, type) == MM_OK) {
                devices[type].kind = DEVICE_NONE;
                if (pool)
                    pool_close_area(pool, type);
            }
        }
    }
    forget_freezes();
    if (rt.config.swap_bytes && !devices_open_file(inheritance->own_fd))
        weir_say("this child process has no swap file of its own");
    return true;
}
