/* SPDX-License-Identifier: MIT */
/*
 * page_writeback.h - dirty file pages: how many there may be, who waits, and who writes. (specification, section 16)
 *
 * Owns PG_dirty of file pages, NR_FILE_DIRTY and, for file pages, PG_writeback and NR_WRITEBACK. Writing itself is the
 * file's writepage(); the host's flusher is woken by platform->wake_flusher and calls background_writeout().
 */
#ifndef MM_PAGE_WRITEBACK_H
#define MM_PAGE_WRITEBACK_H

#include "mm/filemap.h"

/* Pages that may be dirty or under writeback before writers wait, and before the flusher works. */
struct dirty_limits {
    unsigned long background, dirty;
};
/* For the current task: a real-time one, or PF_LESS_THROTTLE, may go a quarter further. */
struct dirty_limits get_dirty_limits(struct machine *m);

/* A locked page of a file has been changed. True: it was clean. */
bool set_page_dirty(struct machine *m, struct page *page);
/* A locked page is about to be written. False: it was clean. */
bool clear_page_dirty_for_io(struct machine *m, struct page *page);
/* A locked page will never be written. */
void cancel_dirty_page(struct machine *m, struct page *page);
/* mm/migrate.c: new, which has taken old's place in its file, is dirty in its stead if that was. Both are locked. */
void move_dirty(struct machine *m, struct page *old, struct page *new);

/*
 * Writes a locked file page that is no longer dirty. MM_OK: done. MM_SUBMITTED: PG_writeback until
 * end_page_writeback(). MM_REJECTED, MM_IO, MM_INVAL (the file cannot be written): it is dirty again.
 */
enum mm_status write_page(struct machine *m, struct page *page);
/* The host reports the end of a write that it answered with MM_SUBMITTED. Any thread, no spinning lock held. */
void end_page_writeback(struct machine *m, struct page *page, enum mm_status status);

/* Writes up to nr dirty pages, of one device only if bdi is not NULL. Returns how many. Sleeps as writepage() does. */
unsigned long writeback_pages(struct machine *m, struct backing_dev_info *bdi, unsigned long nr);
/* The flusher's work: at least min_pages, and on until there are no more than the background limit. */
void background_writeout(struct machine *m, unsigned long min_pages);

/*
 * A task has made nr pages of the file dirty and holds no lock. Now and then, it looks whether the device has more than
 * its share; while it has, the task writes pages itself, 1.5 times ratelimit_pages() at most, or waits.
 */
void balance_dirty_pages_ratelimited(struct address_space *mapping, unsigned nr);
/* So many pages may be dirtied on one CPU between two looks. */
unsigned ratelimit_pages(const struct machine *m);

/* Reclaim waits here while too much is under writeback already. */
void throttle_vm_writeout(struct machine *m, gfp_t gfp);

#endif
