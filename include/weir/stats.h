/* SPDX-License-Identifier: MIT */
/*
 * stats.h - what a running program's memory manager publishes, and how to find it.
 *
 * `weir run` makes one memfd named "weir" and keeps it open; its path (/proc/PID/fd/N of the supervisor) is in the
 * environment variable WEIR_STATS of every process under it. The file is a struct weir_stats_file: a header and
 * WEIR_STATS_PROCESSES records. Each managed process claims a record (state 0 -> pid) and updates it in place with
 * relaxed atomic stores; readers may look at any time and see each counter whole, but not all of one instant.
 * Counters only grow, gauges (marked G) move both ways. Units are in the names; a page is 4096 bytes.
 */
#ifndef WEIR_STATS_H
#define WEIR_STATS_H

#include <stdint.h>

#define WEIR_STATS_MAGIC 0x7274737269657731ull /* "1weirstr" */
#define WEIR_STATS_VERSION 4u
#define WEIR_STATS_PROCESSES 64u
/*
 * Latency histogram: four buckets of equal width to an octave. Bucket 4 * o + q counts values from
 * 64 * 2^o * (1 + q/4) ns up to where the next begins; bucket 0 whatever is shorter, too.
 */
#define WEIR_LATENCY_BUCKETS 128u

enum weir_fault_kind {
    WEIR_FAULT_FRESH, /* first touch, zero-filled */
    WEIR_FAULT_SOFT,  /* resident but parked: brought back without reading */
    WEIR_FAULT_POOL,  /* decompressed from the pool */
    WEIR_FAULT_FILE,  /* read from the swap file */
    WEIR_FAULT_KINDS
};

struct weir_latency {
    _Atomic uint64_t count;
    _Atomic uint64_t total_ns;
    _Atomic uint64_t max_ns;
    _Atomic uint64_t buckets[WEIR_LATENCY_BUCKETS];
};

/* Pressure: at least one thread waits for memory; and no other one runs. */
enum weir_pressure { WEIR_PRESSURE_SOME, WEIR_PRESSURE_FULL, WEIR_PRESSURES };
#define WEIR_PRESSURE_WINDOWS 3u /* over 10, 60 and 300 s */

enum weir_end {
    WEIR_END_NONE,   /* running, or ended without weir's doing */
    WEIR_END_OOM,    /* killed by the OOM killer; oom_* below say why */
    WEIR_END_FAILED, /* weir itself could not go on */
};

struct weir_process_stats {
    _Atomic uint32_t pid; /* 0: free record */
    _Atomic uint32_t parent_pid;
    _Atomic uint32_t exited; /* 1 once the process is known to be gone */
    _Atomic uint32_t end;    /* enum weir_end */
    char comm[16];

    /* Where its managed memory lies, the parked pages' shadow included, and the arena: addresses, end exclusive. */
    _Atomic uint64_t managed_start, managed_end;
    _Atomic uint64_t arena_start, arena_end;

    _Atomic uint64_t ram_pages;      /* the budget */
    _Atomic uint64_t overhead_pages; /* of it: descriptors and weir's own buffers */
    _Atomic uint64_t free_pages;     /* G */
    _Atomic uint64_t resident_pages; /* G the program's pages in RAM, parked ones too */
    _Atomic uint64_t resident_peak_pages;
    _Atomic uint64_t used_peak_pages; /* peak of ram_pages - free_pages */
    _Atomic uint64_t parked_pages;    /* G */
    _Atomic uint64_t locked_pages;    /* G mlock and holds */
    _Atomic uint64_t table_pages;     /* G page tables */
    _Atomic uint64_t active_pages;    /* G */
    _Atomic uint64_t inactive_pages;  /* G */
    _Atomic uint64_t committed_pages; /* G */
    _Atomic uint64_t mapped_bytes;    /* G address space the program has mapped under weir */

    _Atomic uint64_t pool_pages; /* G RAM that the compressed pool takes */
    _Atomic uint64_t pool_peak_pages;
    _Atomic uint64_t pool_target_pages; /* G what it is to take */
    _Atomic uint64_t pool_stored_pages; /* G pages kept in it */
    _Atomic uint64_t pool_bytes;        /* G their compressed size */
    _Atomic uint64_t pool_same_pages;   /* G same-filled pages, which take no storage */
    _Atomic uint64_t file_pages;        /* G pages in the swap file(s) */
    _Atomic uint64_t file_peak_pages;
    _Atomic uint64_t file_limit_pages; /* --swap-size */
    _Atomic uint64_t file_read_ns; /* G what reading a page from the swap file has taken lately, on average; 0: none */

    _Atomic uint64_t swapped_out_pages; /* pages that left RAM (to pool or file) */
    _Atomic uint64_t swapped_in_pages;
    _Atomic uint64_t pool_out_pages, pool_in_pages;
    _Atomic uint64_t pool_out_bytes; /* compressed, over all pool_out_pages */
    _Atomic uint64_t file_out_pages, file_in_pages;
    _Atomic uint64_t written_back_pages;  /* of file_out_pages, those that the pool had kept until then */
    _Atomic uint64_t dropped_clean_pages; /* evicted without writing: the copy in swap was still good */
    _Atomic uint64_t parked_total_pages;  /* parked, ever */
    _Atomic uint64_t reclaimed_kswapd_pages, reclaimed_direct_pages;
    _Atomic uint64_t scanned_kswapd_pages, scanned_direct_pages;
    _Atomic uint64_t direct_stalls; /* allocations that had to reclaim for themselves */
    _Atomic uint64_t direct_stall_ns;
    _Atomic uint64_t write_errors, read_errors;
    _Atomic uint64_t outside_bytes; /* G anonymous memory mapped behind the library's back */

    struct weir_latency fault[WEIR_FAULT_KINDS]; /* from reading the event to waking the thread */
    _Atomic uint64_t stalled_ns;                 /* program threads waiting for faults, summed */

    _Atomic uint64_t pressure_some_ns, pressure_full_ns;
    _Atomic uint32_t pressure[WEIR_PRESSURES][WEIR_PRESSURE_WINDOWS]; /* G hundredths of a percent of the time */

    _Atomic uint64_t oom_resident_pages, oom_swapped_pages, oom_locked_pages;
    _Atomic uint64_t oom_order, oom_points;

    /* Text in the kernel's formats, refreshed when text_wanted is raised and once at the end; NUL-terminated. */
    _Atomic uint32_t text_wanted; /* a reader adds 1, then rings the bell; the answer is the same in text_done */
    _Atomic uint32_t clerk_bell;  /* a futex word, shared: whoever wants something of the clerk adds 1 and wakes it */
    _Atomic uint32_t text_done;
    char buddyinfo[1024];
    char zoneinfo[8192];
    char vmstat[4096];
    char pagetypeinfo[4096];
    char swaps[1024];
    char pressure_text[256];
};

struct weir_stats_file {
    uint64_t magic;
    uint32_t version;
    uint32_t record_bytes; /* sizeof(struct weir_process_stats) */
    _Atomic uint32_t supervisor_pid;
    _Atomic uint32_t program_pid;
    char config[1024]; /* as in the environment variable WEIR_CONFIG */
    struct weir_process_stats process[WEIR_STATS_PROCESSES];
};

#endif
