/* SPDX-License-Identifier: MIT */
#include "mm/page_writeback.h"

#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/task_dirty.h"

#define WRITEOUT_WAIT_NS (UINT64_C(1000000000) / 10)
#define DIRTY_RATIO_LEAST 5u
#define RATELIMIT_LEAST 16u
#define RATELIMIT_MOST 1024u /* 4 MiB */
#define RATELIMIT_EXCEEDED 8u
#define WRITEOUT_CHUNK 1024u

static unsigned long count(const struct machine *m, enum zone_stat_item item) {
    return global_page_state(m, item);
}

static void wait_for_writes(struct machine *m) {
    m->platform->congestion_wait(m->platform->host, WRITEOUT_WAIT_NS);
}

/* -- limits. ---------------------------------------------------------------------------------------------------------
 */

/* Pages that could be dirty: free ones and those on the lists, but for high memory's. Never 0. */
static unsigned long dirtyable_memory(const struct machine *m) {
    unsigned long all = count(m, NR_FREE_PAGES) + count(m, NR_ACTIVE) + count(m, NR_INACTIVE), high = 0;

    for_each_populated_zone(m, zone) if (zone->type == ZONE_HIGHMEM) high +=
        zone_page_state(zone, NR_FREE_PAGES) + zone_page_state(zone, NR_ACTIVE) + zone_page_state(zone, NR_INACTIVE);
    return all - (high < all ? high : all) + 1;
}

struct dirty_limits get_dirty_limits(struct machine *m) {
    unsigned long available = dirtyable_memory(m);
    unsigned ratio = m->tune.dirty_ratio, background = m->tune.dirty_background_ratio;
    uint32_t flags = atomic_load_explicit(&mm_current(m)->flags, memory_order_relaxed);
    struct dirty_limits limits;

    if (ratio < DIRTY_RATIO_LEAST)
        ratio = DIRTY_RATIO_LEAST;
    if (background >= ratio)
        background = ratio / 2;
    limits.dirty = available * ratio / 100;
    limits.background = available * background / 100;
    if (flags & (PF_LESS_THROTTLE | TASK_REALTIME)) {
        limits.dirty += limits.dirty / 4;
        limits.background += limits.background / 4;
    }
    return limits;
}

/* After so many writes, or pages made dirty, what was before counts half. */
static unsigned long period_pages(struct machine *m) {
    unsigned long dirty = get_dirty_limits(m).dirty, period = 2;

    while (period <= dirty)
        period *= 2;
    return period;
}

unsigned ratelimit_pages(const struct machine *m) {
    unsigned long pages = m->vm_total_pages / (m->nr_cpus * 32ul);

    if (pages < RATELIMIT_LEAST)
        return RATELIMIT_LEAST;
    return pages > RATELIMIT_MOST ? RATELIMIT_MOST : (unsigned)pages;
}

/* -- states of a page. -----------------------------------------------------------------------------------------------
 */

static void count_dirty(struct machine *m, struct page *page, int by) {
    struct address_space *mapping = page_mapping(page);

    mod_zone_page_state(page_zone(m, page), NR_FILE_DIRTY, by);
    atomic_fetch_add_explicit(&mapping->bdi->nr_dirty, by, memory_order_relaxed);
    atomic_fetch_add_explicit(&mapping->nr_dirty, (unsigned long)by, memory_order_relaxed);
}

/* Dirty again, since it could not be written: nobody's doing. */
static bool redirty_page(struct machine *m, struct page *page) {
    if (page_test_and_set(page, PG_dirty))
        return false;
    if (page_mapping(page))
        count_dirty(m, page, 1);
    return true;
}

bool set_page_dirty(struct machine *m, struct page *page) {
    if (!redirty_page(m, page))
        return false;
    if (m->tune.dirty_task_share && page_mapping(page))
        task_dirty_inc(m, period_pages(m));
    return true;
}

