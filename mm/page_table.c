/* SPDX-License-Identifier: MIT */
#include "mm/page_table.h"

#include "mm/fault_stream.h"
#include "mm/oom_reaper.h"
#include "mm/page_alloc.h"
#include "mm/rmap.h"
#include "mm/swap_token.h"

#define DIRECTORY_BITS 9u
#define DIRECTORY_LEVELS 3u
#define DIRECTORY_POINTERS (1u << DIRECTORY_BITS)
_Static_assert(DIRECTORY_POINTERS * sizeof(void *) == PAGE_SIZE, "a directory takes one page");
_Static_assert(sizeof(struct page_table) == PAGE_SIZE, "a table takes one page");

/* Blocks in a page of them, after the pointer that chains the pages. */
struct block_page {
    struct block_page *next;
    struct block blocks[];
};
#define BLOCKS_PER_PAGE ((PAGE_SIZE - sizeof(struct block_page)) / sizeof(struct block))

struct block_slab {
    struct block_page *pages;
    unsigned used; /* of the first page */
};

/* The address space, its streams and the head of its slab share a page. */
struct mm_page {
    struct mm mm;
    struct block_slab slab;
    struct fault_streams streams;
};
_Static_assert(sizeof(struct mm_page) <= PAGE_SIZE, "an address space's head takes one page");

/* A zeroed page that counts as page-table memory. */
static void *table_page_alloc(struct machine *m) {
    void *table = get_zeroed_page(m, GFP_KERNEL);

    if (table)
        inc_zone_page_state(page_zone(m, virt_to_page(m, table)), NR_PAGETABLE);
    return table;
}

static void table_page_free(struct machine *m, void *table) {
    if (!table)
        return;
    dec_zone_page_state(page_zone(m, virt_to_page(m, table)), NR_PAGETABLE);
    free_pages(m, table, 0);
}

/* The same, counted as the address space's. */
static void *mm_table_alloc(struct mm *mm) {
    void *table = table_page_alloc(mm->machine);

    if (table)
        atomic_fetch_add_explicit(&mm->nr_tables, 1, memory_order_relaxed);
    return table;
}

static void mm_table_free(struct mm *mm, void *table) {
    if (!table)
        return;
    atomic_fetch_sub_explicit(&mm->nr_tables, 1, memory_order_relaxed);
    table_page_free(mm->machine, table);
}

/* -- directories. ----------------------------------------------------------------------------------------------------
 */

static unsigned directory_index(const struct mm *mm, uintptr_t addr, unsigned level) {
    uintptr_t number = (addr - mm->start) / BLOCK_SIZE;

    return (unsigned)(number >> (DIRECTORY_BITS * (DIRECTORY_LEVELS - 1 - level))) & (DIRECTORY_POINTERS - 1);
}

struct block *find_block(struct mm *mm, uintptr_t addr) {
    void *_Atomic *slot = mm->directory;

    if (!slot || addr < mm->start || addr >= mm->end)
        return NULL;
    for (unsigned level = 0;; level++) {
        /* Pairs with the release of directory_insert: what it points to is complete. */
        void *next = atomic_load_explicit(&slot[directory_index(mm, addr, level)], memory_order_acquire);

        if (!next || level == DIRECTORY_LEVELS - 1)
            return next;
        slot = next;
    }
}

/* Puts fresh into an empty slot. False: somebody was faster, and the slot holds theirs. */
static bool directory_insert(void *_Atomic *slot, void *fresh) {
    void *none = NULL;

    return atomic_compare_exchange_strong_explicit(slot, &none, fresh, memory_order_acq_rel, memory_order_acquire);
}

/* A block that nobody else knows yet, or NULL. */
static struct block *block_alloc(struct mm *mm) {
    struct machine *m = mm->machine;
    struct block_page *fresh = NULL;
    struct block *block = NULL;

