/* SPDX-License-Identifier: MIT */
/*
 * evicted_calls.c - system calls that read from and write to evicted memory.
 */
#include "evicted.h"

#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK ((size_t)1 << 20)

/* A page that the tests of files read into: the program's own data segment. */
static unsigned char buffer[PATTERN_PAGE] __attribute__((aligned(4096)));

/* Are the first `pages` pages of the file those of the region? */
static int file_matches(int fd, const struct region *region, uint64_t generation, size_t pages) {
    for (size_t i = 0; i < pages; i++) {
        EXPECT(pread(fd, buffer, PATTERN_PAGE, (off_t)(i * PATTERN_PAGE)) == (ssize_t)PATTERN_PAGE);
        EXPECT(pattern_wrong(buffer, region->seed + i, generation) == 0);
    }
    return 0;
}

/* Writes a file of the region's pages in another generation without going through the region. */
static int file_make(int fd, const struct region *region, uint64_t generation) {
    for (size_t i = 0; i < region->pages; i++) {
        pattern_fill(buffer, region->seed + i, generation);
        EXPECT(pwrite(fd, buffer, PATTERN_PAGE, (off_t)(i * PATTERN_PAGE)) == (ssize_t)PATTERN_PAGE);
    }
    return 0;
}

int case_write(struct evicted *e) {
    size_t bytes = e->region.pages * PATTERN_PAGE, at = 0;
    /* An odd size, so that pieces begin and end within pages. */
    size_t piece = CHUNK + 1234;
    int fd = evicted_open(e, "write", O_RDWR);

    EXPECT(fd >= 0);
    while (at < bytes) {
        ssize_t n = write(fd, e->region.base + at, bytes - at < piece ? bytes - at : piece);

        EXPECT(n > 0);
        at += (size_t)n;
    }
    EXPECT(file_matches(fd, &e->region, 0, e->region.pages) == 0);
    EXPECT(region_wrong(&e->region, 0) == 0);
    close(fd);
    return 0;
}

int case_read(struct evicted *e) {
    size_t bytes = e->region.pages * PATTERN_PAGE, at = 0, piece = CHUNK + 1234;
    int fd = evicted_open(e, "read", O_RDWR), ends[2];

    EXPECT(fd >= 0);
    EXPECT(file_make(fd, &e->region, 1) == 0);
    while (at < bytes) {
        ssize_t n = read(fd, e->region.base + at, bytes - at < piece ? bytes - at : piece);

        EXPECT(n > 0);
        at += (size_t)n;
    }
    EXPECT(region_wrong(&e->region, 1) == 0);

    /* recv() that arrives in evicted memory. */
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    for (size_t i = 0; i < e->region.pages; i += 3) {
        pattern_fill(buffer, e->region.seed + i, 2);
        EXPECT(send(ends[0], buffer, PATTERN_PAGE, 0) == (ssize_t)PATTERN_PAGE);
        EXPECT(recv(ends[1], e->region.base + i * PATTERN_PAGE, PATTERN_PAGE, MSG_WAITALL) == (ssize_t)PATTERN_PAGE);
    }
    for (size_t i = 0; i < e->region.pages; i++)
        EXPECT(region_wrong_part(&e->region, i % 3 == 0 ? 2 : 1, i, 1) == 0);
    close(fd);
    return 0;
}

int case_odirect(struct evicted *e) {
    size_t bytes = e->region.pages * PATTERN_PAGE, at = 0;
    int fd = evicted_open(e, "odirect", O_RDWR | O_DIRECT), plain;

    if (fd < 0) {
        printf("the file system of %s has no O_DIRECT\n", e->dir);
        return CASE_SKIPPED;
    }
    while (at < bytes) {
        ssize_t n = pwrite(fd, e->region.base + at, bytes - at < CHUNK ? bytes - at : CHUNK, (off_t)at);

        EXPECT(n > 0);
        at += (size_t)n;
    }
    EXPECT(file_matches(fd, &e->region, 0, e->region.pages) == 0);

    plain = evicted_open(e, "plain", O_RDWR);
    EXPECT(plain >= 0 && file_make(plain, &e->region, 1) == 0 && fsync(plain) == 0);
    EXPECT(fcntl(plain, F_SETFL, O_DIRECT) == 0);
    for (at = 0; at < bytes;) {
        ssize_t n = pread(plain, e->region.base + at, bytes - at < CHUNK ? bytes - at : CHUNK, (off_t)at);

        EXPECT(n > 0);
        at += (size_t)n;
    }
    EXPECT(region_wrong(&e->region, 1) == 0);
    close(fd);
    close(plain);
    return 0;
}

