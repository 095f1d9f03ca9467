/* SPDX-License-Identifier: MIT */
/*
 * swap_store_test.c - threads that evict, read, change and free pages of one swap file with a pool in front, while
 * another thread writes back what is oldest in the pool, and the file refuses writes now and then.
 *
 * Each thread has slots of its own and does with a slot what reclaim and faults do with a page that they have locked:
 * one thing at a time, nothing while its own write is in flight. It knows what each slot must hold. The bytes come from
 * few seeds, so that a page often has the bytes that the file had earlier: a copy that only seems to be there would be
 * taken for one.
 */
#include "swapdev/swap_store.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "mm/swapfile.h"
#include "tests/unit/swap_pages.h"

enum { THREADS = 3, SLOTS = 400, OPERATIONS = 12000, NR_PAGES = 2048, AREA = 2, SEEDS = 5, NR_SLOTS = 1 << 14 };

enum state { FREE, STORED, RESIDENT };

/* What its thread knows of a slot. */
struct slot {
    enum state state;
    uint64_t seed;
    bool dirty;           /* resident: not to be asked whether it is clean */
    _Atomic bool writing; /* its own write is in flight */
    _Atomic bool failed;
};

static struct fake *fake;
static struct swap_store store;
static struct slot slots[THREADS][SLOTS];
static _Atomic bool stop;
static unsigned compactions;
static _Atomic unsigned wrong, busy, failed, clean, direct;

static swp_entry_t entry_of(unsigned thread, unsigned i) {
    return swp_entry(AREA, 1 + i * THREADS + thread);
}

static void expect(bool right, const char *what) {
    if (!right && atomic_fetch_add(&wrong, 1) < 10)
        fprintf(stderr, "wrong: %s\n", what);
}

/* Some of them do not compress. */
static void fill(void *page, uint64_t seed) {
    swap_pages_fill(page, seed, seed == SEEDS ? PAGE_SIZE : (unsigned)seed * 600);
}

static void done(void *arg, uint32_t offset, void *cookie, enum mm_status status) {
    struct slot *slot = cookie;

    (void)arg;
    swap_store_written(&store, offset, cookie, status);
    if (!slot)
        return;
    atomic_store(&slot->failed, status != MM_OK);
    atomic_store(&slot->writing, false);
}

static void settle(struct slot *slot) {
    while (atomic_load(&slot->writing))
        swap_file_wait(store.file, 1000000);
    if (slot->state == STORED && atomic_exchange(&slot->failed, false)) {
        slot->state = RESIDENT;
        slot->dirty = true;
        atomic_fetch_add(&failed, 1);
    }
}

static void evict(struct slot *slot, swp_entry_t entry) {
    char page[PAGE_SIZE];
    enum mm_status status;

    fill(page, slot->seed);
    if (slot->state == RESIDENT && !slot->dirty && swap_store_is_clean(&store, entry, page)) {
        slot->state = STORED;
        atomic_fetch_add(&clean, 1);
        return;
    }
    atomic_store(&slot->writing, true);
    status = swap_store_write(&store, entry, page, slot);
    slot->dirty = status != MM_OK && status != MM_SUBMITTED;
    slot->state = slot->dirty ? RESIDENT : STORED;
    if (status != MM_SUBMITTED)
        atomic_store(&slot->writing, false);
    else
        atomic_fetch_add(&direct, 1);
    expect(status != MM_INVAL && status != MM_REJECTED, "status of a write");
    atomic_fetch_add(&busy, status == MM_BUSY);
}

static void read_slot(struct slot *slot, swp_entry_t entry, char *bytes) {
    enum mm_status status;
    char page[PAGE_SIZE];

    if (swap_store_read_pool(&store, &entry, 1, bytes, &status))
        swap_store_read_file(&store, &entry, 1, bytes, &status, NULL);
    expect(status == MM_OK, "status of a read");
    fill(page, slot->seed);
    expect(!memcmp(page, bytes, PAGE_SIZE), "bytes");
}

static void operate(struct slot *slot, swp_entry_t entry, uint64_t *random, char *bytes) {
    unsigned what = (unsigned)(swap_pages_random(random) % 16);

    settle(slot);
    if (slot->state == FREE)
        expect(pool_load(store.pool, entry, bytes) == MM_INVAL, "a free slot holds nothing");
    if (slot->state != STORED) {
        if (slot->state == FREE || what < 8) {
            slot->seed = swap_pages_random(random) % SEEDS + 1;
            slot->dirty |= slot->state == FREE;
        }
        evict(slot, entry);
        return;
    }
    if (what == 0) {
        swap_store_slot_free(&store, entry);
        slot->state = FREE;
    } else if (what < 4) {
        /* It had not left memory yet when it was touched. */
        slot->state = RESIDENT;
    } else {
        read_slot(slot, entry, bytes);
        if (what < 12) {
            pool_came_back(store.pool, entry, true);
            slot->state = RESIDENT;
        }
    }
}

