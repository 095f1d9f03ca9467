/* SPDX-License-Identifier: MIT */
/*
 * evicted_process.c - new processes, new identities and closed descriptors, while memory is evicted.
 */
#include "evicted.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534
#define FILES 200

/*
 * Checks all that is there in `generation`, writes every third page from `phase` on in the next one, and checks all
 * again.
 */
static int verify_write_verify(struct evicted *e, uint64_t generation, size_t phase) {
    EXPECT(region_wrong(&e->region, generation) == 0);
    for (size_t i = phase; i < e->region.pages; i += 3)
        region_fill_part(&e->region, generation + 1 + phase, i, 1);
    for (size_t i = 0; i < e->region.pages; i++)
        EXPECT(region_wrong_part(&e->region, i % 3 == phase ? generation + 1 + phase : generation, i, 1) == 0);
    EXPECT(heap_wrong(e->heap) == 0);
    return 0;
}

/* Waits for the child; 0 if it left with status 0. */
static int reap(pid_t pid) {
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
            _exit(verify_write_verify(e, 0, 2));
        _exit(grandchild < 0 || verify_write_verify(e, 0, 1) || reap(grandchild));
    }
    EXPECT(verify_write_verify(e, 0, 0) == 0);
    EXPECT(reap(child) == 0);
    /* Again: pages that the first fork left shared, and those swapped out before it. */
    region_fill(&e->region, 5);
    child = fork();
    EXPECT(child >= 0);
    if (child == 0)
        _exit(verify_write_verify(e, 5, 1));
    EXPECT(verify_write_verify(e, 5, 2) == 0);
    EXPECT(reap(child) == 0);
    /* Many that leave at once. */
    for (int i = 0; i < 30; i++) {
        child = fork();
        EXPECT(child >= 0);
        if (child == 0)
            _exit(region_wrong_part(&e->region, 5, (size_t)i * 3, 1) != 0);
        EXPECT(reap(child) == 0);
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
    EXPECT(verify_write_verify(e, 2, 1) == 0);
    return 0;
}

/* The parent is gone when the daemon checks; its verdict is in the file `daemon`. */
int case_daemon(struct evicted *e) {
    int fd = evicted_open(e, "daemon", O_WRONLY), bad;

    EXPECT(fd >= 0);
    if (daemon(1, 1) != 0)
        return 1;
    sleep(1);
    bad = verify_write_verify(e, 0, 0);
    if (!bad)
        bad = evicted_push_out(e);
    for (size_t i = 0; i < e->region.pages && !bad; i++)
        bad = region_wrong_part(&e->region, i % 3 == 0 ? 1 : 0, i, 1) != 0;
    if (dprintf(fd, "%s\n", bad ? "WRONG" : "RIGHT") < 0)
        return 1;
    return bad;
}

int case_setuid_fork(struct evicted *e) {
    pid_t child;

    if (getuid() != 0) {
        puts("only root can become another user");
        return CASE_SKIPPED;
    }
    EXPECT(setgroups(0, NULL) == 0);
    EXPECT(setgid(NOBODY) == 0);
    EXPECT(setuid(NOBODY) == 0);
    child = fork();
    EXPECT(child >= 0);
    if (child == 0)
        _exit(verify_write_verify(e, 0, 1));
    EXPECT(verify_write_verify(e, 0, 0) == 0);
    EXPECT(reap(child) == 0);
    return 0;
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
            _exit(verify_write_verify(e, 0, 1));
        EXPECT(reap(child) == 0);
    }
    EXPECT(verify_write_verify(e, 0, 0) == 0);
    return 0;
}

/* Has each thread of this process these real, effective, saved and file system ids, and no groups but these? */
static int threads_are(const char *uids, const char *gids, const char *groups) {
    struct dirent *entry;
    DIR *tasks = opendir("/proc/self/task");
    char path[300], line[256], right[3][64];

    EXPECT(tasks);
    snprintf(right[0], sizeof(right[0]), "Uid:\t%s\n", uids);
    snprintf(right[1], sizeof(right[1]), "Gid:\t%s\n", gids);
    snprintf(right[2], sizeof(right[2]), "Groups:\t%s \n", groups);
    while ((entry = readdir(tasks))) {
        FILE *status;
        int seen = 0, kernels = 0;

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
        EXPECT((status = fopen(path, "r")));
        while (fgets(line, sizeof(line), status)) {
            for (int i = 0; i < 3; i++)
                seen += strcmp(line, right[i]) == 0;
            /* A worker of io_uring's runs no code of the process's, and each request with its submitter's credentials.
             */
            kernels |= strncmp(line, "Name:\tiou-", 10) == 0;
        }
        fclose(status);
        if (seen != 3 && !kernels)
            fprintf(stderr, "thread %s is not %s / %s / %s\n", entry->d_name, uids, gids, groups);
        EXPECT(seen == 3 || kernels);
    }
    closedir(tasks);
    return 0;
}

int case_credentials(struct evicted *e) {
    const gid_t groups[] = {1234, 4321};
    pid_t child;
    int status;

    if (getuid() != 0) {
        puts("only root can become another user");
        return CASE_SKIPPED;
    }
    /* A child that shares the memory is another process: what it becomes is its own affair. */
    EXPECT(setgroups(2, groups) == 0);
    child = vfork();
    if (child == 0)
        _exit(setgid(NOBODY) != 0 || setuid(NOBODY) != 0); /* NOLINT: that it may not is just the point */
    EXPECT(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT(threads_are("0\t0\t0\t0", "0\t0\t0\t0", "1234 4321") == 0);
    /* There and back, and there for good. */
    EXPECT(setegid(7) == 0 && seteuid(NOBODY) == 0);
    EXPECT(threads_are("0\t65534\t0\t65534", "0\t7\t0\t7", "1234 4321") == 0);
    EXPECT(seteuid(0) == 0 && setegid(0) == 0);
    EXPECT(threads_are("0\t0\t0\t0", "0\t0\t0\t0", "1234 4321") == 0);
    EXPECT(setgroups(1, groups) == 0);
    EXPECT(setresgid(NOBODY, NOBODY, NOBODY) == 0 && setreuid(NOBODY, NOBODY) == 0);
    EXPECT(threads_are("65534\t65534\t65534\t65534", "65534\t65534\t65534\t65534", "1234") == 0);
    EXPECT(setuid(0) != 0);
    /* Children, and theirs, still have where to put their pages. */
    child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        if (threads_are("65534\t65534\t65534\t65534", "65534\t65534\t65534\t65534", "1234"))
            _exit(1);
        child = fork();
        if (child == 0)
            _exit(verify_write_verify(e, 0, 2));
        _exit(child < 0 || verify_write_verify(e, 0, 1) || reap(child));
    }
    EXPECT(verify_write_verify(e, 0, 0) == 0);
    EXPECT(reap(child) == 0);
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
    EXPECT(reap(child) == 0);
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
