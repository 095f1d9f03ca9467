/* SPDX-License-Identifier: MIT */
#include "runtime/devices.h"

#include "mm/page_io.h"
#include "mm/swapfile.h"
#include "mm/vmscan.h"
#include "runtime/bytes.h"
#include "runtime/device_table.h"
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

struct device devices[MAX_SWAPFILES];
int file_type = -1;
int pool_type = -1;
void *file_memory;

static _Atomic uint32_t writes_until_tend;
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

/* The file, of so many slots now, has just been asked to grow: what it did not get it is not going to get. */
static void note_limit(uint32_t slots) {
    uint32_t limit = (uint32_t)(rt.config.swap_bytes / PAGE_SIZE);
    bool short_of_room = slots - swap_inuse(rt.machine, (unsigned)file_type) < GROW_AHEAD;

    swap_set_limit(rt.machine, (unsigned)file_type, short_of_room ? slots : limit);
}

bool devices_open_file(int fd) {
    struct swap_file *file;
    struct device *device;
    uint32_t slots;
    unsigned type;

    if (fd < 0) {
        weir_say("cannot make a swap file in %s (error %d): give another directory with --swap, or --swap none",
                 rt.config.swap_dir, -fd);
        return false;
    }
    file = swap_file_open_made(&host_platform, fd, rt.config.swap_bytes, 0, file_memory, write_done, NULL);
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
    *device = (struct device){.kind = DEVICE_FILE, .file = file, .memory = file_memory, .hold_fd = -1};
    device->digests = digest_create(rt.machine, (uint32_t)(rt.config.swap_bytes / PAGE_SIZE) + 1);
    file_type = (int)type;
    note_limit(slots);
    rt.stats->file_limit_pages = rt.config.swap_bytes / PAGE_SIZE;
    return true;
}

bool devices_open(void *memory) {
    uint64_t frames = rt.config.ram_bytes / PAGE_SIZE;

    file_memory = memory;
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
    /* What the program starts may have to do without. */
    return rt.config.swap_bytes == 0 || devices_open_file(devices_make_file()) || !rt.is_weirs_own;
}

void devices_tend(void) {
    static _Atomic bool tending;
    struct device *device = file_type >= 0 ? &devices[file_type] : NULL;

    /* One at a time: two would each give up the slots that a child held, once too often. The other's run will do. */
    if (atomic_exchange(&tending, true))
        return;
    if (device) {
        uint32_t slots = swap_file_grow(device->file, swap_inuse(rt.machine, (unsigned)file_type), GROW_AHEAD);

        swap_extend(rt.machine, (unsigned)file_type, slots);
        note_limit(slots);
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
    atomic_store(&tending, false);
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

static bool assist(void) {
    return kswapd_assist(rt.machine, 0);
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
        swap_file_read(device->file, offsets, nr, self->staging, status,
                       self->assists && kswapd_wants_assistance(rt.machine, 0) ? assist : NULL);
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

void devices_swap_prefetch(void *host, const swp_entry_t *entries, unsigned nr) {
    struct device *device = &devices[swp_type(entries[0])];
    uint32_t offsets[SWAP_FILE_PREFETCH];

    (void)host;
    if (device->kind != DEVICE_FILE)
        return;
    if (nr > SWAP_FILE_PREFETCH)
        nr = SWAP_FILE_PREFETCH;
    for (unsigned i = 0; i < nr; i++)
        offsets[i] = swp_offset(entries[i]);
    swap_file_prefetch(device->file, offsets, nr);
}

bool devices_read_slot(swp_entry_t entry, void *buf) {
    struct device *device = &devices[swp_type(entry)];
    uint32_t offset = swp_offset(entry);
    enum mm_status status;

    if (device->kind == DEVICE_POOL)
        return pool_load(device->pool, offset, buf) == MM_OK;
    swap_file_read(device->file, &offset, 1, buf, &status, NULL);
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

void devices_stop(void) {
    devices_settle();
    if (file_type >= 0)
        swap_file_prefetch_drop(devices[file_type].file);
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
