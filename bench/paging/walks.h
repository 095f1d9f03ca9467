/* SPDX-License-Identifier: MIT */
/*
 * walks.h - the ways in which a region is touched.
 *
 * With several threads each has its part of the region where the order counts, and every so-manieth page where it does
 * not, so that no two ever touch the same page.
 */
#ifndef BENCH_PAGING_WALKS_H
#define BENCH_PAGING_WALKS_H

#include "draw.h"
#include "latency.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct worker {
    unsigned number;
    const struct pattern *pattern;
    struct draw draw;
    uint64_t nr, begin, end; /* accesses; ticks */
    struct latency latency;
    pthread_t thread;
};

struct pattern {
    const char *name;
    void (*run)(struct worker *worker);
    bool pages;    /* an access is a whole page, not a line of one */
    double length; /* of the time that patterns are given; 0: until it is done */
    double warmup; /* and as much before, which is not counted */
    int shifts;    /* or until the hot set has shifted so often */
};

/* What all patterns share; set it before any runs. */
extern struct setup {
    size_t nr_pages;
    unsigned nr_threads;
    double seconds, shift_s;
} setup;

/* NULL if there is none of this name. */
const struct pattern *find_pattern(const char *name);

#endif
