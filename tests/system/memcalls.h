/* SPDX-License-Identifier: MIT */
/*
 * memcalls.h - what the cases of the program `memcalls` share: mmap(2) and its relatives, call by call and errno by
 * errno, on memory several times the budget. Everything in them holds on Linux as well, without weir.
 */
#ifndef TESTS_SYSTEM_MEMCALLS_H
#define TESTS_SYSTEM_MEMCALLS_H

#include "pattern.h"

#include <errno.h>
#include <stdio.h>

#define PAGE PATTERN_PAGE

/* Ends the case as failed, saying what did not hold. */
#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: does not hold: %s (errno %m)\n", __FILE__, __LINE__, #condition);                  \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)
/* The call fails and says so. */
#define EXPECT_ERRNO(call, number)                                                                                     \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        EXPECT((long)(call) == -1 && errno == (number));                                                               \
    } while (0)

/* A region of this many pages, filled in generation 0, and by the time it is back mostly evicted. */
extern size_t case_pages;
struct region filled_region(uint64_t seed);
/* Touches so much other memory that what was not touched lately is evicted. */
int push_out(void);
/* The signal that a touch of this byte raises; 0 if it goes through. */
int touch_signal(void *byte, bool write);
/* A file with `pages` pages, page i filled with index seed + i, generation 7; its descriptor, or -1. */
int filled_file(size_t pages, uint64_t seed);

/* Each returns 0 or 1. */
int case_errno(void);
int case_fixed(void);
int case_foreign(void);
int case_exec(void);
int case_reservation(void);
int case_populate(void);
int case_mremap_fixed(void);
int case_mremap_out(void);
int case_many(void);
int case_advice(void);
int case_fork_advice(void);
int case_mlockall(void);
int case_mincore(void);
int case_random(void);

#endif
