/* SPDX-License-Identifier: MIT */
/*
 * memory.h - address spaces, page tables and the page fault. (specification, section 12.2; ARCHITECTURE.md)
 *
 * A page table maps one block of 512 pages (2 MiB), found through three levels of directories. Each table has a lock
 * of its own (the page-table lock), which also serialises what the platform does with the bytes of its block.
 */
#ifndef MM_MEMORY_H
#define MM_MEMORY_H

#include "mm/lock.h"
#include "mm/mmap.h"
#include "mm/page.h"
#include "mm/platform.h"

#define PTRS_PER_TABLE 512u
#define BLOCK_SIZE (PAGE_SIZE * PTRS_PER_TABLE)

/*
 * A page-table entry.
 *   none      0: never touched
 *   present   PTE_PRESENT, the pfn from bit PTE_PFN_SHIFT up. PTE_PARKED: resident, but a touch faults (the accessed
 *             bit is clear). PTE_ZERO: mapped by map_zero and never parked since: may still be all zeros.
 *   swapped   PTE_SWAP, the entry from bit PTE_PFN_SHIFT up
 *   poisoned  PTE_POISON: its bytes are lost
 * PTE_LOCKED (mlock) and PTE_HELD (mm_hold, counted from bit PTE_HOLDS_SHIFT up) keep a present page from being parked
 * or unmapped.
 */
typedef uint64_t pte_t;
enum pte_flags {
    PTE_PRESENT = 1u << 0,
    PTE_PARKED = 1u << 1,
    PTE_ZERO = 1u << 2,
    PTE_SWAP = 1u << 3,
    PTE_POISON = 1u << 4,
    PTE_LOCKED = 1u << 5,
    PTE_HELD = 1u << 6,
};
#define PTE_PFN_SHIFT 16
#define PTE_HOLDS_SHIFT 48

/* One page table. Lives in pages of the page allocator (NR_PAGETABLE). */
struct page_table {
    pte_t pte[PTRS_PER_TABLE];
};

/*
 * What a table's owner needs beside the entries; also from the page allocator. A block lives as long as its address
 * space; its table comes with the first page and goes with the last.
 */
struct block {
    struct lock ptl;                         /* (P) the page-table lock of this block */
    struct page_table *table;                /* (P) NULL: all entries are none */
    struct mm *mm;                           /* (C) */
    uintptr_t start;                         /* (C) address of the first page */
    uint32_t nr_present;                     /* (P) entries with PTE_PRESENT */
    uint32_t nr_parked;                      /* (P) */
    uint32_t nr_swapped;                     /* (P) */
    uint32_t nr_poisoned;                    /* (P) */
    void *host_private;                      /* (P) the platform's */
    uint64_t host_bits[PTRS_PER_TABLE / 64]; /* (P) the platform's (runtime: stale copies in the shadow) */
    struct block *host_next;                 /* the platform's (runtime: blocks with stale copies) */
    uint32_t host_flags;
};

struct fault_streams; /* fault_stream.c: where sequential faults are expected next */
struct block_slab;    /* page_table.c: where blocks are kept */

/* Bits of mm->flags. */
enum mm_flags {
    MM_OOM_VICTIM = 1u << 0, /* its task has been told to die */
    MM_UNSTABLE = 1u << 1,   /* the reaper is taking its pages: faults fail */
    MM_OOM_SKIP = 1u << 2,   /* nothing more is to be had here; nobody waits for it */
};

struct mm {
    struct machine *machine; /* (C) */
    uint32_t id;             /* (C) mapping id, 1.. */
    uintptr_t start, end;    /* (C) the managed range, BLOCK_SIZE-aligned */
    struct task *owner;      /* whom the OOM killer takes for it */
    void *host_private;      /* the platform's */

    struct rwlock mmap_lock; /* (M) areas */
    struct area_set *areas;  /* (M) */
    uint64_t committed;      /* (M) pages: writable private memory without VM_NORESERVE */
    uint64_t total_vm;       /* (M) pages mapped */

    struct rwlock rmap_lock;  /* (R) read: entries stay in their block; write: they move, or all of it goes */
    void *_Atomic *directory; /* (R) entries appear by compare-and-exchange */
    _Atomic long nr_rss, nr_swapped, nr_locked, nr_parked; /* (A) pages */
    _Atomic long nr_tables;                                /* (A) pages of page tables, blocks and directories */
    _Atomic uint32_t flags;                                /* (A) enum mm_flags */

    _Atomic uintptr_t still_start, still_end; /* (A) set under (M): mm_still() */

    unsigned token_stamp, token_interval, token_priority; /* mm/swap_token.c; under its lock */

