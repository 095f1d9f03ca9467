/* SPDX-License-Identifier: MIT */
/*
 * stat_format.h - the ways in which `weir stat` can show a process.
 */
#ifndef CLI_STAT_FORMAT_H
#define CLI_STAT_FORMAT_H

#include <stdint.h>

#include "cli/statsfile.h"

/* What one call leaves for the next, so that rates can be told. Starts as zeros. */
struct stat_state {
    uint64_t lines;
    uint64_t at_ns;
    uint64_t swapped_out, swapped_in, kswapd, direct, stalled_ns, some_ns, full_ns;
    uint64_t faults[WEIR_FAULT_KINDS];
};

struct stat_format {
    const char *name;
    /* Writes to standard output. 0 or an exit status after saying why. */
    int (*print)(struct statsfile *s, struct weir_process_stats *record, struct stat_state *state);
};

/* NULL: there is none of that name. */
const struct stat_format *stat_format_find(const char *name);

#endif
