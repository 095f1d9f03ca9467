/* SPDX-License-Identifier: MIT */
/*
 * internal.h - what the files of the simulator share.
 */
#ifndef SIM_INTERNAL_H
#define SIM_INTERNAL_H

#include <ucontext.h>

#include "sim/sim.h"

#define SIM_RANKS_HELD 12

struct sim_task {
    struct task task;
    struct reclaim_state reclaim_state; /* kswapd's */
    ucontext_t context;
    void *stack;
    void (*fn)(struct sim *sim, void *arg);
    void *arg;
    bool used, background;
    bool spared;            /* none of its allocations is made to fail */
    uint64_t wake_at;       /* 0: does not sleep */
    _Atomic uint32_t *word; /* waits until it is no longer `seen` */
    uint32_t seen;
    bool wakes_on_io; /* or earlier, when a write completes */
    bool waits_for_flag;
    bool *flag; /* waits until it is true */
    uint32_t ranks[SIM_RANKS_HELD];
    unsigned nr_ranks;
};

enum sim_page_state { SIM_HOLE, SIM_MAPPED, SIM_POISONED };

/* One page of the managed range, as the MMU has it. */
struct sim_mmu_page {
    uint8_t state; /* enum sim_page_state */
    bool parked;   /* its place in the shadow is occupied */
    bool clean;    /* its bytes are those of its copy in swap: its first write faults */
};

struct sim_write {
    bool used;
    uint64_t due;
    uint32_t slot;
    struct page *page;
    enum mm_status status;
    unsigned reaches; /* bytes from the first that reach the medium */
    uint8_t bytes[PAGE_SIZE];
};

#define SIM_WRITES 64

struct sim_device {
    struct sim_device_config config;
    bool online;
    unsigned type;     /* of its area while it is online */
    uint8_t *bytes;    /* [nr_slots] pages */
    bool *stored;      /* [nr_slots] */
    uint64_t *digests; /* [nr_slots] of what each should hold */
    uint32_t nr_stored;
    unsigned nr_writes; /* under way */
    struct sim_write writes[SIM_WRITES];
};

struct sim {
    struct sim_config config;
    struct platform platform;
    struct machine *machine;
    struct mm *mm;
    void *boot;
    uint8_t *arena;
    size_t arena_bytes;
    uint32_t start_pfn;

    uint64_t clock;
    uint64_t random;
    bool injecting;
    bool fails_allocations; /* some may have been made to fail */
    unsigned alloc_fail_after, alloc_fail_nr;
    bool signalled; /* whoever does something long is wanted elsewhere */

    struct sim_task tasks[SIM_TASKS]; /* 0 is the caller of sim_create */
    struct sim_task *current;
    bool kswapd_wanted[MAX_NUMNODES], kswapd_allowed, io_due;
    uint64_t io_count; /* writes completed */
    bool kcompactd_wanted[MAX_NUMNODES], kcompactd_started[MAX_NUMNODES];
    unsigned nr_kswapds_running, nr_kcompactds_running;
    bool reaper_started, reaper_wanted;

    uint32_t nr_region;
    struct sim_mmu_page *mmu;
    uint8_t *mapped, *parked; /* bytes, [nr_region] pages each */

    struct sim_device devices[SIM_DEVICES];
    struct sim_counts counts;

    struct sim_file *files;
    bool flusher_wanted, flusher_runs;
    unsigned long flusher_pages;
};

/* Ends the run. */
_Noreturn void sim_fail(struct sim *sim, const char *what);
#define SIM_ASSERT(sim, what) ((what) ? (void)0 : sim_fail(sim, #what))

/* A chance of permille in a thousand; never while injection is off. */
bool sim_chance(struct sim *sim, unsigned permille);

/*
 * Whether to do again what ended with status: an injected failure of an allocation has changed nothing. The second try
 * is spared. A false ends the sparing.
 */
bool sim_do_again(struct sim *sim, enum mm_status status);

/* sched.c */
void sim_sched_init(struct sim *sim);
void sim_sched_finish(struct sim *sim);
void sim_schedule(struct sim *sim);
/* A chance to change tasks. */
void sim_point(struct sim *sim);
void sim_start(struct sim *sim, void (*fn)(struct sim *sim, void *arg), void *arg, bool background, uint32_t flags);
void sim_wait_flag(struct sim *sim, bool *flag);

/* mmu.c, device.c: the platform's calls. */
void sim_mmu_calls(struct platform *platform);
void sim_device_calls(struct platform *platform);
void sim_sched_calls(struct platform *platform);
uint32_t sim_page_number(struct sim *sim, uintptr_t addr);
/* file.c */
void sim_file_calls(struct platform *platform);
void sim_flusher_task(struct sim *sim, void *arg);
uint64_t sim_files_next_io(struct sim *sim);
void sim_files_complete(struct sim *sim);
/* Is the entry's slot written, and by its digest with these bytes? */
bool sim_slot_holds(struct sim *sim, swp_entry_t entry, const uint8_t *bytes);
bool sim_slot_detects_clean(struct sim *sim, swp_entry_t entry);
/* mmu.c: the parked page at addr is being written to swap. */
void sim_mmu_note_write(struct sim *sim, uint32_t page);
/* A write has faulted: what is mapped there may differ from its copy from now on. */
void sim_mmu_make_writable(struct sim *sim, uint32_t page);
/* When the next write completes, UINT64_MAX if none is under way. */
uint64_t sim_next_io(struct sim *sim);
/* Completes what is due; a task's main function. */
void sim_io_task(struct sim *sim, void *arg);

#endif
