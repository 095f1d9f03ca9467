/* SPDX-License-Identifier: MIT */
/*
 * thread.h - weir's own threads inside the program's process.
 *
 * They are bare clones that glibc knows nothing of: it neither counts them (the program's last thread still ends the
 * process) nor allocates for them. Each has an aligned stack whose lowest page is its struct weir_thread, and a block
 * of dummy thread-local storage, so that library code compiled with a stack protector runs. They block all signals,
 * share a descriptor table that is not the program's, and never call malloc or stdio.
 */
#ifndef RUNTIME_THREAD_H
#define RUNTIME_THREAD_H

#include <stdbool.h>

#include "mm/platform.h"

#define WEIR_MAX_HANDLERS 4u
/*
 * The service thread, kswapd, the clerk that publishes statistics, and the fault handlers: each is one CPU of the
 * machine.
 */
enum weir_thread_role {
    THREAD_SERVICE,
    THREAD_KSWAPD,
    THREAD_CLERK,
    THREAD_HANDLER0,
    WEIR_MAX_THREADS = THREAD_HANDLER0 + WEIR_MAX_HANDLERS
};
#define STAGING_PAGES 64u

struct weir_thread {
    struct task task;
    unsigned cpu; /* its index: the machine's per-CPU lists are per thread */
    int tid;
    void (*run)(struct weir_thread *self);
    char *staging; /* STAGING_PAGES pages: where swap_read leaves what map_pages maps */
    struct page *staged[STAGING_PAGES];
    unsigned nr_staged;
    bool read_file;               /* of those, did any come from a file? */
    _Atomic uint32_t credentials; /* which of the program's it has taken (runtime/credentials.h) */
    int pinned_cpu;               /* handlers: where it follows the program to; -1 anywhere it may */
    bool assists;                 /* handlers: reclaim in kswapd's place while they wait for the swap file */
    unsigned streaming;           /* handlers: so many more faults count as those of a stream */
};

/* Reserves the stacks; once in a process's life. False: no memory. */
bool threads_reserve(void);
struct weir_thread *weir_thread_of(unsigned role);
/* The calling thread's, or NULL on a thread of the program's. */
struct weir_thread *weir_thread_self(void);
/*
 * Starts the thread of that role. own_files: it gets a copy of the caller's descriptor table for itself; else it shares
 * the caller's. Returns 0 or a negative errno. The caller's signal mask is left alone.
 */
int weir_thread_start(unsigned role, void (*run)(struct weir_thread *self), bool own_files);

#endif
