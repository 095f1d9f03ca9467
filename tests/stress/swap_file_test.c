/* SPDX-License-Identifier: MIT */
/*
 * swap_file_test.c - threads that write and read slots of one swap file at the same time, with a ring and without.
 *
 * Each thread has every fourth slot, so that windows are gathered from all of them. It reads a slot back while it is
 * gathered, in flight, or in the file, and writes slots again in all of these states.
 */
#include "swapdev/file.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/unit/swap_pages.h"

enum { THREADS = 4, SLOTS = 512, OPERATIONS = 4000, BATCH = 16 };

static struct swap_file *file;
static _Atomic unsigned wrong, written, reported;

static uint32_t offset_of(unsigned thread, unsigned slot) {
    return slot * THREADS + thread;
}

static void expect(bool right, const char *what) {
    if (!right && atomic_fetch_add(&wrong, 1) < 10)
        fprintf(stderr, "wrong: %s\n", what);
}

static void done(void *arg, uint32_t offset, void *cookie, enum mm_status status) {
    (void)arg;
    expect((uint32_t)(uintptr_t)cookie == offset, "cookie");
    expect(status == MM_OK, "status of a write");
    atomic_fetch_add(&reported, 1);
}

static void read_and_check(unsigned thread, uint64_t *random, const uint64_t *seeds, char *bytes) {
    unsigned n = (unsigned)swap_pages_random(random), nr = 1 + n / 4 % BATCH;
    uint32_t offsets[BATCH], slots[BATCH], ahead[BATCH];
    enum mm_status status[BATCH];
    char page[PAGE_SIZE];

    for (unsigned i = 0; i < nr; i++) {
        do
            slots[i] = (uint32_t)(swap_pages_random(random) % SLOTS);
        while (!seeds[slots[i]]);
        offsets[i] = offset_of(thread, slots[i]);
    }
    /* Its own, or those that another thread may be writing. */
    for (unsigned i = 0; i < nr; i++)
        ahead[i] = offset_of((thread + n % 2) % THREADS, slots[i]);
    if (n % 4 < 2)
        swap_file_prefetch(file, ahead, nr);
    swap_file_read(file, offsets, nr, bytes, status, NULL);
    for (unsigned i = 0; i < nr; i++) {
        swap_pages_fill(page, seeds[slots[i]], PAGE_SIZE);
        expect(status[i] == MM_OK, "status of a read");
        expect(!memcmp(bytes + i * PAGE_SIZE, page, PAGE_SIZE), "bytes");
    }
}

static void *work(void *arg) {
    unsigned thread = (unsigned)(uintptr_t)arg;
    uint64_t random = thread, *seeds = calloc(SLOTS, sizeof(*seeds));
    char page[PAGE_SIZE];
    char *bytes = mmap(NULL, BATCH * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    for (unsigned n = 0; n < OPERATIONS; n++) {
        /* Mostly in order, as slots are handed out; sometimes anywhere. */
        unsigned i = (unsigned)(swap_pages_random(&random) % 8 ? n % SLOTS : swap_pages_random(&random) % SLOTS);

        seeds[i] = swap_pages_random(&random) | 1;
        swap_pages_fill(page, seeds[i], PAGE_SIZE);
        atomic_fetch_add(&written, 1);
        expect(swap_file_write(file, offset_of(thread, i), page, (void *)(uintptr_t)offset_of(thread, i)) ==
                   MM_SUBMITTED,
               "status of a submission");
        if (n % 4 == 0)
            read_and_check(thread, &random, seeds, bytes);
        if (n % 100 == thread)
            swap_file_wait(file, 1000000);
    }
    munmap(bytes, BATCH * PAGE_SIZE);
    free(seeds);
    return NULL;
}

static void run(unsigned flags) {
    struct swap_file_stats stats;
    struct fake *fake = swap_pages_boot(1024, 1); /* for its locks */
    pthread_t threads[THREADS];
    int error = 0;
    void *memory = mmap(NULL, swap_file_memory(flags), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    atomic_store(&written, 0);
    atomic_store(&reported, 0);
    file = swap_file_open(&fake->platform, "/var/tmp", (uint64_t)64 << 20, flags, memory, done, NULL, &error);
    if (!file || swap_file_grow(file, 0, THREADS * SLOTS) < THREADS * SLOTS) {
        expect(false, "no file in /var/tmp");
        return;
    }
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    while (swap_file_busy(file))
        swap_file_wait(file, 1000000000);
    swap_file_get_stats(file, &stats);
    expect(written == reported && written == THREADS * OPERATIONS, "each write is reported once");
    printf("flags %u: %lu pages in %lu requests written, %lu in %lu read, %u wrong\n", flags,
           (unsigned long)stats.out_pages, (unsigned long)stats.write_requests, (unsigned long)stats.in_pages,
           (unsigned long)stats.read_requests, wrong);
    swap_file_close(file);
    munmap(memory, swap_file_memory(flags));
    fake_finish(fake);
}

int main(void) {
    run(0);
    run(SWAP_FILE_NO_URING);
    run(SWAP_FILE_NO_DIRECT);
    run(SWAP_FILE_SMALL);
    run(SWAP_FILE_SMALL | SWAP_FILE_NO_URING);
    return wrong != 0;
}
