/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>

#include "mm/swap_state.h"
#include "mm/swapfile.h"
#include "runtime/bytes.h"
#include "runtime/handler.h"
#include "runtime/host.h"
#include "runtime/runtime.h"
#include "runtime/sys.h"
#include "runtime/thread.h"
#include "swapdev/digest.h"
#include "swapdev/file.h"
#include "swapdev/pool.h"

/* The file is grown while fewer slots than this are free: 64 MiB ahead. */
#define GROW_AHEAD 16384u
/* The pool before the file, and a file before the files of processes further up, which only rejected pages leave. */
#define POOL_PRIORITY 2
#define FILE_PRIORITY 1
/* Slots of the pool: as many as a budget of zeros could need. */
#define POOL_SLOTS_PER_FRAME 32u

enum device_kind { DEVICE_NONE, DEVICE_POOL, DEVICE_FILE, DEVICE_INHERITED };

struct device {
    enum device_kind kind;
    struct pool *pool;
    struct swap_file *file;
    struct digest_table *digests;
    void *memory; /* of the file */
    int hold_fd;  /* DEVICE_INHERITED: open as long as we read from it */
};

/* Slots that a forked child may still read: each counts a reference until the child's end of the pipe is closed. */
struct freeze {
    uint64_t *bits; /* NULL: unused */
    size_t words;
    unsigned type;
    int pipe_fd;
};

#define MAX_FREEZES 256

static struct device devices[MAX_SWAPFILES];
static int file_type = -1; /* this process's own file */
static int pool_type = -1;
static struct freeze freezes[MAX_FREEZES];
static unsigned nr_freezes;
static _Atomic uint32_t writes_until_tend;
static int spare_fds[DEVICES_MAX_SPARE]; /* files made ahead; service thread */
static unsigned nr_spare;
static _Atomic uint64_t pool_full_bytes; /* what the pool held when it was last full; 0 while it takes pages */

size_t devices_memory(void) {
    return rt.config.swap_bytes ? swap_file_memory() : 0;
}

bool devices_is_file(unsigned type) {
    return devices[type].kind == DEVICE_FILE || devices[type].kind == DEVICE_INHERITED;
}

static void write_done(void *arg, uint32_t offset, void *cookie, enum mm_status status) {
    (void)arg;
    (void)offset;
    if (status != MM_OK && atomic_fetch_add(&rt.stats->write_errors, 1) == 0)
        weir_say("a write to the swap file in %s failed: what could not be written stays in memory",
                 rt.config.swap_dir);
    end_swap_write(rt.machine, cookie, status);
}

/* fd: a file made for this process, or a negative errno that says why there is none. */
static bool open_file(int fd, void *memory) {
    struct swap_file *file;
    struct device *device;
    uint32_t slots;
    unsigned type;

    if (fd < 0) {
        weir_say("cannot make a swap file in %s (error %d): give another directory with --swap, or --swap none",
                 rt.config.swap_dir, -fd);
        return false;
    }
    file = swap_file_open_made(&host_platform, fd, rt.config.swap_bytes, 0, memory, write_done, NULL);
    slots = swap_file_grow(file, 0, GROW_AHEAD);
    if (slots < 2) {
        weir_say("no room for a swap file in %s: give another directory with --swap, or --swap none",
                 rt.config.swap_dir);
        swap_file_close(file);
        return false;
    }
    if (swap_add(rt.machine, slots, FILE_PRIORITY, 0, &type) != MM_OK) {
        weir_say("too many swap files inherited through nested forks");
        swap_file_close(file);
        return false;
    }
    device = &devices[type];
    *device = (struct device){.kind = DEVICE_FILE, .file = file, .memory = memory, .hold_fd = -1};
    device->digests = digest_create(rt.machine, (uint32_t)(rt.config.swap_bytes / PAGE_SIZE) + 1);
    file_type = (int)type;
    rt.stats->file_limit_pages = rt.config.swap_bytes / PAGE_SIZE;
    return true;
}

