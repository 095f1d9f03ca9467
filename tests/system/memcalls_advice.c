/* SPDX-License-Identifier: MIT */
/*
 * memcalls_advice.c - madvise, mlock, mincore and MAP_POPULATE.
 */
#include "memcalls.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)

static unsigned char *at(const struct region *region, size_t page) {
    return region->base + page * PAGE;
}

/* How many of nr pages are resident, or -1. */
static long nr_resident(unsigned char *start, size_t nr) {
    unsigned char *vec = malloc(nr);
    long count = 0;

    if (!vec || mincore(start, nr * PAGE, vec) != 0)
        return -1;
    for (size_t i = 0; i < nr; i++)
        count += vec[i] & 1;
    free(vec);
    return count;
}

int case_populate(void) {
    size_t n = 700;
    unsigned char *base = mmap(NULL, n * PAGE, RW, ANON | MAP_POPULATE, -1, 0);

    EXPECT(base != MAP_FAILED && nr_resident(base, n) == (long)n);
    EXPECT(pattern_not_zero(base, n * PAGE) == 0);
    base = mmap(NULL, n * PAGE, RW, ANON, -1, 0);
    EXPECT(base != MAP_FAILED && nr_resident(base, n) == 0);
    EXPECT(madvise(base, n * PAGE, MADV_POPULATE_WRITE) == 0 && nr_resident(base, n) == (long)n);
    EXPECT(mprotect(base, n * PAGE, PROT_READ) == 0);
    EXPECT_ERRNO(madvise(base, n * PAGE, MADV_POPULATE_WRITE), EINVAL);
    EXPECT(madvise(base, n * PAGE, MADV_POPULATE_READ) == 0);
    EXPECT(munmap(base + PAGE, PAGE) == 0);
    EXPECT_ERRNO(madvise(base, n * PAGE, MADV_POPULATE_READ), ENOMEM);

    /* More than there is room for is no error: what comes last stays. */
    struct region r = {mmap(NULL, case_pages * PAGE, RW, ANON | MAP_POPULATE, -1, 0), case_pages, 3};
    EXPECT(r.base != MAP_FAILED);
    region_fill(&r, 0);
    EXPECT(region_wrong(&r, 0) == 0);
    return 0;
}

int case_mincore(void) {
    size_t n = 1500;
    unsigned char *base = mmap(NULL, n * PAGE, RW, ANON, -1, 0), *vec;
    struct region evicted = region_map(case_pages, 40);

    EXPECT(base != MAP_FAILED);
    region_fill(&evicted, 0);
    for (size_t i = 0; i < n; i += 2)
        base[i * PAGE] = 1;
    /* The answer goes to memory that is itself evicted. */
    vec = evicted.base + 100;
    EXPECT(mincore(base, n * PAGE, vec) == 0);
    for (size_t i = 0; i < n; i += 2)
        EXPECT(vec[i] & 1);
    EXPECT(region_wrong_part(&evicted, 0, 1, evicted.pages - 1) == 0);
    EXPECT_ERRNO(mincore(base + 1, PAGE, vec), EINVAL);
    EXPECT(munmap(base + 8 * PAGE, PAGE) == 0);
    EXPECT_ERRNO(mincore(base, n * PAGE, vec), ENOMEM);
    EXPECT(mincore(base + 9 * PAGE, PAGE / 2, vec) == 0);
    return 0;
}

int case_advice(void) {
    static const int harmless[] = {MADV_NORMAL,   MADV_RANDOM,  MADV_SEQUENTIAL, MADV_WILLNEED,
                                   MADV_COLD,     MADV_PAGEOUT, MADV_DONTDUMP,   MADV_DODUMP,
                                   MADV_DONTFORK, MADV_DOFORK,  MADV_KEEPONFORK};
    struct region r = filled_region(12000);
    size_t piece = r.pages / 16;

    for (size_t i = 0; i < sizeof(harmless) / sizeof(*harmless); i++) {
        EXPECT(madvise(at(&r, i * piece + 3), (piece - 5) * PAGE, harmless[i]) == 0);
        EXPECT(region_wrong_part(&r, 0, i * piece, piece) == 0);
    }
    EXPECT(madvise(r.base, r.pages * PAGE, MADV_PAGEOUT) == 0);
    EXPECT(madvise(r.base, 64 * PAGE, MADV_WILLNEED) == 0);
    EXPECT(region_wrong(&r, 0) == 0);
    EXPECT(madvise(r.base, r.pages * PAGE, MADV_COLD) == 0);
    region_fill_part(&r, 1, 0, piece);
    EXPECT(push_out() == 0);
    EXPECT(region_wrong_part(&r, 1, 0, piece) == 0);

    /* A hole is said, and what is around it done. */
    EXPECT(munmap(at(&r, 50), PAGE) == 0);
    EXPECT_ERRNO(madvise(at(&r, 49), 3 * PAGE, MADV_DONTNEED), ENOMEM);
    EXPECT(pattern_not_zero(at(&r, 49), PAGE) == 0 && pattern_not_zero(at(&r, 51), PAGE) == 0);
    EXPECT(region_wrong_part(&r, 1, 48, 1) == 0 && region_wrong_part(&r, 1, 52, 1) == 0);

    /* Locked memory is not thrown away, unless that is said. */
    EXPECT(mlock(at(&r, 60), 3 * PAGE) == 0);
    EXPECT_ERRNO(madvise(at(&r, 60), 3 * PAGE, MADV_DONTNEED), EINVAL);
    EXPECT_ERRNO(madvise(at(&r, 60), 3 * PAGE, MADV_PAGEOUT), EINVAL);
    EXPECT(region_wrong_part(&r, 1, 60, 3) == 0);
    EXPECT(madvise(at(&r, 60), 3 * PAGE, MADV_DONTNEED_LOCKED) == 0);
    EXPECT(pattern_not_zero(at(&r, 60), 3 * PAGE) == 0);
    EXPECT(munlock(at(&r, 60), 3 * PAGE) == 0);
    EXPECT(madvise(at(&r, 60), 3 * PAGE, MADV_DONTNEED) == 0);
    return 0;
}

