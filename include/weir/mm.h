/* SPDX-License-Identifier: MIT */
/*
 * mm.h - the memory manager of an operating system, for a kernel, a hypervisor or a simulator to link in.
 *
 * Nodes, zones, watermarks, the buddy system, per-CPU lists, reclaim, swap and the OOM killer of Linux 2.6.24, with
 * what later kernels do better behind tunables. The host brings memory, tasks, page tables and devices
 * (weir/platform.h) and calls what is here. examples/embed_mm.c is a whole host.
 *
 * Conventions, unless a call says otherwise:
 *   - Any task may call, on any CPU, several at once; one machine has nothing to do with another.
 *   - No lock of the core is held, and a call that "sleeps" is not made where the host must not sleep.
 *   - A frame is named by its number (pfn) or its descriptor; sizes and counts are in pages of 4096 bytes.
 *   - On failure nothing has changed, and what a ret_ argument points to is as it was.
 */
#ifndef WEIR_MM_H
#define WEIR_MM_H

#include <weir/files.h>
#include <weir/platform.h>

#define WEIR_PAGE_SIZE 4096u
#define WEIR_BLOCK_SIZE 0x200000u

/* -- A machine. -----------------------------------------------------------------------------------------------------
 */

enum weir_zone { WEIR_ZONE_DMA, WEIR_ZONE_DMA32, WEIR_ZONE_NORMAL, WEIR_ZONE_HIGHMEM, WEIR_ZONE_MOVABLE };

/* Frames that exist. What lies between two ranges is a hole. */
struct weir_memory_range {
    uint32_t start_pfn, nr_pages;
    uint8_t node;
    uint8_t zone_type; /* enum weir_zone */
};

struct weir_memory_map {
    const struct weir_memory_range *ranges; /* ascending, not overlapping */
    unsigned nr_ranges, nr_cpus, nr_nodes;
    const uint8_t *cpu_node;      /* [nr_cpus]; NULL: all on node 0 */
    const uint8_t *node_distance; /* [nr_nodes * nr_nodes]; NULL: 10 at home, 20 elsewhere */
    const bool *range_offline;    /* [nr_ranges]; true: not there at boot. NULL: all are */
    void *arena;                  /* where frame 0 is, or would be, in the host's own address space */
};

/* How much memory weir_boot() needs for itself, in bytes; 0: the map makes no sense. About 1 % of what it describes. */
size_t weir_boot_bytes(const struct weir_memory_map *map);
/*
 * Makes a machine, all of whose frames are free, in memory that is zeroed, page-aligned, weir_boot_bytes() long, and
 * in none of the ranges. The map's arrays must stay; of platform a copy is made. NULL: the map makes no sense. The
 * first call of all; there is no other way back than to forget the memory.
 */
struct weir_machine *weir_boot(const struct weir_platform *platform, const struct weir_memory_map *map, void *memory);
/*
 * Such memory from the ranges themselves, for a host that has no other: the end of the first that is longer, which
 * becomes so much shorter. ranges: map->ranges, still to be changed; their bytes are to be reached by map->arena. NULL:
 * none is long enough.
 */
void *weir_boot_memory(const struct weir_memory_map *map, struct weir_memory_range *ranges);
/*
 * The first thing found wrong with the machine, in words, or NULL. Looks at all of it; no other task may be in the core
 * meanwhile. For tests.
 */
const char *weir_check(struct weir_machine *m);

/* -- Frames. --------------------------------------------------------------------------------------------------------
 */

