/* SPDX-License-Identifier: MIT */
/*
 * evicted_numbers.c - system calls made by number, and processes and threads made by clone(2), past libc.
 */
#include "evicted.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#define CHILD_STACK ((size_t)64 << 10)

int case_by_number(struct evicted *e) {
    unsigned char *base = e->region.base, *to, vec[16];
    size_t half = e->region.pages / 2, bytes = half * PATTERN_PAGE;
    struct region moved = {.pages = half, .seed = e->region.seed + half};
    void *fresh;

    EXPECT(syscall(SYS_madvise, base, bytes, MADV_DONTNEED) == 0);
    EXPECT(pattern_not_zero(base, bytes) == 0);
    EXPECT(syscall(SYS_mprotect, base + bytes, bytes, PROT_READ) == 0);
    EXPECT(syscall(SYS_mprotect, base + bytes, bytes, PROT_READ | PROT_WRITE) == 0);

    to = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    EXPECT(to != MAP_FAILED);
    moved.base = (void *)syscall(SYS_mremap, base + bytes, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to);
    EXPECT(moved.base == to);
    EXPECT(region_wrong(&moved, 0) == 0);
    EXPECT(syscall(SYS_mlock, to, 16 * PATTERN_PAGE) == 0);
    EXPECT(evicted_push_out(e) == 0);
    EXPECT(syscall(SYS_mincore, to, sizeof(vec) * PATTERN_PAGE, vec) == 0);
    for (size_t i = 0; i < sizeof(vec); i++)
        EXPECT(vec[i] & 1);
    EXPECT(syscall(SYS_munmap, to, bytes) == 0);
    EXPECT(syscall(SYS_mincore, to, PATTERN_PAGE, vec) == -1 && errno == ENOMEM);

    fresh =
        (void *)syscall(SYS_mmap, base, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    EXPECT(fresh == base);
    e->region.pages = half;
    region_fill(&e->region, 1);
    EXPECT(region_wrong(&e->region, 1) == 0);
    return 0;
}

/* In the child: is all there, and stays so while it is written? */
static int is_whole(const struct evicted *e) {
    return evicted_verify_and_write((struct evicted *)e, 0, 1) == 0 && heap_wrong(e->heap) == 0 ? 0 : 1;
}

static int run_is_whole(void *e) {
    return is_whole(e);
}

/* Linux writes the child's id into a page that is out, or has never been touched. */
static int ids_arrive(struct evicted *e, pid_t *parents, pid_t *childs) {
    long pid;

    EXPECT(evicted_push_out(e) == 0);
    pid = syscall(SYS_clone, SIGCHLD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID, 0, parents, childs, 0);
    if (pid == 0) {
        if (*childs != getpid() || madvise(childs, PATTERN_PAGE, MADV_DONTNEED) != 0)
            _exit(1);
        _exit(*childs != 0);
    }
    EXPECT(pid > 0);
    EXPECT(evicted_reap((pid_t)pid) == 0);
    EXPECT(*parents == pid);
    return 0;
}

int case_raw_fork(struct evicted *e) {
    struct clone_args args = {.exit_signal = SIGCHLD};
    unsigned char *stack = malloc(CHILD_STACK);
    struct region fresh = region_map(1024, 0);
    long pid;

    for (int i = 0; i < 3; i++) {
        pid = i == 0   ? syscall(SYS_fork)
              : i == 1 ? syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)
                       : syscall(SYS_clone3, &args, sizeof(args));
        if (pid == 0)
            _exit(is_whole(e));
        EXPECT(pid > 0);
        EXPECT(evicted_reap((pid_t)pid) == 0);
    }

    EXPECT(stack);
    pid = clone(run_is_whole, stack + CHILD_STACK, SIGCHLD, e);
    EXPECT(pid > 0);
    EXPECT(evicted_reap((pid_t)pid) == 0);
    free(stack);
    EXPECT(region_wrong(&e->region, 0) == 0);

    region_fill_part(&fresh, 0, 0, 1);
    EXPECT(ids_arrive(e, (pid_t *)(void *)e->region.base, (pid_t *)(void *)(e->region.base + PATTERN_PAGE)) == 0);
    EXPECT(ids_arrive(e, (pid_t *)(void *)e->region.base, (pid_t *)(void *)(fresh.base + 200 * PATTERN_PAGE)) == 0);
    EXPECT(region_wrong_part(&e->region, 0, 1, e->region.pages - 1) == 0);
    return 0;
}

static int do_nothing(void *arg) {
    (void)arg;
    return 0;
}

/* Linux says that a thread has ended by clearing a word, when no fault of that thread can be served any more. */
int case_clone_thread(struct evicted *e) {
    const int flags =
        CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID;
    unsigned char *stack = mmap(NULL, CHILD_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    volatile pid_t *word = (volatile pid_t *)(void *)e->region.base;

    EXPECT(stack != MAP_FAILED);
    for (int round = 0; round < 4; round++) {
        *word = 1;
        EXPECT(evicted_push_out(e) == 0);
        EXPECT(clone(do_nothing, stack + CHILD_STACK, flags, NULL, NULL, NULL, word) > 0);
        for (int i = 0; *word != 0; i++) {
            EXPECT(i < 5000);
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
    }
    EXPECT(region_wrong_part(&e->region, 0, 1, e->region.pages - 1) == 0);
    return 0;
}
