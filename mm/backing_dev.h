/* SPDX-License-Identifier: MIT */
/*
 * backing_dev.h - the device behind a file: how full its queue of writes is, and how much dirty memory is its share.
 * (specification, section 16)
 *
 * The host embeds a struct backing_dev_info in each of its devices. Owns the counters in it; knows nothing of pages.
 */
#ifndef MM_BACKING_DEV_H
#define MM_BACKING_DEV_H

#include "mm/machine.h"

struct backing_dev_info {
    struct machine *machine;             /* (C) */
    struct backing_dev_info *next;       /* under machine->files_lock */
    unsigned nr_requests;                /* (C) how many its queue takes */
    _Atomic unsigned in_flight;          /* (A) requests under way */
    _Atomic bool congested;              /* (A) */
    _Atomic bool dirty_exceeded;         /* (A) some writer is over the device's share */
    _Atomic long nr_dirty, nr_writeback; /* (A) pages */
    _Atomic unsigned long completions;   /* (A) pages written lately */
};

/* A queue is congested once it has so many requests, and no longer once it has fewer than the second. */
static inline unsigned congestion_on(unsigned nr_requests) {
    return nr_requests - nr_requests / 8 + 1;
}
static inline unsigned congestion_off(unsigned nr_requests) {
    return nr_requests - nr_requests / 8 - nr_requests / 16 - 1;
}

/* bdi is zeroed but for what the host adds around it; nr_requests is at least 1. */
void bdi_init(struct machine *m, struct backing_dev_info *bdi, unsigned nr_requests);
/* No file may be on it any more. */
void bdi_destroy(struct backing_dev_info *bdi);

/* The host tells of each write request that it queues, and of each that is over. */
void bdi_request_started(struct backing_dev_info *bdi);
/* True: the device has just left congestion, and those that sleep in platform->congestion_wait() should wake. */
bool bdi_request_finished(struct backing_dev_info *bdi);
bool bdi_write_congested(const struct backing_dev_info *bdi);

/* Counts a page that the device has written; the counts of all devices are halved now and then (period pages). */
void bdi_count_completion(struct backing_dev_info *bdi, unsigned long period);
/* The device's share of limit pages, by what it has written lately; all of it before anything was written. */
unsigned long bdi_share(const struct backing_dev_info *bdi, unsigned long limit);

#endif