    lock_acquire(m->platform, &mm->lock);
    while (!block) {
        struct block_slab *slab = mm->slab;

        if (slab->pages && slab->used < BLOCKS_PER_PAGE) {
            block = &slab->pages->blocks[slab->used++];
        } else if (fresh) {
            fresh->next = slab->pages;
            slab->pages = fresh;
            slab->used = 0;
            fresh = NULL;
        } else {
            lock_release(m->platform, &mm->lock);
            fresh = mm_table_alloc(mm);
            if (!fresh)
                return NULL;
            lock_acquire(m->platform, &mm->lock);
        }
    }
    lock_release(m->platform, &mm->lock);
    mm_table_free(mm, fresh);
    return block;
}

static struct block *block_make(struct mm *mm, uintptr_t addr, void *_Atomic *slot) {
    struct block *block = block_alloc(mm);

    if (!block)
        return NULL;
    lock_init(&block->ptl, RANK_PTL);
    block->mm = mm;
    block->start = addr & ~(BLOCK_SIZE - 1);
    if (directory_insert(slot, block))
        return block;
    /* The one that lost the race stays unused: there is at most one for each task and block. */
    return atomic_load_explicit(slot, memory_order_acquire);
}

struct block *block_get(struct mm *mm, uintptr_t addr) {
    struct block *block = find_block(mm, addr);
    void *_Atomic *directory = mm->directory;

    if (block)
        return block;
    for (unsigned level = 0; level < DIRECTORY_LEVELS - 1; level++) {
        void *_Atomic *slot = &directory[directory_index(mm, addr, level)];
        void *next = atomic_load_explicit(slot, memory_order_acquire);

        if (!next) {
            next = mm_table_alloc(mm);
            if (!next)
                return NULL;
            if (!directory_insert(slot, next)) {
                mm_table_free(mm, next);
                next = atomic_load_explicit(slot, memory_order_acquire);
            }
        }
        directory = next;
    }
    return block_make(mm, addr, &directory[directory_index(mm, addr, DIRECTORY_LEVELS - 1)]);
}

bool block_lock_table(struct block *block) {
    struct mm *mm = block->mm;
    struct page_table *fresh;

    ptl_lock(block);
    if (block->table)
        return true;
    ptl_unlock(block);
    fresh = mm_table_alloc(mm);
    if (!fresh)
        return false;
    ptl_lock(block);
    if (!block->table) {
        block->table = fresh;
        fresh = NULL;
    }
    mm_table_free(mm, fresh);
    return true;
}

void block_unlock_table(struct block *block) {
    struct page_table *table = NULL;

    if (block->nr_present + block->nr_swapped + block->nr_poisoned == 0) {
        table = block->table;
        block->table = NULL;
    }
    ptl_unlock(block);
    mm_table_free(block->mm, table);
}

/* The next block from *addr on that exists below end; *addr is where it starts. Skips absent directories whole. */
static struct block *next_block(struct mm *mm, uintptr_t *addr, uintptr_t end) {
    while (*addr < end) {
        void *_Atomic *slot = mm->directory;
        uintptr_t span = BLOCK_SIZE << (DIRECTORY_BITS * (DIRECTORY_LEVELS - 1));
        void *next = NULL;

        for (unsigned level = 0; level < DIRECTORY_LEVELS; level++, span >>= DIRECTORY_BITS) {
            next = atomic_load_explicit(&slot[directory_index(mm, *addr, level)], memory_order_acquire);
            if (!next || level == DIRECTORY_LEVELS - 1)
                break;
            slot = next;
        }
        if (next)
            return next;
        *addr += span - (*addr - mm->start) % span;
    }
    return NULL;
}

void for_each_block(struct mm *mm, uintptr_t start, uintptr_t end, void (*fn)(struct block *block, void *arg),
                    void *arg) {
    struct block *block;

    if (start < mm->start)
        start = mm->start;
    if (end > mm->end)
        end = mm->end;
    while ((block = next_block(mm, &start, end)) != NULL) {
        fn(block, arg);
        start = block->start + BLOCK_SIZE;
    }
}

/* -- address spaces. -------------------------------------------------------------------------------------------------
 */

