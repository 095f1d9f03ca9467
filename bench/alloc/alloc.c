/* SPDX-License-Identifier: MIT */
/*
 * alloc.c - what a page, or a block of pages, costs to get and to give back.
 *
 *   alloc ROW THREADS FRAMES OPS REPEATS
 *
 * prints, for at most OPS operations a repeat, the nanoseconds of thread CPU time per operation, one line for each
 * repeat, averaged over the threads. With WEIR defined it asks weir's page allocator, else malloc. Each thread works on
 * its share of FRAMES, pinned to a CPU of its own; all start each repeat together.
 */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE 4096ul
#define ORDERS 11
#define STACK 256u
#define REPEAT_NS_MOST 2e8

#ifdef WEIR
#include "bench/alloc/host.h"
#include "mm/page_alloc.h"

#define GFP (GFP_HIGHUSER_MOVABLE | __GFP_NORETRY | __GFP_NOWARN)

static struct machine *machine;

static inline void *get(unsigned order) {
    return alloc_pages_by(machine, GFP, order, host_task());
}

static inline void put(void *block, unsigned order) {
    free_pages_by(machine, block, order, host_task());
}
#else
static inline void *get(unsigned order) {
    return malloc(PAGE << order);
}

static inline void put(void *block, unsigned order) {
    (void)order;
    free(block);
}
#endif

struct worker;

struct row {
    const char *name;
    void (*prepare)(struct worker *w); /* once, not measured */
    void (*before)(struct worker *w);  /* before each repeat, not measured */
    uint64_t (*run)(struct worker *w); /* returns how many operations it did */
    void (*after)(struct worker *w);   /* after each repeat, not measured */
    void (*finish)(struct worker *w);
};

struct worker {
    const struct row *row;
    pthread_t thread;
    unsigned cpu, repeats;
    uint64_t frames, ops;
    uint64_t seed;
    void **held;
    uint8_t *orders; /* of held, in mixed */
    uint64_t nr_held, held_frames;
    double *ns;
};

static pthread_barrier_t together;

static inline uint64_t next_random(struct worker *w) {
    w->seed ^= w->seed << 13;
    w->seed ^= w->seed >> 7;
    w->seed ^= w->seed << 17;
    return w->seed;
}

static inline uint64_t below(struct worker *w, uint64_t n) {
    return (uint64_t)((__uint128_t)next_random(w) * n >> 64);
}

static void *must(void *block) {
    if (!block) {
        fprintf(stderr, "alloc: out of memory\n");
        exit(1);
    }
    return block;
}

/* Large arrays come straight from Linux: the allocator under test shall not have to do with them. */
static void *array(size_t bytes) {
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    memset(p, 0, bytes);
    return p;
}

static void shuffle(struct worker *w) {
    for (uint64_t i = w->nr_held; i > 1; i--) {
        uint64_t j = below(w, i);
        void *block = w->held[i - 1];

        w->held[i - 1] = w->held[j];
        w->held[j] = block;
    }
}

/* -- Rows -------------------------------------------------------------------------------------------------------- */

static uint64_t run_pair(struct worker *w) {
    for (uint64_t i = 0; i < w->ops; i++) {
        void *block = get(0);

        __asm__ volatile("" : "+r"(block));
        put(block, 0);
    }
    return w->ops;
}

static uint64_t run_stack(struct worker *w) {
    void *stack[STACK];

    for (uint64_t i = 0; i < w->ops / STACK; i++) {
        for (unsigned n = 0; n < STACK; n++)
            stack[n] = get(0);
        for (unsigned n = STACK; n-- > 0;)
            put(stack[n], 0);
    }
    return w->ops / STACK * STACK;
}

static uint64_t run_fill(struct worker *w) {
    for (uint64_t i = 0; i < w->frames; i++)
        w->held[i] = get(0);
    w->nr_held = w->frames;
    return w->frames;
}

static uint64_t run_empty(struct worker *w) {
    for (uint64_t i = 0; i < w->nr_held; i++)
        put(w->held[i], 0);
    w->nr_held = 0;
    return w->frames;
}

static void fill(struct worker *w) {
    run_fill(w);
    must(w->held[w->frames - 1]);
}

static void empty(struct worker *w) {
    run_empty(w);
}

static void fill_and_shuffle(struct worker *w) {
    fill(w);
    shuffle(w);
}

static void shuffle_and_empty(struct worker *w) {
    must(w->held[w->frames - 1]);
    shuffle(w);
    empty(w);
}

static void fill_half(struct worker *w) {
    fill_and_shuffle(w);
    while (w->nr_held > w->frames / 2)
        put(w->held[--w->nr_held], 0);
}

static uint64_t run_random(struct worker *w) {
    for (uint64_t i = 0; i < w->ops; i++) {
        uint64_t victim = below(w, w->nr_held);

        put(w->held[victim], 0);
        w->held[victim] = get(0);
    }
    return w->ops;
}

