/* SPDX-License-Identifier: MIT */
/*
 * sim.h - a whole machine in one thread: memory, an MMU, swap devices, tasks and a clock, all simulated.
 *
 * A run is a function of its seed. Tasks are coroutines that change places where the core takes a lock, waits or
 * sleeps; kswapd and the completion of I/O are tasks as well. The MMU keeps the bytes of each page in the place where
 * the core believes them to be (mapped, parked, arena), so that a page brought back from the wrong place reads wrong.
 * Whatever breaks the contract of mm/platform.h ends the run with a line that names the seed.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mm/machine.h"
#include "mm/memory.h"
#include "mm/swapon.h"

#define SIM_BASE ((uintptr_t)0x100000000000) /* address of the managed range; 2 MiB-aligned */
#define SIM_DEVICES 4
#define SIM_TASKS 16

struct sim_device_config {
    uint32_t nr_slots; /* 0: no such device */
    bool offline;      /* no swap area until sim_swapon() */
    int prio;
    unsigned flags;      /* enum swap_flags */
    bool async;          /* writes are submitted and complete later */
    bool detects_clean;  /* parked_is_clean compares digests; else it always says no */
    uint64_t latency_ns; /* of a read, and of an asynchronous write */
    uint32_t pages_most; /* swap_has_room() until so many are stored; 0: no such limit */
    unsigned reject_permille, write_error_permille, read_error_permille;
    /*
     * Writes of which only the first part reaches the medium, or nothing, and which the device calls done all the same.
     * Reading such a page fails, for it is not what its digest says.
     */
    unsigned torn_permille, lost_permille;
};

struct sim_config {
    uint64_t seed;
    uint32_t ram_pages;
    uint32_t region_pages; /* managed range, rounded up to 2 MiB */
    unsigned nr_cpus;
    unsigned switch_permille; /* chance of a change of tasks around each lock; 0: only where a task waits */
    bool no_barrier;          /* the host has none: locks of per-CPU lists have no owners */
    unsigned pin_permille;    /* chance that a page cannot be parked */
    unsigned short_permille;  /* chance that a run is mapped or unparked in part only */
    /*
     * What MAP_CLEAN maps faults on its first write, and that is how parked_is_clean knows; else the device's
     * detects_clean says how it does.
     */
    bool tracks_writes;
    /*
     * Chance that an allocation fails, or gives fewer pages than it might. Only in a program that is linked with
     * --wrap for each name in sim/alloc_fault.h. What the program does (sim_map() and so on) succeeds all the same.
     */
    unsigned alloc_fail_permille;
    struct sim_device_config devices[SIM_DEVICES];
    /* Ranges of frames, if one Normal zone of ram_pages from pfn 0 will not do. */
    const struct memory_range *ranges;
    const bool *range_offline; /* [nr_ranges]; NULL: all are there at boot */
    unsigned nr_ranges, nr_nodes;
    const uint8_t *cpu_node; /* [nr_cpus]; NULL: all on node 0 */
};

struct sim;
struct sim_task;

struct sim *sim_create(const struct sim_config *config);
void sim_destroy(struct sim *sim);
struct machine *sim_machine(struct sim *sim);
struct mm *sim_mm(struct sim *sim); /* NULL if region_pages was 0 */

/*
 * swapon() with a device that was offline, and swapoff(). nr_slots is what the device holds; source's extents may place
 * the area's pages anywhere on it.
 */
enum mm_status sim_swapon(struct sim *sim, unsigned device, const struct swap_source *source, unsigned prio_flags,
                          enum swap_refusal *ret_why);
enum mm_status sim_swapoff(struct sim *sim, unsigned device);
/* Is whoever does something long wanted elsewhere (platform->signal_pending)? */
void sim_signal(struct sim *sim, bool pending);

/* -- tasks. -- */
/* Starts fn as a task; it runs when the caller waits. */
void sim_spawn(struct sim *sim, void (*fn)(struct sim *sim, void *arg), void *arg);
/* Lets the others run until all spawned tasks have returned. */
void sim_join(struct sim *sim);
/* Lets virtual time pass, and whoever has something to do do it. */
void sim_sleep(struct sim *sim, uint64_t ns);
/* Until every kswapd and kcompactd sleeps: what sim_check() needs where a task may wait inside the core. */
void sim_rest(struct sim *sim);
/* Until no write is under way. */
void sim_settle(struct sim *sim);
/* kswapd runs whenever it is woken, until this says otherwise. */
void sim_allow_kswapd(struct sim *sim, bool allowed);
struct task *sim_current(struct sim *sim);
uint64_t sim_now(struct sim *sim);
/* A number from the run's own sequence, below limit. */
uint32_t sim_random(struct sim *sim, uint32_t limit);