static void mm_init(struct mm *mm, struct machine *m, uintptr_t start, uintptr_t end) {
    struct mm_page *page = (struct mm_page *)mm;

    mm->machine = m;
    mm->start = start;
    mm->end = end;
    mm->slab = &page->slab;
    mm->streams = &page->streams;
    rwlock_init(&mm->mmap_lock, RANK_MMAP);
    rwlock_init(&mm->rmap_lock, RANK_RMAP);
    lock_init(&mm->lock, RANK_MM);
}

struct mm *mm_create(struct machine *m, uintptr_t start, uintptr_t end) {
    struct mm *mm;

    if (start >= end || (start | end) & (BLOCK_SIZE - 1) ||
        (end - start) / BLOCK_SIZE > UINT64_C(1) << (DIRECTORY_BITS * DIRECTORY_LEVELS))
        return NULL;
    mm = table_page_alloc(m);
    if (!mm)
        return NULL;
    mm_init(mm, m, start, end);
    mm->directory = mm_table_alloc(mm);
    if (!mm->directory || areas_init(mm) != MM_OK)
        goto fail;
    for (uint32_t slot = 0; slot < MAX_MMS; slot++) {
        struct mm *none = NULL;

        mm->id = slot + 1;
        if (__atomic_compare_exchange_n(&m->mms[slot], &none, mm, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
            return mm;
    }
    areas_finish(mm);
fail:
    mm_table_free(mm, (void *)mm->directory);
    table_page_free(m, mm);
    return NULL;
}

static void free_directory(struct mm *mm, void *_Atomic *directory, unsigned level) {
    for (unsigned i = 0; level < DIRECTORY_LEVELS - 1 && i < DIRECTORY_POINTERS; i++) {
        void *next = atomic_load_explicit(&directory[i], memory_order_relaxed);

        if (next)
            free_directory(mm, next, level + 1);
    }
    mm_table_free(mm, (void *)directory);
}

void mm_destroy(struct mm *mm) {
    struct machine *m = mm->machine;
    const struct platform *p = m->platform;
    void *_Atomic *directory = mm->directory;
    struct block_page *page;

    /* Whoever has found it by number, and brings pages in (swapoff), is done with one before the last of them goes. */
    write_lock(p, &mm->mmap_lock);
    zap_page_range(mm, mm->start, mm->end);
    write_unlock(p, &mm->mmap_lock);
    __atomic_store_n(&m->mms[mm->id - 1], NULL, __ATOMIC_SEQ_CST);
    /* Pairs with rmap_get_mm: a task that has come by a page of ours may still look at it. */
    while (atomic_load_explicit(&m->rmap_walkers, memory_order_seq_cst) != 0)
        p->yield(p->host);
    put_swap_token(mm);
    oom_reaper_forget(mm);
    areas_finish(mm);
    mm->directory = NULL;
    free_directory(mm, directory, 0);
    while ((page = mm->slab->pages) != NULL) {
        mm->slab->pages = page->next;
        mm_table_free(mm, page);
    }
    MM_ASSERT(m, atomic_load_explicit(&mm->nr_tables, memory_order_relaxed) == 0);
    table_page_free(m, mm);
}

void mm_still(struct mm *mm, uintptr_t start, uintptr_t end) {
    atomic_store_explicit(&mm->still_start, start, memory_order_relaxed);
    atomic_store_explicit(&mm->still_end, end, memory_order_relaxed);
}

void mm_still_end(struct mm *mm) {
    mm_still(mm, 0, 0);
    /* What kswapd found out about the zones meanwhile is true no longer. */
    for_each_populated_zone(mm->machine, zone) zone_mark_reclaimable(zone);
}

bool block_is_still(const struct block *block, uintptr_t addr) {
    /*
     * Read with the page-table lock held. Whoever set the range took that lock afterwards (unpark_range), so that what
     * was done under it before was seen there, and what is done under it from then on sees the range.
     */
    return addr >= atomic_load_explicit(&block->mm->still_start, memory_order_relaxed) &&
           addr < atomic_load_explicit(&block->mm->still_end, memory_order_relaxed);
}
