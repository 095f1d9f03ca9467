/* SPDX-License-Identifier: MIT */
/*
 * observe.h - what the supervisor does at intervals while the program runs: looks from outside for memory that weir
 * does not manage, says so when a further process appears, and draws the progress line.
 */
#ifndef CLI_OBSERVE_H
#define CLI_OBSERVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "weir/stats.h"

struct observer {
    struct weir_stats_file *file;
    pid_t program;
    bool verbose, progress;
    bool terminal; /* standard error is one: the progress line is redrawn in place */
    bool line_drawn;
    bool outside_warned;
    unsigned announced; /* records that have been spoken of */
    uint64_t start_ns;
    uint64_t sample_due_ns, sample_interval_ns;
    uint64_t draw_due_ns, draw_ns, draw_faults;
};

void observer_init(struct observer *o, struct weir_stats_file *file, pid_t program, bool verbose, bool progress);
/* Does what is due and returns when the next thing will be; CLOCK_MONOTONIC in ns. */
uint64_t observer_tick(struct observer *o, uint64_t now_ns);
/* Takes the progress line off the terminal. */
void observer_finish(struct observer *o);

uint64_t monotonic_ns(void);

#endif