/* -- what a program does. Addresses are page numbers in the managed range. -- */
enum sim_result {
    SIM_OK,
    SIM_SEGV,   /* no area, or one that forbids it */
    SIM_SIGBUS, /* the page is lost */
    SIM_KILLED, /* out of memory */
};
uintptr_t sim_address(uint32_t page);
/* mmap(MAP_FIXED), munmap, mprotect; flags: enum vm_flags. */
void sim_map(struct sim *sim, uint32_t page, uint32_t nr, uint32_t flags);
void sim_unmap(struct sim *sim, uint32_t page, uint32_t nr);
enum sim_result sim_read(struct sim *sim, uint32_t page, unsigned offset, void *bytes, unsigned len);
enum sim_result sim_write(struct sim *sim, uint32_t page, unsigned offset, const void *bytes, unsigned len);
void sim_discard(struct sim *sim, uint32_t page, uint32_t nr);          /* MADV_DONTNEED */
void sim_cool(struct sim *sim, uint32_t page, uint32_t nr, bool evict); /* MADV_COLD, MADV_PAGEOUT */
enum mm_status sim_mlock(struct sim *sim, uint32_t page, uint32_t nr);
void sim_munlock(struct sim *sim, uint32_t page, uint32_t nr);
enum mm_status sim_hold(struct sim *sim, uint32_t page);
void sim_release(struct sim *sim, uint32_t page);
/* mremap: moves the area [from, from+nr) to [to, to+nr), over whatever is there. They do not overlap. */
enum mm_status sim_move(struct sim *sim, uint32_t from, uint32_t to, uint32_t nr);

/* -- files: pages of the cache, on a disk of their own. -- */
struct sim_file_config {
    uint32_t nr_pages;
    uint64_t latency_ns; /* of a read and a write; 0: both are done at once */
    unsigned queue;      /* writes that its device's queue takes; 0: 128 */
    unsigned write_error_permille, reject_permille;
};
struct sim_file_counts {
    unsigned long reads, writes, write_errors;
};
struct sim_file;
/* As read() and write() do it, and through a mapping, which the second makes; mapped pages stay so until reclaimed. */
struct sim_file *sim_file_create(struct sim *sim, const struct sim_file_config *config);
void sim_file_destroy(struct sim_file *file);
enum sim_result sim_file_read(struct sim_file *file, uint32_t index, unsigned offset, void *bytes, unsigned len);
enum sim_result sim_file_write(struct sim_file *file, uint32_t index, unsigned offset, const void *bytes, unsigned len);
enum sim_result sim_file_touch(struct sim_file *file, uint32_t index, unsigned offset, void *bytes, unsigned len,
                               bool write);
void sim_file_unmap(struct sim_file *file);
/* As if no page had been touched through the mapping lately. */
void sim_file_clear_accessed(struct sim_file *file);
struct address_space *sim_file_mapping(struct sim_file *file);
struct sim_file_counts sim_file_counts(const struct sim_file *file);
/* What the disk holds. */
const uint8_t *sim_file_disk(struct sim_file *file, uint32_t index);

/* -- looking. -- */
/* What the page-table entry says. */
pte_t sim_pte(struct sim *sim, uint32_t page);
/* The frame that an entry maps, or NULL. */
struct page *sim_page(struct sim *sim, uint32_t page);
struct sim_counts {
    unsigned long writes, reads, rejected, write_errors, read_errors, parked, discarded, kills, alloc_failures;
    unsigned long torn, lost, corrupt; /* writes that were not what they seemed; reads that found that out */
    unsigned long write_faults, clean; /* with tracks_writes; pages that parked_is_clean said yes to */
};
struct sim_counts sim_counts(const struct sim *sim);
/*
 * NULL, or what is wrong: mm_check(), the address space, the swap cache, and whether the MMU agrees with them. Only
 * between operations, when no task is inside the core.
 */
const char *sim_check(struct sim *sim);
/* Every device error from now on as the config says, or none. */
void sim_inject(struct sim *sim, bool on);
/* After so many more allocations the next nr fail, whosever they are; as alloc_fail_permille. */
void sim_fail_allocations(struct sim *sim, unsigned after, unsigned nr);

#endif
