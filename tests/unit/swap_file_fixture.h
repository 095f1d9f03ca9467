/* SPDX-License-Identifier: MIT */
/*
 * swap_file_fixture.h - what the tests of swapdev/file.h share: a swap file in a folder of its own, of which it is
 * known what was written to each slot and how often it was reported.
 */
#ifndef TESTS_SWAP_FILE_FIXTURE_H
#define TESTS_SWAP_FILE_FIXTURE_H

#include "swapdev/file.h"
#include "tests/unit/swap_pages.h"

#define MIB ((uint64_t)1 << 20)
#define MAX_BYTES (64 * MIB)
#define NR_SLOTS (MAX_BYTES / PAGE_SIZE)
#define SECOND_NS 1000000000u

struct swap_file_fixture {
    unsigned flags;
    struct fake *fake; /* for its locks */
    char dir[32];
    bool mounted;
    void *memory;
    struct swap_file *file;
    char *pages;                 /* a buffer of 256 */
    uint64_t seeds[NR_SLOTS];    /* what was written last; 0: nothing */
    unsigned reported[NR_SLOTS]; /* by swap_file_done(), of those written and not yet reported */
    unsigned nr_written, nr_reported, nr_failed;
    bool failed[NR_SLOTS];
};

/* For cmocka; the flags come in *state. With a folder only, or with a file of NR_SLOTS as well. */
int swap_file_setup_dir(void **state);
int swap_file_setup(void **state);
int swap_file_teardown(void **state);

/* A test by name, once for each set of flags, which stand in the name of the fact. */
#define TEST_AFTER(name, setup, flags)                                                                                 \
    { #name " [" #flags "]", name, setup, swap_file_teardown, (void *)(uintptr_t)(flags) }
#define TEST(name, flags) TEST_AFTER(name, swap_file_setup, flags)
#define BOTH(name) TEST(name, 0), TEST(name, SWAP_FILE_NO_URING)
#define ALL(name) BOTH(name), TEST(name, SWAP_FILE_NO_DIRECT | SWAP_FILE_NO_TMPFILE | SWAP_FILE_NO_FALLOCATE)
#define TEST_DIRECTORY(name, flags) TEST_AFTER(name, swap_file_setup_dir, flags)
#define BOTH_DIRECTORY(name) TEST_DIRECTORY(name, 0), TEST_DIRECTORY(name, SWAP_FILE_NO_URING)

void *map_memory(size_t bytes);
void open_file(struct swap_file_fixture *f, uint64_t max_bytes);
/* What the swap file calls for each page written; arg: the fixture. */
void swap_file_done(void *arg, uint32_t offset, void *cookie, enum mm_status status);

enum mm_status write_slot(struct swap_file_fixture *f, uint32_t offset, uint64_t seed);
/* Until nothing is under way. */
void finish_writes(struct swap_file_fixture *f);
void assert_page(const void *bytes, uint64_t seed);
/* Reads the slots in one call and compares them. */
void assert_slots(struct swap_file_fixture *f, const uint32_t *offsets, unsigned nr);
void assert_slot(struct swap_file_fixture *f, uint32_t offset);
struct swap_file_stats stats_of(struct swap_file_fixture *f);

#endif