bool devices_open(void *memory) {
    uint64_t frames = rt.config.ram_bytes / PAGE_SIZE;

    if (rt.config.zpool_percent) {
        uint64_t slots = frames * POOL_SLOTS_PER_FRAME;
        unsigned type;

        if (slots >= 1u << SWAP_TYPE_SHIFT)
            slots = (1u << SWAP_TYPE_SHIFT) - 1;
        if (swap_add(rt.machine, (uint32_t)slots, POOL_PRIORITY, SWP_EXCLUSIVE, &type) != MM_OK)
            return false;
        devices[type] = (struct device){.kind = DEVICE_POOL, .hold_fd = -1};
        devices[type].pool = pool_create(rt.machine, (uint32_t)slots, rt.config.zpool_percent);
        if (!devices[type].pool)
            return false;
        pool_type = (int)type;
    }
    return rt.config.swap_bytes == 0 || open_file(swap_file_make(rt.config.swap_dir, 0), memory);
}

void devices_tend(void) {
    struct device *device = file_type >= 0 ? &devices[file_type] : NULL;

    if (device) {
        uint32_t slots = swap_file_grow(device->file, swap_inuse(rt.machine, (unsigned)file_type), GROW_AHEAD);

        swap_extend(rt.machine, (unsigned)file_type, slots);
    }
    devices_thaw();
    for (unsigned type = 0; type < MAX_SWAPFILES; type++) {
        device = &devices[type];
        if (device->kind != DEVICE_INHERITED || swap_remove(rt.machine, type) != MM_OK)
            continue;
        swap_file_close(device->file);
        sys2(SYS_munmap, device->memory, swap_file_memory());
        sys1(SYS_close, device->hold_fd);
        device->kind = DEVICE_NONE;
    }
}

static uint64_t pool_bytes(void) {
    struct pool_stats stats;

    pool_get_stats(devices[pool_type].pool, &stats);
    return stats.bytes;
}

/*
 * A full pool takes pages again once a twentieth of it has come free. Taking each page that just fits would send
 * neighbours now here, now to the file, and neither could be read back in runs.
 */
static bool pool_is_open(void) {
    uint64_t full = atomic_load(&pool_full_bytes);

    if (full && pool_bytes() < full - full / 20)
        atomic_store(&pool_full_bytes, full = 0);
    return full == 0;
}

enum mm_status devices_swap_write(void *host, swp_entry_t entry, struct page *page, struct mm *mm, uintptr_t addr) {
    struct device *device = &devices[swp_type(entry)];
    const void *bytes = mm ? bytes_parked(addr) : page_address(rt.machine, page);
    uint32_t offset = swp_offset(entry);
    enum mm_status status = MM_REJECTED;

    (void)host;
    bytes_drop_stale(false);
    if (device->kind == DEVICE_POOL) {
        status = pool_store(device->pool, offset, bytes);
        if (status == MM_REJECTED && !pool_has_room(device->pool))
            atomic_store(&pool_full_bytes, pool_bytes());
    } else if (device->kind == DEVICE_FILE) {
        if (atomic_fetch_add(&writes_until_tend, 1) % 1024 == 0)
            devices_tend();
        if (device->digests)
            digest_set(device->digests, offset, bytes);
        status = swap_file_write(device->file, offset, bytes, page);
    }
    return status;
}

void devices_swap_read(void *host, const swp_entry_t *entries, struct page *const *pages, unsigned nr,
                       enum mm_status *status) {
    struct weir_thread *self = weir_thread_self();
    struct device *device = &devices[swp_type(entries[0])];

    (void)host;
    MM_ASSERT(rt.machine, nr <= STAGING_PAGES);
    for (unsigned i = 0; i < nr; i++)
        self->staged[i] = pages[i];
    self->nr_staged = nr;
    if (device->kind == DEVICE_POOL) {
        for (unsigned i = 0; i < nr; i++)
            status[i] = pool_load(device->pool, swp_offset(entries[i]), self->staging + i * PAGE_SIZE);
    } else {
        uint32_t offsets[STAGING_PAGES];

        handler_hand_over();
        for (unsigned i = 0; i < nr; i++)
            offsets[i] = swp_offset(entries[i]);
        swap_file_read(device->file, offsets, nr, self->staging, status);
        /* A device that answers with other bytes than it was given has failed, whatever it says. */
        for (unsigned i = 0; i < nr; i++)
            if (status[i] == MM_OK && device->digests &&
                digest_contradicts(device->digests, offsets[i], self->staging + i * PAGE_SIZE))
                status[i] = MM_IO;
    }
    for (unsigned i = 0; i < nr; i++) {
        if (status[i] == MM_OK)
            continue;
        if (atomic_fetch_add(&rt.stats->read_errors, 1) == 0)
            weir_say("a page could not be read back from %s: a program that touches it gets SIGBUS",
                     device->kind == DEVICE_POOL ? "the compressed pool" : "the swap file");
    }
}

