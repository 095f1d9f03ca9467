/* SPDX-License-Identifier: MIT */
/*
 * patterns.c - touches a region in the ways in which programs touch their memory, and times each.
 *
 *     patterns --mib N [--contents half|none|zero] [--threads N] [--seconds S] [--shift S] [--watch PID,...] PATTERN...
 *
 * Whatever is read is compared with what must be there. The region is filled first, whether that is asked for or not.
 * Prints a line of JSON for each pattern when it is done. With several threads each has its part of the region where
 * the order counts, and every so-manieth page where it does not. CPU time is that of the process, all its threads,
 * and, apart, that of the kernel's threads given with --watch. Status 1: a wrong byte.
 */
#include "contents.h"
#include "draw.h"
#include "latency.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_THREADS 64
#define MAX_WATCHED 16
#define LOOPS 10
#define STRIDE 17
#define FAULT_NS 1000.0 /* what takes longer has most likely faulted */

struct worker {
    unsigned number;
    const struct pattern *pattern;
    struct draw draw;
    uint64_t nr, begin, end; /* accesses; ticks */
    struct latency latency;
    pthread_t thread;
};

struct pattern {
    const char *name;
    void (*run)(struct worker *worker);
    bool pages;    /* an access is a whole page, not a line of one */
    double length; /* of the time that patterns are given; 0: until it is done */
    double warmup; /* and as much before, which is not counted */
};

static struct worker workers[MAX_THREADS];
static unsigned nr_threads = 1;
static size_t nr_pages;
static double seconds = 5, shift_s = 5;
static pid_t watched[MAX_WATCHED];
static unsigned nr_watched;

static bool touch_read(struct worker *worker, volatile uint64_t *word) {
    uint64_t from = ticks(), to;

    (void)*word;
    to = ticks();
    latency_add(&worker->latency, to - from);
    worker->nr++;
    return to < worker->end;
}

static bool touch_write(struct worker *worker, volatile uint64_t *word) {
    uint64_t from = ticks(), to;

    *word = 0;
    to = ticks();
    latency_add(&worker->latency, to - from);
    worker->nr++;
    return to < worker->end;
}

static bool check(struct worker *worker, size_t page) {
    bool more = touch_read(worker, line_first_word(page));

    line_check(page);
    return more;
}

static bool change(struct worker *worker, size_t page) {
    bool more = touch_write(worker, line_first_word(page));

    line_write(page);
    return more;
}

/* A quarter of the accesses are writes. */
static bool use(struct worker *worker, size_t page) {
    return draw_u64(&worker->draw) % 4 == 0 ? change(worker, page) : check(worker, page);
}

static size_t first_page(const struct worker *worker) {
    return nr_pages / nr_threads * worker->number;
}

static size_t end_page(const struct worker *worker) {
    return worker->number + 1 == nr_threads ? nr_pages : nr_pages / nr_threads * (worker->number + 1);
}

/* The pages that only this worker touches where the order does not count: so many, and the one of this number. */
static size_t own_pages(void) {
    return nr_pages / nr_threads;
}

static size_t own_page(const struct worker *worker, size_t number) {
    return number * nr_threads + worker->number;
}

static void run_first(struct worker *worker) {
    for (size_t page = first_page(worker); page < end_page(worker); page++)
        touch_write(worker, page_first_word(page));
}

static void run_fill(struct worker *worker) {
    for (size_t page = first_page(worker); page < end_page(worker); page++) {
        touch_write(worker, page_first_word(page));
        page_write(page);
    }
}

static bool read_once(struct worker *worker) {
    bool more = true;

    for (size_t page = first_page(worker); page < end_page(worker) && more; page++) {
        more = touch_read(worker, page_first_word(page));
        page_check(page);
    }
    return more;
}

static void run_read(struct worker *worker) {
    read_once(worker);
}

static void run_rewrite(struct worker *worker) {
    bool more = true;

    for (size_t page = first_page(worker); page < end_page(worker) && more; page++) {
        more = touch_write(worker, page_first_word(page));
        page_write(page);
    }
}

static void run_scan(struct worker *worker) {
    for (unsigned i = 0; i < LOOPS && read_once(worker); i++)
        continue;
}

static void run_strided(struct worker *worker) {
    bool more = true;

    for (size_t offset = 0; offset < STRIDE; offset++)
        for (size_t page = first_page(worker) + offset; page < end_page(worker) && more; page += STRIDE)
            more = check(worker, page);
}

