/* SPDX-License-Identifier: MIT */
/*
 * evicted.c - does one thing to memory that is mostly evicted, and checks every byte.
 *
 *     evicted CASE MIB DIRECTORY
 *
 * WEIR_TEST_SECONDS says how long the cases last that have no end of their own (60). Status 0: all bytes are right;
 * 1: not, with a line that says what; 77: the case cannot be tried here, with a line that says why.
 */
#include "evicted.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Fills memory, says READY, waits for a line and checks: for tests that do something to it from outside. */
static int case_hold(struct evicted *e) {
    char line[16];

    puts("READY");
    fflush(stdout);
    EXPECT(fgets(line, sizeof(line), stdin));
    EXPECT(region_wrong(&e->region, 0) == 0);
    puts("RIGHT");
    return 0;
}

/* The same, but goes on writing: what was damaged meanwhile must not come back as something else. */
static int case_rewrite(struct evicted *e) {
    char line[16];

    puts("READY");
    fflush(stdout);
    EXPECT(fgets(line, sizeof(line), stdin));
    for (uint64_t generation = 0; generation < 3; generation++)
        for (size_t i = 0; i < e->region.pages; i++) {
            EXPECT(region_wrong_part(&e->region, generation, i, 1) == 0);
            region_fill_part(&e->region, generation + 1, i, 1);
        }
    EXPECT(region_wrong(&e->region, 3) == 0);
    puts("RIGHT");
    return 0;
}

static const struct {
    const char *name;
    int (*run)(struct evicted *e);
} cases[] = {
    {"write", case_write},
    {"read", case_read},
    {"odirect", case_odirect},
    {"readv", case_readv},
    {"process_vm_readv", case_process_vm_readv},
    {"dontneed", case_dontneed},
    {"madv_free", case_madv_free},
    {"mremap", case_mremap},
    {"mprotect", case_mprotect},
    {"mlock", case_mlock},
    {"munlock", case_munlock},
    {"munmap_middle", case_munmap_middle},
    {"cold", case_cold},
    {"fork", case_fork},
    {"vfork_exec", case_vfork_exec},
    {"close_range", case_close_range},
    {"daemon", case_daemon},
    {"setuid_fork", case_setuid_fork},
    {"fork_elsewhere", case_fork_elsewhere},
    {"credentials", case_credentials},
    {"capabilities", case_capabilities},
    {"file_fork", case_file_fork},
    {"fork_many", case_fork_many},
    {"fork_storm", case_fork_storm},
    {"fork_signals", case_fork_signals},
    {"fork_unmapped", case_fork_unmapped},
    {"fork_keys", case_fork_keys},
    {"fork_names", case_fork_names},
    {"fork_limit", case_fork_without_descriptors},
    {"by_number", case_by_number},
    {"raw_fork", case_raw_fork},
    {"clone_thread", case_clone_thread},
    {"threads64", case_threads64},
    {"robust_mutex", case_robust_mutex},
    {"write_race", case_write_race},
    {"hold", case_hold},
    {"rewrite", case_rewrite},
};

int evicted_open(const struct evicted *e, const char *name, int flags) {
    char path[512];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", e->dir, name);
    fd = open(path, flags | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        perror(path);
    return fd;
}

int evicted_push_out(const struct evicted *e) {
    struct region other = region_map(e->region.pages, 0x70757368);

    region_fill(&other, 0);
    EXPECT(region_wrong(&other, 0) == 0);
    EXPECT(munmap(other.base, other.pages * PATTERN_PAGE) == 0);
    return 0;
}

bool evicted_is_resident(const void *page) {
    uint64_t entry = 0;
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    off_t at = (off_t)((uintptr_t)page / PATTERN_PAGE * sizeof(entry));

    if (fd < 0 || pread(fd, &entry, sizeof(entry), at) != (ssize_t)sizeof(entry))
        perror("/proc/self/pagemap");
    if (fd >= 0)
        close(fd);
    return entry >> 63;
}

int main(int argc, char **argv) {
    const char *seconds = getenv("WEIR_TEST_SECONDS");
    struct evicted e = {.seconds = seconds ? atof(seconds) : 60};
    size_t pages;
    int status;

    if (argc == 6 && strcmp(argv[1], "outside") == 0)
        return outside_main(argv + 2);
    if (argc != 4 || (pages = (size_t)atol(argv[2]) * 256) < 256) {
        fprintf(stderr, "usage: evicted CASE MIB DIRECTORY\n");
        return 2;
    }
    e.dir = argv[3];
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (strcmp(cases[i].name, argv[1]) != 0)
            continue;
        e.heap = heap_create(pages / 4 * PATTERN_PAGE, 7);
        e.region = region_map(pages - pages / 4, 1000);
        region_fill(&e.region, 0);
        status = cases[i].run(&e);
        if (status == 0)
            status = heap_wrong(e.heap) != 0;
        return status;
    }
    fprintf(stderr, "evicted: no case named %s\n", argv[1]);
    return 2;
}