static uint64_t run_pair9(struct worker *w) {
    for (uint64_t i = 0; i < w->ops; i++) {
        void *block = get(9);

        __asm__ volatile("" : "+r"(block));
        put(block, 9);
    }
    return w->ops;
}

static void hold_mixed(struct worker *w) {
    while (w->held_frames < w->frames / 10 * 8) {
        unsigned order = (unsigned)below(w, ORDERS);
        void *block = get(order);

        if (!block)
            return;
        w->held[w->nr_held] = block;
        w->orders[w->nr_held++] = (uint8_t)order;
        w->held_frames += 1u << order;
    }
}

static uint64_t run_mixed(struct worker *w) {
    for (uint64_t i = 0; i < w->ops; i++) {
        uint64_t victim = below(w, w->nr_held);
        unsigned order = w->orders[victim];

        put(w->held[victim], order);
        w->held_frames -= 1u << order;
        w->held[victim] = w->held[--w->nr_held];
        w->orders[victim] = w->orders[w->nr_held];
        hold_mixed(w);
    }
    return w->ops;
}

static void empty_mixed(struct worker *w) {
    while (w->nr_held > 0) {
        w->nr_held--;
        put(w->held[w->nr_held], w->orders[w->nr_held]);
    }
}

static const struct row rows[] = {
    {.name = "pair", .run = run_pair},
    {.name = "stack", .run = run_stack},
    {.name = "random", .prepare = fill_half, .run = run_random, .finish = empty},
    {.name = "fill", .run = run_fill, .after = shuffle_and_empty},
    {.name = "free", .before = fill_and_shuffle, .run = run_empty},
    {.name = "pair9", .run = run_pair9},
    {.name = "mixed", .prepare = hold_mixed, .run = run_mixed, .finish = empty_mixed},
};

static uint64_t cpu_time_ns(void) {
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fit_repeat(struct worker *w, double ns) {
    uint64_t most = (uint64_t)(REPEAT_NS_MOST / ns);

    if (w->ops > most && most > STACK)
        w->ops = most;
}

static void *work(void *arg) {
    struct worker *w = arg;
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(w->cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
#ifdef WEIR
    host_thread(w->cpu, false);
#endif
    w->held = array((w->frames + 1) * sizeof(w->held[0]));
    w->orders = array(w->frames + 1);
    if (w->row->prepare)
        w->row->prepare(w);
    for (unsigned i = 0; i <= w->repeats; i++) {
        uint64_t start, ops;

        if (w->row->before)
            w->row->before(w);
        pthread_barrier_wait(&together);
        start = cpu_time_ns();
        ops = w->row->run(w);
        /* The first one warms up, and says how many operations fit a repeat. */
        if (i == 0 && w->repeats > 0)
            fit_repeat(w, (double)(cpu_time_ns() - start) / (double)ops);
        else
            w->ns[w->repeats ? i - 1 : 0] = (double)(cpu_time_ns() - start) / (double)ops;
        pthread_barrier_wait(&together);
        if (w->row->after)
            w->row->after(w);
    }
    if (w->row->finish)
        w->row->finish(w);
    return NULL;
}

int main(int argc, char **argv) {
    unsigned threads = argc == 6 ? (unsigned)atoi(argv[2]) : 0, repeats = argc == 6 ? (unsigned)atoi(argv[5]) : 0;
    uint64_t frames = argc == 6 ? strtoull(argv[3], NULL, 0) : 0;
    struct worker *workers = array(sizeof(*workers) * (threads + 1));
    const struct row *row = NULL;

    for (size_t i = 0; argc == 6 && i < sizeof(rows) / sizeof(rows[0]); i++)
        if (!strcmp(argv[1], rows[i].name))
            row = &rows[i];
    if (!row || threads == 0) {
        fprintf(stderr, "usage: alloc ROW THREADS FRAMES OPS REPEATS\n");
        return 2;
    }
#ifdef WEIR
    size_t boot_bytes;

    machine = must(host_boot((uint32_t)frames, threads, &boot_bytes));
#endif
    pthread_barrier_init(&together, NULL, threads);
    for (unsigned i = 0; i < threads; i++) {
        workers[i] = (struct worker){.row = row, .cpu = i, .repeats = repeats, .seed = 88172645463325252ull + i * 977};
        /* All but one part in 64: no allocator shall have to reclaim. */
        workers[i].frames = (frames - frames / 64) / threads;
        workers[i].ops = strtoull(argv[4], NULL, 0);
        workers[i].ns = array((repeats + 1) * sizeof(double));
    }
    for (unsigned i = 1; i < threads; i++)
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    work(&workers[0]);
    for (unsigned i = 1; i < threads; i++)
        pthread_join(workers[i].thread, NULL);
    for (unsigned n = 0; n < (repeats ? repeats : 1); n++) {
        double sum = 0;

        for (unsigned i = 0; i < threads; i++)
            sum += workers[i].ns[n];
        printf("%.2f\n", sum / threads);
    }
    return 0;
}