bool clear_page_dirty_for_io(struct machine *m, struct page *page) {
    if (!page_test_and_clear(page, PG_dirty))
        return false;
    if (page_mapping(page))
        count_dirty(m, page, -1);
    return true;
}

void cancel_dirty_page(struct machine *m, struct page *page) {
    clear_page_dirty_for_io(m, page);
}

void move_dirty(struct machine *m, struct page *old, struct page *new) {
    if (!page_test_and_clear(old, PG_dirty))
        return;
    page_set(new, PG_dirty);
    /* File and device have one as before; the zones may differ. */
    dec_zone_page_state(page_zone(m, old), NR_FILE_DIRTY);
    inc_zone_page_state(page_zone(m, new), NR_FILE_DIRTY);
}

/* -- writing. --------------------------------------------------------------------------------------------------------
 */

static void start_writeback(struct machine *m, struct page *page) {
    page_set(page, PG_writeback);
    inc_zone_page_state(page_zone(m, page), NR_WRITEBACK);
    atomic_fetch_add_explicit(&page_mapping(page)->bdi->nr_writeback, 1, memory_order_relaxed);
}

static void finish_writeback(struct machine *m, struct page *page) {
    dec_zone_page_state(page_zone(m, page), NR_WRITEBACK);
    atomic_fetch_sub_explicit(&page_mapping(page)->bdi->nr_writeback, 1, memory_order_relaxed);
    /* From here on the page may leave its file and be free at once. */
    page_writeback_done(m, page);
}

static void note_written(struct machine *m, struct page *page) {
    page_clear(page, PG_error);
    bdi_count_completion(page_mapping(page)->bdi, period_pages(m));
    count_vm_events(m, PGPGOUT, PAGE_SIZE / 512);
}

enum mm_status write_page(struct machine *m, struct page *page) {
    struct address_space *mapping = page_mapping(page);
    enum mm_status status = MM_INVAL;

    if (mapping->ops->writepage) {
        start_writeback(m, page);
        status = mapping->ops->writepage(mapping, page);
        if (status == MM_SUBMITTED)
            return status;
        if (status == MM_OK)
            note_written(m, page);
        finish_writeback(m, page);
    }
    if (status == MM_OK)
        return status;
    if (status == MM_IO)
        page_set(page, PG_error);
    page_clear(page, PG_reclaim);
    redirty_page(m, page);
    return status;
}

void end_page_writeback(struct machine *m, struct page *page, enum mm_status status) {
    if (status != MM_OK) {
        page_set(page, PG_error);
        page_clear(page, PG_reclaim);
        redirty_page(m, page);
    } else {
        note_written(m, page);
        if (page_test_and_clear(page, PG_reclaim) && !page_test(page, PG_locked) && !page_test(page, PG_dirty) &&
            !page_test(page, PG_active) && page_test(page, PG_lru))
            rotate_reclaimable_page(m, page);
    }
    finish_writeback(m, page);
}

/* Writes one page, if it is still the file's and dirty. */
static bool write_one(struct machine *m, struct address_space *mapping, struct page *page) {
    bool written = false;

    lock_page(m, page);
    if (page_mapping(page) == mapping && !page_test(page, PG_writeback) && clear_page_dirty_for_io(m, page)) {
        enum mm_status status = write_page(m, page);

        written = status == MM_OK || status == MM_SUBMITTED;
    }
    unlock_page(m, page);
    return written;
}

static unsigned long write_file(struct address_space *mapping, unsigned long nr) {
    struct machine *m = mapping->machine;
    unsigned long written = 0;
    uint32_t index = 0;
    struct page *page;

    while (written < nr && atomic_load_explicit(&mapping->nr_dirty, memory_order_relaxed) != 0 &&
           (page = find_get_next_page(mapping, index)) != NULL) {
        index = page_index(page);
        if (page_test(page, PG_dirty))
            written += write_one(m, mapping, page);
        put_page(m, page);
        if (index++ == UINT32_MAX)
            break;
    }
    return written;
}

