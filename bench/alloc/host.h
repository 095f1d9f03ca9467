/* SPDX-License-Identifier: MIT */
/*
 * host.h - the least host for the page allocator alone: threads that stay on their CPU, frames without bytes.
 */
#ifndef BENCH_ALLOC_HOST_H
#define BENCH_ALLOC_HOST_H

#include "mm/machine.h"

/* A machine of one zone whose descriptors Linux gives memory when they are first touched. */
struct machine *host_boot(uint32_t nr_frames, unsigned nr_cpus, size_t *ret_boot_bytes);
void host_finish(struct machine *m, size_t boot_bytes);
/* The calling thread is a task on that CPU; reserves: one that may take all there is. */
void host_thread(unsigned cpu, bool reserves);

#endif