bool devices_read_slot(swp_entry_t entry, void *buf) {
    struct device *device = &devices[swp_type(entry)];
    uint32_t offset = swp_offset(entry);
    enum mm_status status;

    if (device->kind == DEVICE_POOL)
        return pool_load(device->pool, offset, buf) == MM_OK;
    swap_file_read(device->file, &offset, 1, buf, &status);
    return status == MM_OK;
}

void devices_slot_free(void *host, swp_entry_t entry) {
    struct device *device = &devices[swp_type(entry)];

    (void)host;
    if (device->kind == DEVICE_POOL)
        pool_slot_free(device->pool, swp_offset(entry));
    else if (device->digests)
        digest_clear(device->digests, swp_offset(entry));
}

bool devices_has_room(void *host, unsigned type) {
    (void)host;
    if (devices[type].kind == DEVICE_POOL)
        return pool_is_open();
    return devices[type].kind == DEVICE_FILE;
}

bool devices_parked_is_clean(void *host, struct mm *mm, uintptr_t addr, swp_entry_t entry) {
    struct device *device = &devices[swp_type(entry)];

    (void)host;
    (void)mm;
    if (!device->digests || !digest_matches(device->digests, swp_offset(entry), bytes_parked(addr)))
        return false;
    atomic_fetch_add(&rt.stats->dropped_clean_pages, 1);
    return true;
}

void devices_wait(uint64_t timeout_ns) {
    struct swap_file *file = file_type >= 0 ? devices[file_type].file : NULL;

    if (!file || !swap_file_busy(file))
        return;
    handler_hand_over();
    swap_file_wait(file, timeout_ns);
}

void devices_settle(void) {
    struct swap_file *file = file_type >= 0 ? devices[file_type].file : NULL;

    while (file && swap_file_busy(file))
        swap_file_wait(file, 100000000);
}

void devices_refresh_stats(void) {
    struct weir_process_stats *stats = rt.stats;
    uint64_t file_pages = 0;

    if (pool_type >= 0) {
        struct pool_stats pool;

        pool_get_stats(devices[pool_type].pool, &pool);
        stats->pool_pages = pool.pages;
        stats->pool_peak_pages = pool.peak_pages;
        stats->pool_stored_pages = pool.stored_pages;
        stats->pool_bytes = pool.bytes;
        stats->pool_same_pages = pool.same_pages;
        stats->pool_out_pages = pool.out_pages;
        stats->pool_in_pages = pool.in_pages;
        stats->pool_out_bytes = pool.out_bytes;
    }
    for (unsigned type = 0; type < MAX_SWAPFILES; type++)
        if (devices_is_file(type))
            file_pages += swap_inuse(rt.machine, type);
    stats->file_pages = file_pages;
    if (file_pages > stats->file_peak_pages)
        stats->file_peak_pages = file_pages;
    if (file_type >= 0) {
        struct swap_file_stats file;

        swap_file_get_stats(devices[file_type].file, &file);
        stats->file_out_pages = file.out_pages;
        stats->file_in_pages = file.in_pages;
    }
}

static bool disk_is_full(void) {
    uint32_t used = swap_inuse(rt.machine, (unsigned)file_type);
    uint32_t slots = swap_file_grow(devices[file_type].file, used, GROW_AHEAD);

    return slots < rt.stats->file_limit_pages && slots - used < GROW_AHEAD / 64;
}

