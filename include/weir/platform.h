/* SPDX-License-Identifier: MIT */
/*
 * platform.h - what a host gives the memory manager: the other half of the contract in weir/mm.h.
 *
 * The core is freestanding. It has no threads, no clock, no devices and no page tables that a CPU walks; all of that is
 * a call in struct weir_platform, which the host fills in. Beyond it the core calls memcpy, memmove, memset and memcmp.
 *
 * Words that the calls below use:
 *   page      4096 bytes, and the frame that holds them; runs of pages are counted in pages
 *   addr      an address in an address space, in bytes, a multiple of 4096
 *   block     2 MiB of an address space, aligned; a run of pages never leaves one
 *   parked    a page that is resident, but a touch of it faults: its accessed bit is clear, as it were
 *   spinning  locks that the core holds for a short time only; a task that holds one must not be made to sleep
 *
 *   entry     where a page lies in swap
 *
 * Each call says what the core holds around it. Calls may come from several tasks and CPUs at once. "NULL: ..." is said
 * of those that a host may leave out, and what then holds. A host whose pages lie in their frames, like a kernel's,
 * needs seven: now_ns, sleep, current, set_page, swap_block, kill and panic.
 */
#ifndef WEIR_PLATFORM_H
#define WEIR_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weir_machine; /* one memory manager */
struct weir_mm;      /* one address space */
struct weir_page;    /* the descriptor of one frame */

/* What a call that can fail returns. */
enum weir_status {
    WEIR_OK = 0,
    WEIR_NOMEM,       /* no frame, no swap slot, no address space */
    WEIR_BUSY,        /* not now */
    WEIR_IO,          /* the device failed */
    WEIR_INVAL,       /* the arguments make no sense */
    WEIR_REJECTED,    /* swap_write only: not for this area; try the next one by priority */
    WEIR_SUBMITTED,   /* swap_write only: under way; weir_swap_write_done() tells how it went */
    WEIR_FAULT,       /* no area there, or one that forbids the access */
    WEIR_PERM,        /* the task may not do that */
    WEIR_INTERRUPTED, /* the task is wanted elsewhere */
};

/* Where a page lies in swap: the area's number in the top 5 bits, the page within it below. 0 is none. */
struct weir_swap_entry {
    uint32_t val;
};
static inline unsigned weir_swap_type(struct weir_swap_entry entry) {
    return entry.val >> 27;
}
static inline uint32_t weir_swap_offset(struct weir_swap_entry entry) {
    return entry.val & ((UINT32_C(1) << 27) - 1);
}

/* Bits of weir_task.flags. The core sets and clears the first group, of the current task; the rest is the host's. */
enum weir_task_flags {
    WEIR_PF_MEMALLOC = 1u << 0, /* frees memory, and so may use the last of it; kswapd's task always has it */
    WEIR_PF_SWAPOFF = 1u << 3,
    WEIR_PF_MEMSTALL = 1u << 6,
    WEIR_TIF_MEMDIE = 1u << 8, /* chosen by the OOM killer; set on any task, never cleared */

    WEIR_PF_KSWAPD = 1u << 1,    /* a node's kswapd */
    WEIR_PF_SWAPWRITE = 1u << 2, /* writes to congested devices too; kswapd */
    WEIR_PF_EXITING = 1u << 4,   /* on its way out */
    WEIR_PF_LESS_THROTTLE = 1u << 5,
    WEIR_TASK_REALTIME = 1u << 9,
    WEIR_TASK_IS_INIT = 1u << 10, /* never killed */
    WEIR_TASK_SYS_ADMIN = 1u << 11,
    WEIR_TASK_SYS_RAWIO = 1u << 12,
    WEIR_TASK_SYS_RESOURCE = 1u << 13,
};

#define WEIR_OOM_DISABLE (-17)

/*
 * A schedulable task, the host's own; it may be part of something larger. Zeroed, then filled in as far as the host
 * knows: what it leaves 0 adjusts nothing.
 */
struct weir_task {
    _Atomic uint32_t flags;
    void *reclaim_state;      /* the core's */
    void *backing_dev_info;   /* the core's */
    struct weir_mm *mm;       /* its address space; NULL for a kernel thread */
    struct weir_task *parent; /* NULL: none */
    uint64_t id;              /* the host's name for it */
    int oomkilladj;           /* -16..15, or WEIR_OOM_DISABLE */
    int oom_score_adj;        /* -1000..1000, with the tunable of that name */
    uint32_t mems_allowed;    /* bit per node whose memory it may use; 0: all */
    uint32_t mems_exclusive;  /* the same of the next exclusive set around that */
    int nice;
    const volatile uint32_t *cpu; /* where its CPU's number can be read at any time; NULL: platform->cpu() is asked */
    uint64_t cpu_time_ns;         /* user and system */
    uint64_t start_time_ns;
    const char *comm;
    uint32_t of_the_core[2];
};

