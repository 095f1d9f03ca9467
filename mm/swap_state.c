/* SPDX-License-Identifier: MIT */
#include "mm/swap_state.h"

#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/page_io.h"
#include "mm/rmap.h"
#include "mm/swap_index.h"
#include "mm/swapfile.h"
#include "mm/workingset.h"

#define LATENCY_LIMIT 256u /* entries looked at under the lock */

struct swap_cache {
    struct lock lock;
    struct swap_index index;
    _Atomic unsigned long nr_pages; /* (A) changed under the lock; read without it as a hint */
    /* (A) The same; shadows of pages that were evicted lie in their places (mm/workingset.h). */
    _Atomic unsigned long nr_shadows;
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

unsigned long swap_cache_shadows(const struct machine *m) {
    const struct swap_cache *cache = __atomic_load_n(&m->swap_cache, __ATOMIC_ACQUIRE);

    return cache ? atomic_load_explicit(&cache->nr_shadows, memory_order_relaxed) : 0;
}

uint32_t swap_cache_next(const struct machine *m, swp_entry_t *at) {
    return m->swap_cache ? swap_index_next(&m->swap_cache->index, at) : PFN_NONE;
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
    if (pfn != PFN_NONE && !is_shadow(pfn)) {
        /* The cache's own reference goes under this lock only, so that the page cannot be free. */
        page = pfn_to_page(m, pfn);
        get_page(page);
    }
    lock_release(m->platform, &cache->lock);
    return page;
}

/* One shadow fewer. With the cache's lock held. */
static void count_shadow_out(struct machine *m) {
    atomic_fetch_sub_explicit(&m->swap_cache->nr_shadows, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&m->nr_shadows, 1, memory_order_relaxed);
}

/* With the cache's lock held; a shadow makes room. */
static enum mm_status insert(struct machine *m, swp_entry_t entry, const struct page *page, void **spare,
                             uint32_t *ret_shadow) {
    struct swap_index *index = &m->swap_cache->index;
    uint32_t there = swap_index_find(index, entry);
    enum mm_status status;

    if (is_shadow(there)) {
        *ret_shadow = there;
        swap_index_replace(index, entry, page_to_pfn(m, page));
        count_shadow_out(m);
        return MM_OK;
    }
    do
        status = swap_index_insert(m, index, entry, page_to_pfn(m, page), spare);
    while (status == MM_NOMEM && *spare);
    return status;
}

/* Enters pfn into the index, making the nodes it needs. ret_shadow: what stood in its place, or PFN_NONE. */
static enum mm_status index_page(struct machine *m, swp_entry_t entry, const struct page *page, gfp_t gfp,
                                 uint32_t *ret_shadow) {
    struct swap_cache *cache = m->swap_cache;
    enum mm_status status;
    void *spare = NULL;

    *ret_shadow = PFN_NONE;
    for (;;) {
        lock_acquire(m->platform, &cache->lock);
        status = insert(m, entry, page, &spare, ret_shadow);
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

static enum mm_status enter(struct machine *m, struct page *page, swp_entry_t entry, gfp_t gfp, uint32_t *ret_shadow) {
    enum mm_status status;

    /* Before it can be found, so that whoever finds it and locks it sees a page of the swap cache. */
    page->private = entry.val;
    get_page(page);
    page_set(page, PG_swapcache);
    status = index_page(m, entry, page, gfp, ret_shadow);
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

enum mm_status add_to_swap_cache(struct machine *m, struct page *page, swp_entry_t entry, gfp_t gfp) {
    uint32_t shadow;

    return enter(m, page, entry, gfp, &shadow);
}

/* The count of a page that has left the index, in whose place there is a shadow or nothing. */
static void count_page_out(struct machine *m, struct page *page) {
    page_clear(page, PG_swapcache);
    page->private = 0;
    atomic_fetch_sub_explicit(&m->swap_cache->nr_pages, 1, memory_order_relaxed);
    dec_zone_page_state(page_zone(m, page), NR_FILE_PAGES);
}

/* With the cache's lock held and the page locked. The caller drops the reference and the count afterwards. */
static void unindex_page(struct machine *m, struct page *page) {
    swap_index_remove(m, &m->swap_cache->index, page_swap_entry(page));
    count_page_out(m, page);
}

/* Leaves of the index may take one page in so many. Where slots lie scattered, few shadows keep many. */
#define LEAF_SHARE 64u

/* The same for a page that is evicted, and may be back. */
static void leave_shadow(struct machine *m, struct page *page) {
    uint32_t shadow = workingset_eviction(m, page);

    if (m->swap_cache->index.nr_leaves > m->vm_total_pages / LEAF_SHARE)
        shadow = PFN_NONE;

    if (shadow == PFN_NONE) {
        unindex_page(m, page);
        return;
    }
    swap_index_replace(&m->swap_cache->index, page_swap_entry(page), shadow);
    atomic_fetch_add_explicit(&m->swap_cache->nr_shadows, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->nr_shadows, 1, memory_order_relaxed);
    count_page_out(m, page);
}

void forget_swap_shadow(struct machine *m, swp_entry_t entry) {
    struct swap_cache *cache = m->swap_cache;

    if (!cache || atomic_load_explicit(&cache->nr_shadows, memory_order_relaxed) == 0)
        return;
    lock_acquire(m->platform, &cache->lock);
    if (is_shadow(swap_index_find(&cache->index, entry))) {
        swap_index_remove(m, &cache->index, entry);
        count_shadow_out(m);
    }
    lock_release(m->platform, &cache->lock);
}

/* Goes on from *at for a while. False: that was the end. */
static bool drop_some_shadows(struct machine *m, swp_entry_t *at, uint32_t min_age, unsigned long *dropped) {
    struct swap_cache *cache = m->swap_cache;
    uint32_t value = PFN_NONE;

    lock_acquire(m->platform, &cache->lock);
    for (unsigned i = 0; i < LATENCY_LIMIT && (value = swap_index_next(&cache->index, at)) != PFN_NONE; i++, at->val++)
        if (is_shadow(value) && shadow_distance(m, value) >= min_age) {
            swap_index_remove(m, &cache->index, *at);
            count_shadow_out(m);
            ++*dropped;
        }
    lock_release(m->platform, &cache->lock);
    return value != PFN_NONE;
}

unsigned long drop_swap_shadows(struct machine *m, uint32_t min_age) {
    swp_entry_t at = {0};
    unsigned long dropped = 0;

    if (!m->swap_cache || atomic_load_explicit(&m->swap_cache->nr_shadows, memory_order_relaxed) == 0)
        return 0;
    while (drop_some_shadows(m, &at, min_age, &dropped))
        m->platform->yield(m->platform->host);
    return dropped;
}

enum mm_status swap_cache_prepare(struct machine *m, struct page *page, swp_entry_t entry, gfp_t gfp) {
    /* The count keeps the slot from being freed and given to another page while it is read. */
    enum mm_status status = swap_duplicate(m, entry);
    uint32_t shadow;

    if (status != MM_OK)
        return status;
    lock_page(m, page);
    status = enter(m, page, entry, gfp, &shadow);
    if (status != MM_OK) {
        unlock_page(m, page);
        swap_free(m, entry);
        return status;
    }
    if (m->tune.workingset_anon && !(shadow != PFN_NONE && workingset_refault(m, shadow)))
        page_set(page, PG_probation);
    return MM_OK;
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
        leave_shadow(m, page);
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

bool swap_cache_move(struct machine *m, struct page *page, swp_entry_t new) {
    swp_entry_t old = page_swap_entry(page);
    uint32_t shadow;

    if (index_page(m, new, page, GFP_ATOMIC | __GFP_NOWARN, &shadow) != MM_OK)
        return false;
    /* Both entries lead to the page now. A fault that comes with the old one rechecks its entry under both locks. */
    page->private = new.val;
    rmap_change_entry(m, page, old, new);
    lock_acquire(m->platform, &m->swap_cache->lock);
    swap_index_remove(m, &m->swap_cache->index, old);
    lock_release(m->platform, &m->swap_cache->lock);
    swap_free(m, old);
    return true;
}