void devices_say_swap(void) {
    if (rt.config.swap_bytes == 0)
        weir_say("  swap: no file (--swap none), compressed pool holds %lu MiB",
                 (unsigned long)(rt.stats->pool_stored_pages / 256));
    else if (file_type < 0)
        weir_say("  swap: no file could be made in %s", rt.config.swap_dir);
    else
        weir_say("  swap: %lu of %lu MiB used in %s%s", (unsigned long)(rt.stats->file_pages / 256),
                 (unsigned long)(rt.config.swap_bytes >> 20), rt.config.swap_dir,
                 disk_is_full() ? " (the disk has no more room)" : "");
}

/* -- fork ---------------------------------------------------------------------------------------------------------- */

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

void devices_foresee(void) {
    while (rt.config.swap_bytes && nr_spare < DEVICES_MAX_SPARE) {
        int fd = swap_file_make(rt.config.swap_dir, 0);

        if (fd < 0)
            return;
        spare_fds[nr_spare++] = fd;
    }
}

/* A file for a child, and if that had to be one made ahead, half of the others. */
static void bequeath_files(struct devices_inheritance *ret_inheritance) {
    ret_inheritance->nr_spare = 0;
    ret_inheritance->own_fd = rt.config.swap_bytes ? swap_file_make(rt.config.swap_dir, 0) : -1;
    if (ret_inheritance->own_fd >= 0 || nr_spare == 0)
        return;
    ret_inheritance->own_fd = spare_fds[--nr_spare];
    for (unsigned give = nr_spare / 2; give > 0; give--)
        ret_inheritance->spare_fds[ret_inheritance->nr_spare++] = spare_fds[--nr_spare];
}

void devices_bequeath(struct devices_inheritance *ret_inheritance) {
    ret_inheritance->nr = 0;
    bequeath_files(ret_inheritance);
    for (unsigned type = 0; type < MAX_SWAPFILES && ret_inheritance->nr < DEVICES_MAX_INHERITED; type++) {
        struct device *device = &devices[type];
        int hold_fd;

        if (!devices_is_file(type) || swap_inuse(rt.machine, type) == 0)
            continue;
        hold_fd =
            device->kind == DEVICE_FILE ? freeze_file(type) : (int)sys3(SYS_fcntl, device->hold_fd, F_DUPFD_CLOEXEC, 0);
        ret_inheritance->areas[ret_inheritance->nr].type = type;
        ret_inheritance->areas[ret_inheritance->nr].file_fd = swap_file_fd(device->file);
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
    size_t size = swap_file_memory();
    long memory = sys6(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int error;

    if (memory < 0 && memory > -4096)
        return false;
    device->kind = DEVICE_INHERITED;
    device->memory = (void *)memory;
    device->hold_fd = hold_fd;
    device->file = swap_file_adopt(&host_platform, file_fd, 0, device->memory, &error);
    swap_set_writable(rt.machine, type, false);
    return device->file != NULL;
}

bool devices_inherit(const struct devices_inheritance *inheritance) {
    void *memory = file_type >= 0 ? devices[file_type].memory : NULL;
    bool adopted[MAX_SWAPFILES] = {false};

    file_type = -1;
    nr_spare = inheritance->nr_spare;
    memcpy(spare_fds, inheritance->spare_fds, nr_spare * sizeof(spare_fds[0]));
    if (pool_type >= 0)
        pool_after_fork(devices[pool_type].pool);
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
        if (devices[type].digests)
            digest_after_fork(devices[type].digests);
        /* One with nothing of ours in it was not handed over. */
        if (!adopted[type]) {
            swap_set_writable(rt.machine, type, false);
            devices[type].kind = swap_remove(rt.machine, type) == MM_OK ? DEVICE_NONE : devices[type].kind;
        }
    }
    forget_freezes();
    if (rt.config.swap_bytes && !open_file(inheritance->own_fd, memory))
        weir_say("this child process has no swap file of its own");
    return true;
}
