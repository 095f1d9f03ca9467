/* SPDX-License-Identifier: MIT */
/*
 * evicted_threads.c - threads that start, end and write while memory is evicted.
 */
#include "evicted.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define THREADS 64
#define OWNERS 8
#define MUTEXES_EACH 3
#define WRITERS 4
#define WORDS (PATTERN_PAGE / sizeof(uint64_t))

struct slice {
    struct evicted *e;
    size_t first, nr;
    uint64_t generation;
};

static void *slice_main(void *arg) {
    struct slice *slice = arg;
    /* A stack with something on it. */
    unsigned char copy[8 * PATTERN_PAGE];

    if (region_wrong_part(&slice->e->region, slice->generation, slice->first, slice->nr) != 0)
        return arg;
    for (size_t i = 0; i < 8; i++)
        pattern_fill(copy + i * PATTERN_PAGE, i, slice->first);
    region_fill_part(&slice->e->region, slice->generation + 1, slice->first, slice->nr);
    for (size_t i = 0; i < 8; i++)
        if (pattern_wrong(copy + i * PATTERN_PAGE, i, slice->first) != 0)
            return arg;
    return region_wrong_part(&slice->e->region, slice->generation + 1, slice->first, slice->nr) ? arg : NULL;
}

int case_threads64(struct evicted *e) {
    size_t nr = e->region.pages / THREADS;
    struct slice slices[THREADS];
    pthread_t threads[THREADS];
    void *bad;

    for (uint64_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < THREADS; i++) {
            slices[i] = (struct slice){e, i * nr, nr, round};
            EXPECT(pthread_create(&threads[i], NULL, slice_main, &slices[i]) == 0);
        }
        for (size_t i = 0; i < THREADS; i++) {
            EXPECT(pthread_join(threads[i], &bad) == 0);
            EXPECT(bad == NULL);
        }
    }
    EXPECT(region_wrong_part(&e->region, 3, 0, nr * THREADS) == 0);
    return 0;
}

struct owner {
    pthread_mutex_t *mutexes[MUTEXES_EACH];
    sem_t locked, leave;
    pthread_t thread;
};

static void *owner_main(void *arg) {
    struct owner *owner = arg;

    for (int i = 0; i < MUTEXES_EACH; i++)
        if (pthread_mutex_lock(owner->mutexes[i]) != 0)
            return arg;
    sem_post(&owner->locked);
    while (sem_wait(&owner->leave) != 0)
        ;
    /* Leaves without unlocking: it is the kernel that must find the mutexes, in pages that are out. */
    return NULL;
}

static int mutex_is_left_to_next(pthread_mutex_t *mutex) {
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    EXPECT(pthread_mutex_timedlock(mutex, &until) == EOWNERDEAD);
    EXPECT(pthread_mutex_consistent(mutex) == 0);
    EXPECT(pthread_mutex_unlock(mutex) == 0);
    EXPECT(pthread_mutex_lock(mutex) == 0);
    EXPECT(pthread_mutex_unlock(mutex) == 0);
    return 0;
}

