/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>

#include "mm/psi.h"
#include "mm/vmstat.h"
#include "runtime/credentials.h"
#include "runtime/devices.h"
#include "runtime/placement.h"
#include "runtime/runtime.h"
#include "runtime/survivors.h"
#include "runtime/sys.h"
#include "runtime/thread.h"
#include "runtime/world.h"

/* Gauges are brought up to date once in so many faults. */
#define TICKS 256u
/* How often the clerk looks whether the program has threads left. */
#define SURVIVORS_LOOK_S 1

static struct weir_stats_file *file;
static _Atomic uint32_t ticks;

static void set_comm(struct weir_process_stats *stats) {
    long fd = sys4(SYS_openat, AT_FDCWD, "/proc/self/comm", O_RDONLY | O_CLOEXEC, 0);
    long got = fd < 0 ? 0 : sys3(SYS_read, fd, stats->comm, sizeof(stats->comm) - 1);

    stats->comm[got > 0 ? got - 1 : 0] = '\0'; /* without its newline */
    if (fd >= 0)
        sys1(SYS_close, fd);
}

static struct weir_process_stats *claim_record(void) {
    uint32_t pid = (uint32_t)sys0(SYS_getpid);

    /* A process that execs finds the record it had. */
    for (unsigned i = 0; i < WEIR_STATS_PROCESSES; i++)
        if (file->process[i].pid == pid && !file->process[i].exited)
            return &file->process[i];
    for (unsigned i = 0; i < WEIR_STATS_PROCESSES; i++) {
        uint32_t nobody = 0;

        if (atomic_compare_exchange_strong(&file->process[i].pid, &nobody, pid))
            return &file->process[i];
    }
    return NULL;
}

