/* SPDX-License-Identifier: MIT */
/*
 * file_machine.h - what the tests of file pages share: a simulated machine with one file, and what is done to it.
 */
#ifndef TESTS_FILE_MACHINE_H
#define TESTS_FILE_MACHINE_H

#include "mm/filemap.h"
#include "tests/unit/sim_pages.h"

extern struct sim *sim;
extern struct machine *m;
extern struct sim_file *file;

/* For cmocka. The file's disk answers at once, or after a millisecond. */
int file_machine_boot(void **state);
int file_machine_boot_slow(void **state);
int file_machine_finish(void **state);

#define FAST(test) cmocka_unit_test_setup_teardown(test, file_machine_boot, file_machine_finish)
#define SLOW(test) cmocka_unit_test_setup_teardown(test, file_machine_boot_slow, file_machine_finish)

uint64_t read_word(uint32_t index);
void write_word(uint32_t index, uint64_t value);
/* Reads through a mapping. */
void touch(uint32_t index);
/* The page at index; the cache's reference keeps it. */
struct page *page_at(uint32_t index);
/* What shrink_page_list() makes of the page: freed, or back on a list. */
unsigned long shrink_one(struct page *page, struct scan_control *sc);

#endif
