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
extern _Thread_local struct task host_this_task __attribute__((tls_model("initial-exec")));

/* The current task. */
static inline struct task *host_task(void) {
    return &host_this_task;
}

/* The calling thread is a task on that CPU; reserves: one that may take all there is. */
void host_thread(unsigned cpu, bool reserves);

#endif
