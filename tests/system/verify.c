/* SPDX-License-Identifier: MIT */
/*
 * verify.c - a program that checks every byte it reads back.
 *
 *     verify [--fork] MIB THREADS SECONDS
 *
 * Threads read and write random pages of one region for a while. A page's right contents follow from its index and
 * from how often it was written. With --fork the main thread also forks all the while; each child checks a sample,
 * writes to some of it, checks that, and leaves. Prints what it did; status 0 if no byte was wrong.
 */
#include "pattern.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 64
#define CHILD_SAMPLE 1500

static struct region region;
static uint32_t *generations; /* of each page; a page is written by one thread only */
static unsigned nr_threads;
static atomic_bool stop;
static atomic_ullong nr_reads, nr_writes, nr_wrong;
/* Workers hold it shared for one page at a time; fork holds it alone, so that no page is half written in the child. */
static pthread_rwlock_t fork_gate;
static pthread_barrier_t filled;
/* Thread-local storage of a size that few programs have: libc's own lies beyond it, for weir's threads too. */
static __thread volatile char far[256 << 10];

static void worker_step(uint64_t *state, size_t thread) {
    uint64_t draw = pattern_next(state);
    size_t slots = region.pages / nr_threads;
    size_t page = (size_t)(draw % slots) * nr_threads + thread;
    unsigned char *bytes = region.base + page * PATTERN_PAGE;
    size_t wrong = pattern_wrong(bytes, page, generations[page]);

    if (wrong) {
        fprintf(stderr, "page %zu generation %u: %zu bytes wrong, %zu not zero\n", page, generations[page], wrong,
                pattern_not_zero(bytes, PATTERN_PAGE));
        atomic_fetch_add(&nr_wrong, wrong);
        /* Once told is enough. */
        pattern_fill(bytes, page, generations[page]);
    }
    atomic_fetch_add_explicit(&nr_reads, 1, memory_order_relaxed);
    if (draw >> 63) {
        pattern_fill(bytes, page, ++generations[page]);
        atomic_fetch_add_explicit(&nr_writes, 1, memory_order_relaxed);
    }
}

static void *worker(void *arg) {
    size_t thread = (size_t)arg;
    uint64_t state = pattern_mix(thread + 1);

    far[sizeof(far) - 1] = far[0] = 1;
    for (size_t page = thread; page < region.pages; page += nr_threads)
        pattern_fill(region.base + page * PATTERN_PAGE, page, 0);
    pthread_barrier_wait(&filled);
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        pthread_rwlock_rdlock(&fork_gate);
        for (int i = 0; i < 16; i++)
            worker_step(&state, thread);
        pthread_rwlock_unlock(&fork_gate);
    }
    for (size_t page = thread; page < region.pages; page += nr_threads) {
        size_t wrong = pattern_wrong(region.base + page * PATTERN_PAGE, page, generations[page]);

        if (wrong)
            fprintf(stderr, "at the end page %zu: %zu bytes wrong\n", page, wrong);
        atomic_fetch_add(&nr_wrong, wrong);
    }
    return NULL;
}

/* Only what is safe in the child of a program with threads. */
static int child_main(uint64_t seed) {
    uint64_t state = seed;
    size_t wrong = 0;

    for (int i = 0; i < CHILD_SAMPLE; i++) {
        size_t page = (size_t)(pattern_next(&state) % region.pages);
        unsigned char *bytes = region.base + page * PATTERN_PAGE;

        wrong += pattern_wrong(bytes, page, generations[page]);
        if (i % 3 == 0)
            pattern_fill(bytes, page, generations[page] += 1000000);
    }
    state = seed;
    for (int i = 0; i < CHILD_SAMPLE; i++) {
        size_t page = (size_t)(pattern_next(&state) % region.pages);

        wrong += pattern_wrong(region.base + page * PATTERN_PAGE, page, generations[page]);
    }
    return wrong != 0;
}

static int fork_once(uint64_t seed) {
    pid_t pid;
    int status;

    pthread_rwlock_wrlock(&fork_gate);
    pid = fork();
    if (pid == 0)
        _exit(child_main(seed));
    pthread_rwlock_unlock(&fork_gate);
    if (pid < 0) {
        perror("fork");
        return 1;
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 1;
    if (status != 0)
        fprintf(stderr, "child %d: wait status %#x\n", (int)pid, (unsigned)status);
    return status != 0;
}

static uint64_t clock_ns(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int main(int argc, char **argv) {
    bool forks = argc > 1 && strcmp(argv[1], "--fork") == 0;
    pthread_t threads[THREADS_MAX];
    pthread_rwlockattr_t attr;
    unsigned nr_forks = 0, bad_children = 0;
    uint64_t end_ns;
    double seconds;

    argv += forks;
    argc -= forks;
    if (argc != 4 || (nr_threads = (unsigned)atoi(argv[2])) < 1 || nr_threads > THREADS_MAX) {
        fprintf(stderr, "usage: verify [--fork] MIB THREADS SECONDS\n");
        return 2;
    }
    seconds = atof(argv[3]);
    region = region_map((size_t)atol(argv[1]) * 256 / nr_threads * nr_threads, 0);
    generations = calloc(region.pages, sizeof(*generations));
    if (!generations)
        return 2;
    pthread_rwlockattr_init(&attr);
    /* Otherwise four workers never let the one who forks in. */
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&fork_gate, &attr);
    pthread_barrier_init(&filled, NULL, nr_threads + 1);
    for (size_t i = 0; i < nr_threads; i++)
        if (pthread_create(&threads[i], NULL, worker, (void *)i) != 0)
            return 2;
    pthread_barrier_wait(&filled);
    end_ns = clock_ns() + (uint64_t)(seconds * 1e9);
    do {
        if (forks) {
            bad_children += (unsigned)fork_once(pattern_mix(nr_forks));
            nr_forks++;
        } else {
            usleep(20000);
        }
    } while (clock_ns() < end_ns);
    atomic_store(&stop, true);
    for (size_t i = 0; i < nr_threads; i++)
        pthread_join(threads[i], NULL);

    printf("reads %llu writes %llu forks %u wrong_bytes %llu bad_children %u\n", atomic_load(&nr_reads),
           atomic_load(&nr_writes), nr_forks, atomic_load(&nr_wrong), bad_children);
    return atomic_load(&nr_wrong) != 0 || bad_children != 0;
}
