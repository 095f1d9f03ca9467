/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/boot.h"

#include <errno.h>
#include <sys/mman.h>

#include "mm/watermark.h"
#include "runtime/bell.h"
#include "runtime/bytes.h"
#include "runtime/devices.h"
#include "runtime/fork.h"
#include "runtime/handler.h"
#include "runtime/host.h"
#include "runtime/kswapd.h"
#include "runtime/placement.h"
#include "runtime/reserve.h"
#include "runtime/runtime.h"
#include "runtime/service.h"
#include "runtime/stale.h"
#include "runtime/stats.h"
#include "runtime/sys.h"
#include "runtime/thread.h"
#include "runtime/uffd.h"

/* The managed range: an address costs nothing until it is used. */
#define REGION_BYTES ((size_t)1 << 40) /* runtime/reserve.c divides as much into pieces */
#define REGION_BYTES_MIN ((size_t)1 << 36)

struct runtime rt = {.uffd = -1};

static unsigned nr_handlers;
static char *device_memory;
static bool (*prepare_service)(void);
static _Atomic uint32_t service_state; /* 0 starting, 1 serving, 2 failed; a futex word */

static bool failed(long result) {
    return result < 0 && result > -4096;
}

static long reserve(size_t size, int prot) {
    return sys6(SYS_mmap, 0, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/* The managed range and its shadow, side by side. */
static bool reserve_region(void) {
    size_t size = REGION_BYTES;
    long base;

    while (failed(base = reserve(2 * size + BLOCK_SIZE, PROT_NONE)) && size > REGION_BYTES_MIN)
        size /= 2;
    if (failed(base)) {
        weir_say("cannot reserve address space (error %ld): lift the limit with 'ulimit -v unlimited'", -base);
        return false;
    }
    rt.region_start = ((uintptr_t)base + BLOCK_SIZE - 1) & ~(BLOCK_SIZE - 1);
    rt.region_end = rt.region_start + size;
    rt.shadow_offset = (ptrdiff_t)size;
    base = sys3(SYS_mprotect, rt.region_start, 2 * size, PROT_READ | PROT_WRITE);
    if (failed(base)) {
        weir_say("cannot open the shadow of the managed range (error %ld): vm.overcommit_memory=2 or ulimit -d "
                 "forbids it",
                 -base);
        return false;
    }
    /*
     * A page touched now gives the whole range one anonymous object of Linux's. Mappings that the program opens side by
     * side later can then become one, and a block that spans them still moves in one call.
     */
    sys3(SYS_madvise, rt.region_start, PAGE_SIZE, MADV_POPULATE_WRITE);
    sys3(SYS_madvise, rt.region_start, PAGE_SIZE, MADV_DONTNEED);
    base = sys3(SYS_mprotect, rt.region_start, size, PROT_NONE);
    if (failed(base))
        return false;
    /* A huge page would take 2 MiB where one page was charged. */
    sys3(SYS_madvise, rt.region_start, 2 * size, MADV_NOHUGEPAGE);
    reserve_keep_undumped();
    return true;
}

static size_t pages_for(size_t bytes) {
    return (bytes + PAGE_SIZE - 1) / PAGE_SIZE;
}

/*
 * Boots the machine over the arena. What weir itself needs lies at the arena's start and is no frame of any zone:
 * descriptors, staging buffers, the swap file's buffers, and room for the copies that wait to be dropped in a batch.
 */
static bool boot_machine(void) {
    size_t total = rt.config.ram_bytes / PAGE_SIZE;
    struct memory_range range = {.start_pfn = 0, .nr_pages = (uint32_t)total, .node = 0, .zone_type = ZONE_NORMAL};
    struct memory_map map = {.ranges = &range, .nr_ranges = 1, .nr_cpus = THREAD_HANDLER0 + nr_handlers, .nr_nodes = 1};
    size_t boot = pages_for(machine_boot_bytes(&map));
    size_t staging = (1 + nr_handlers) * STAGING_PAGES;
    size_t device = pages_for(devices_memory());
    size_t stale = total / 64 < STALE_MAX ? total / 64 : STALE_MAX;
    size_t reserved = boot + staging + device + stale;
    long arena = reserve(rt.config.ram_bytes, PROT_READ | PROT_WRITE);
    char *next;

    if (failed(arena) || reserved + 1024 > total) {
        weir_say("cannot set up a budget of %lu bytes", (unsigned long)rt.config.ram_bytes);
        return false;
    }
    rt.arena = (char *)arena;
    sys3(SYS_madvise, arena, rt.config.ram_bytes, MADV_NOHUGEPAGE);
    map.arena = rt.arena;
    range.start_pfn = (uint32_t)reserved;
    range.nr_pages = (uint32_t)(total - reserved);
    host_prepare();
    rt.machine = machine_boot(&host_platform, &map, rt.arena);
    if (!rt.machine)
        return false;
    next = rt.arena + boot * PAGE_SIZE;
    for (unsigned role = 0; role < WEIR_MAX_THREADS; role++) {
        if (role != THREAD_SERVICE && (role < THREAD_HANDLER0 || role >= THREAD_HANDLER0 + nr_handlers))
            continue;
        weir_thread_of(role)->staging = next;
        next += STAGING_PAGES * PAGE_SIZE;
    }
    device_memory = next;
    rt.stats->overhead_pages = reserved;
    rt.machine->tune.swappiness = rt.config.swappiness;
    rt.machine->tune.swap_token = 0; /* one address space has nobody to take turns with */
    rt.machine->tune.inactive_percent = 25;
    rt.machine->tune.inactive_faults = 3; /* each about 10 us, where a page that should not have gone costs 60 to 100 */
    rt.machine->tune.oom_waits_for_writes = 1; /* nobody is killed because a disk is slow */
    rt.machine->tune.probation = 1;
    rt.machine->tune.workingset_anon = 1;
    rt.machine->tune.park_neighbours = 1;
    rt.machine->tune.fault_around_max = STAGING_PAGES;
    rt.machine->tune.fault_around_fresh = 32;
    rt.machine->tune.read_around_max = 16;
    rt.machine->tune.psi = 1;
    return true;
}

static bool open_userfaultfd(void) {
    int error;

    rt.uffd = uffd_open(-1, &rt.uffd_device);
    if (rt.uffd < 0) {
        weir_say("userfaultfd is refused (error %d): run 'weir doctor'", -rt.uffd);
        return false;
    }
    error = uffd_handshake();
    if (!error)
        error = uffd_register(rt.region_start, rt.region_end - rt.region_start);
    if (!error)
        error = uffd_register_shadow(rt.region_end, rt.region_end - rt.region_start);
    if (!error)
        error = bell_register();
    if (error)
        weir_say("userfaultfd cannot watch the managed range (error %d): run 'weir doctor'", -error);
    return !error;
}

bool boot_start_threads(void) {
    int error = weir_thread_start(THREAD_KSWAPD, kswapd_thread, false);

    if (!error)
        error = weir_thread_start(THREAD_CLERK, stats_clerk, false);
    for (unsigned i = 0; i < nr_handlers && !error; i++)
        error = weir_thread_start(THREAD_HANDLER0 + i, handler_run, false);
    if (error)
        weir_say("cannot start its threads (error %d): too many processes?", -error);
    return !error;
}

/* The service thread, with a descriptor table of its own: a copy of the program's, of which it keeps nothing. */
static bool prepare_first(void) {
    sys3(SYS_close_range, 0, ~0u, 0);
    handler_keep_room();
    bytes_open();
    if (!open_userfaultfd() || !fork_open())
        return false;
    rt.mm = mm_create(rt.machine, rt.region_start, rt.region_end);
    if (!rt.mm || !devices_open(device_memory))
        return false;
    rt.mm->owner = &program_task;
    program_task.mm = rt.mm;
    program_task.comm = rt.stats->comm;
    return boot_start_threads();
}

static void service_thread(struct weir_thread *self) {
    bool ready = prepare_service();

    self->task.comm = "weir-service";
    atomic_store(&service_state, ready ? 1 : 2);
    futex_wake(&service_state, 1);
    if (ready)
        service_loop();
}

bool boot_start_service(bool (*prepare)(void)) {
    prepare_service = prepare;
    atomic_store(&service_state, 0);
    if (weir_thread_start(THREAD_SERVICE, service_thread, true) < 0) {
        weir_say("cannot start its threads: too many processes?");
        return false;
    }
    while (atomic_load(&service_state) == 0)
        futex_wait(&service_state, 0, -1);
    return atomic_load(&service_state) == 1;
}

bool runtime_boot(const struct weir_config *config, const char *stats_path) {
    rt.config = *config;
    /* They wait for the disk most of the time, so there may be more of them than CPUs; each has its staging buffer. */
    nr_handlers = config->ram_bytes < SMALL_RAM_BYTES ? 2 : WEIR_MAX_HANDLERS;
    stats_open(stats_path);
    placement_note_main_thread();
    if (!threads_reserve() || !bell_reserve() || !reserve_region() || !boot_machine() ||
        !boot_start_service(prepare_first))
        return false;
    atomic_store(&rt.up, true);
    return true;
}
