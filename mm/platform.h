/* SPDX-License-Identifier: MIT */
/*
 * platform.h - the contract between the memory manager and whatever hosts it.
 *
 * mm/ is freestanding: it has no libc beyond mem*, no threads, no clock, no system calls. Everything it needs from
 * outside is a call in struct platform. sim/ implements it with a virtual clock and one thread, runtime/ with a Linux
 * process and its userfaultfd; a kernel implements it with its page tables and its scheduler.
 *
 * Error convention: calls return MM_OK (0) or one of enum mm_status; counts are returned where a run of pages may be
 * done in part. Each call states the locks that the core holds around it.
 */
#ifndef MM_PLATFORM_H
#define MM_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE ((size_t)1 << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))

struct backing_dev_info;
struct machine;
struct mm;
struct page;

enum mm_status {
    MM_OK = 0,
    MM_NOMEM,       /* no frame, no swap slot, no address space */
    MM_BUSY,        /* cannot be done now: pinned, under I/O, touched meanwhile */
    MM_IO,          /* the device failed */
    MM_INVAL,       /* the caller's arguments are wrong */
    MM_REJECTED,    /* swap_write only: this device does not take this page; try the next one by priority */
    MM_SUBMITTED,   /* swap_write only: under way; end_swap_write() reports the result */
    MM_FAULT,       /* no area there, or one that forbids the access */
    MM_PERM,        /* the task may not do that */
    MM_INTERRUPTED, /* the task has been told to do something else */
};

/* A swap entry: type in the top 5 bits, offset (in pages) below; 0 is none. (specification, section 12.1) */
typedef struct {
    uint32_t val;
} swp_entry_t;

/* Task bits (specification, section 1.5). */
enum task_flags {
    PF_MEMALLOC = 1u << 0, /* may use all reserves, never direct-reclaims */
    PF_KSWAPD = 1u << 1,
    PF_SWAPWRITE = 1u << 2, /* ignores device congestion */
    PF_SWAPOFF = 1u << 3,
    PF_EXITING = 1u << 4,
    PF_LESS_THROTTLE = 1u << 5,
    PF_MEMSTALL = 1u << 6, /* waits for memory (mm/psi.h) */
    TIF_MEMDIE = 1u << 8,  /* chosen by the OOM killer */
    TASK_REALTIME = 1u << 9,
    TASK_IS_INIT = 1u << 10,
    TASK_SYS_ADMIN = 1u << 11, /* CAP_SYS_ADMIN or uid/euid 0 */
    TASK_SYS_RAWIO = 1u << 12,
    TASK_SYS_RESOURCE = 1u << 13, /* CAP_SYS_RESOURCE */
};

struct reclaim_state {
    unsigned long reclaimed_slab;
};

#define OOM_DISABLE (-17)
#define OOM_ADJ_MIN (-16)
#define OOM_ADJ_MAX 15
#define OOM_SCORE_ADJ_MIN (-1000) /* exempt */
#define OOM_SCORE_ADJ_MAX 1000

/*
 * A schedulable task. The host owns it and fills in the identity and accounting fields; the core changes flags and
 * reclaim_state of the current task only, and sets TIF_MEMDIE on a victim under the OOM lock.
 */
struct task {
    _Atomic uint32_t flags;              /* (A) enum task_flags */
    struct reclaim_state *reclaim_state; /* current task only */
    /* Current task only: the device that it writes to, whose congestion does not stop it (mm/backing_dev.h). */
    struct backing_dev_info *backing_dev_info;
    struct mm *mm; /* address space; NULL for a kernel thread */
    struct task *parent;
    uint64_t id;             /* the host's name for it */
    int oomkilladj;          /* -16..15, or OOM_DISABLE */
    int oom_score_adj;       /* -1000..1000; used in place of oomkilladj with the tunable oom_score_adj */
    uint32_t mems_allowed;   /* bit per node whose memory it may use (its cpuset); 0: all */
    uint32_t mems_exclusive; /* the same of the next exclusive cpuset above its own */
    int nice;
    const volatile uint32_t *cpu; /* where its CPU's number is to be read at any time (rseq); NULL: platform->cpu() */
    uint64_t cpu_time_ns;         /* user + system */
    uint64_t start_time_ns;
    const char *comm;
    /* Current task only, and the core's: mm/task_dirty.h. */
    uint32_t dirtied, dirtied_periods;
};

/* Flags of map_pages. */
enum map_flags {
    MAP_CLEAN = 1u << 0, /* the pages keep a copy in swap: the host may want to notice the first write */
};

struct platform {
    void *host; /* handed back as the first argument of every call */