/* What a request may do; __GFP_* of the kernel, bit for bit. */
#define WEIR_GFP_DMA 0x1u        /* from WEIR_ZONE_DMA */
#define WEIR_GFP_HIGHMEM 0x2u    /* from WEIR_ZONE_HIGHMEM or lower; with WEIR_GFP_MOVABLE, from WEIR_ZONE_MOVABLE */
#define WEIR_GFP_DMA32 0x4u      /* from WEIR_ZONE_DMA32 or lower. Without these three: WEIR_ZONE_NORMAL or lower */
#define WEIR_GFP_WAIT 0x10u      /* sleep, and reclaim */
#define WEIR_GFP_HIGH 0x20u      /* use half of the reserve */
#define WEIR_GFP_IO 0x40u        /* start I/O */
#define WEIR_GFP_FS 0x80u        /* enter file systems; and the OOM killer */
#define WEIR_GFP_COLD 0x100u     /* one that no cache knows will do */
#define WEIR_GFP_NOWARN 0x200u   /* fail without alloc_failed */
#define WEIR_GFP_REPEAT 0x400u   /* try again for large blocks, too */
#define WEIR_GFP_NOFAIL 0x800u   /* try again for ever */
#define WEIR_GFP_NORETRY 0x1000u /* reclaim once, kill nobody */
#define WEIR_GFP_COMP 0x4000u    /* one page of many frames */
#define WEIR_GFP_ZERO 0x8000u    /* filled with zeros at weir_page_address() */
#define WEIR_GFP_NOMEMALLOC 0x10000u  /* never from the reserves, whoever asks */
#define WEIR_GFP_HARDWALL 0x20000u    /* from the task's mems_allowed only */
#define WEIR_GFP_THISNODE 0x40000u    /* from this CPU's node only */
#define WEIR_GFP_RECLAIMABLE 0x80000u /* for a cache that a shrinker empties */
#define WEIR_GFP_MOVABLE 0x100000u    /* for a program's memory, or a file's: it can be moved or taken back */

/* The usual masks. */
#define WEIR_GFP_NOWAIT 0u
#define WEIR_GFP_ATOMIC WEIR_GFP_HIGH
#define WEIR_GFP_NOIO WEIR_GFP_WAIT
#define WEIR_GFP_NOFS (WEIR_GFP_WAIT | WEIR_GFP_IO)
#define WEIR_GFP_KERNEL (WEIR_GFP_NOFS | WEIR_GFP_FS)
#define WEIR_GFP_TEMPORARY (WEIR_GFP_KERNEL | WEIR_GFP_RECLAIMABLE)
#define WEIR_GFP_USER (WEIR_GFP_KERNEL | WEIR_GFP_HARDWALL)
#define WEIR_GFP_HIGHUSER (WEIR_GFP_USER | WEIR_GFP_HIGHMEM)
#define WEIR_GFP_HIGHUSER_MOVABLE (WEIR_GFP_HIGHUSER | WEIR_GFP_MOVABLE)

#define WEIR_MAX_ORDER 11u

/*
 * 2^order frames in a row, aligned to as many, each with one reference. NULL: order is WEIR_MAX_ORDER or more, or there
 * is no memory and the request may not wait for it. Sleeps if gfp has WEIR_GFP_WAIT; otherwise callable anywhere but
 * within another call.
 */
struct weir_page *weir_alloc_pages(struct weir_machine *m, uint32_t gfp, unsigned order);
/* Gives back what weir_alloc_pages() gave, at that order. Never sleeps. */
void weir_free_pages(struct weir_machine *m, struct weir_page *page, unsigned order);
/* Makes the frames of a block that is not WEIR_GFP_COMP each one's own, with a reference; each is freed by itself. */
void weir_split_page(struct weir_page *page, unsigned order);
/* One more reference to a frame, and one fewer: the last frees it. */
void weir_get_page(struct weir_page *page);
void weir_put_page(struct weir_machine *m, struct weir_page *page);
/* From descriptor to number, to address, and back. Of frames that exist only; weir_pfn_valid() tells which do. */
uint32_t weir_page_pfn(const struct weir_machine *m, const struct weir_page *page);
void *weir_page_address(const struct weir_machine *m, const struct weir_page *page);
struct weir_page *weir_pfn_page(const struct weir_machine *m, uint32_t pfn);
bool weir_pfn_valid(const struct weir_machine *m, uint32_t pfn);
/*
 * Frames that are free, per-CPU lists aside; of one node, or of all (node < 0). What CPUs have not yet folded into it
 * (weir_vmstat_update) is missing. Never sleeps.
 */
unsigned long weir_nr_free(const struct weir_machine *m, int node);
/* Gives all frames on per-CPU lists back to the buddy system. Never sleeps. */
void weir_drain_pages(struct weir_machine *m);

/* -- Address spaces. Ranges are bytes, page-aligned; [start, end). --------------------------------------------------
 */

enum weir_area_flags { WEIR_READ = 1u << 0, WEIR_WRITE = 1u << 1, WEIR_EXEC = 1u << 2, WEIR_LOCKED = 1u << 3 };

