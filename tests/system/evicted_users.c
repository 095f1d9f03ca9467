/* SPDX-License-Identifier: MIT */
/*
 * evicted_users.c - new identities, while memory is evicted: each thread has to have what the program has, and no more.
 */
#include "evicted.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pthread.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

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
        _exit(evicted_verify_and_write(e, 0, 1));
    EXPECT(evicted_verify_and_write(e, 0, 0) == 0);
    EXPECT(evicted_reap(child) == 0);
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
            _exit(evicted_verify_and_write(e, 0, 2));
        _exit(child < 0 || evicted_verify_and_write(e, 0, 1) || evicted_reap(child));
    }
    EXPECT(evicted_verify_and_write(e, 0, 0) == 0);
    EXPECT(evicted_reap(child) == 0);
    return 0;
}

/* What a thread may do, as Linux tells it; "" for a worker of the kernel's. */
static int thread_rights(const char *tid, char *text, size_t size) {
    static const char *const titles[] = {"Uid:", "Gid:", "Groups:", "Cap", "NoNewPrivs:"};
    char path[300], line[256];
    FILE *status;

    snprintf(path, sizeof(path), "/proc/self/task/%s/status", tid);
    EXPECT((status = fopen(path, "r")));
    text[0] = '\0';
    while (fgets(line, sizeof(line), status)) {
        if (strncmp(line, "Name:\tiou-", 10) == 0)
            break;
        for (size_t i = 0; i < sizeof(titles) / sizeof(*titles); i++)
            if (strncmp(line, titles[i], strlen(titles[i])) == 0)
                strncat(text, line, size - strlen(text) - 1);
    }
    fclose(status);
    return 0;
}

/* May each thread of this process do what the main thread may, and no more? */
static int threads_have_equal_rights(void) {
    DIR *tasks = opendir("/proc/self/task");
    char main_tid[16], right[1024], rights[1024];
    struct dirent *entry;

    EXPECT(tasks);
    snprintf(main_tid, sizeof(main_tid), "%d", (int)getpid());
    EXPECT(thread_rights(main_tid, right, sizeof(right)) == 0);
    while ((entry = readdir(tasks))) {
        if (entry->d_name[0] == '.')
            continue;
        EXPECT(thread_rights(entry->d_name, rights, sizeof(rights)) == 0);
        if (rights[0] && strcmp(rights, right) != 0) {
            fprintf(stderr, "thread %s has\n%snot\n%s", entry->d_name, rights, right);
            return 1;
        }
    }
    closedir(tasks);
    return 0;
}

static void *set_own_fsuid(void *arg) {
    setfsuid(NOBODY);
    pthread_barrier_wait(arg); /* another looks at the threads now */
    pthread_barrier_wait(arg);
    return NULL;
}

static int drop_capability(unsigned capability) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct data[2];

    EXPECT(syscall(SYS_capget, &header, data) == 0);
    data[capability / 32].effective &= ~(1u << capability % 32);
    data[capability / 32].permitted &= ~(1u << capability % 32);
    EXPECT(syscall(SYS_capset, &header, data) == 0);
    return 0;
}

int case_capabilities(struct evicted *e) {
    pthread_barrier_t barrier;
    pthread_t thread;
    pid_t child;

    if (getuid() != 0) {
        puts("only root has capabilities to give up");
        return CASE_SKIPPED;
    }
    EXPECT(threads_have_equal_rights() == 0);
    EXPECT(drop_capability(CAP_SYS_TIME) == 0);
    EXPECT(threads_have_equal_rights() == 0);
    EXPECT(setfsgid(NOBODY) == 0 && setfsuid(NOBODY) == 0);
    EXPECT(threads_have_equal_rights() == 0);
    EXPECT(setfsuid(0) == NOBODY);
    EXPECT(threads_have_equal_rights() == 0);
    /* A server's worker that acts for a user does so alone. */
    EXPECT(pthread_barrier_init(&barrier, NULL, 2) == 0);
    EXPECT(pthread_create(&thread, NULL, set_own_fsuid, &barrier) == 0);
    pthread_barrier_wait(&barrier);
    EXPECT(threads_have_equal_rights() != 0);
    pthread_barrier_wait(&barrier);
    EXPECT(pthread_join(thread, NULL) == 0);
    EXPECT(threads_have_equal_rights() == 0);
    EXPECT(prctl(PR_CAPBSET_DROP, CAP_SYS_TIME, 0, 0, 0) == 0);
    EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    EXPECT(threads_have_equal_rights() == 0);
    /* Capabilities that outlive root. */
    EXPECT(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0);
    EXPECT(setresuid(NOBODY, NOBODY, NOBODY) == 0);
    EXPECT(threads_have_equal_rights() == 0);
    EXPECT(drop_capability(CAP_CHOWN) == 0);
    EXPECT(threads_have_equal_rights() == 0);
    child = fork();
    EXPECT(child >= 0);
    if (child == 0)
        _exit(threads_have_equal_rights() || evicted_verify_and_write(e, 0, 1));
    EXPECT(evicted_verify_and_write(e, 0, 0) == 0);
    EXPECT(evicted_reap(child) == 0);
    return 0;
}
