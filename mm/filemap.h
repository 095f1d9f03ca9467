/* SPDX-License-Identifier: MIT */
/*
 * filemap.h - file pages: which frames hold which pages of which file. (specification, sections 9, 10.2 and 14)
 *
 * The core keeps the pages of a file, their place on the LRU lists and the counters NR_FILE_PAGES and NR_FILE_MAPPED;
 * their bytes are at page_address(). Reading, writing and mapping them is the host's: it embeds a struct address_space
 * in each of its files and supplies the operations. A page in the cache has one reference for that, and
 * page->owner says so: page_mapping() and page_index() read it.
 */
#ifndef MM_FILEMAP_H
#define MM_FILEMAP_H

#include "mm/backing_dev.h"
#include "mm/gfp.h"
#include "mm/rmap.h"
#include "mm/swap_index.h"

/* Each is called with the page locked. All but writepage may be NULL: there are no mappings, or no private data. */
struct address_space_operations {
    /*
     * Writes the page, which is PG_writeback and no longer dirty. MM_OK: written. MM_SUBMITTED: end_page_writeback()
     * will report. MM_REJECTED: not now, the page should be active. Any other: failed; the page is dirty again.
     * NULL: pages of this file cannot be written.
     */
    enum mm_status (*writepage)(struct address_space *mapping, struct page *page);
    /* Drops what PG_private stands for, and the reference that went with it. False: it is still needed. */
    bool (*releasepage)(struct address_space *mapping, struct page *page, gfp_t gfp);
    /* How many mappings have touched the page since the last look, whose accessed bits are cleared; a shared mapping
     * in a locked area counts. */
    unsigned (*referenced)(struct address_space *mapping, struct page *page);
    /* Removes the page from all mappings, page_remove_file_rmap() for each. FAIL: locked or just touched in one. */
    enum unmap_result (*unmap)(struct address_space *mapping, struct page *page);
};

struct address_space {
    struct machine *machine;                    /* (C) */
    const struct address_space_operations *ops; /* (C) */
    struct backing_dev_info *bdi;               /* (C) */
    struct address_space *next;                 /* under machine->files_lock */
    _Atomic unsigned users;                     /* (A) tasks that write or prune the file just now */
    _Atomic unsigned nr_mmaps;                  /* (A) the host's: mappings of the file, touched or not */
    _Atomic unsigned long nr_dirty;             /* (A) */

    struct lock lock;                  /* (F) */
    struct swap_index pages;           /* (F) by index; also the shadows of mm/workingset.h */
    unsigned long nrpages, nr_shadows; /* (F) */
};

/* mapping is zeroed; ops and bdi stay good until it is destroyed. */
void address_space_init(struct machine *m, struct address_space *mapping, const struct address_space_operations *ops,
                        struct backing_dev_info *bdi);
/* Drops all pages. Nobody may look up or add pages any more, or have them mapped. */
void address_space_destroy(struct address_space *mapping);

/* The file of a page in a page cache, or NULL (anonymous, or of no use). Stable with the page locked. */
static inline struct address_space *page_mapping(const struct page *page) {
    uint64_t owner = page_owner(page);

    return owner & PAGE_OWNER_FILE ? (struct address_space *)(uintptr_t)(owner << 1) : NULL;
}
static inline uint32_t page_index(const struct page *page) {
    return page->private;
}

/*
 * Enters a locked page, which is the caller's alone, at index; with __GFP_WAIT in gfp no spinning lock may be held.
 * MM_BUSY: there is one already. MM_NOMEM. The second puts it on the LRU lists as well: on the inactive one, but for a
 * page that mm/workingset.h has seen leave too early.
 */
enum mm_status add_to_page_cache(struct address_space *mapping, struct page *page, uint32_t index, gfp_t gfp);
enum mm_status add_to_page_cache_lru(struct address_space *mapping, struct page *page, uint32_t index, gfp_t gfp);
/* The page at index, with a reference, or NULL; the second waits for its lock and returns it locked. */
struct page *find_get_page(struct address_space *mapping, uint32_t index);
struct page *find_lock_page(struct address_space *mapping, uint32_t index);
/* The first page at index or later, with a reference, or NULL. */
struct page *find_get_next_page(struct address_space *mapping, uint32_t index);
/* Takes a locked page that is not mapped out, dirty or not; drops the cache's reference. */
void remove_from_page_cache(struct page *page);
/*
 * The same for reclaim: only a page that is clean and has nobody but the cache and the caller. False: it stays. It
 * leaves a shadow behind where tune.workingset is on.
 */
bool remove_mapping(struct page *page);
/* Drops the clean, unlocked, unmapped, unused pages of [start, end]. Returns how many. */
unsigned long invalidate_mapping_pages(struct address_space *mapping, uint32_t start, uint32_t end);
/* Drops all pages from index start on, waiting for those that are locked or under writeback. None may be mapped. */
void truncate_inode_pages(struct address_space *mapping, uint32_t start);
/* Another page takes a locked page's place and state (mm/migrate.h). False: somebody else uses the old one. */
bool replace_page_cache_page(struct page *old, struct page *new);

/* The host has mapped a page of the cache once more, and its entry holds a reference; or no longer. */
void page_add_file_rmap(struct machine *m, struct page *page);
void page_remove_file_rmap(struct machine *m, struct page *page);

/*
 * A file that has not been looked at since *cursor was NULL, with a use counted, or NULL at the end; drops the use of
 * the one before.
 */
struct address_space *next_file(struct machine *m, struct address_space *cursor);
void put_file(struct address_space *mapping);

/* The first thing wrong with the page cache, or NULL. ret_pages: pages in it. No other task may be inside the core. */
const char *filemap_check(struct machine *m, unsigned long *ret_pages);

#endif