enum weir_fault_result {
    WEIR_FAULT_MINOR = 0, /* zeroed memory */
    WEIR_FAULT_SOFT,      /* was still in memory */
    WEIR_FAULT_MAJOR,     /* read from swap */
    WEIR_FAULT_SPURIOUS,  /* nothing to do: touch again; or no area there, if weir_mm_area() says so */
    WEIR_FAULT_SIGBUS,    /* the page is lost */
    WEIR_FAULT_OOM,       /* no memory: the task has been, or should be, killed */
};

/*
 * An empty address space over [start, end), both multiples of WEIR_BLOCK_SIZE; at most 64 at a time. owner: the task
 * that the OOM killer takes for it. Sleeps. NULL: no memory, or too many.
 */
struct weir_mm *weir_mm_create(struct weir_machine *m, uintptr_t start, uintptr_t end, struct weir_task *owner,
                               void *host_private);
/* Forgets all of it: frames and slots are free. No task may use it any more. Sleeps. */
void weir_mm_destroy(struct weir_mm *mm);
void *weir_mm_host_private(const struct weir_mm *mm);
/* Pages in memory, and in swap. */
unsigned long weir_mm_resident(const struct weir_mm *mm);
unsigned long weir_mm_swapped(const struct weir_mm *mm);
/*
 * Maps a range, over whatever is there; flags: enum weir_area_flags. The second forgets it. The third changes what may
 * be done with memory that stays (WEIR_LOCKED is not looked at); the host's own entries are the host's to change, after
 * that. Sleep. WEIR_NOMEM, WEIR_INVAL: nothing is changed; WEIR_FAULT, of the third: not all of it is mapped.
 */
enum weir_status weir_mm_map(struct weir_mm *mm, uintptr_t start, uintptr_t end, unsigned flags);
enum weir_status weir_mm_unmap(struct weir_mm *mm, uintptr_t start, uintptr_t end);
enum weir_status weir_mm_protect(struct weir_mm *mm, uintptr_t start, uintptr_t end, unsigned flags);
/* The flags of the area at addr; false: there is none. Sleeps. */
bool weir_mm_area(struct weir_mm *mm, uintptr_t addr, unsigned *ret_flags);
/* Where len bytes, aligned to align (a power of two), are free, at hint or above if possible; 0: nowhere. Sleeps. */
uintptr_t weir_mm_find_free(struct weir_mm *mm, uintptr_t hint, size_t len, size_t align);
/* A touch at addr has faulted. Sleeps: reclaims, reads, kills. The host retries the touch unless this is an error. */
enum weir_fault_result weir_mm_fault(struct weir_mm *mm, uintptr_t addr, bool write);
/*
 * Brings a range in (WEIR_NOMEM, WEIR_FAULT, WEIR_IO); forgets its contents, so that it reads as zeros; makes it cold;
 * and cold and out of memory. All sleep. A range that is none does nothing.
 */
enum weir_status weir_mm_populate(struct weir_mm *mm, uintptr_t start, uintptr_t end);
void weir_mm_discard(struct weir_mm *mm, uintptr_t start, uintptr_t end);
void weir_mm_cool(struct weir_mm *mm, uintptr_t start, uintptr_t end);
void weir_mm_evict(struct weir_mm *mm, uintptr_t start, uintptr_t end);
/* Brings a range in for good, and gives it free again. Sleeps. WEIR_NOMEM, WEIR_FAULT, WEIR_IO. */
enum weir_status weir_mm_lock(struct weir_mm *mm, uintptr_t start, uintptr_t end);
enum weir_status weir_mm_unlock(struct weir_mm *mm, uintptr_t start, uintptr_t end);
/*
 * Brings the page at addr in and keeps it in its frame, accessible, until it has been released as often as held: for
 * devices and whoever else cannot fault. Sleep. WEIR_NOMEM, WEIR_FAULT, WEIR_IO, WEIR_BUSY (held too often).
 */
enum weir_status weir_mm_hold(struct weir_mm *mm, uintptr_t addr);
void weir_mm_release(struct weir_mm *mm, uintptr_t addr);
/* One byte for each page of a range: bit 0 tells whether it is in memory, right now. Sleeps. */
void weir_mm_mincore(struct weir_mm *mm, uintptr_t start, uintptr_t end, unsigned char *ret_vec);

/* -- The host's own caches and reserves. ----------------------------------------------------------------------------
 */