    /* -- time and waiting. The core holds no spinning lock when it calls these. ------------------------------- */
    uint64_t (*now_ns)(void *host);
    /* Sleeps, uninterruptibly, for about timeout_ns. */
    void (*sleep)(void *host, uint64_t timeout_ns);
    /*
     * Sleeps until a device leaves write congestion or timeout_ns has passed (section 16). A host first sends off
     * whatever it has gathered for its devices; one with no write under way may return at once.
     */
    void (*congestion_wait)(void *host, uint64_t timeout_ns);
    /* Offers the CPU to others. */
    void (*yield)(void *host);
    /* May be NULL: the core then looks each tick. Blocks while *word == seen, for timeout_ns at most; may return early.
     */
    void (*wait_timeout)(void *host, _Atomic uint32_t *word, uint32_t seen, uint64_t timeout_ns);

    /* -- who and where. --------------------------------------------------------------------------------------- */
    struct task *(*current)(void *host);
    unsigned (*cpu)(void *host); /* 0..nr_cpus-1; may be stale at once: the per-CPU lists carry a lock each */
    bool (*in_interrupt)(void *host);
    /* May be NULL. Is the current task wanted elsewhere, so that something long (swapoff) should end early? */
    bool (*signal_pending)(void *host);
    /*
     * May be NULL: the owners of the address spaces are all there are. Calls fn for every task, until it returns false.
     * Calls may nest. Used by the OOM killer only.
     */
    void (*for_each_task)(void *host, bool (*fn)(struct task *task, void *arg), void *arg);

    /* -- locks. Words change only through the inline functions of mm/lock.h. ------------------------------------ */
    /* Blocks while *word == seen (may return early); a futex wait, a halt, or a switch of simulated tasks. */
    void (*lock_wait)(void *host, _Atomic uint32_t *word, uint32_t seen);
    void (*lock_wake)(void *host, _Atomic uint32_t *word, bool all);
    /* May be NULL. Called before a lock is taken: a simulator's chance to run somebody else. */
    void (*lock_point)(void *host);
    /*
     * May be NULL. Returns after every task has passed a full memory barrier (membarrier(2), an interrupt to every
     * CPU): mm/bias.h takes a lock away from its owner with it. struct task must then be each thread's own.
     */
    void (*barrier)(void *host);
    /*
     * May be NULL; called only where the core is built with MM_DEBUG. The current task is about to wait for a lock of
     * that rank (mm/lock.h), or has got it without waiting (!may_wait), or is about to drop it: a debug build's check
     * that ranks rise.
     */
    void (*lock_taken)(void *host, uint32_t rank, bool may_wait);
    void (*lock_dropped)(void *host, uint32_t rank);

    /*
     * -- address spaces. All with the page-table lock of the block that holds addr; a run never leaves its block
     * (PTRS_PER_TABLE pages, 2 MiB). Address arguments are bytes, page-aligned. None of them may touch a page that
     * could fault.
     */
    /*
     * Makes nr pages from addr read as zeros and writable. Returns how many, from the first; 0 if none could be. A host
     * whose bytes lie in the frames clears those of pages[0..nr), which hold anything.
     */
    unsigned (*map_zero)(void *host, struct mm *mm, uintptr_t addr, struct page *const *pages, unsigned nr);
    /*
     * Maps pages[0..nr) at addr, one after the other. Their bytes are where swap_read put them (of the same task, in
     * the same order) or at page_address() if swap_read was not involved. Returns how many, from the first.
     */
    unsigned (*map_pages)(void *host, struct mm *mm, uintptr_t addr, struct page *const *pages, unsigned nr,
                          unsigned map_flags);
    /*
     * As map_pages, but the pages become parked: resident, and a touch faults. May be NULL: then no page is read along
     * with another. Returns how many, from the first.
     */
    unsigned (*map_parked)(void *host, struct mm *mm, uintptr_t addr, struct page *const *pages, unsigned nr);
    /*
     * Clears the accessed bit of the pages of the block at `block` whose bits are set in mask: afterwards a touch
     * faults and so proves that the page is in use. Their bytes stay. Clears from mask the pages that could not be
     * (pinned by I/O in flight, say): those stay mapped.
     */
    void (*park)(void *host, struct mm *mm, uintptr_t block, uint64_t mask[8]);
    /* Makes a parked run accessible again. Returns how many, from the first. */
    unsigned (*unpark)(void *host, struct mm *mm, uintptr_t addr, unsigned nr);
    /*
     * The parked page at addr has a copy in swap (entry): is it still the same? A host without dirty bits compares
     * a hash; it answers true only if the copy can be used in place of the page. The page lock is held as well.
     */
    bool (*parked_is_clean)(void *host, struct mm *mm, uintptr_t addr, swp_entry_t entry);
    /* Forgets the bytes of nr pages from addr, wherever they are: a later map starts afresh. */
    void (*zap)(void *host, struct mm *mm, uintptr_t addr, unsigned nr);
    /* The parked bytes at addr are no longer needed (evicted and safe in swap); may be batched. */
    void (*discard)(void *host, struct mm *mm, uintptr_t addr);
    /* The page at addr is lost (a read failed): a touch must raise an error, never show data. */
    void (*poison)(void *host, struct mm *mm, uintptr_t addr, swp_entry_t entry);

