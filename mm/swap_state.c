/* SPDX-License-Identifier: MIT */
#include "mm/swap_state.h"

#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/page_io.h"
#include "mm/rmap.h"
#include "mm/swap_index.h"
#include "mm/swapfile.h"

struct swap_cache {
    struct lock lock;
    struct swap_index index;
    _Atomic unsigned long nr_pages; /* (A) changed under the lock; read without it as a hint */
};
_Static_assert(sizeof(struct swap_cache) <= PAGE_SIZE, "the cache's head takes one page");

enum mm_status swap_cache_create(struct machine *m) {
    struct swap_cache *none = NULL, *cache;

    if (__atomic_load_n(&m->swap_cache, __ATOMIC_ACQUIRE))
        return MM_OK;
    cache = get_zeroed_page(m, GFP_KERNEL);
    if (!cache)
        return MM_NOMEM;
    lock_init(&cache->lock, RANK_SWAP_CACHE);
    if (!__atomic_compare_exchange_n(&m->swap_cache, &none, cache, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        free_pages(m, cache, 0);
    return MM_OK;
}

unsigned long swap_cache_pages(const struct machine *m) {
    const struct swap_cache *cache = __atomic_load_n(&m->swap_cache, __ATOMIC_ACQUIRE);

    return cache ? atomic_load_explicit(&cache->nr_pages, memory_order_relaxed) : 0;
}

static swp_entry_t page_swap_entry(const struct page *page) {
    return (swp_entry_t){page->private};
}

struct page *lookup_swap_cache(struct machine *m, swp_entry_t entry) {
    struct swap_cache *cache = m->swap_cache;
    struct page *page = NULL;
    uint32_t pfn;

    lock_acquire(m->platform, &cache->lock);
    pfn = swap_index_find(&cache->index, entry);
    if (pfn != PFN_NONE) {
        /* The cache's own reference goes under this lock only, so that the page cannot be free. */
        page = pfn_to_page(m, pfn);
        get_page(page);
    }
    lock_release(m->platform, &cache->lock);
    return page;
}

/* Enters pfn into the index, making the nodes it needs. */
static enum mm_status index_page(struct machine *m, swp_entry_t entry, const struct page *page, gfp_t gfp) {
    struct swap_cache *cache = m->swap_cache;
    enum mm_status status;
    void *spare = NULL;

    for (;;) {
        lock_acquire(m->platform, &cache->lock);
        do
            status = swap_index_insert(m, &cache->index, entry, page_to_pfn(m, page), &spare);
        while (status == MM_NOMEM && spare);
        lock_release(m->platform, &cache->lock);
        if (status != MM_NOMEM)
            break;
        spare = get_zeroed_page(m, gfp);
        if (!spare)
            break;
    }
    free_pages(m, spare, 0);
    return status;
}

enum mm_status add_to_swap_cache(struct machine *m, struct page *page, swp_entry_t entry, gfp_t gfp) {
    enum mm_status status;

    /* Before it can be found, so that whoever finds it and locks it sees a page of the swap cache. */
    page->private = entry.val;
    get_page(page);
    page_set(page, PG_swapcache);
    status = index_page(m, entry, page, gfp);
    if (status != MM_OK) {
        page_clear(page, PG_swapcache);
        page->private = 0;
        put_page(m, page);
        return status;
    }
    atomic_fetch_add_explicit(&m->swap_cache->nr_pages, 1, memory_order_relaxed);
    inc_zone_page_state(page_zone(m, page), NR_FILE_PAGES);
    return MM_OK;
}

/* With the cache's lock held and the page locked. The caller drops the reference and the count afterwards. */
static void unindex_page(struct machine *m, struct page *page) {
    swap_index_remove(m, &m->swap_cache->index, page_swap_entry(page));
    page_clear(page, PG_swapcache);
    page->private = 0;
    atomic_fetch_sub_explicit(&m->swap_cache->nr_pages, 1, memory_order_relaxed);
    dec_zone_page_state(page_zone(m, page), NR_FILE_PAGES);
}

enum mm_status swap_cache_prepare(struct machine *m, struct page *page, swp_entry_t entry, gfp_t gfp) {
    /* The count keeps the slot from being freed and given to another page while it is read. */
    enum mm_status status = swap_duplicate(m, entry);

    if (status != MM_OK)
        return status;
    lock_page(m, page);
    status = add_to_swap_cache(m, page, entry, gfp);
    if (status != MM_OK) {
        unlock_page(m, page);
        swap_free(m, entry);
    }
    return status;
}

void delete_from_swap_cache(struct machine *m, struct page *page) {
    swp_entry_t entry = page_swap_entry(page);

    MM_ASSERT(m, page_test(page, PG_swapcache) && !page_test(page, PG_writeback));
    lock_acquire(m->platform, &m->swap_cache->lock);
    unindex_page(m, page);
    lock_release(m->platform, &m->swap_cache->lock);
    page_clear(page, PG_dirty);
    swap_free(m, entry);
    put_page(m, page);
}

bool replace_in_swap_cache(struct machine *m, struct page *old, struct page *new, int references) {
    bool unused;

    lock_acquire(m->platform, &m->swap_cache->lock);
    unused = page_count(old) == references && !page_test(old, PG_writeback);
    if (unused) {
        new->private = old->private;
        page_set(new, PG_swapcache);
        if (page_test_and_clear(old, PG_dirty))
            page_set(new, PG_dirty);
        get_page(new);
        swap_index_replace(&m->swap_cache->index, page_swap_entry(old), page_to_pfn(m, new));
        page_clear(old, PG_swapcache);
        old->private = 0;
        put_page_testzero(old);
    }
    lock_release(m->platform, &m->swap_cache->lock);
    if (unused) {
        dec_zone_page_state(page_zone(m, old), NR_FILE_PAGES);
        inc_zone_page_state(page_zone(m, new), NR_FILE_PAGES);
    }
    return unused;
}

bool add_to_swap(struct machine *m, struct page *page) {
    /*
     * The reserves are for frames that hold pages on their way out, not for the index (section 12.2); but a leaf of it
     * lets a thousand pages leave, so that it is worth one of them before giving up.
     */
    static const gfp_t tries[] = {GFP_ATOMIC | __GFP_NOMEMALLOC | __GFP_NOWARN, GFP_ATOMIC | __GFP_NOWARN};
    enum mm_status status = MM_NOMEM;

    for (;;) {
        swp_entry_t entry = get_swap_page(m);

        if (!entry.val)
            return false;
        for (unsigned i = 0; i < 2 && status != MM_OK; i++) {
            status = add_to_swap_cache(m, page, entry, tries[i]);
            if (status == MM_BUSY)
                break;
        }
        if (status == MM_OK) {
            page_set(page, PG_uptodate);
            page_set(page, PG_dirty);
            return true;
        }
        swap_free(m, entry);
        /* BUSY: somebody who had read the entry before the slot was freed is about to find out. Take another. */
        if (status != MM_BUSY)
            return false;
    }
}

bool remove_exclusive_swap_page(struct machine *m, struct page *page) {
    if (!page_test(page, PG_swapcache) || page_test(page, PG_writeback) || swap_count(m, page_swap_entry(page)) != 1)
        return false;
    delete_from_swap_cache(m, page);
    return true;
}

/* The last step under the cache's lock: nobody can find the page any more, or it stays. */
static bool unindex_unused(struct machine *m, struct page *page) {
    bool unused;

    lock_acquire(m->platform, &m->swap_cache->lock);
    /* Two references: the cache's and the caller's. Another one would come from a lookup, under this lock. */
    unused = page_count(page) == 2 && !page_test(page, PG_dirty) && !page_test(page, PG_writeback);
    if (unused)
        unindex_page(m, page);
    lock_release(m->platform, &m->swap_cache->lock);
    return unused;
}

bool remove_from_swap_cache(struct machine *m, struct page *page) {
    swp_entry_t entry = page_swap_entry(page);
    struct rmap_walk walk;
    bool unused;

    if (rmap_walk_begin(m, page, &walk)) {
        /*
         * Under the page-table lock, so that a fault which misses the page in the cache, and reads it again from its
         * slot, finds the place in the shadow empty when it maps what it has read.
         */
        unused = unindex_unused(m, page);
        if (unused) {
            m->platform->discard(m->platform->host, walk.mm, walk.addr);
            atomic_store_explicit(&page->owner, 0, memory_order_release);
        }
        rmap_walk_end(&walk);
    } else {
        unused = unindex_unused(m, page);
    }
    if (unused) {
        swap_free(m, entry);
        put_page(m, page);
    }
    return unused;
}

/* -- writing. --------------------------------------------------------------------------------------------------------
 */

static void start_writeback(struct machine *m, struct page *page) {
    page_set(page, PG_writeback);
    inc_zone_page_state(page_zone(m, page), NR_WRITEBACK);
}

static void finish_writeback(struct machine *m, struct page *page) {
    dec_zone_page_state(page_zone(m, page), NR_WRITEBACK);
    /* From here on the page may leave the cache and be free at once. */
    page_writeback_done(m, page);
}

/* Gives a locked, unmapped page of the cache another slot, and its page-table entry too. new may be none. */
static bool move_to_slot(struct machine *m, struct page *page, swp_entry_t new) {
    swp_entry_t old = page_swap_entry(page);

    if (!new.val)
        return false;
    if (index_page(m, new, page, GFP_ATOMIC | __GFP_NOWARN) != MM_OK) {
        swap_free(m, new);
        return false;
    }
    /* Both entries lead to the page now. A fault that comes with the old one rechecks its entry under both locks. */
    page->private = new.val;
    rmap_change_entry(m, page, old, new);
    lock_acquire(m->platform, &m->swap_cache->lock);
    swap_index_remove(m, &m->swap_cache->index, old);
    lock_release(m->platform, &m->swap_cache->lock);
    swap_free(m, old);
    return true;
}

enum mm_status swap_writepage(struct machine *m, struct page *page) {
    enum mm_status status;

    if (!swap_slot_is_private(m, page_swap_entry(page)) && !move_to_slot(m, page, get_swap_page(m)))
        return MM_NOMEM;
    for (;;) {
        uint64_t owner = page_owner(page);
        struct mm *mm = rmap_get_mm(m, owner);

        start_writeback(m, page);
        status = swap_page_write(m, page_swap_entry(page), page, mm, owner_address(owner));
        rmap_put_mm(m);
        if (status == MM_SUBMITTED)
            break;
        finish_writeback(m, page);
        if (status != MM_REJECTED || !move_to_slot(m, page, get_swap_page_below(m, swp_type(page_swap_entry(page)))))
            break;
    }
    if (status == MM_OK || status == MM_SUBMITTED) {
        count_vm_event(m, PSWPOUT);
        count_vm_events(m, PGPGOUT, PAGE_SIZE / 512);
    }
    return status;
}

void end_swap_write(struct machine *m, struct page *page, enum mm_status status) {
    if (status != MM_OK) {
        page_set(page, PG_error);
        page_set(page, PG_dirty);
        page_clear(page, PG_reclaim);
    } else if (page_test_and_clear(page, PG_reclaim) && !page_test(page, PG_locked) && !page_test(page, PG_dirty) &&
               !page_test(page, PG_active) && page_test(page, PG_lru)) {
        rotate_reclaimable_page(m, page);
    }
    finish_writeback(m, page);
}
