/* SPDX-License-Identifier: MIT */
/*
 * pool_test.c - threads that store, load and free pages of one pool and one digest table at the same time.
 *
 * Each thread has slots of its own, interleaved with the others', so that it knows what they hold while tables, size
 * classes, workspaces and pages are everybody's. One more thread reads slots that others change: it may find them
 * or not, but what it finds is a whole page of theirs.
 */
#include "swapdev/pool.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mm/swapfile.h"
#include "swapdev/digest.h"
#include "tests/unit/swap_pages.h"

enum {
    THREADS = 4,
    SLOTS = 1200,
    OPERATIONS = 15000,
    NR_PAGES = 4096,
    AREA = 2,
    POOL_PAGES = 33 /* 3 CPUs: two blocks; and the area */
};

static struct fake *fake;
static struct pool *pool;
static struct digest_table *digests;
static _Atomic bool stop;
static _Atomic unsigned wrong, rejected;

struct slot {
    uint64_t seed;
    unsigned noise;
    bool used;
};

static uint32_t offset_of(unsigned thread, unsigned slot) {
    return 1 + slot * THREADS + thread;
}

/* The first word of a page tells its seed, so that a thread that did not write it can check it. */
static void fill(void *page, uint64_t seed, unsigned noise) {
    uint64_t head[2] = {seed, noise};

    swap_pages_fill(page, seed, noise);
    memcpy(page, head, sizeof(head));
}

static void expect(bool right, const char *what) {
    if (!right && atomic_fetch_add(&wrong, 1) < 10)
        fprintf(stderr, "wrong: %s\n", what);
}

static void check(unsigned thread, unsigned i, const struct slot *slot) {
    char page[PAGE_SIZE], back[PAGE_SIZE];
    enum mm_status status = pool_load(pool, swp_entry(AREA, offset_of(thread, i)), back);

    expect(status == (slot->used ? MM_OK : MM_INVAL), "status of a load");
    if (!slot->used) {
        expect(!digest_matches(digests, offset_of(thread, i), back), "digest of a free slot");
        return;
    }
    fill(page, slot->seed, slot->noise);
    expect(!memcmp(page, back, PAGE_SIZE), "bytes");
    expect(digest_matches(digests, offset_of(thread, i), page), "digest");
}

static void *work(void *arg) {
    unsigned thread = (unsigned)(uintptr_t)arg;
    struct slot *slots = calloc(SLOTS, sizeof(*slots));
    uint64_t random = thread;
    char page[PAGE_SIZE];

    fake_set_cpu(thread % 3);
    for (unsigned n = 0; n < OPERATIONS; n++) {
        unsigned i = (unsigned)(swap_pages_random(&random) % SLOTS), what = (unsigned)(swap_pages_random(&random) % 8);
        uint32_t offset = offset_of(thread, i);

        if (what < 3) {
            slots[i] = (struct slot){random, (unsigned)(swap_pages_random(&random) % 3000), false};
            fill(page, slots[i].seed, slots[i].noise);
            slots[i].used = pool_store(pool, swp_entry(AREA, offset), page, false) == MM_OK;
            atomic_fetch_add(&rejected, !slots[i].used);
            if (slots[i].used)
                digest_set(digests, offset, page);
            else
                digest_clear(digests, offset);
        } else if (what < 5) {
            pool_slot_free(pool, swp_entry(AREA, offset));
            digest_clear(digests, offset);
            slots[i].used = false;
        } else {
            check(thread, i, &slots[i]);
        }
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        check(thread, i, &slots[i]);
        pool_slot_free(pool, swp_entry(AREA, offset_of(thread, i)));
        digest_clear(digests, offset_of(thread, i));
    }
    free(slots);
    return NULL;
}

static void *look_on(void *arg) {
    char page[PAGE_SIZE], back[PAGE_SIZE];
    uint64_t random = 99, head[2];
    struct pool_stats stats;

    (void)arg;
    while (!atomic_load(&stop)) {
        if (pool_load(pool, swp_entry(AREA, (uint32_t)(1 + swap_pages_random(&random) % (SLOTS * THREADS))), back) !=
            MM_OK)
            continue;
        memcpy(head, back, sizeof(head));
        fill(page, head[0], (unsigned)head[1]);
        expect(!memcmp(page, back, PAGE_SIZE), "bytes seen from outside");
        pool_get_stats(pool, &stats);
        expect(stats.stored_pages <= SLOTS * THREADS, "pages stored");
    }
    return NULL;
}

int main(void) {
    unsigned long free_at_boot;
    pthread_t threads[THREADS], looker;
    struct pool_stats stats;

    fake = swap_pages_boot(NR_PAGES, 3);
    free_at_boot = swap_pages_free(fake);
    pool = pool_create(fake->machine, 20);
    digests = digest_create(fake->machine, 1u << 20);
    if (!pool || !digests || !pool_open_area(pool, AREA, 1u << 20))
        return 1;
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    pthread_create(&looker, NULL, look_on, NULL);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&stop, true);
    pthread_join(looker, NULL);

    pool_get_stats(pool, &stats);
    expect(stats.stored_pages == 0 && stats.bytes == 0, "an empty pool counts nothing");
    expect(stats.pages == POOL_PAGES + 1, "an empty pool has its own pages and a directory");
    expect(stats.peak_pages <= NR_PAGES / 5, "the share");
    expect(rejected > 0, "the share was never reached");
    expect(digest_pages(digests) == 2, "an empty digest table has its own page and a directory");
    pool_destroy(pool);
    digest_destroy(digests);
    expect(swap_pages_free(fake) == free_at_boot, "all pages given back");
    expect(fake->machine->nr_bad_pages == 0, "no bad page");
    printf("%lu out, %lu in, %u rejected, %lu pages at most, %u wrong\n", (unsigned long)stats.out_pages,
           (unsigned long)stats.in_pages, rejected, (unsigned long)stats.peak_pages, wrong);
    fake_finish(fake);
    return wrong != 0;
}
