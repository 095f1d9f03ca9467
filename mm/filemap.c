/* SPDX-License-Identifier: MIT */
#include "mm/filemap.h"

#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/page_writeback.h"
#include "mm/swap_state.h"
#include "mm/workingset.h"

/* An index is a 32-bit number, as a swap entry is. */
static swp_entry_t key(uint32_t index) {
    return (swp_entry_t){index};
}

static void file_lock(struct address_space *mapping) {
    lock_acquire(mapping->machine->platform, &mapping->lock);
}

static void file_unlock(struct address_space *mapping) {
    lock_release(mapping->machine->platform, &mapping->lock);
}

void address_space_init(struct machine *m, struct address_space *mapping, const struct address_space_operations *ops,
                        struct backing_dev_info *bdi) {
    mapping->machine = m;
    mapping->ops = ops;
    mapping->bdi = bdi;
    lock_init(&mapping->lock, RANK_FILE);
    lock_acquire(m->platform, &m->files_lock);
    mapping->next = m->files;
    m->files = mapping;
    lock_release(m->platform, &m->files_lock);
}

void address_space_destroy(struct address_space *mapping) {
    struct machine *m = mapping->machine;
    struct address_space **link = &m->files;

    truncate_inode_pages(mapping, 0);
    lock_acquire(m->platform, &m->files_lock);
    while (*link != mapping)
        link = &(*link)->next;
    *link = mapping->next;
    lock_release(m->platform, &m->files_lock);
    while (atomic_load_explicit(&mapping->users, memory_order_acquire) != 0)
        m->platform->yield(m->platform->host);
    swap_index_clear(m, &mapping->pages);
}

struct address_space *next_file(struct machine *m, struct address_space *cursor) {
    struct address_space *next;

    lock_acquire(m->platform, &m->files_lock);
    next = cursor ? cursor->next : m->files;
    if (next)
        atomic_fetch_add_explicit(&next->users, 1, memory_order_relaxed);
    if (cursor)
        put_file(cursor);
    lock_release(m->platform, &m->files_lock);
    return next;
}

void put_file(struct address_space *mapping) {
    atomic_fetch_sub_explicit(&mapping->users, 1, memory_order_release);
}

/* -- entering and finding. -------------------------------------------------------------------------------------------
 */

/* With the file's lock held; a shadow makes room. */
static enum mm_status insert(struct address_space *mapping, const struct page *page, uint32_t index, void **spare,
                             uint32_t *ret_shadow) {
    struct machine *m = mapping->machine;
    uint32_t there = swap_index_find(&mapping->pages, key(index));
    enum mm_status status;

    if (is_shadow(there)) {
        *ret_shadow = there;
        swap_index_replace(&mapping->pages, key(index), page_to_pfn(m, page));
        forget_shadow(mapping);
        return MM_OK;
    }
    do
        status = swap_index_insert(m, &mapping->pages, key(index), page_to_pfn(m, page), spare);
    while (status == MM_NOMEM && *spare);
    return status;
}

/* Called with the page locked and not yet to be found. ret_shadow: what stood in its place, or PFN_NONE. */
static enum mm_status enter(struct address_space *mapping, struct page *page, uint32_t index, gfp_t gfp,
                            uint32_t *ret_shadow) {
    struct machine *m = mapping->machine;
    enum mm_status status;
    void *spare = NULL;

    *ret_shadow = PFN_NONE;
    for (;;) {
        file_lock(mapping);
        status = insert(mapping, page, index, &spare, ret_shadow);
        if (status == MM_OK) {
            get_page(page);
            page->private = index;
            atomic_store_explicit(&page->owner, page_file_owner(mapping), memory_order_release);
            mapping->nrpages++;
        }
        file_unlock(mapping);
        if (status != MM_NOMEM)
            break;
        spare = get_zeroed_page(m, gfp & ~(__GFP_HIGHMEM | __GFP_MOVABLE));
        if (!spare)
            break;
    }
    free_pages(m, spare, 0);
    if (status == MM_OK)
        inc_zone_page_state(page_zone(m, page), NR_FILE_PAGES);
    return status;
}

enum mm_status add_to_page_cache(struct address_space *mapping, struct page *page, uint32_t index, gfp_t gfp) {
    uint32_t shadow;

    MM_ASSERT(mapping->machine, page_test(page, PG_locked));
    /* Its bytes are the core's, at page_address(), even where the frame counts as movable. */
    page_note_arena(mapping->machine, page);
    return enter(mapping, page, index, gfp, &shadow);
}

enum mm_status add_to_page_cache_lru(struct address_space *mapping, struct page *page, uint32_t index, gfp_t gfp) {
    uint32_t shadow;
    enum mm_status status;

