/* SPDX-License-Identifier: MIT */
#include "runtime/devices.h"

#include "mm/page_io.h"
#include "mm/swapfile.h"
#include "mm/vmscan.h"
#include "runtime/device_table.h"
#include "runtime/duty.h"
#include "runtime/host.h"
#include "runtime/runtime.h"
#include "runtime/sys.h"
#include "runtime/thread.h"
#include "swapdev/digest.h"
#include "swapdev/file.h"
#include "swapdev/pool.h"

/* The file is grown while fewer slots than this are free: 64 MiB ahead. */
#define GROW_AHEAD 16384u
/* Pages get slots of the file, and go to the pool under those; slots of the pool's own are for when the file has none.
 */
#define FILE_PRIORITY 2
#define POOL_PRIORITY 1
/* Slots of the pool: as many as a budget of zeros could need. */
#define POOL_SLOTS_PER_FRAME 32u

struct device devices[MAX_SWAPFILES];
int file_type = -1;
struct pool *pool;
void *file_memory;

unsigned devices_file_flags(void) {
    return rt.config.ram_bytes < SMALL_RAM_BYTES ? SWAP_FILE_SMALL : 0;
}

size_t devices_memory(void) {
    return rt.config.swap_bytes ? swap_file_memory(devices_file_flags()) : 0;
}

bool devices_is_file(unsigned type) {
    return devices[type].kind == DEVICE_FILE || devices[type].kind == DEVICE_INHERITED;
}

/* The file, of so many slots now, has just been asked to grow: what it did not get it is not going to get. */
static void note_limit(uint32_t slots) {
    uint32_t limit = (uint32_t)(rt.config.swap_bytes / PAGE_SIZE);
    bool short_of_room = slots - swap_inuse(rt.machine, (unsigned)file_type) < GROW_AHEAD;

    swap_set_limit(rt.machine, (unsigned)file_type, short_of_room ? slots : limit);
}

bool devices_open_file(int fd) {
    uint32_t slots, max_slots = (uint32_t)(rt.config.swap_bytes / PAGE_SIZE) + 1;
    struct swap_file *file;
    struct device *device;
    unsigned type;

    if (fd < 0) {
        weir_say("cannot make a swap file in %s (error %d): give another directory with --swap, or --swap none",
                 rt.config.swap_dir, -fd);
        return false;
    }
    file = swap_file_open_made(&host_platform, fd, rt.config.swap_bytes, devices_file_flags(), file_memory,
                               devices_write_done, NULL);
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
    *device = (struct device){.kind = DEVICE_FILE, .memory = file_memory, .hold_fd = -1};
    device->store = (struct swap_store){.type = type, .file = file};
    device->store.digests = digest_create(rt.machine, max_slots);
    if (pool && pool_open_area(pool, type, max_slots)) {
        device->store.pool = pool;
        pool_set_backed(pool, (int)type);
    }
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
        pool = pool_create(rt.machine, rt.config.zpool_percent);
        if (!pool || !pool_open_area(pool, type, (uint32_t)slots))
            return false;
        devices[type] = (struct device){.kind = DEVICE_POOL, .store = {.type = type, .pool = pool}, .hold_fd = -1};
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
        uint32_t slots = swap_file_grow(device->store.file, swap_inuse(rt.machine, (unsigned)file_type), GROW_AHEAD);

        swap_extend(rt.machine, (unsigned)file_type, slots);
        note_limit(slots);
    }
    devices_thaw();
    atomic_store(&tending, false);
}

void devices_close_unused(void) {
    for (unsigned type = 0; type < MAX_SWAPFILES; type++) {
        struct device *device = &devices[type];

        if (device->kind != DEVICE_INHERITED || swap_remove(rt.machine, type) != MM_OK)
            continue;
        if (pool)
            pool_close_area(pool, type);
        swap_file_close(device->store.file);
        sys2(SYS_munmap, device->memory, swap_file_memory(devices_file_flags()));
        sys1(SYS_close, device->hold_fd);
        device->kind = DEVICE_NONE;
    }
}

void devices_wait(uint64_t timeout_ns) {
    struct swap_file *file = file_type >= 0 ? devices[file_type].store.file : NULL;

    if (!file || !swap_file_busy(file))
        return;
    duty_hand_over();
    swap_file_wait(file, timeout_ns);
}

void devices_settle(void) {
    struct swap_file *file = file_type >= 0 ? devices[file_type].store.file : NULL;

    while (file && swap_file_busy(file))
        swap_file_wait(file, 100000000);
}

void devices_stop(void) {
    devices_settle();
    if (file_type >= 0)
        swap_file_prefetch_drop(devices[file_type].store.file);
}

void devices_refresh_stats(void) {
    struct weir_process_stats *stats = rt.stats;
    uint64_t file_pages = 0;

    if (pool) {
        struct pool_stats now;

        pool_get_stats(pool, &now);
        stats->pool_pages = now.pages;
        stats->pool_peak_pages = now.peak_pages;
        stats->pool_target_pages = now.target_pages;
        stats->file_read_ns = now.file_read_ns;
        stats->pool_stored_pages = now.stored_pages;
        stats->pool_bytes = now.bytes;
        stats->pool_same_pages = now.same_pages;
        stats->pool_out_pages = now.out_pages;
        stats->pool_in_pages = now.in_pages;
        stats->pool_out_bytes = now.out_bytes;
        stats->written_back_pages = now.written_back_pages;
    }
    for (unsigned type = 0; type < MAX_SWAPFILES; type++)
        if (devices_is_file(type))
            file_pages += swap_store_file_pages(&devices[type].store);
    stats->file_pages = file_pages;
    if (file_pages > stats->file_peak_pages)
        stats->file_peak_pages = file_pages;
    if (file_type >= 0) {
        struct swap_file_stats file;

        swap_file_get_stats(devices[file_type].store.file, &file);
        stats->file_out_pages = file.out_pages;
        stats->file_in_pages = file.in_pages;
    }
}

static bool disk_is_full(void) {
    uint32_t used = swap_inuse(rt.machine, (unsigned)file_type);
    uint32_t slots = swap_file_grow(devices[file_type].store.file, used, GROW_AHEAD);

    return slots < rt.stats->file_limit_pages && slots - used < GROW_AHEAD / 64;
}

void devices_say_swap(void) {
    if (rt.config.swap_bytes == 0)
        weir_say("  swap: no file (--swap none), compressed pool holds %lu MiB",
                 (unsigned long)(rt.stats->pool_stored_pages / 256));
    else if (file_type < 0)
        weir_say("  swap: no file could be made in %s", rt.config.swap_dir);
    else
        weir_say("  swap: %lu of %lu MiB used in %s%s",
                 (unsigned long)(swap_inuse(rt.machine, (unsigned)file_type) / 256),
                 (unsigned long)(rt.config.swap_bytes >> 20), rt.config.swap_dir,
                 disk_is_full() ? " (the disk has no more room)" : "");
}