/* Nobody reads it. */
static struct weir_process_stats *private_record(void) {
    static struct weir_process_stats none;
    long memory = sys6(SYS_mmap, 0, sizeof(struct weir_process_stats), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return memory < 0 && memory > -4096 ? &none : (struct weir_process_stats *)memory;
}

static void start_record(void) {
    struct weir_process_stats *stats = file ? claim_record() : NULL;

    if (!stats)
        stats = private_record();
    stats->parent_pid = (uint32_t)sys0(SYS_getppid);
    stats->ram_pages = rt.config.ram_bytes / PAGE_SIZE;
    set_comm(stats);
    rt.stats = stats;
}

void stats_open(const char *path) {
    long fd = path ? sys4(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0) : -1;

    if (fd >= 0) {
        long memory = sys6(SYS_mmap, 0, sizeof(*file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        if (!(memory < 0 && memory > -4096))
            file = (struct weir_stats_file *)memory;
        sys1(SYS_close, fd);
        if (file && (file->magic != WEIR_STATS_MAGIC || file->version != WEIR_STATS_VERSION))
            file = NULL;
    }
    start_record();
}

void stats_after_fork(void) {
    uint64_t overhead = rt.stats->overhead_pages;

    start_record();
    rt.stats->overhead_pages = overhead;
}

/* Quarter octaves from 64 ns up, as weir/stats.h lays them out. */
static unsigned bucket_of(uint64_t ns) {
    unsigned octave, quarter, bucket;

    if (ns < 64)
        return 0;
    octave = 63u - (unsigned)__builtin_clzll(ns);
    quarter = (unsigned)(ns >> (octave - 2)) & 3u;
    bucket = (octave - 6) * 4 + quarter;
    return bucket < WEIR_LATENCY_BUCKETS ? bucket : WEIR_LATENCY_BUCKETS - 1;
}

void stats_fault(enum fault_result result, uint64_t latency_ns) {
    struct weir_latency *latency;
    enum weir_fault_kind kind;

    if (result == FAULT_MINOR)
        kind = WEIR_FAULT_FRESH;
    else if (result == FAULT_SOFT)
        kind = WEIR_FAULT_SOFT;
    else if (result == FAULT_MAJOR)
        kind = weir_thread_self()->read_file ? WEIR_FAULT_FILE : WEIR_FAULT_POOL;
    else
        return;
    latency = &rt.stats->fault[kind];
    atomic_fetch_add_explicit(&latency->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&latency->total_ns, latency_ns, memory_order_relaxed);
    atomic_fetch_add_explicit(&latency->buckets[bucket_of(latency_ns)], 1, memory_order_relaxed);
    if (latency_ns > latency->max_ns)
        latency->max_ns = latency_ns;
    atomic_fetch_add_explicit(&rt.stats->stalled_ns, latency_ns, memory_order_relaxed);
}

void stats_tick(void) {
    if (atomic_fetch_add_explicit(&ticks, 1, memory_order_relaxed) % TICKS == 0)
        stats_refresh();
}

static void refresh_events(struct weir_process_stats *stats) {
    unsigned long events[NR_VM_EVENT_ITEMS];
    uint64_t steal = 0, scan_kswapd = 0, scan_direct = 0;

    all_vm_events(rt.machine, events);
    for (unsigned zone = 0; zone < MAX_NR_ZONES; zone++) {
        steal += events[PGSTEAL + zone];
        scan_kswapd += events[PGSCAN_KSWAPD + zone];
        scan_direct += events[PGSCAN_DIRECT + zone];
    }
    stats->swapped_in_pages = events[PSWPIN];
    stats->reclaimed_kswapd_pages = events[KSWAPD_STEAL];
    stats->reclaimed_direct_pages = steal - events[KSWAPD_STEAL];
    stats->swapped_out_pages = steal;
    stats->scanned_kswapd_pages = scan_kswapd;
    stats->scanned_direct_pages = scan_direct;
    stats->direct_stalls = events[ALLOCSTALL];
    stats->direct_stall_ns = rt.machine->direct_reclaim_ns;
    stats->parked_total_pages = events[PGDEACTIVATE];
}

_Static_assert((int)WEIR_PRESSURE_SOME == PSI_SOME && (int)WEIR_PRESSURE_FULL == PSI_FULL &&
                   WEIR_PRESSURE_WINDOWS == PSI_AVERAGES,
               "pressure is published as it is kept");

static void refresh_pressure(struct weir_process_stats *stats) {
    stats->pressure_some_ns = psi_total_ns(rt.machine, PSI_SOME);
    stats->pressure_full_ns = psi_total_ns(rt.machine, PSI_FULL);
    for (unsigned state = 0; state < WEIR_PRESSURES; state++)
        for (unsigned i = 0; i < WEIR_PRESSURE_WINDOWS; i++)
            stats->pressure[state][i] = psi_average(rt.machine, (enum psi_state)state, (enum psi_average)i);
}

void stats_refresh(void) {
    struct weir_process_stats *stats = rt.stats;
    const struct machine *m = rt.machine;
    uint64_t used;

    stats->managed_start = rt.region_start;
    stats->managed_end = rt.region_end + (uint64_t)rt.shadow_offset;
    stats->arena_start = (uint64_t)(uintptr_t)rt.arena;
    stats->arena_end = (uint64_t)(uintptr_t)rt.arena + rt.config.ram_bytes;

    stats->free_pages = global_page_state(m, NR_FREE_PAGES);
    stats->table_pages = global_page_state(m, NR_PAGETABLE);
    stats->active_pages = global_page_state(m, NR_ACTIVE);
    stats->inactive_pages = global_page_state(m, NR_INACTIVE);
    stats->resident_pages = (uint64_t)rt.mm->nr_rss;
    stats->parked_pages = (uint64_t)rt.mm->nr_parked;
    stats->locked_pages = (uint64_t)rt.mm->nr_locked;
    stats->committed_pages = rt.mm->committed;
    stats->mapped_bytes = rt.mm->total_vm * PAGE_SIZE;
    if (stats->resident_pages > stats->resident_peak_pages)
        stats->resident_peak_pages = stats->resident_pages;
    used = stats->ram_pages > stats->free_pages ? stats->ram_pages - stats->free_pages : 0;
    if (used > stats->used_peak_pages)
        stats->used_peak_pages = used;
    refresh_events(stats);
    refresh_pressure(stats);
    devices_refresh_stats();
}

void stats_wake_clerk(void) {
    atomic_fetch_add(&rt.stats->clerk_bell, 1);
    sys3(SYS_futex, &rt.stats->clerk_bell, FUTEX_WAKE, INT_MAX);
}

/* Sleeps until somebody rings or there is something to watch. Now and then looks whether the program is still there. */
static void clerk_sleep(struct weir_process_stats *stats, uint32_t rung) {
    static uint64_t next_look;
    struct timespec patrol = {.tv_nsec = PLACEMENT_WATCH_NS};
    uint64_t now;

    if (!placement_watch())
        patrol = (struct timespec){.tv_sec = SURVIVORS_LOOK_S};
    /* Readers are other processes: the futex is a shared one. */
    if (sys4(SYS_futex, &stats->clerk_bell, FUTEX_WAIT, rung, &patrol) != -ETIMEDOUT || (now = now_ns()) < next_look)
        return;
    next_look = now + SURVIVORS_LOOK_S * UINT64_C(1000000000);
    survivors_end_if_none();
}

void stats_clerk(struct weir_thread *self) {
    struct weir_process_stats *stats = rt.stats;

    for (;;) {
        uint32_t rung = atomic_load(&stats->clerk_bell);
        uint32_t wanted = atomic_load(&stats->text_wanted);

        credentials_follow(self);
        if (wanted == atomic_load(&stats->text_done)) {
            clerk_sleep(stats, rung);
            continue;
        }
        /* Not during a fork: the child would find the locks taken, by nobody. */
        while (!world_enter(0))
            world_wait();
        stats_refresh();
        refresh_vm_stats(rt.machine);
        buddyinfo_text(rt.machine, stats->buddyinfo, sizeof(stats->buddyinfo));
        zoneinfo_text(rt.machine, stats->zoneinfo, sizeof(stats->zoneinfo));
        vmstat_text(rt.machine, stats->vmstat, sizeof(stats->vmstat));
        pagetypeinfo_text(rt.machine, stats->pagetypeinfo, sizeof(stats->pagetypeinfo));
        swaps_text(rt.machine, stats->swaps, sizeof(stats->swaps));
        psi_text(rt.machine, stats->pressure_text, sizeof(stats->pressure_text));
        world_leave();
        atomic_store(&stats->text_done, wanted);
        sys3(SYS_futex, &stats->text_done, FUTEX_WAKE, INT_MAX);
    }
}