    /* -- swap I/O. No spinning lock held; every page is locked (PG_locked). ------------------------------------- */
    /*
     * Writes a page, which is parked at addr in mm, or at page_address() if mm is NULL. MM_OK: stored. MM_SUBMITTED:
     * under way. MM_REJECTED: not for this device (incompressible, no room). MM_IO: failed; the page stays in memory.
     */
    enum mm_status (*swap_write)(void *host, swp_entry_t entry, struct page *page, struct mm *mm, uintptr_t addr);
    /*
     * Reads nr pages, each from its entry, all of one area. status[i] tells how each went. Returns when all are done.
     * The bytes wait for map_pages of the same task.
     */
    void (*swap_read)(void *host, const swp_entry_t *entries, struct page *const *pages, unsigned nr,
                      enum mm_status *status);
    /*
     * In place of the two above, either of which is then NULL, where the bytes of pages lie at page_address(): reads
     * or writes the PAGE_SIZE bytes there, to or from page `block` of the area's device. MM_OK or MM_IO, when done.
     */
    enum mm_status (*swap_block)(void *host, unsigned type, uint64_t block, void *bytes, bool write);
    /*
     * May be NULL. These entries, of one area, are likely to be read soon, in this order: the host may begin. A hint
     * only: their slots may be freed and used anew meanwhile, and what is read then must be what was written last.
     */
    void (*swap_prefetch)(void *host, const swp_entry_t *entries, unsigned nr);
    /* The slot is free again: its storage may go. Under swap_lock: must not block; of the core it may call free_pages
     * only. */
    void (*swap_slot_free)(void *host, swp_entry_t entry);
    /* Has this area room for another page right now? (A pool that is full, a disk that is.) Under swap_lock. */
    bool (*swap_has_room)(void *host, unsigned type);
    /* May be NULL: never. Is the area's device so busy writing that only those whose task it is should give it more? */
    bool (*swap_write_congested)(void *host, unsigned type);
    /* May be NULL. What the area is called in the text of swaps: a path. Never NULL; good for the call's duration. */
    const char *(*swap_area_name)(void *host, unsigned type);

    /* -- events. ----------------------------------------------------------------------------------------------- */
    void (*wake_kswapd)(void *host, int node);
    /* May be NULL: then nobody makes large blocks in advance. The node's kcompactd is to call kcompactd_run(). */
    void (*wake_kcompactd)(void *host, int node);
    /*
     * May be NULL where there are no file pages. Dirty file pages should be written soon, at least that many, 0: all of
     * them: wakes the host's flusher, which calls background_writeout() (mm/page_writeback.h). May be called with
     * mmap_lock held.
     */
    void (*wake_flusher)(void *host, unsigned long nr_pages);
    /*
     * May be NULL: bytes follow the address. A page that is mapped at addr, or parked there and about to be written,
     * moves from one frame to another (mm/migrate.h): a host whose bytes lie in the frame copies them and changes its
     * own mapping. Called with the page-table lock held.
     */
    void (*move_frame)(void *host, struct mm *mm, uintptr_t addr, struct page *from, struct page *to);
    /*
     * A frame in which the core may have left bytes at page_address() is handed out for mapped use (__GFP_MOVABLE):
     * those bytes may go. May be NULL. Any lock of the caller's may be held.
     */
    void (*frame_to_user)(void *host, uint32_t pfn);
    /* An allocation failed for good and __GFP_NOWARN was not given (section 8, nopage). May be NULL. */
    void (*alloc_failed)(void *host, const struct task *task, unsigned order, uint32_t gfp);
    /*
     * May be NULL. Memory is about to run out for good: frees what the host can spare and returns how many pages
     * (section 13.2, notifiers). No lock held.
     */
    unsigned long (*oom_notify)(void *host);
    /*
     * Kills the task (SIGKILL). points: its badness. memdie: it is the chosen victim, not one that shares its mm; it
     * gets a fresh time slice, so that it is soon gone.
     */
    void (*kill)(void *host, struct task *victim, unsigned long points, bool memdie);
    /* May be NULL. From due_ns (now_ns) on there is something for oom_reaper_run() to do (mm/oom_reaper.h). */
    void (*wake_oom_reaper)(void *host, uint64_t due_ns);
    /* The machine cannot go on (panic_on_oom, nobody left to kill). Does not return. */
    void (*panic)(void *host, const char *why);
    /* MM_ASSERT failed. Does not return. */
    void (*assert_failed)(void *host, const char *file, int line, const char *what);
};

#endif