static void run_random_read(struct worker *worker) {
    while (check(worker, own_page(worker, draw_below(&worker->draw, own_pages()))))
        continue;
}

static void run_random_write(struct worker *worker) {
    while (change(worker, own_page(worker, draw_below(&worker->draw, own_pages()))))
        continue;
}

static void run_zipf(struct worker *worker) {
    while (use(worker, shuffled(own_page(worker, draw_zipf(&worker->draw)))))
        continue;
}

/* 90 % of the accesses go to 25 % of the pages, which lie scattered. */
static void run_hot(struct worker *worker) {
    size_t nr = own_pages(), nr_hot = nr / 4, number;

    do
        number = draw_u64(&worker->draw) % 10 ? draw_below(&worker->draw, nr_hot)
                                              : nr_hot + draw_below(&worker->draw, nr - nr_hot);
    while (use(worker, shuffled(own_page(worker, number))));
}

/* 90 % of the accesses go to an eighth of the region, and to another one every few seconds. */
static void run_shift(struct worker *worker) {
    uint64_t period = ticks_of_ns(shift_s * 1e9), next = worker->begin + period;
    size_t nr = own_pages(), nr_hot = nr / 8, first = 0, number;

    do {
        number =
            draw_u64(&worker->draw) % 10 ? first + draw_below(&worker->draw, nr_hot) : draw_below(&worker->draw, nr);
        if (worker->nr % 64 == 0 && ticks() >= next) {
            next += period;
            first = (first + 3 * nr_hot) % (8 * nr_hot);
        }
    } while (use(worker, own_page(worker, number)));
}

static void run_chase(struct worker *worker) {
    size_t page = walk_page(nr_pages / nr_threads * worker->number);

    while (touch_read(worker, page_last_word(page)))
        page = page_next(page);
}

/* Nothing is touched: what does it cost that there is a pager? */
static void run_idle(struct worker *worker) {
    struct timespec pause = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};

    if (worker->number == 0)
        nanosleep(&pause, NULL);
}

static const struct pattern patterns[] = {
    {"first", run_first, false, 0, 0},
    {"fill", run_fill, true, 0, 0},
    {"read", run_read, true, 2, 0},
    {"rewrite", run_rewrite, true, 2, 0},
    {"scan", run_scan, true, 6, 0},
    {"strided", run_strided, false, 1, 0},
    {"random_read", run_random_read, false, 1, 0.25},
    {"random_write", run_random_write, false, 1, 0.25},
    {"zipf", run_zipf, false, 1, 0.5},
    {"hot", run_hot, false, 1, 0.5},
    {"shift", run_shift, false, 0, 0},
    {"chase", run_chase, false, 1, 0},
    {"idle", run_idle, false, 0, 0},
};
#define NR_PATTERNS (sizeof(patterns) / sizeof(patterns[0]))

static void *work(void *argument) {
    struct worker *worker = argument;

    worker->pattern->run(worker);
    return NULL;
}

/* The first worker is the program's main thread. Returns the ns that it took. */
static uint64_t run_for(const struct pattern *pattern, double limit_s) {
    uint64_t from = clock_ns(CLOCK_MONOTONIC);

    for (unsigned i = nr_threads; i-- > 0;) {
        struct worker *worker = &workers[i];

        worker->number = i;
        worker->pattern = pattern;
        worker->nr = 0;
        memset(&worker->latency, 0, sizeof(worker->latency));
        worker->begin = ticks();
        worker->end = limit_s > 0 ? worker->begin + ticks_of_ns(limit_s * 1e9) : UINT64_MAX;
        if (i == 0) {
            work(worker);
        } else if (pthread_create(&worker->thread, NULL, work, worker) != 0) {
            perror("patterns: pthread_create");
            exit(2);
        }
    }
    for (unsigned i = 1; i < nr_threads; i++)
        pthread_join(workers[i].thread, NULL);
    return clock_ns(CLOCK_MONOTONIC) - from;
}

/* CPU time of the kernel's threads that are watched. */
static double watched_s(void) {
    double sum_ns = 0;

    for (unsigned i = 0; i < nr_watched; i++) {
        char path[64];
        unsigned long long ns;
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)watched[i]);
        if ((file = fopen(path, "re")) == NULL)
            continue;
        if (fscanf(file, "%llu", &ns) == 1)
            sum_ns += (double)ns;
        fclose(file);
    }
    return sum_ns * 1e-9;
}

