/* SPDX-License-Identifier: MIT */
/*
 * counters.h - the figures of a process by name, for output that lists them all.
 */
#ifndef CLI_COUNTERS_H
#define CLI_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/stats.h"

struct counter {
    const char *name; /* as in weir/stats.h; the unit comes last */
    const char *help;
    size_t offset; /* of an _Atomic uint64_t in struct weir_process_stats */
    bool gauge;    /* moves both ways */
};

extern const struct counter counters[];
extern const size_t nr_counters;

static inline uint64_t counter_value(const struct weir_process_stats *record, const struct counter *counter) {
    return *(const _Atomic uint64_t *)((const char *)record + counter->offset);
}

/* "some", "full"; and the windows: 10, 60, 300. */
extern const char *const pressure_names[WEIR_PRESSURES];
extern const unsigned pressure_seconds[WEIR_PRESSURE_WINDOWS];

/* "fresh", "soft", "pool", "file". */
extern const char *const fault_kind_names[WEIR_FAULT_KINDS];

#endif