    MM_ASSERT(mapping->machine, page_test(page, PG_locked));
    page_note_arena(mapping->machine, page);
    status = enter(mapping, page, index, gfp, &shadow);
    if (status != MM_OK)
        return status;
    if (mapping->machine->tune.workingset && shadow != PFN_NONE && workingset_refault(mapping->machine, shadow))
        lru_cache_add_active(mapping->machine, page);
    else
        lru_cache_add(mapping->machine, page);
    return MM_OK;
}

struct page *find_get_page(struct address_space *mapping, uint32_t index) {
    struct page *page = NULL;
    uint32_t pfn;

    file_lock(mapping);
    pfn = swap_index_find(&mapping->pages, key(index));
    if (pfn != PFN_NONE && !is_shadow(pfn)) {
        /* The cache's own reference goes under this lock only. */
        page = pfn_to_page(mapping->machine, pfn);
        get_page(page);
    }
    file_unlock(mapping);
    return page;
}

struct page *find_lock_page(struct address_space *mapping, uint32_t index) {
    struct machine *m = mapping->machine;
    struct page *page;

    while ((page = find_get_page(mapping, index)) != NULL) {
        lock_page(m, page);
        if (page_mapping(page) == mapping && page_index(page) == index)
            break;
        unlock_page(m, page);
        put_page(m, page);
    }
    return page;
}

struct page *find_get_next_page(struct address_space *mapping, uint32_t index) {
    struct page *page = NULL;
    swp_entry_t at = key(index);
    uint32_t pfn;

    file_lock(mapping);
    while ((pfn = swap_index_next(&mapping->pages, &at)) != PFN_NONE) {
        if (!is_shadow(pfn)) {
            page = pfn_to_page(mapping->machine, pfn);
            get_page(page);
            break;
        }
        if (at.val++ == UINT32_MAX)
            break;
    }
    file_unlock(mapping);
    return page;
}

/* -- leaving. --------------------------------------------------------------------------------------------------------
 */

/* With the file's lock held. */
static void forget(struct address_space *mapping, struct page *page, uint32_t shadow) {
    struct machine *m = mapping->machine;

    if (shadow != PFN_NONE) {
        swap_index_replace(&mapping->pages, key(page_index(page)), shadow);
        mapping->nr_shadows++;
        atomic_fetch_add_explicit(&m->nr_shadows, 1, memory_order_relaxed);
    } else {
        swap_index_remove(m, &mapping->pages, key(page_index(page)));
    }
    mapping->nrpages--;
    atomic_store_explicit(&page->owner, 0, memory_order_release);
    page->private = 0;
    dec_zone_page_state(page_zone(m, page), NR_FILE_PAGES);
}

void remove_from_page_cache(struct page *page) {
    struct address_space *mapping = page_mapping(page);
    struct machine *m = mapping->machine;

    MM_ASSERT(m, page_test(page, PG_locked) && !page_mapped(page));
    cancel_dirty_page(m, page);
    file_lock(mapping);
    forget(mapping, page, PFN_NONE);
    file_unlock(mapping);
    put_page(m, page);
}

bool remove_mapping(struct page *page) {
    struct address_space *mapping = page_mapping(page);
    bool unused;

    file_lock(mapping);
    /* Two references: the cache's and the caller's. Another would come from a lookup, under this lock. */
    unused = page_count(page) == 2 && !page_test(page, PG_dirty) && !page_test(page, PG_writeback);
    if (unused)
        forget(mapping, page, workingset_eviction(mapping->machine, page));
    file_unlock(mapping);
    if (unused)
        put_page_testzero(page);
    return unused;
}

bool replace_page_cache_page(struct page *old, struct page *new) {
    struct address_space *mapping = page_mapping(old);
    struct machine *m = mapping->machine;
    bool unused;

    file_lock(mapping);
    /* As above. Bytes are copied under the lock: nobody can come by the old page meanwhile. */
    unused = page_count(old) == 2 && !page_mapped(old);
    if (unused) {
        __builtin_memcpy(page_address(m, new), page_address(m, old), PAGE_SIZE);
        new->private = old->private;
        atomic_store_explicit(&new->owner, page_file_owner(mapping), memory_order_release);
        page_note_arena(m, new);
        get_page(new);
        swap_index_replace(&mapping->pages, key(old->private), page_to_pfn(m, new));
        atomic_store_explicit(&old->owner, 0, memory_order_release);
        old->private = 0;
        put_page_testzero(old);
    }
    file_unlock(mapping);
    if (!unused)
        return false;
    dec_zone_page_state(page_zone(m, old), NR_FILE_PAGES);
    inc_zone_page_state(page_zone(m, new), NR_FILE_PAGES);
    move_dirty(m, old, new);
    return true;
}