static void run_pattern(const struct pattern *pattern, bool quiet) {
    static struct latency all;
    double limit_s = pattern->run == run_shift ? 3 * shift_s : pattern->length * seconds, kernel_s;
    uint64_t cpu_ns, wall_ns, nr = 0;

    if (pattern->warmup > 0)
        run_for(pattern, pattern->warmup * seconds);
    kernel_s = watched_s();
    cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    wall_ns = run_for(pattern, limit_s);
    cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns;
    kernel_s = watched_s() - kernel_s;
    if (quiet)
        return;
    memset(&all, 0, sizeof(all));
    for (unsigned i = 0; i < nr_threads; i++) {
        latency_merge(&all, &workers[i].latency);
        nr += workers[i].nr;
    }
    printf("{\"pattern\": \"%s\", \"accesses\": %llu, \"bytes\": %llu, \"seconds\": %.6f, \"cpu_s\": %.6f, "
           "\"kernel_cpu_s\": %.6f, \"p50_ns\": %.0f, \"p99_ns\": %.0f, \"p999_ns\": %.0f, \"longest_ns\": %.0f, "
           "\"faults\": %llu, \"fault_p50_ns\": %.0f, \"fault_p99_ns\": %.0f}\n",
           pattern->name, (unsigned long long)nr, (unsigned long long)(pattern->pages ? nr * PAGE : 0),
           (double)wall_ns * 1e-9, (double)cpu_ns * 1e-9, kernel_s, latency_quantile_ns(&all, 0.5, 0),
           latency_quantile_ns(&all, 0.99, 0), latency_quantile_ns(&all, 0.999, 0), ns_of_ticks((double)all.longest),
           (unsigned long long)latency_count(&all, FAULT_NS), latency_quantile_ns(&all, 0.5, FAULT_NS),
           latency_quantile_ns(&all, 0.99, FAULT_NS));
    fflush(stdout);
}

static const struct pattern *find_pattern(const char *name) {
    for (size_t i = 0; i < NR_PATTERNS; i++)
        if (strcmp(patterns[i].name, name) == 0)
            return &patterns[i];
    return NULL;
}

static void usage(void) {
    fprintf(stderr, "usage: patterns --mib N [--contents half|none|zero] [--threads N] [--seconds S] [--shift S] "
                    "[--watch PID,...] PATTERN...\n");
    exit(2);
}

static enum contents contents_of(const char *name) {
    if (strcmp(name, "none") != 0 && strcmp(name, "half") != 0 && strcmp(name, "zero") != 0)
        usage();
    return name[0] == 'n' ? CONTENTS_NONE : name[0] == 'h' ? CONTENTS_HALF : CONTENTS_ZERO;
}

static void read_watched(char *list) {
    for (char *word = strtok(list, ","); word && nr_watched < MAX_WATCHED; word = strtok(NULL, ","))
        watched[nr_watched++] = (pid_t)strtol(word, NULL, 10);
}

int main(int argc, char **argv) {
    enum contents contents = CONTENTS_HALF;
    bool filled = false;
    int i;

    for (i = 1; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        if (strcmp(argv[i], "--mib") == 0)
            nr_pages = strtoul(argv[i + 1], NULL, 10) * 256;
        else if (strcmp(argv[i], "--contents") == 0)
            contents = contents_of(argv[i + 1]);
        else if (strcmp(argv[i], "--threads") == 0)
            nr_threads = (unsigned)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--seconds") == 0)
            seconds = strtod(argv[i + 1], NULL);
        else if (strcmp(argv[i], "--shift") == 0)
            shift_s = strtod(argv[i + 1], NULL);
        else if (strcmp(argv[i], "--watch") == 0)
            read_watched(argv[i + 1]);
        else
            usage();
    }
    if (nr_pages == 0 || nr_threads == 0 || nr_threads > MAX_THREADS || seconds <= 0 || shift_s <= 0)
        usage();
    for (int j = i; j < argc; j++)
        if (!find_pattern(argv[j]))
            usage();
    latency_init();
    draw_init_zipf(nr_pages / nr_threads);
    for (unsigned j = 0; j < nr_threads; j++)
        workers[j].draw.state = mix(j);
    if (contents_map(nr_pages, contents) != 0) {
        perror("patterns: mmap");
        return 2;
    }
    for (; i < argc; i++) {
        const struct pattern *pattern = find_pattern(argv[i]);

        if (!filled && pattern->run != run_first) {
            filled = true;
            run_pattern(find_pattern("fill"), pattern->run != run_fill);
            if (pattern->run == run_fill)
                continue;
        }
        run_pattern(pattern, false);
    }
    return contents_wrong() != 0;
}