/* Flags of map_pages. */
#define WEIR_MAP_CLEAN 1u /* the pages keep a copy in swap: the host may want to notice the first write */

/* What an entry of the host's page table lets a program do, where there is set_page. */
enum weir_access {
    WEIR_ABSENT, /* nothing: it leads nowhere, a touch faults */
    WEIR_PARKED, /* the frame stays, a touch faults */
    WEIR_MAPPED, /* read and write, as far as its area allows */
};

struct weir_platform {
    void *host; /* handed back as the first argument of every call */

    /* -- Time. No spinning lock is held, except around now_ns. -- */
    uint64_t (*now_ns)(void *host);                           /* never goes back */
    void (*sleep)(void *host, uint64_t timeout_ns);           /* uninterruptibly, about that long */
    void (*congestion_wait)(void *host, uint64_t timeout_ns); /* NULL: sleep. Or until a device can take more writes */
    void (*yield)(void *host);                                /* NULL: nothing. Others may run */
    /* NULL: the core looks each tick. Blocks while *word == seen, for timeout_ns at most; may return early. */
    void (*wait_timeout)(void *host, _Atomic uint32_t *word, uint32_t seen, uint64_t timeout_ns);

    /* -- Who and where. Any lock held. -- */
    struct weir_task *(*current)(void *host);
    unsigned (*cpu)(void *host);        /* NULL: 0. 0..nr_cpus-1; may be stale as soon as it is told */
    bool (*in_interrupt)(void *host);   /* NULL: never */
    bool (*signal_pending)(void *host); /* NULL: never. Should something long (swapoff) end early? */
    /*
     * NULL: the owners of the address spaces are all there are. Calls fn for every task until it returns false; calls
     * nest. None may go away meanwhile. OOM killer only.
     */
    void (*for_each_task)(void *host, bool (*fn)(struct weir_task *task, void *arg), void *arg);

    /*
     * -- Locks are words of the core's; these two are how a task waits for one, and how the others are told. Any lock
     * held. Most locks are held for a microsecond, but a page is locked while it is read or written. --
     */
    /* NULL: the task tries again and again. Waits while *word == seen; may return early. */
    void (*lock_wait)(void *host, _Atomic uint32_t *word, uint32_t seen);
    void (*lock_wake)(void *host, _Atomic uint32_t *word, bool all); /* NULL: nothing. One, or all, that wait so */
    /* NULL: nothing; for simulators. Before a lock is taken. */
    void (*lock_point)(void *host);
    /*
     * NULL: every lock is an ordinary one. Returns after every task has passed a full memory barrier (an interrupt to
     * every CPU): so the core takes a lock back from the task that took it without atomic instructions. Every thread
     * then needs a struct weir_task of its own.
     */
    void (*barrier)(void *host);
    /* NULL: nothing; for simulators, in debug builds only: each lock taken and dropped. */
    void (*lock_taken)(void *host, uint32_t rank, bool may_wait);
    void (*lock_dropped)(void *host, uint32_t rank);

    /*
     * -- Address spaces. All with a spinning lock of the block held, so that calls for one block never overlap. They
     * must not sleep, nor touch a page that could fault. All of them may be NULL if set_page, below, is there; it then
     * stands for those that are. --
     */
    /*
     * Gives zeroed, writable memory at addr: pages[0..nr), whose bytes are anything. Returns how many, from the first;
     * a host that can do none returns 0, and the touch comes again.
     */
    unsigned (*map_zero)(void *host, struct weir_mm *mm, uintptr_t addr, struct weir_page *const *pages, unsigned nr);
    /* The same with what swap_read has just put into them, or with what lies at weir_page_address(). */
    unsigned (*map_pages)(void *host, struct weir_mm *mm, uintptr_t addr, struct weir_page *const *pages, unsigned nr,
                          unsigned map_flags);
    /* NULL: nothing is read along with a page. As map_pages, but the pages are parked. */
    unsigned (*map_parked)(void *host, struct weir_mm *mm, uintptr_t addr, struct weir_page *const *pages, unsigned nr);
    /*
     * Parks the pages of the block at `block` whose bits are set: a touch faults from now on, the bytes stay. Clears
     * the bits of those that cannot be.
     */
    void (*park)(void *host, struct weir_mm *mm, uintptr_t block, uint64_t mask[8]);
    /* Makes a parked run accessible again. Returns how many, from the first. */
    unsigned (*unpark)(void *host, struct weir_mm *mm, uintptr_t addr, unsigned nr);
    /* NULL: no. Is the parked page at addr what its copy in swap is? If not, or nobody can tell, it is written again.
     */
    bool (*parked_is_clean)(void *host, struct weir_mm *mm, uintptr_t addr, struct weir_swap_entry entry);
    /* Forgets nr pages from addr, wherever they are; there may be none. */
    void (*zap)(void *host, struct weir_mm *mm, uintptr_t addr, unsigned nr);
    /* The parked page at addr is safe in swap: its frame is about to be free. */
    void (*discard)(void *host, struct weir_mm *mm, uintptr_t addr);
    /* The page at addr is lost: a touch must end in an error. */
    void (*poison)(void *host, struct weir_mm *mm, uintptr_t addr, struct weir_swap_entry entry);

