/* SPDX-License-Identifier: MIT */
/*
 * memcalls.c - tries one system call on memory, with most of it evicted, and checks every byte.
 *
 *     memcalls CASE MIB
 *
 * Status 0: all is as on Linux; 1: not, with a line that says what.
 */
#include "memcalls.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

size_t case_pages;

static const struct {
    const char *name;
    int (*run)(void);
} cases[] = {
    {"errno", case_errno},
    {"fixed", case_fixed},
    {"foreign", case_foreign},
    {"exec", case_exec},
    {"reservation", case_reservation},
    {"populate", case_populate},
    {"mremap_fixed", case_mremap_fixed},
    {"mremap_out", case_mremap_out},
    {"many", case_many},
    {"advice", case_advice},
    {"fork_advice", case_fork_advice},
    {"mlockall", case_mlockall},
    {"mincore", case_mincore},
    {"random", case_random},
};

int push_out(void) {
    struct region other = region_map(case_pages, 0x70757368);

    region_fill(&other, 0);
    EXPECT(region_wrong(&other, 0) == 0);
    EXPECT(munmap(other.base, other.pages * PAGE) == 0);
    return 0;
}

struct region filled_region(uint64_t seed) {
    struct region region = region_map(case_pages, seed);

    region_fill(&region, 0);
    if (push_out() != 0)
        exit(1);
    return region;
}

static sigjmp_buf fault_return;

static void on_fault(int signo) {
    siglongjmp(fault_return, signo);
}

int touch_signal(void *byte, bool write) {
    struct sigaction action = {.sa_handler = on_fault}, old_segv, old_bus;
    int signo;

    sigaction(SIGSEGV, &action, &old_segv);
    sigaction(SIGBUS, &action, &old_bus);
    signo = sigsetjmp(fault_return, 1);
    if (signo == 0) {
        if (write)
            *(volatile unsigned char *)byte = 1;
        else
            (void)*(volatile unsigned char *)byte;
    }
    sigaction(SIGSEGV, &old_segv, NULL);
    sigaction(SIGBUS, &old_bus, NULL);
    return signo;
}

int filled_file(size_t pages, uint64_t seed) {
    unsigned char page[PATTERN_PAGE];
    int fd = memfd_create("memcalls", MFD_CLOEXEC);

    for (size_t i = 0; i < pages; i++) {
        pattern_fill(page, seed + i, 7);
        if (write(fd, page, PAGE) != (ssize_t)PAGE) {
            perror("memfd");
            return -1;
        }
    }
    return fd;
}

int main(int argc, char **argv) {
    if (argc != 3 || (case_pages = (size_t)atol(argv[2]) * 256) < 4096) {
        fprintf(stderr, "usage: memcalls CASE MIB, of which at least 16\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        if (strcmp(cases[i].name, argv[1]) == 0)
            return cases[i].run();
    fprintf(stderr, "memcalls: no case named %s\n", argv[1]);
    return 2;
}
