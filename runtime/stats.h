/* SPDX-License-Identifier: MIT */
/*
 * stats.h - keeps this process's record (weir/stats.h) up to date.
 */
#ifndef RUNTIME_STATS_H
#define RUNTIME_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/memory.h"

struct weir_thread;

/* Maps the statistics file and claims a record; a private one if path is NULL or cannot be opened. Sets rt.stats. */
void stats_open(const char *path);
/* In a forked child: a record of its own. */
void stats_after_fork(void);

void stats_fault(enum fault_result result, uint64_t latency_ns);
/* Brings the gauges up to date now and then; cheap to call after each fault. */
void stats_tick(void);
void stats_refresh(void);
void stats_wake_clerk(void);
/* The thread that answers readers' wishes for text; sleeps until one comes. */
void stats_clerk(struct weir_thread *self);

#endif
