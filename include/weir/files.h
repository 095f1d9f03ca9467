/* SPDX-License-Identifier: MIT */
/*
 * files.h - pages of files, a part of mm.h, whose conventions hold here too.
 *
 * Each page of a file that is in memory is known by its index, a number of pages from the file's start; its bytes are
 * at weir_page_address(). Reading them, mapping them, and what a file is, is the host's affair.
 */
#ifndef WEIR_FILES_H
#define WEIR_FILES_H

#include <weir/platform.h>

/* Storage of the host's, zeroed, part of what it calls a device and a file. */
struct weir_device {
    uint64_t of_the_core[8];
};
struct weir_file {
    uint64_t of_the_core[48];
};

/* How many write requests the device's queue takes, at least 1: it is congested when it is nearly full. */
void weir_device_init(struct weir_machine *m, struct weir_device *device, unsigned nr_requests);
/* No file may be on it any more. */
void weir_device_destroy(struct weir_device *device);
/*
 * The host tells of each write request that it queues, and of each that is over. True: the device has just left
 * congestion, so that whoever is in platform->congestion_wait may go on. Never sleep; any lock held.
 */
void weir_device_request_started(struct weir_device *device);
bool weir_device_request_finished(struct weir_device *device);

enum weir_unmap { WEIR_UNMAPPED, WEIR_UNMAP_AGAIN, WEIR_UNMAP_FAIL };

/* What a file can do. Each is called with the page locked, and may sleep. */
struct weir_file_operations {
    /*
     * NULL: pages of the file cannot be written. Writes a page. WEIR_OK; WEIR_SUBMITTED: weir_page_write_done() will
     * tell; WEIR_REJECTED: not now, keep it; WEIR_IO: it is dirty as before.
     */
    enum weir_status (*writepage)(struct weir_file *file, struct weir_page *page);
    /* NULL: there is none. Drops what else the host keeps for the page, and its reference. False: it is needed. */
    bool (*releasepage)(struct weir_file *file, struct weir_page *page, uint32_t gfp);
    /* NULL: 0. How many mappings have touched the page since the last call; a shared one that is locked counts. */
    unsigned (*referenced)(struct weir_file *file, struct weir_page *page);
    /* NULL: it is not mapped. Takes it out of all mappings, weir_page_unmapped() for each. FAIL: a locked one. */
    enum weir_unmap (*unmap)(struct weir_file *file, struct weir_page *page);
};

void weir_file_init(struct weir_machine *m, struct weir_file *file, const struct weir_file_operations *operations,
                    struct weir_device *device);
/* Drops all pages, written or not. Nobody may use the file any more, none of it may be mapped. Sleeps. */
void weir_file_destroy(struct weir_file *file);
/*
 * Enters a frame of the caller's own as page `index`, and returns with it locked, for the host to fill, mark with
 * weir_page_set_uptodate(), and unlock. The file has a reference of its own then. Sleeps if gfp has WEIR_GFP_WAIT.
 * WEIR_BUSY: there is one; WEIR_NOMEM.
 */
enum weir_status weir_file_add(struct weir_file *file, struct weir_page *page, uint32_t index, uint32_t gfp);
/* The page at index with one more reference, or NULL. lock: waits until it can be locked, and may sleep. */
struct weir_page *weir_file_find(struct weir_file *file, uint32_t index, bool lock);
/* The file and index of a page; NULL: of none. The page is locked. */
struct weir_file *weir_page_file(const struct weir_page *page, uint32_t *ret_index);
/* A page is locked while it is read, written or taken out. The first may sleep, and only with a reference. */
void weir_page_lock(struct weir_machine *m, struct weir_page *page);
void weir_page_unlock(struct weir_machine *m, struct weir_page *page);
/* Does the page hold what it should? Any task that has a reference. */
void weir_page_set_uptodate(struct weir_page *page);
bool weir_page_is_uptodate(const struct weir_page *page);
/* Has been read or written by a call: twice makes a page active. Never sleeps. */
void weir_page_accessed(struct weir_machine *m, struct weir_page *page);
/* Has been changed. The page is locked. True: it was clean. Never sleeps. After unlocking: weir_file_dirtied(). */
bool weir_page_dirty(struct weir_machine *m, struct weir_page *page);
/* The task has made so many pages of the file dirty: it may have to wait, or to write. Sleeps; no lock, no page locked.
 */
void weir_file_dirtied(struct weir_file *file, unsigned nr_pages);
/* A write that writepage had answered with WEIR_SUBMITTED has ended: WEIR_OK or WEIR_IO. Never sleeps. */
void weir_page_write_done(struct weir_machine *m, struct weir_page *page, enum weir_status status);
/* The host has mapped the page once more, with a reference for that; or no longer. The page is locked. Never sleep. */
void weir_page_mapped(struct weir_machine *m, struct weir_page *page);
void weir_page_unmapped(struct weir_machine *m, struct weir_page *page);
/* The file has so many more mappings, or fewer, touched or not: its pages then are in use. Never sleeps. */
void weir_file_count_mappings(struct weir_file *file, int by);
/* Drops what is clean, unused and not mapped of [start, end]; returns how many pages. Never sleeps. */
unsigned long weir_file_invalidate(struct weir_file *file, uint32_t start, uint32_t end);
/* Drops all pages from index start on, none of which may be mapped. Sleeps. */
void weir_file_truncate(struct weir_file *file, uint32_t start);
/*
 * For a file system that cannot have the memory it needs in order to write, and will try again: wakes the flusher, and
 * reclaims without entering file systems. Sleeps; no page locked that others may have to wait for.
 */
void weir_free_more_memory(struct weir_machine *m);
/* The flusher's work: writes nr_pages, and on until few enough are dirty. Sleeps as writepage does. */
void weir_writeback(struct weir_machine *m, unsigned long nr_pages);

#endif
