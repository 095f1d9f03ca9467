/* SPDX-License-Identifier: MIT */
/*
 * evicted_fork.c - forks that come at a bad moment: while other threads fault, fork, map and hold libc's locks, while
 * signals arrive, and after much has been unmapped.
 */
#include "evicted.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STORM_FORKERS 2
#define STORM_FAULTERS 4
#define STORM_STREAMS 2
/* More than may ask weir for something at the same time. */
#define STORM_MAPPERS 160

struct storm {
    struct evicted *e;
    atomic_bool over;
    atomic_uint forks, bad;
};

static double now_s(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static size_t next_page(const struct evicted *e, size_t *page) {
    *page = (*page + 7919) % e->region.pages;
    return *page;
}

/* Forks a child that checks a few pages, most of them swapped out; true if all went well. */
static bool fork_and_check(struct evicted *e, size_t *page) {
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        int bad = 0;

        for (int i = 0; i < 20; i++)
            bad |= region_wrong_part(&e->region, 0, next_page(e, page), 1) != 0;
        _exit(bad);
    }
    if (child < 0)
        return false;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void *storm_forker(void *arg) {
    struct storm *storm = arg;
    size_t page = (size_t)pthread_self() / 4096;

    while (!storm->over) {
        storm->bad += !fork_and_check(storm->e, &page);
        storm->forks++;
    }
    return NULL;
}

static void *storm_faulter(void *arg) {
    struct storm *storm = arg;
    size_t page = (size_t)pthread_self() / 4096;

    while (!storm->over)
        storm->bad += region_wrong_part(&storm->e->region, 0, next_page(storm->e, &page), 1) != 0;
    return NULL;
}

/* fopen and fclose change the list of streams, under a lock that fork takes too, in memory that may be out. */
static void *storm_streams(void *arg) {
    struct storm *storm = arg;

    while (!storm->over) {
        FILE *files[100];

        for (int i = 0; i < 100; i++)
            storm->bad += !(files[i] = fopen("/dev/null", "r"));
        fflush(NULL);
        for (int i = 0; i < 100; i++)
            if (files[i])
                fclose(files[i]);
    }
    return NULL;
}

static void *storm_mapper(void *arg) {
    struct storm *storm = arg;

    while (!storm->over) {
        char *memory = mmap(NULL, 3 * PATTERN_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (memory == MAP_FAILED) {
            storm->bad++;
            continue;
        }
        memset(memory, 1, 2 * PATTERN_PAGE);
        storm->bad += munmap(memory, 3 * PATTERN_PAGE) != 0;
    }
    return NULL;
}

int case_fork_storm(struct evicted *e) {
    static const struct {
        unsigned nr;
        void *(*run)(void *arg);
    } kinds[] = {{STORM_FORKERS, storm_forker},
                 {STORM_FAULTERS, storm_faulter},
                 {STORM_STREAMS, storm_streams},
                 {STORM_MAPPERS, storm_mapper}};
    pthread_t threads[STORM_FORKERS + STORM_FAULTERS + STORM_STREAMS + STORM_MAPPERS];
    struct storm storm = {.e = e};
    double end = now_s() + e->seconds / 4;
    unsigned nr = 0;

    for (size_t kind = 0; kind < sizeof(kinds) / sizeof(*kinds); kind++)
        for (unsigned i = 0; i < kinds[kind].nr; i++)
            EXPECT(pthread_create(&threads[nr++], NULL, kinds[kind].run, &storm) == 0);
    while (now_s() < end)
        usleep(10000);
    storm.over = true;
    while (nr)
        EXPECT(pthread_join(threads[--nr], NULL) == 0);
    printf("%u forks\n", storm.forks);
    EXPECT(storm.forks > 0);
    EXPECT(storm.bad == 0);
    return 0;
}

static struct evicted *of_signals;
static atomic_uint signals, signals_bad;

static void on_alarm(int number) {
    static size_t page;
    int before = errno;

    (void)number;
    for (int i = 0; i < 4; i++)
        signals_bad += region_wrong_part(&of_signals->region, 0, next_page(of_signals, &page), 1) != 0;
    signals++;
    errno = before;
}

/* The timer runs out while fork is at it, so that the handler runs just before or just after. */
int case_fork_signals(struct evicted *e) {
    struct itimerval timer = {{0, 3000}, {0, 3000}}, none = {{0, 0}, {0, 0}};
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    double end = now_s() + e->seconds / 6;
    size_t page = 1;

    of_signals = e;
    EXPECT(sigaction(SIGALRM, &action, NULL) == 0);
    EXPECT(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    while (now_s() < end)
        EXPECT(fork_and_check(e, &page));
    EXPECT(setitimer(ITIMER_REAL, &none, NULL) == 0);
    printf("%u signals\n", signals);
    EXPECT(signals > 0);
    EXPECT(signals_bad == 0);
    return 0;
}

/* A fork either has a child that works, or there is none and it says so. *ret_worked: which. */
static int fork_or_not(struct evicted *e, bool *ret_worked) {
    pid_t child = fork();
    int status;

    *ret_worked = child >= 0;
    if (child == 0)
        _exit(region_wrong(&e->region, 0) != 0);
    if (child < 0) {
        EXPECT(errno == EAGAIN);
        EXPECT(waitpid(-1, &status, WNOHANG) == -1 && errno == ECHILD);
        return 0;
    }
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return 0;
}

int case_fork_without_descriptors(struct evicted *e) {
    struct rlimit limit, few;
    int last = -1, fd;
    bool worked;

    EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    few = limit;
    few.rlim_cur = 100;
    EXPECT(setrlimit(RLIMIT_NOFILE, &few) == 0);
    alarm(60);
    /* The process has none left, but its child may do with them what it likes. */
    while ((fd = open("/dev/null", O_RDONLY)) >= 0)
        last = fd;
    EXPECT(errno == EMFILE && last > 1);
    EXPECT(fork_or_not(e, &worked) == 0);
    EXPECT(close(last) == 0 && close(last - 1) == 0);
    EXPECT(fork_or_not(e, &worked) == 0 && worked);
    /* There are far too few, whoever uses them. */
    few.rlim_cur = 6;
    EXPECT(setrlimit(RLIMIT_NOFILE, &few) == 0);
    EXPECT(fork_or_not(e, &worked) == 0);
    EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    EXPECT(fork_or_not(e, &worked) == 0 && worked);
    EXPECT(region_wrong(&e->region, 0) == 0);
    return 0;
}

/* A thread that waits at the barrier while another forks. */
struct beside {
    pthread_barrier_t *barrier;
    pthread_t thread;
    size_t page;
    bool names; /* libc looks a user up before each */
};

static int fork_beside(struct evicted *e, struct beside *beside) {
    alarm(100);
    for (int i = 0; i < 5; i++) {
        EXPECT(!beside->names || getpwuid(0) != NULL);
        EXPECT(evicted_push_out(e) == 0);
        EXPECT(fork_and_check(e, &beside->page));
    }
    pthread_barrier_wait(beside->barrier);
    EXPECT(pthread_join(beside->thread, NULL) == 0);
    alarm(0);
    return 0;
}

/* What a thread keeps under a key beyond the first 32 lies in memory of libc's, which clears it in the child at once.
 */
#define KEYS 100

static void *use_keys(void *arg) {
    pthread_barrier_t *barrier = arg;
    pthread_key_t keys[KEYS];

    for (int i = 0; i < KEYS; i++)
        if (pthread_key_create(&keys[i], NULL) != 0 || pthread_setspecific(keys[i], arg) != 0)
            abort();
    pthread_barrier_wait(barrier); /* another forks now */
    pthread_barrier_wait(barrier);
    for (int i = 0; i < KEYS; i++)
        if (pthread_getspecific(keys[i]) != arg)
            abort();
    return NULL;
}

int case_fork_keys(struct evicted *e) {
    pthread_barrier_t barrier;
    pthread_t thread;

    EXPECT(pthread_barrier_init(&barrier, NULL, 2) == 0);
    EXPECT(pthread_create(&thread, NULL, use_keys, &barrier) == 0);
    pthread_barrier_wait(&barrier);
    return fork_beside(e, &(struct beside){&barrier, thread, 3, false});
}

static void *idle(void *arg) {
    pthread_barrier_wait(arg);
    return NULL;
}

/* fork() copies what libc knows of name services, which is in memory that may be out, just before the child is made. */
int case_fork_names(struct evicted *e) {
    pthread_barrier_t barrier;
    pthread_t thread;

    /* Only where there are threads. */
    EXPECT(pthread_barrier_init(&barrier, NULL, 2) == 0);
    EXPECT(pthread_create(&thread, NULL, idle, &barrier) == 0);
    return fork_beside(e, &(struct beside){&barrier, thread, 7, true});
}

/* Page tables of blocks that were unmapped are gone; a child and what is done for it must not miss them. */
int case_fork_unmapped(struct evicted *e) {
    struct region away = region_map(8192, 5);
    unsigned char *again;
    pid_t child;
    int status;

    region_fill(&away, 0);
    EXPECT(munmap(away.base, away.pages * PATTERN_PAGE) == 0);
    again = mmap(away.base, away.pages * PATTERN_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT(again != MAP_FAILED);
    child = fork();
    EXPECT(child >= 0);
    if (child == 0)
        _exit(pattern_not_zero(again, away.pages * PATTERN_PAGE) != 0 || region_wrong(&e->region, 0) != 0);
    EXPECT(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    /* One made behind libc's back, too. */
    EXPECT(munmap(again, away.pages * PATTERN_PAGE) == 0);
    child = (pid_t)syscall(SYS_fork);
    if (child == 0)
        syscall(SYS_exit_group, 0);
    EXPECT(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT(region_wrong(&e->region, 0) == 0);
    return 0;
}
