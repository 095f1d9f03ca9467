/* SPDX-License-Identifier: MIT */
/*
 * evicted.h - what the cases of the program `evicted` share.
 *
 * Each case is given memory several times as large as the budget it is run in, filled and so mostly evicted, does one
 * thing to it, and checks every byte.
 */
#ifndef TESTS_SYSTEM_EVICTED_H
#define TESTS_SYSTEM_EVICTED_H

#include "pattern.h"

#include <stdio.h>
#include <sys/types.h>

#define CASE_SKIPPED 77

struct evicted {
    struct region region; /* from mmap, generation 0 */
    struct heap *heap;    /* from malloc */
    const char *dir;      /* for files */
    double seconds;       /* for cases that last */
};

/* Ends the case as failed, saying what did not hold. */
#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: does not hold: %s (errno %m)\n", __FILE__, __LINE__, #condition);                  \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)

/* A case returns 0, 1 or CASE_SKIPPED. */
int case_write(struct evicted *e);
int case_read(struct evicted *e);
int case_odirect(struct evicted *e);
int case_readv(struct evicted *e);
int case_process_vm_readv(struct evicted *e);

int case_dontneed(struct evicted *e);
int case_madv_free(struct evicted *e);
int case_mremap(struct evicted *e);
int case_mprotect(struct evicted *e);
int case_mlock(struct evicted *e);
int case_munlock(struct evicted *e);
int case_munmap_middle(struct evicted *e);
int case_cold(struct evicted *e);

int case_fork(struct evicted *e);
int case_vfork_exec(struct evicted *e);
int case_close_range(struct evicted *e);
int case_daemon(struct evicted *e);
int case_fork_elsewhere(struct evicted *e);
int case_file_fork(struct evicted *e);

int case_setuid_fork(struct evicted *e);
int case_credentials(struct evicted *e);
int case_capabilities(struct evicted *e);

int case_fork_many(struct evicted *e);
int case_fork_storm(struct evicted *e);
int case_fork_signals(struct evicted *e);
int case_fork_unmapped(struct evicted *e);
int case_fork_keys(struct evicted *e);
int case_fork_names(struct evicted *e);
int case_fork_without_descriptors(struct evicted *e);

int case_by_number(struct evicted *e);
int case_raw_fork(struct evicted *e);
int case_clone_thread(struct evicted *e);

int case_threads64(struct evicted *e);
int case_robust_mutex(struct evicted *e);
int case_write_race(struct evicted *e);

/* Other side of process_vm_readv, in a process of its own: evicted outside PID ADDRESS PAGES SEED. */
int outside_main(char **argv);

/* Opens a new file of this name in e->dir; -1 and a message if it cannot. */
int evicted_open(const struct evicted *e, const char *name, int flags);
/* Fills and checks as many pages as the region has once more, so that what was not touched lately is evicted. */
int evicted_push_out(const struct evicted *e);
/*
 * Checks all of the region, which is there in `generation`, writes every third page from `phase` on in another one, and
 * checks all again.
 */
int evicted_verify_and_write(struct evicted *e, uint64_t generation, size_t phase);
/* Waits for a child; 0 if it left with status 0. */
int evicted_reap(pid_t pid);
/* Has a page of [start, start + len) its frame? Asks Linux, not the library in between. */
bool evicted_is_resident(const void *page);

#endif