unsigned long writeback_pages(struct machine *m, struct backing_dev_info *bdi, unsigned long nr) {
    unsigned long written = 0;

    for (struct address_space *mapping = next_file(m, NULL); mapping; mapping = next_file(m, mapping)) {
        if (written < nr && (!bdi || mapping->bdi == bdi))
            written += write_file(mapping, nr - written);
    }
    return written;
}

static unsigned long unwritten(const struct machine *m) {
    return count(m, NR_FILE_DIRTY) + count(m, NR_UNSTABLE_NFS);
}

void background_writeout(struct machine *m, unsigned long min_pages) {
    unsigned long written = 0;

    while (written < min_pages || unwritten(m) > get_dirty_limits(m).background) {
        unsigned long more = writeback_pages(m, NULL, WRITEOUT_CHUNK);

        written += more;
        if (more == 0)
            return;
    }
}

/* -- throttling. -----------------------------------------------------------------------------------------------------
 */

static unsigned long pages_of(const struct backing_dev_info *bdi) {
    long sum = atomic_load_explicit(&bdi->nr_dirty, memory_order_relaxed) +
               atomic_load_explicit(&bdi->nr_writeback, memory_order_relaxed);

    return sum < 0 ? 0 : (unsigned long)sum;
}

/* Has the device more than its share, and of that more than the current task may push it to? */
static bool over_share(struct machine *m, const struct backing_dev_info *bdi) {
    return pages_of(bdi) > task_dirty_limit(m, bdi_share(bdi, get_dirty_limits(m).dirty));
}

static void balance_dirty_pages(struct machine *m, struct backing_dev_info *bdi) {
    unsigned long duty = ratelimit_pages(m) + ratelimit_pages(m) / 2, written = 0;
    struct task *task = mm_current(m);
    struct backing_dev_info *other = task->backing_dev_info;

    task->backing_dev_info = bdi;
    while (over_share(m, bdi)) {
        atomic_store_explicit(&bdi->dirty_exceeded, true, memory_order_relaxed);
        written += writeback_pages(m, bdi, duty - written);
        if (written >= duty || !over_share(m, bdi))
            break;
        wait_for_writes(m);
    }
    task->backing_dev_info = other;
    if (!over_share(m, bdi))
        atomic_store_explicit(&bdi->dirty_exceeded, false, memory_order_relaxed);
    if ((m->tune.laptop_mode ? written != 0 : unwritten(m) > get_dirty_limits(m).background) &&
        m->platform->wake_flusher)
        m->platform->wake_flusher(m->platform->host, 0);
}

void balance_dirty_pages_ratelimited(struct address_space *mapping, unsigned nr) {
    struct machine *m = mapping->machine;
    struct backing_dev_info *bdi = mapping->bdi;
    bool exceeded = atomic_load_explicit(&bdi->dirty_exceeded, memory_order_relaxed);
    unsigned limit = exceeded ? RATELIMIT_EXCEEDED : ratelimit_pages(m);
    _Atomic unsigned *dirtied = &m->per_cpu[mm_cpu(m)].dirtied;

    if (atomic_fetch_add_explicit(dirtied, nr, memory_order_relaxed) + nr < limit)
        return;
    atomic_store_explicit(dirtied, 0, memory_order_relaxed);
    balance_dirty_pages(m, bdi);
}

void throttle_vm_writeout(struct machine *m, gfp_t gfp) {
    for (;;) {
        unsigned long dirty = get_dirty_limits(m).dirty;

        dirty += dirty / 10;
        if (count(m, NR_UNSTABLE_NFS) + count(m, NR_WRITEBACK) <= dirty)
            return;
        wait_for_writes(m);
        /* Whoever may not do I/O or enter a filesystem may hold what the writes need to end. */
        if ((gfp & (__GFP_FS | __GFP_IO)) != (__GFP_FS | __GFP_IO))
            return;
    }
}
