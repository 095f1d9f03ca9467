/* SPDX-License-Identifier: MIT */
/*
 * evicted_process.c - new processes and closed descriptors, while memory is evicted.
 */
#include "evicted.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILES 200

int evicted_verify_and_write(struct evicted *e, uint64_t generation, size_t phase) {
    EXPECT(region_wrong(&e->region, generation) == 0);
    for (size_t i = phase; i < e->region.pages; i += 3)
        region_fill_part(&e->region, generation + 1 + phase, i, 1);
    for (size_t i = 0; i < e->region.pages; i++)
        EXPECT(region_wrong_part(&e->region, i % 3 == phase ? generation + 1 + phase : generation, i, 1) == 0);
    EXPECT(heap_wrong(e->heap) == 0);
    return 0;
}

int evicted_reap(pid_t pid) {
    int status;

    while (waitpid(pid, &status, 0) < 0)
        EXPECT(errno == EINTR);
    EXPECT(WIFEXITED(status));
    EXPECT(WEXITSTATUS(status) == 0);
    return 0;
}

/* A child and its own child, all three writing at the same time. */
int case_fork(struct evicted *e) {
    pid_t child = fork(), grandchild;

    EXPECT(child >= 0);
    if (child == 0) {
        grandchild = fork();
        if (grandchild == 0)
            _exit(evicted_verify_and_write(e, 0, 2));
        _exit(grandchild < 0 || evicted_verify_and_write(e, 0, 1) || evicted_reap(grandchild));
    }
    EXPECT(evicted_verify_and_write(e, 0, 0) == 0);
    EXPECT(evicted_reap(child) == 0);
    /* Again: pages that the first fork left shared, and those swapped out before it. */
    region_fill(&e->region, 5);
    child = fork();
    EXPECT(child >= 0);
    if (child == 0)
        _exit(evicted_verify_and_write(e, 5, 1));
    EXPECT(evicted_verify_and_write(e, 5, 2) == 0);
    EXPECT(evicted_reap(child) == 0);
    /* Many that leave at once. */
    for (int i = 0; i < 30; i++) {
        child = fork();
        EXPECT(child >= 0);
        if (child == 0)
            _exit(region_wrong_part(&e->region, 5, (size_t)i * 3, 1) != 0);
        EXPECT(evicted_reap(child) == 0);
    }
    return 0;
}

int case_vfork_exec(struct evicted *e) {
    /* The program's name and arguments are read by the kernel from evicted memory. */
    char *text = (char *)e->region.base;
    char **argv = (char **)(void *)(e->region.base + 64 * PATTERN_PAGE);
    pid_t pid;
    int status;

    strcpy(text, "/bin/sh");
    strcpy(text + PATTERN_PAGE, "-c");
    strcpy(text + 2 * PATTERN_PAGE, "exit 7");
    argv[0] = text;
    argv[1] = text + PATTERN_PAGE;
    argv[2] = text + 2 * PATTERN_PAGE;
    argv[3] = NULL;
    EXPECT(evicted_push_out(e) == 0);
    pid = vfork();
    if (pid == 0) {
        execv(argv[0], argv);
        _exit(126);
    }
    EXPECT(pid > 0);
    EXPECT(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7);

    EXPECT(evicted_push_out(e) == 0);
    EXPECT(posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) == 0);
    EXPECT(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7);
    EXPECT(WEXITSTATUS(system("exit 9")) == 9); /* NOLINT: what is wanted is just what system(3) does */

    region_fill_part(&e->region, 0, 0, 65);
    EXPECT(region_wrong(&e->region, 0) == 0);
    return 0;
}

int case_close_range(struct evicted *e) {
    EXPECT(region_wrong(&e->region, 0) == 0);
    if (syscall(SYS_close_range, 3, ~0U, 0) != 0) {
        printf("close_range: %m\n");
        return CASE_SKIPPED;
    }
    EXPECT(region_wrong(&e->region, 0) == 0);
    EXPECT(heap_wrong(e->heap) == 0);
    region_fill(&e->region, 1);
    EXPECT(region_wrong(&e->region, 1) == 0);
    /* As programs did before there was close_range. */
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    region_fill(&e->region, 2);
    EXPECT(region_wrong(&e->region, 2) == 0);
    EXPECT(evicted_verify_and_write(e, 2, 1) == 0);
    return 0;
}