/* A cache that can give memory back. The first two are the host's, to be set before it is added; the rest is zero. */
struct weir_shrinker {
    /*
     * nr 0: how many objects could go. Else frees up to nr and returns how many could still go; -1: not with this gfp.
     * Frames that come free thereby it reports with weir_shrinker_freed(). May sleep; adds and removes no shrinkers.
     */
    long (*shrink)(struct weir_shrinker *shrinker, long nr, uint32_t gfp);
    unsigned seeks; /* what an object costs to make again, at least 1; 2 is usual */
    void *of_the_core[2];
};
/* Both sleep; the second until nobody is in it. */
void weir_shrinker_add(struct weir_machine *m, struct weir_shrinker *shrinker);
void weir_shrinker_remove(struct weir_machine *m, struct weir_shrinker *shrinker);
/* From within shrink(). Never sleeps. */
void weir_shrinker_freed(struct weir_machine *m, unsigned long nr_pages);
/* What a cache of names and inodes with so many unused objects says it could free (vfs_cache_pressure). */
long weir_shrinker_pressure(const struct weir_machine *m, unsigned long nr_unused);
/*
 * The host's own allocator has taken so many frames of that zone more, or fewer, for objects that a cache can give back
 * (reclaimable) or not: what zone reclaim and the texts go by. Any lock held; never sleeps.
 */
void weir_count_slab(struct weir_machine *m, struct weir_page *page, bool reclaimable, int nr_pages);
/* Drops clean file pages, shakes the caches, or both. Sleeps. */
void weir_drop_caches(struct weir_machine *m, bool pages, bool objects);

/* A reserve of elements for those who must not fail; storage of the host's, zeroed. */
struct weir_pool {
    uint64_t of_the_core[10];
};
/* Allocates min_nr elements (at least 1) to keep back. alloc: NULL where gfp does not let it wait. Sleeps. WEIR_NOMEM,
 * WEIR_INVAL. */
enum weir_status weir_pool_init(struct weir_machine *m, struct weir_pool *pool, unsigned min_nr,
                                void *(*alloc)(uint32_t gfp, void *data), void (*free)(void *element, void *data),
                                void *data);
/* WEIR_BUSY: an element is out. */
enum weir_status weir_pool_destroy(struct weir_pool *pool);
/* An element. With WEIR_GFP_WAIT never NULL: it sleeps until one comes back. */
void *weir_pool_alloc(struct weir_pool *pool, uint32_t gfp);
/* Never sleeps, beyond what free() does. */
void weir_pool_free(struct weir_pool *pool, void *element);
/* Keeps more back, or less. Sleeps if gfp has WEIR_GFP_WAIT. WEIR_NOMEM: as before. */
enum weir_status weir_pool_resize(struct weir_pool *pool, unsigned min_nr, uint32_t gfp);

/* -- Frames that come and go while the machine runs. ----------------------------------------------------------------
 */

/*
 * Ranges are whole pageblocks (512 frames) that the memory map names; one call at a time. Sleep. WEIR_INVAL: no such
 * range. The first gives frames that are not there to their zone; if the zone had none, no other task may be in the
 * core. The second moves what uses them elsewhere and takes them away; WEIR_BUSY: something cannot move.
 */
enum weir_status weir_memory_online(struct weir_machine *m, uint32_t start_pfn, uint32_t nr_pages);
enum weir_status weir_memory_offline(struct weir_machine *m, uint32_t start_pfn, uint32_t nr_pages);

/* -- What the host's threads and timers call. -----------------------------------------------------------------------
 */

/*
 * One run of a node's kswapd, whose task has WEIR_PF_MEMALLOC, WEIR_PF_SWAPWRITE and WEIR_PF_KSWAPD. Sleeps. True: call
 * again; false: sleep until platform->wake_kswapd.
 */
bool weir_kswapd_run(struct weir_machine *m, int node);
/* One run of a node's kcompactd, with the tunable compaction. Sleeps. As weir_kswapd_run(), at wake_kcompactd. */
bool weir_kcompactd_run(struct weir_machine *m, int node);
/* Each CPU's timer: folds its counters. Returns in how many nanoseconds to call again. Never sleeps. */
uint64_t weir_vmstat_update(struct weir_machine *m, unsigned cpu);
/* What is due of taking victims' memory. Returns when (now_ns) to call again; UINT64_MAX: at wake_oom_reaper. */
uint64_t weir_oom_reaper_run(struct weir_machine *m);
/*
 * With the tunable psi. How many tasks get on with their work, for the share of time in which none does. From
 * weir_stall_begin() to weir_stall_end(), which is given what that returned, the current task waits for memory in a way
 * that the core does not see (it counts reclaim and reading from swap itself). Never sleep; no lock but the host's.
 */
