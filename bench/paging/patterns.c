/* SPDX-License-Identifier: MIT */
/*
 * patterns.c - touches a region in the ways in which programs touch their memory, and times each.
 *
 *     patterns --mib N [--contents half|none|zero] [--threads N] [--seconds S] [--shift S] [--watch PID,...] PATTERN...
 *
 * Whatever is read is compared with what must be there. The region is filled first, whether that is asked for or not.
 * Prints a line of JSON for each pattern when it is done. CPU time is that of the process, all its threads, and, apart,
 * that of the kernel's threads given with --watch. Status 1: a wrong byte.
 */
#include "contents.h"
#include "walks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_THREADS 64
#define MAX_WATCHED 16
#define FAULT_NS 1000.0 /* what takes longer has most likely faulted */

static struct worker workers[MAX_THREADS];
static pid_t watched[MAX_WATCHED];
static unsigned nr_watched;

static void *work(void *argument) {
    struct worker *worker = argument;

    worker->pattern->run(worker);
    return NULL;
}

/* The first worker is the program's main thread. Returns the ns that it took. */
static uint64_t run_for(const struct pattern *pattern, double limit_s) {
    uint64_t from = clock_ns(CLOCK_MONOTONIC);

    for (unsigned i = setup.nr_threads; i-- > 0;) {
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
    for (unsigned i = 1; i < setup.nr_threads; i++)
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
    double limit_s = pattern->shifts ? pattern->shifts * setup.shift_s : pattern->length * setup.seconds, kernel_s;
    uint64_t cpu_ns, wall_ns, nr = 0;

    if (pattern->warmup > 0)
        run_for(pattern, pattern->warmup * setup.seconds);
    kernel_s = watched_s();
    cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    wall_ns = run_for(pattern, limit_s);
    cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns;
    kernel_s = watched_s() - kernel_s;
    if (quiet)
        return;
    memset(&all, 0, sizeof(all));
    for (unsigned i = 0; i < setup.nr_threads; i++) {
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
            setup.nr_pages = strtoul(argv[i + 1], NULL, 10) * 256;
        else if (strcmp(argv[i], "--contents") == 0)
            contents = contents_of(argv[i + 1]);
        else if (strcmp(argv[i], "--threads") == 0)
            setup.nr_threads = (unsigned)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--seconds") == 0)
            setup.seconds = strtod(argv[i + 1], NULL);
        else if (strcmp(argv[i], "--shift") == 0)
            setup.shift_s = strtod(argv[i + 1], NULL);
        else if (strcmp(argv[i], "--watch") == 0)
            read_watched(argv[i + 1]);
        else
            usage();
    }
    if (setup.nr_pages == 0 || setup.nr_threads == 0 || setup.nr_threads > MAX_THREADS || setup.seconds <= 0 ||
        setup.shift_s <= 0)
        usage();
    for (int j = i; j < argc; j++)
        if (!find_pattern(argv[j]))
            usage();
    latency_init();
    draw_init_zipf(setup.nr_pages / setup.nr_threads);
    for (unsigned j = 0; j < setup.nr_threads; j++)
        workers[j].draw.state = mix(j);
    if (contents_map(setup.nr_pages, contents) != 0) {
        perror("patterns: mmap");
        return 2;
    }
    for (; i < argc; i++) {
        const struct pattern *pattern = find_pattern(argv[i]), *fill = find_pattern("fill");

        if (!filled && strcmp(pattern->name, "first") != 0) {
            filled = true;
            run_pattern(fill, pattern != fill);
            if (pattern == fill)
                continue;
        }
        run_pattern(pattern, false);
    }
    return contents_wrong() != 0;
}