unsigned long invalidate_mapping_pages(struct address_space *mapping, uint32_t start, uint32_t end) {
    struct machine *m = mapping->machine;
    unsigned long dropped = 0;
    struct page *page;

    while ((page = find_get_next_page(mapping, start)) != NULL) {
        uint32_t index = page_index(page);
        bool locked = trylock_page(page);

        /* remove_mapping() sees to it that nobody uses the page and that it is clean. */
        if (locked && page_mapping(page) == mapping && index <= end && !page_test(page, PG_private))
            dropped += remove_mapping(page);
        if (locked)
            unlock_page(m, page);
        put_page(m, page);
        if (index >= end)
            break;
        start = index + 1;
    }
    return dropped;
}

void truncate_inode_pages(struct address_space *mapping, uint32_t start) {
    struct machine *m = mapping->machine;
    struct page *page;

    while ((page = find_get_next_page(mapping, start)) != NULL) {
        lock_page(m, page);
        wait_on_page_writeback(m, page);
        if (page_mapping(page) == mapping) {
            if (page_test(page, PG_private) && mapping->ops->releasepage)
                mapping->ops->releasepage(mapping, page, GFP_KERNEL);
            remove_from_page_cache(page);
        }
        unlock_page(m, page);
        put_page(m, page);
    }
    drop_shadows(mapping, start, 0);
}

/* -- mappings of the page. -------------------------------------------------------------------------------------------
 */

void page_add_file_rmap(struct machine *m, struct page *page) {
    get_page(page);
    if (atomic_fetch_add_explicit(&page->mapcount, 1, memory_order_acq_rel) == -1)
        inc_zone_page_state(page_zone(m, page), NR_FILE_MAPPED);
}

void page_remove_file_rmap(struct machine *m, struct page *page) {
    if (atomic_fetch_sub_explicit(&page->mapcount, 1, memory_order_acq_rel) == 0)
        dec_zone_page_state(page_zone(m, page), NR_FILE_MAPPED);
    put_page(m, page);
}

/* -- checking. -------------------------------------------------------------------------------------------------------
 */

struct file_tally {
    unsigned long pages, shadows, dirty, mapped, all_shadows;
};

static const char *check_file(struct address_space *mapping, struct file_tally *all) {
    struct machine *m = mapping->machine;
    struct file_tally own = {0};
    swp_entry_t at = key(0);
    uint32_t pfn;

    while ((pfn = swap_index_next(&mapping->pages, &at)) != PFN_NONE) {
        const struct page *page = is_shadow(pfn) ? NULL : pfn_to_page(m, pfn);

        if (!page) {
            own.shadows++;
        } else if (page_mapping(page) != mapping || page_index(page) != at.val) {
            return "file: a page of the cache says that it is elsewhere";
        } else if (page_count(page) < 1 + page_mapped(page)) {
            return "file: a page of the cache has too few references";
        } else {
            own.pages++;
            own.dirty += page_test(page, PG_dirty);
            all->mapped += page_mapped(page);
        }
        if (at.val++ == UINT32_MAX)
            break;
    }
    if (own.pages != mapping->nrpages || own.shadows != mapping->nr_shadows)
        return "file: its counts of pages and shadows are wrong";
    if (own.dirty != atomic_load_explicit(&mapping->nr_dirty, memory_order_relaxed))
        return "file: its count of dirty pages is wrong";
    all->pages += own.pages;
    all->dirty += own.dirty;
    all->all_shadows += own.shadows;
    return lock_is_held(&mapping->lock) ? "lock: a file's lock is held" : NULL;
}

static unsigned long exact(const struct machine *m, enum zone_stat_item item) {
    long sum = 0;

    for_each_populated_zone(m, zone) sum += zone_page_state_exact(zone, item);
    return (unsigned long)sum;
}

const char *filemap_check(struct machine *m, unsigned long *ret_pages) {
    struct file_tally all = {0};
    long dirty = 0;

    for (struct address_space *mapping = m->files; mapping; mapping = mapping->next) {
        const char *wrong = check_file(mapping, &all);

        if (wrong)
            return wrong;
    }
    for (const struct backing_dev_info *bdi = m->devices; bdi; bdi = bdi->next)
        dirty += atomic_load_explicit(&bdi->nr_dirty, memory_order_relaxed);
    *ret_pages = all.pages;
    if (all.mapped != exact(m, NR_FILE_MAPPED))
        return "vmstat: NR_FILE_MAPPED is not the number of mapped file pages";
    if (all.dirty != exact(m, NR_FILE_DIRTY) || (long)all.dirty != dirty)
        return "vmstat: NR_FILE_DIRTY is not the number of dirty file pages";
    if (all.all_shadows + swap_cache_shadows(m) != atomic_load_explicit(&m->nr_shadows, memory_order_relaxed))
        return "workingset: the number of shadows is wrong";
    return NULL;
}