    struct lock lock;              /* (S) fault streams, storage of blocks */
    struct fault_streams *streams; /* (S) */
    struct block_slab *slab;       /* (S) */
};

/* Makes an address space over [start, end). NULL: no memory or all MAX_MMS in use. */
struct mm *mm_create(struct machine *m, uintptr_t start, uintptr_t end);
/* Zaps everything and frees it. Nobody may use it any more. */
void mm_destroy(struct mm *mm);

enum fault_result {
    FAULT_MINOR = 0, /* fresh memory, zero-filled */
    FAULT_SOFT,      /* a parked page came back, or one still in the swap cache */
    FAULT_MAJOR,     /* read from swap; ret_type says from which area */
    FAULT_SPURIOUS,  /* somebody else had resolved it */
    FAULT_SIGBUS,    /* the page is lost; poison() has been called */
    FAULT_OOM,       /* no memory (or a victim whose memory has been taken), and this task has been told to die */
};

/*
 * Resolves a fault at addr. Called with mm->mmap_lock held for reading and no other lock; may sleep, reclaim and call
 * the OOM killer. ret_pages: how many pages it made accessible; ret_type: swap area of a FAULT_MAJOR. Either may be
 * NULL.
 */
enum fault_result handle_mm_fault(struct mm *mm, uintptr_t addr, bool write, unsigned *ret_pages, unsigned *ret_type);

/*
 * Forgets all pages of [start, end): frames and swap slots go back, the platform drops the bytes. mmap_lock held
 * (reading is enough). keep_locked pages as well.
 */
void zap_page_range(struct mm *mm, uintptr_t start, uintptr_t end);
/* The same, but pages that are held or locked stay. mmap_lock held for reading. */
void zap_unkept_range(struct mm *mm, uintptr_t start, uintptr_t end);
/*
 * Makes the page tables that move_page_range() will need, while reclaim may still take what it likes: within mm_still()
 * memory for them might not be had, and somebody be killed for it. mmap_lock held for writing. MM_NOMEM: nothing done.
 */
enum mm_status prepare_page_range(struct mm *mm, uintptr_t from, uintptr_t to, size_t len);
/*
 * Moves the entries of [from, from+len) to [to, to+len), which must be empty; the platform has moved the bytes, and
 * nothing in the source range is parked. mmap_lock held for writing. MM_NOMEM: nothing done.
 */
enum mm_status move_page_range(struct mm *mm, uintptr_t from, uintptr_t to, size_t len);
/*
 * Makes every page of [start, end) whose bytes lie in the shadow accessible again: the parked ones and those just being
 * evicted. mmap_lock held for writing. They stay so only within mm_still().
 */
void unpark_range(struct mm *mm, uintptr_t start, uintptr_t end);
/*
 * From now until mm_still_end() reclaim parks and evicts nothing in [start, end): for a host that is about to change
 * its own mapping there (mm_still, unpark_range, change, move_page_range, mm_still_end). One range at a time; mmap_lock
 * held for writing from the one to the other, and no page allocated: what is left to reclaim may be nothing.
 */
void mm_still(struct mm *mm, uintptr_t start, uintptr_t end);
void mm_still_end(struct mm *mm);
/* Brings every page of [start, end) in (as MAP_POPULATE, mlock and MADV_WILLNEED do). mmap_lock held for reading. */
enum mm_status populate_range(struct mm *mm, uintptr_t start, uintptr_t end);
/* Moves the pages of [start, end) to the inactive list, parked (MADV_COLD); evict: swaps them out (MADV_PAGEOUT). */
void cool_range(struct mm *mm, uintptr_t start, uintptr_t end, bool evict);
/* One byte per page into vec: bit 0 if resident (mapped or parked). mmap_lock held for reading. */
void mincore_range(struct mm *mm, uintptr_t start, uintptr_t end, unsigned char *vec);

/* The block that holds addr, or NULL. rmap_lock or mmap_lock held for reading, or the answer may be stale. */
struct block *find_block(struct mm *mm, uintptr_t addr);
/* Calls fn for every block in [start, end), unlocked, in ascending order. */
void for_each_block(struct mm *mm, uintptr_t start, uintptr_t end, void (*fn)(struct block *block, void *arg),
                    void *arg);
static inline unsigned pte_index(uintptr_t addr) {
    return (unsigned)((addr >> PAGE_SHIFT) & (PTRS_PER_TABLE - 1));
}

/* The first thing wrong with the address spaces and the swap cache, or NULL. No other task may be inside the core. */
const char *memory_check(struct machine *m);

#endif
