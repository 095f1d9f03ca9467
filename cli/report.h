/* SPDX-License-Identifier: MIT */
/*
 * report.h - the figures of a run, as a table for people and as JSON for programs.
 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <stdio.h>
#include <sys/types.h>

#include "weir/stats.h"

struct run_end {
    pid_t program;
    int wait_status;
    double seconds;
    char *const *argv;
};

/* Writes the table of --report. */
void report_table(FILE *out, struct weir_stats_file *file, const struct run_end *end);
/* Writes the same as JSON; end is NULL while the program runs. 0 or a negative errno. */
int report_json(FILE *out, struct weir_stats_file *file, const struct run_end *end);

/* Says what the pool's size has followed: what the disk took, and how pages compressed. */
void report_measured(const struct weir_process_stats *record);

#endif