void weir_psi_set_running(struct weir_machine *m, unsigned nr_running);
bool weir_stall_begin(struct weir_machine *m);
void weir_stall_end(struct weir_machine *m, bool begun);

/* -- Swap. ----------------------------------------------------------------------------------------------------------
 */

/* An area of the host's own, without a header: slots 1..nr_pages-1. prio: higher is used first. Sleeps. WEIR_NOMEM,
 * WEIR_INVAL. */
enum weir_status weir_swap_add(struct weir_machine *m, uint32_t nr_pages, int prio, unsigned *ret_type);

struct weir_swap_extent {
    uint32_t start_page, nr_pages; /* of the file */
    uint64_t start_block;          /* of the device, in pages */
};
/* A file or device that mkswap(8) has prepared. */
struct weir_swap_source {
    const void *header; /* its first page, 4-byte aligned */
    uint64_t nr_pages;  /* how long it is; 0: unknown */
    bool is_regular;
    uint64_t identity;                      /* which file it is, whatever its name; not 0 */
    const struct weir_swap_extent *extents; /* where its pages lie, ascending; NULL: in a row from block 0 */
    uint32_t nr_extents;
    unsigned area_flags; /* 0 */
};
/*
 * prio_flags: 0x8000 | priority, or 0: lower than all before. Sleeps. The current task needs WEIR_TASK_SYS_ADMIN.
 * WEIR_PERM, WEIR_BUSY, WEIR_INVAL or WEIR_NOMEM: *ret_why tells the reason in words.
 */
enum weir_status weir_swapon(struct weir_machine *m, const struct weir_swap_source *source, unsigned prio_flags,
                             unsigned *ret_type, const char **ret_why);
/*
 * Brings all of an area back, and forgets it. Sleeps. WEIR_PERM, WEIR_INVAL: no such area; WEIR_NOMEM: it does not fit;
 * WEIR_BUSY, WEIR_INTERRUPTED: the area is in use as before.
 */
enum weir_status weir_swapoff(struct weir_machine *m, unsigned type);
/* Where on its device the page of an entry lies. Never sleeps; any lock held. */
uint64_t weir_swap_block(const struct weir_machine *m, struct weir_swap_entry entry);
/* A header as mkswap(8) writes it, for a device of nr_pages, into WEIR_PAGE_SIZE bytes. */
void weir_swap_header(uint32_t nr_pages, const char *label, void *ret_page);
/* A write that the host had answered with WEIR_SUBMITTED has ended. Never sleeps; not from within a call. */
void weir_swap_write_done(struct weir_machine *m, struct weir_page *page, enum weir_status status);

/* -- Tunables and text. ---------------------------------------------------------------------------------------------
 */

/* Tunables by their names under /proc/sys/vm; text: numbers with blanks between, or the word that one has. WEIR_INVAL:
 * no such name, or a value out of its range. Writing drop_caches sleeps, the others do not. */
enum weir_status weir_sysctl_write(struct weir_machine *m, const char *name, const char *text);
/* Up to 5 values. */
enum weir_status weir_sysctl_read(const struct weir_machine *m, const char *name, unsigned *ret_values,
                                  unsigned *ret_nr);
/* What a task's badness is adjusted by. WEIR_INVAL: out of range; WEIR_PERM: lower, without WEIR_TASK_SYS_RESOURCE. */
enum weir_status weir_oom_set_adj(struct weir_machine *m, struct weir_task *task, int adj);
enum weir_status weir_oom_set_score_adj(struct weir_machine *m, struct weir_task *task, int adj);

/*
 * Text, byte for byte as in the files of that name under /proc (pressure: /proc/pressure/memory). They write at most
 * size bytes, NUL included, and return how long the whole text is, as snprintf does. Never sleep.
 */
size_t weir_buddyinfo_text(struct weir_machine *m, char *buf, size_t size);
size_t weir_pagetypeinfo_text(struct weir_machine *m, char *buf, size_t size);
size_t weir_zoneinfo_text(struct weir_machine *m, char *buf, size_t size);
size_t weir_vmstat_text(struct weir_machine *m, char *buf, size_t size);
size_t weir_swaps_text(struct weir_machine *m, char *buf, size_t size);
size_t weir_pressure_text(struct weir_machine *m, char *buf, size_t size);
size_t weir_sysctl_text(const struct weir_machine *m, char *buf, size_t size);

#endif