/* The parent is gone when the daemon checks; its verdict is in the file `daemon`. */
int case_daemon(struct evicted *e) {
    int fd = evicted_open(e, "daemon", O_WRONLY), bad;

    EXPECT(fd >= 0);
    if (daemon(1, 1) != 0)
        return 1;
    sleep(1);
    bad = evicted_verify_and_write(e, 0, 0);
    if (!bad)
        bad = evicted_push_out(e);
    for (size_t i = 0; i < e->region.pages && !bad; i++)
        bad = region_wrong_part(&e->region, i % 3 == 0 ? 1 : 0, i, 1) != 0;
    if (dprintf(fd, "%s\n", bad ? "WRONG" : "RIGHT") < 0)
        return 1;
    return bad;
}

/* Wherever the swap directory is by now, and however far out of reach: children have files of their own. */
int case_fork_elsewhere(struct evicted *e) {
    const char *swap = getenv("EVICTED_SWAP");
    char other[256], root[256];
    pid_t child;

    if (!swap) {
        puts("there is no swap directory");
        return CASE_SKIPPED;
    }
    snprintf(other, sizeof(other), "%s-elsewhere", swap);
    snprintf(root, sizeof(root), "%s/root", e->dir);
    EXPECT(mkdir(root, 0700) == 0);
    for (int step = 0; step < 3; step++) {
        if (step == 0)
            EXPECT(rename(swap, other) == 0);
        else if (step == 1)
            EXPECT(rmdir(other) == 0);
        else if (getuid() == 0)
            EXPECT(chroot(root) == 0 && chdir("/") == 0);
        child = fork();
        EXPECT(child >= 0);
        if (child == 0)
            _exit(evicted_verify_and_write(e, 0, 1));
        EXPECT(evicted_reap(child) == 0);
    }
    EXPECT(evicted_verify_and_write(e, 0, 0) == 0);
    return 0;
}

/* Streams opened before fork, their buffers and the FILEs themselves evicted, are used on both sides after it. */
int case_file_fork(struct evicted *e) {
    static const char right[] = "before\nchild\nbefore\nparent\n";
    FILE *files[FILES];
    char name[24], text[64];
    pid_t child;

    for (int i = 0; i < FILES; i++) {
        int fd;

        snprintf(name, sizeof(name), "file%d", i);
        fd = evicted_open(e, name, O_RDWR);
        EXPECT(fd >= 0 && (files[i] = fdopen(fd, "w+")));
        EXPECT(fputs("before\n", files[i]) >= 0);
    }
    EXPECT(evicted_push_out(e) == 0);
    child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        int bad = 0;

        for (int i = 0; i < FILES; i++)
            bad |= fputs("child\n", files[i]) < 0 || fclose(files[i]) != 0;
        _exit(bad || region_wrong(&e->region, 0) || heap_wrong(e->heap));
    }
    EXPECT(evicted_reap(child) == 0);
    for (int i = 0; i < FILES; i++) {
        EXPECT(fputs("parent\n", files[i]) >= 0);
        EXPECT(fflush(files[i]) == 0);
        rewind(files[i]);
        memset(text, 0, sizeof(text));
        EXPECT(fread(text, 1, sizeof(text) - 1, files[i]) == sizeof(right) - 1);
        EXPECT(strcmp(text, right) == 0);
        EXPECT(fclose(files[i]) == 0);
    }
    EXPECT(region_wrong(&e->region, 0) == 0);
    return 0;
}

/* While nothing is evicted that was not before. */
int case_fork_many(struct evicted *e) {
    for (size_t i = 0; i < 300; i++) {
        pid_t pid = fork();

        if (pid == 0)
            _exit(region_wrong_part(&e->region, 0, i * 7 % e->region.pages, 1) != 0);
        EXPECT(pid > 0);
        EXPECT(evicted_reap(pid) == 0);
    }
    return 0;
}