int case_robust_mutex(struct evicted *e) {
    static struct owner owners[OWNERS];
    size_t nr = OWNERS * MUTEXES_EACH, apart = e->region.pages / nr;
    pthread_mutexattr_t attr;
    void *bad;

    pthread_mutexattr_init(&attr);
    EXPECT(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) == 0);
    for (size_t i = 0; i < nr; i++) {
        void *place = e->region.base + i * apart * PATTERN_PAGE + 512;

        owners[i / MUTEXES_EACH].mutexes[i % MUTEXES_EACH] = place;
        EXPECT(pthread_mutex_init(place, &attr) == 0);
    }
    for (size_t i = 0; i < OWNERS; i++) {
        EXPECT(sem_init(&owners[i].locked, 0, 0) == 0 && sem_init(&owners[i].leave, 0, 0) == 0);
        EXPECT(pthread_create(&owners[i].thread, NULL, owner_main, &owners[i]) == 0);
    }
    for (size_t i = 0; i < OWNERS; i++)
        while (sem_wait(&owners[i].locked) != 0)
            ;
    EXPECT(evicted_push_out(e) == 0);
    EXPECT(evicted_push_out(e) == 0);
    for (size_t i = 0; i < OWNERS; i++) {
        sem_post(&owners[i].leave);
        EXPECT(pthread_join(owners[i].thread, &bad) == 0 && bad == NULL);
    }
    for (size_t i = 0; i < nr; i++)
        EXPECT(mutex_is_left_to_next(owners[i / MUTEXES_EACH].mutexes[i % MUTEXES_EACH]) == 0);
    for (size_t i = 0; i < e->region.pages; i++)
        if (i % apart != 0)
            EXPECT(region_wrong_part(&e->region, 0, i, 1) == 0);
    return 0;
}

struct writer {
    struct evicted *e;
    size_t number;
    uint64_t end_ns;
    uint32_t *counts; /* of each page: how often this writer wrote to it */
    unsigned long long lost, steps;
};

static uint64_t clock_ns(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Each writer has words of its own in every page: a page that loses one writer's store shows at its next visit. */
static void writer_visit(struct writer *w, size_t page) {
    uint64_t *words = (void *)(w->e->region.base + page * PATTERN_PAGE);
    uint32_t count = w->counts[page];

    for (size_t i = w->number; i < WORDS; i += 16 * WRITERS) {
        _Atomic uint64_t *word = (_Atomic uint64_t *)&words[i];
        uint64_t right = count ? pattern_mix(page * 64 + w->number + (uint64_t)count * 0x10001) : 0;
        uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);

        if (seen != right) {
            if (w->lost++ < 3)
                fprintf(stderr, "page %zu word %zu writer %zu visit %u: %llx, should be %llx\n", page, i, w->number,
                        count, (unsigned long long)seen, (unsigned long long)right);
        }
        atomic_store_explicit(word, pattern_mix(page * 64 + w->number + (uint64_t)(count + 1) * 0x10001),
                              memory_order_relaxed);
    }
    w->counts[page] = count + 1;
    w->steps++;
}

static void *writer_main(void *arg) {
    struct writer *w = arg;
    uint64_t state = w->number;
    size_t pages = w->e->region.pages;

    while (clock_ns() < w->end_ns) {
        /* Random visits, then a run of neighbours, then one page again and again while others push it out. */
        for (int i = 0; i < 2000; i++)
            writer_visit(w, (size_t)(pattern_next(&state) % pages));
        for (size_t i = 0, page = (size_t)(pattern_next(&state) % pages); i < 2000; i++)
            writer_visit(w, (page + i) % pages);
        for (size_t i = 0, page = (size_t)(pattern_next(&state) % pages); i < 2000; i++)
            writer_visit(w, page);
    }
    for (size_t page = 0; page < pages; page++)
        writer_visit(w, page);
    return NULL;
}

int case_write_race(struct evicted *e) {
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    unsigned long long lost = 0, steps = 0;
    uint64_t end_ns;

    for (size_t i = 0; i < e->region.pages; i++)
        for (size_t at = 0; at < PATTERN_PAGE; at += sizeof(uint64_t))
            *(uint64_t *)(void *)(e->region.base + i * PATTERN_PAGE + at) = 0;
    end_ns = clock_ns() + (uint64_t)(e->seconds * 1e9);
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.e = e, .number = i, .end_ns = end_ns};
        EXPECT((writers[i].counts = calloc(e->region.pages, sizeof(uint32_t))));
        EXPECT(pthread_create(&threads[i], NULL, writer_main, &writers[i]) == 0);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
        lost += writers[i].lost;
        steps += writers[i].steps;
    }
    printf("%llu visits by %d writers, %llu words lost\n", steps, WRITERS, lost);
    EXPECT(lost == 0);
    return 0;
}