int case_fork_advice(void) {
    struct region r = filled_region(13000);
    size_t n = r.pages / 8;
    int status;
    pid_t child;

    EXPECT(madvise(at(&r, n), n * PAGE, MADV_DONTFORK) == 0);
    EXPECT(madvise(at(&r, 3 * n), n * PAGE, MADV_WIPEONFORK) == 0);
    EXPECT(madvise(at(&r, 5 * n), n * PAGE, MADV_DONTFORK) == 0);
    EXPECT(madvise(at(&r, 5 * n), n * PAGE, MADV_DOFORK) == 0);
    EXPECT(madvise(at(&r, 6 * n), n * PAGE, MADV_WIPEONFORK) == 0);
    EXPECT(madvise(at(&r, 6 * n), n * PAGE, MADV_KEEPONFORK) == 0);
    EXPECT(push_out() == 0);
    child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        bool right = touch_signal(at(&r, n), false) == SIGSEGV && touch_signal(at(&r, 2 * n - 1), false) == SIGSEGV &&
                     pattern_not_zero(at(&r, 3 * n), n * PAGE) == 0 && region_wrong_part(&r, 0, 0, n) == 0 &&
                     region_wrong_part(&r, 0, 2 * n, n) == 0 && region_wrong_part(&r, 0, 4 * n, r.pages - 4 * n) == 0;

        /* What the child did not get is free for something else. */
        right = right && mmap(at(&r, n), n * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == at(&r, n);
        region_fill_part(&r, 1, n, n);
        region_fill_part(&r, 1, 3 * n, n);
        right =
            right && push_out() == 0 && region_wrong_part(&r, 1, n, n) == 0 && region_wrong_part(&r, 1, 3 * n, n) == 0;
        _exit(right ? 0 : 1);
    }
    EXPECT(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT(region_wrong(&r, 0) == 0);
    /* Linux knows as well, for a fork that no library sees. */
    EXPECT(touch_signal(at(&r, n), false) == 0);
    child = (pid_t)syscall(SYS_fork);
    if (child == 0)
        _exit(touch_signal(at(&r, n), false) == SIGSEGV ? 0 : 1);
    EXPECT(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT(munmap(r.base, r.pages * PAGE) == 0);
    return 0;
}

int case_mlockall(void) {
    unsigned char *small, *future;
    size_t n = 300;

    small = mmap(NULL, n * PAGE, RW, ANON, -1, 0);
    EXPECT(small != MAP_FAILED);
    EXPECT_ERRNO(mlockall(0), EINVAL);
    EXPECT_ERRNO(mlockall(MCL_ONFAULT), EINVAL);
    EXPECT(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
    EXPECT(nr_resident(small, n) == (long)n);
    future = mmap(NULL, n * PAGE, RW, ANON, -1, 0);
    EXPECT(future != MAP_FAILED && nr_resident(future, n) == (long)n);
    EXPECT(munlockall() == 0);

    /* Locked pages stay while others go; unlocked ones may go. */
    EXPECT(mlock(small, n * PAGE) == 0);
    EXPECT(push_out() == 0);
    EXPECT(nr_resident(small, n) == (long)n);
    EXPECT(munlock(small, n * PAGE) == 0);
    EXPECT(mlock2(future, n * PAGE, MLOCK_ONFAULT) == 0 && munlock(future + PAGE, PAGE) == 0);
    EXPECT(munmap(future, n * PAGE) == 0);
    return 0;
}
