/* SPDX-License-Identifier: MIT */
/*
 * embed_host.h - a host of the memory manager, in one process: its machine, with one program whose page table is an
 * array, and a disk to swap to.
 */
#ifndef TESTS_SYSTEM_EMBED_HOST_H
#define TESTS_SYSTEM_EMBED_HOST_H

#include <stdio.h>
#include <stdlib.h>

#include <weir/mm.h>

#define PAGE WEIR_PAGE_SIZE
#define BLOCK 512u /* frames of a pageblock */
#define FRAMES (8 * BLOCK)
#define DISK_PAGES 4096u
#define SPACE ((uintptr_t)1 << 40)
#define SPACE_PAGES 4096u
#define ADDRESS(page) (SPACE + (page) * (uintptr_t)PAGE)

/* Ends the program, saying what did not hold. */
#define EXPECT(what)                                                                                                   \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #what);                                                  \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

extern char ram[(FRAMES + BLOCK) * PAGE];
extern const struct weir_platform platform;
/* The machine, of FRAMES frames and a pageblock that is not there yet, and its program with SPACE_PAGES pages. */
extern struct weir_machine *m;
extern struct weir_mm *mm;
extern struct weir_task program;
extern uint64_t clock_ns;
/* Whether the disk gives an error for what is read. */
extern bool read_fails;

void host_boot(void);
/* Forgets the program and checks the machine. */
void host_finish(void);

/* Pages of the program are named by their numbers. Touches one for writing until it is there, or cannot be. */
enum weir_fault_result fault(unsigned page);
/* The first bytes of a page that must not be lost. */
unsigned *touch(unsigned page);
/* Writes something of its own to each page below end, and tells whether it is there. */
void fill(unsigned end);
bool is_whole(unsigned end);
/* A new swap area on the disk. */
unsigned swap_on(void);

#endif