    /* -- Swap. The first four: no spinning lock held, may sleep, every page is locked. -- */
    /*
     * NULL: swap_block. Writes a page to its slot. It is parked at addr in mm; mm is NULL if its bytes lie at
     * weir_page_address(). WEIR_OK, WEIR_SUBMITTED, WEIR_REJECTED, or WEIR_IO: it stays in memory.
     */
    enum weir_status (*swap_write)(void *host, struct weir_swap_entry entry, struct weir_page *page, struct weir_mm *mm,
                                   uintptr_t addr);
    /* NULL: swap_block. Reads nr pages of one area, each from its entry; status[] tells how each went, when all have.
     */
    void (*swap_read)(void *host, const struct weir_swap_entry *entries, struct weir_page *const *pages, unsigned nr,
                      enum weir_status *status);
    /*
     * In place of those two, a page at a time, where the bytes of pages lie at weir_page_address(): reads or writes the
     * 4096 bytes at `bytes`, from or to page `block` of that area's device. WEIR_OK or WEIR_IO, when it is done.
     */
    enum weir_status (*swap_block)(void *host, unsigned type, uint64_t block, void *bytes, bool write);
    /*
     * NULL: nothing. These entries, of one area, are likely to be read soon, in this order: the host may begin. Their
     * slots may be freed and written anew before they are read, which must then give what was written last.
     */
    void (*swap_prefetch)(void *host, const struct weir_swap_entry *entries, unsigned nr);
    /* These three with a spinning lock held. */
    void (*swap_slot_free)(void *host, struct weir_swap_entry entry); /* NULL: nothing. Nobody will read it again */
    bool (*swap_has_room)(void *host, unsigned type);                 /* NULL: yes. For one more page, right now? */
    bool (*swap_write_congested)(void *host, unsigned type);          /* NULL: never. Busy writing? */
    const char *(*swap_area_name)(void *host, unsigned type); /* NULL: its number. A path, for the text of swaps */

    /* -- Events. None may sleep; any lock held, unless it says otherwise. -- */
    /* NULL: the host calls weir_kswapd_run() now and then by itself. The node's kswapd is to call it. */
    void (*wake_kswapd)(void *host, int node);
    /* NULL: nobody makes large blocks in advance. The node's kcompactd is to call weir_kcompactd_run(). */
    void (*wake_kcompactd)(void *host, int node);
    /* NULL: there are no file pages, or weir_writeback() is called now and then. It is to be called, for nr_pages. */
    void (*wake_flusher)(void *host, unsigned long nr_pages);
    /*
     * NULL: bytes follow the address, or set_page is there. A mapped page moves from one frame to another, bytes and
     * all, and so does what the host knows of it. A spinning lock of the block is held.
     */
    void (*move_frame)(void *host, struct weir_mm *mm, uintptr_t addr, struct weir_page *from, struct weir_page *to);
    /* NULL: nothing. A frame that the core has used at weir_page_address() goes to a program. */
    void (*frame_to_user)(void *host, uint32_t pfn);
    /* NULL: nothing. A request without WEIR_GFP_NOWARN has failed for good. No lock of the core is held. */
    void (*alloc_failed)(void *host, const struct weir_task *task, unsigned order, uint32_t gfp);
    /* NULL: 0. Memory is at its end: frees what the host can spare; returns how many pages. No lock; may sleep. */
    unsigned long (*oom_notify)(void *host);
    /*
     * Ends a task. points: its badness. memdie: it is the victim, and is to run at once, or one that only shares the
     * victim's address space. Returns soon: the task goes by itself, later, and takes its address space along; until
     * then what it asks for comes from the reserves. No lock held.
     */
    void (*kill)(void *host, struct weir_task *victim, unsigned long points, bool memdie);
    /* NULL: the host looks now and then. From due_ns on weir_oom_reaper_run() has something to do. */
    void (*wake_oom_reaper)(void *host, uint64_t due_ns);
    /* NULL: an illegal instruction. Nobody is left to kill, or the machine is tuned so. Does not return. */
    void (*panic)(void *host, const char *why);
    /* NULL: an illegal instruction. The core has found itself, or its host, in error. Does not return. */
    void (*assert_failed)(void *host, const char *file, int line, const char *what);

    /* -- One call for all of the address spaces', where the bytes of pages lie at weir_page_address(). -- */
    /*
     * Sets the host's own page-table entry of addr. page: the frame it leads to from now on; NULL: as it is, which may
     * be nowhere. What is needed of a translation cache to make it so at once is done before it returns. The lock held,
     * and the rules, are those of the calls that it stands for.
     */
    void (*set_page)(void *host, struct weir_mm *mm, uintptr_t addr, struct weir_page *page, enum weir_access access);
};

#endif