static void *work(void *arg) {
    unsigned thread = (unsigned)(uintptr_t)arg;
    char *bytes = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t random = thread;

    fake_set_cpu(thread);
    for (unsigned n = 0; n < OPERATIONS; n++) {
        unsigned i = (unsigned)(swap_pages_random(&random) % SLOTS);

        operate(&slots[thread][i], entry_of(thread, i), &random, bytes);
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        settle(&slots[thread][i]);
        if (slots[thread][i].state == STORED)
            read_slot(&slots[thread][i], entry_of(thread, i), bytes);
        if (slots[thread][i].state != FREE)
            swap_store_slot_free(&store, entry_of(thread, i));
    }
    munmap(bytes, PAGE_SIZE);
    return NULL;
}

static _Thread_local bool dawdles;

/* Whoever writes back and compacts is slow between one lock and the next, so that the others overtake it. */
static void dawdle(void *host) {
    static _Thread_local unsigned calls;

    (void)host;
    if (dawdles && ++calls % 8 == 0)
        usleep(1);
}

static void *write_back(void *arg) {
    char page[PAGE_SIZE];

    (void)arg;
    fake_set_cpu(THREADS);
    dawdles = true;
    while (!atomic_load(&stop)) {
        swap_store_write_back(&store, 64, page);
        compactions += pool_compact(store.pool);
        sched_yield();
    }
    return NULL;
}

/* Half of the slots cannot be written for a while. */
static void *break_device(void *arg) {
    struct rlimit limit;

    (void)arg;
    getrlimit(RLIMIT_FSIZE, &limit);
    while (!atomic_load(&stop)) {
        limit.rlim_cur = THREADS * SLOTS / 2 * PAGE_SIZE;
        setrlimit(RLIMIT_FSIZE, &limit);
        usleep(2000);
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_FSIZE, &limit);
        usleep(10000);
    }
    return NULL;
}

static void run(unsigned flags) {
    void *memory = mmap(NULL, swap_file_memory(0), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_t threads[THREADS], writer, breaker;
    struct pool_stats stats;
    int error = 0;

    fake = swap_pages_boot(NR_PAGES, THREADS + 1);
    fake->platform.lock_point = dawdle;
    store = (struct swap_store){.type = AREA, .pool = pool_create(fake->machine, 50)};
    store.digests = digest_create(fake->machine, NR_SLOTS);
    store.file =
        swap_file_open(&fake->platform, "/var/tmp", (uint64_t)NR_SLOTS * PAGE_SIZE, flags, memory, done, NULL, &error);
    if (!store.pool || !store.digests || !store.file || !pool_open_area(store.pool, AREA, NR_SLOTS) ||
        swap_file_grow(store.file, 0, THREADS * SLOTS + 1) <= THREADS * SLOTS) {
        expect(false, "no file in /var/tmp");
        return;
    }
    pool_set_backed(store.pool, AREA);
    pool_set_target(store.pool, 160);
    atomic_store(&stop, false);
    memset(slots, 0, sizeof(slots));
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    pthread_create(&writer, NULL, write_back, NULL);
    pthread_create(&breaker, NULL, break_device, NULL);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&stop, true);
    pthread_join(writer, NULL);
    pthread_join(breaker, NULL);
    while (swap_file_busy(store.file))
        swap_file_wait(store.file, 1000000000);

    pool_get_stats(store.pool, &stats);
    expect(stats.stored_pages == 0 && stats.bytes == 0, "an empty pool counts nothing");
    expect(swap_store_file_pages(&store) == 0, "an empty file counts nothing");
    expect(stats.written_back_pages > 0 && direct > 0 && clean > 0 && failed > 0 && compactions > 0,
           "each way was gone");
    printf("flags %u: %lu pages into the pool, %lu of them written back, %u to the file at once, %u clean, %u failed, "
           "%u busy, %u compactions, %u wrong\n",
           flags, (unsigned long)stats.out_pages, (unsigned long)stats.written_back_pages, direct, clean, failed, busy,
           compactions, wrong);
    swap_file_close(store.file);
    pool_destroy(store.pool);
    digest_destroy(store.digests);
    munmap(memory, swap_file_memory(0));
    fake_finish(fake);
}

int main(void) {
    signal(SIGXFSZ, SIG_IGN);
    run(0);
    run(SWAP_FILE_NO_URING);
    return wrong != 0;
}