int case_readv(struct evicted *e) {
    struct iovec pieces[IOV_MAX];
    size_t pages = e->region.pages;
    int fd = evicted_open(e, "readv", O_RDWR);
    size_t offset = 0;

    EXPECT(fd >= 0 && file_make(fd, &e->region, 3) == 0);
    /* Each vector takes pages far apart, half a page at a time. */
    for (size_t first = 0; first < 64; first++) {
        size_t nr = 0, total = 0;

        for (size_t i = first; i < pages && nr < IOV_MAX - 1; i += 64) {
            unsigned char *page = e->region.base + i * PATTERN_PAGE;

            pieces[nr++] = (struct iovec){page, PATTERN_PAGE / 2};
            pieces[nr++] = (struct iovec){page + PATTERN_PAGE / 2, PATTERN_PAGE / 2};
            total += PATTERN_PAGE;
        }
        EXPECT(preadv(fd, pieces, (int)nr, (off_t)offset) == (ssize_t)total);
        for (size_t i = 0; i < nr / 2; i++) {
            size_t from = offset / PATTERN_PAGE + i;

            EXPECT(pattern_wrong(pieces[2 * i].iov_base, e->region.seed + from, 3) == 0);
        }
        EXPECT(pwritev(fd, pieces, (int)nr, (off_t)offset) == (ssize_t)total);
        offset += total;
    }
    EXPECT(file_matches(fd, &e->region, 3, offset / PATTERN_PAGE) == 0);
    /* All that was read in is still there when the last of it has come. */
    for (size_t first = 0, from = 0; first < 64; first++)
        for (size_t i = first; i < pages && i / 64 < IOV_MAX / 2; i += 64)
            EXPECT(pattern_wrong(e->region.base + i * PATTERN_PAGE, e->region.seed + from++, 3) == 0);
    close(fd);
    return 0;
}

int outside_main(char **argv) {
    pid_t pid = (pid_t)atol(argv[0]);
    uintptr_t address = strtoul(argv[1], NULL, 16);
    size_t pages = strtoul(argv[2], NULL, 10);
    uint64_t seed = strtoull(argv[3], NULL, 10);

    for (size_t i = 0; i < pages; i++) {
        struct iovec here = {buffer, PATTERN_PAGE};
        struct iovec there = {(void *)(address + i * PATTERN_PAGE), PATTERN_PAGE}; /* NOLINT: another's address */

        EXPECT(process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)PATTERN_PAGE);
        EXPECT(pattern_wrong(buffer, seed + i, 0) == 0);
        if (i % 5 == 0) {
            pattern_fill(buffer, seed + i, 1);
            EXPECT(process_vm_writev(pid, &here, 1, &there, 1, 0) == (ssize_t)PATTERN_PAGE);
        }
    }
    return 0;
}

/* The other process starts with an empty environment: nothing is preloaded there, it is an outsider. */
int case_process_vm_readv(struct evicted *e) {
    char self[PATH_MAX], pid_text[24], address[24], pages[24], seed[24];
    char *argv[] = {self, (char *)"outside", pid_text, address, pages, seed, NULL}, *environment[] = {NULL};
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    pid_t pid;
    int status;

    EXPECT(len > 0);
    self[len] = '\0';
    snprintf(pid_text, sizeof(pid_text), "%d", (int)getpid());
    snprintf(address, sizeof(address), "%lx", (unsigned long)e->region.base);
    snprintf(pages, sizeof(pages), "%zu", e->region.pages);
    snprintf(seed, sizeof(seed), "%llu", (unsigned long long)e->region.seed);
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    EXPECT(posix_spawn(&pid, self, NULL, NULL, argv, environment) == 0);
    EXPECT(waitpid(pid, &status, 0) == pid);
    EXPECT(status == 0);
    for (size_t i = 0; i < e->region.pages; i++)
        EXPECT(region_wrong_part(&e->region, i % 5 == 0, i, 1) == 0);
    return 0;
}
