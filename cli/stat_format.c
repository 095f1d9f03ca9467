/* SPDX-License-Identifier: MIT */
#include "cli/stat_format.h"

#include <limits.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cli/complain.h"
#include "cli/counters.h"
#include "cli/latency.h"
#include "cli/observe.h"
#include "cli/report.h"

#define LINES_PER_HEADING 20
#define TEXT_WAIT_NS 2000000000ull
#define TEXT_POLL_NS 5000000l
#define NS_PER_S 1000000000ull

static unsigned long mib(uint64_t pages) {
    return (unsigned long)(pages >> 8);
}

/* When the process started, on CLOCK_MONOTONIC, which is how the kernel counts it too; 0 if that cannot be told. */
static uint64_t started_ns(uint32_t pid) {
    char path[64], text[1024];
    unsigned long long ticks = 0;
    struct timespec boot, mono;
    uint64_t since_boot, asleep;
    FILE *file;
    char *rest;
    long per_second = 100; /* USER_HZ, on every machine that Linux runs weir on */
    size_t len;

    snprintf(path, sizeof path, "/proc/%u/stat", pid);
    file = fopen(path, "re");
    if (!file)
        return 0;
    len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = '\0';
    rest = strrchr(text, ')');
    /* Field 22, counted from the state, which is field 3. */
    if (!rest || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                        &ticks) != 1)
        return 0;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    clock_gettime(CLOCK_MONOTONIC, &mono);
    asleep = (uint64_t)(boot.tv_sec - mono.tv_sec) * NS_PER_S;
    since_boot = ticks * (NS_PER_S / (uint64_t)per_second);
    return since_boot > asleep ? since_boot - asleep : 0;
}

static unsigned long rate(uint64_t now, uint64_t *before, double seconds) {
    uint64_t step = now - *before;

    *before = now;
    return seconds > 0 ? (unsigned long)((double)step / seconds + 0.5) : 0;
}

/* As vmstat(8): the first line tells averages since the start, each further one what happened since the one before. */
static int print_vmstat(struct statsfile *s, struct weir_process_stats *r, struct stat_state *state) {
    uint64_t now_ns = monotonic_ns();
    double seconds;

    (void)s;
    if (state->lines == 0)
        state->at_ns = started_ns(r->pid);
    seconds = (double)(now_ns - state->at_ns) / (double)NS_PER_S;
    state->at_ns = now_ns;
    if (state->lines++ % LINES_PER_HEADING == 0)
        printf(
            "-----------RAM, MiB----------- --swap, MiB- ---pages/s--- ---------faults/s---------- -reclaim/s-- "
            "--%%--\n"
            "  free program parked  pool   pool  file     so     si  fresh   soft   pool   file kswapd direct stall\n");
    printf("%6lu %7lu %6lu %5lu %6lu %5lu", mib(r->free_pages), mib(r->resident_pages), mib(r->parked_pages),
           mib(r->pool_pages), mib(r->pool_stored_pages), mib(r->file_pages));
    printf(" %6lu %6lu", rate(r->swapped_out_pages, &state->swapped_out, seconds),
           rate(r->swapped_in_pages, &state->swapped_in, seconds));
    for (unsigned kind = 0; kind < WEIR_FAULT_KINDS; kind++)
        printf(" %6lu", rate(r->fault[kind].count, &state->faults[kind], seconds));
    printf(" %6lu %6lu", rate(r->reclaimed_kswapd_pages, &state->kswapd, seconds),
           rate(r->reclaimed_direct_pages, &state->direct, seconds));
    printf(" %5lu\n", rate(r->stalled_ns, &state->stalled_ns, seconds * (double)NS_PER_S / 100));
    return 0;
}

static int print_json(struct statsfile *s, struct weir_process_stats *record, struct stat_state *state) {
    (void)record;
    (void)state;
    return report_json(stdout, s->file, NULL) < 0 ? refuse(1, "standard output cannot be written") : 0;
}

/* A label's value: backslash, quote and newline are escaped. */
static void print_label(const char *text, size_t max) {
    for (size_t i = 0; i < max && text[i]; i++) {
        if (text[i] == '\n')
            fputs("\\n", stdout);
        else if (text[i] == '"' || text[i] == '\\')
            printf("\\%c", text[i]);
        else
            putchar(text[i]);
    }
}

static void print_labels(const struct weir_process_stats *record) {
    printf("pid=\"%u\",name=\"", record->pid);
    print_label(record->comm, sizeof record->comm);
    putchar('"');
}

static void print_latencies(const struct statsfile *s, unsigned nr_processes) {
    printf("# TYPE weir_fault_seconds summary\n# HELP weir_fault_seconds How long faults took, by kind.\n");
    for (unsigned i = 0; i < nr_processes; i++) {
        const struct weir_process_stats *record = &s->file->process[i];

        for (unsigned kind = 0; kind < WEIR_FAULT_KINDS; kind++) {
            static const double shares[] = {0.5, 0.99};
            const struct weir_latency *latency = &record->fault[kind];

            for (size_t q = 0; q < sizeof shares / sizeof shares[0]; q++) {
                printf("weir_fault_seconds{");
                print_labels(record);
                printf(",kind=\"%s\",quantile=\"%g\"} %.9f\n", fault_kind_names[kind], shares[q],
                       (double)latency_quantile_ns(latency, shares[q]) / 1e9);
            }
            printf("weir_fault_seconds_count{");
            print_labels(record);
            printf(",kind=\"%s\"} %llu\nweir_fault_seconds_sum{", fault_kind_names[kind],
                   (unsigned long long)latency->count);
            print_labels(record);
            printf(",kind=\"%s\"} %.9f\n", fault_kind_names[kind], (double)latency->total_ns / 1e9);
        }
    }
}

static int print_openmetrics(struct statsfile *s, struct weir_process_stats *record, struct stat_state *state) {
    unsigned nr_processes = statsfile_count(s->file);

    (void)record;
    (void)state;
    for (size_t c = 0; c < nr_counters; c++) {
        const struct counter *counter = &counters[c];

        printf("# TYPE weir_%s %s\n# HELP weir_%s %s\n", counter->name, counter->gauge ? "gauge" : "counter",
               counter->name, counter->help);
        for (unsigned i = 0; i < nr_processes; i++) {
            printf("weir_%s%s{", counter->name, counter->gauge ? "" : "_total");
            print_labels(&s->file->process[i]);
            printf("} %llu\n", (unsigned long long)counter_value(&s->file->process[i], counter));
        }
    }
    print_latencies(s, nr_processes);
    printf("# EOF\n");
    return 0;
}

/* Asks the process to write its texts anew and waits for the answer. */
static int refresh_text(struct statsfile *s, struct weir_process_stats *record) {
    const struct timespec pause = {.tv_nsec = TEXT_POLL_NS};
    uint64_t deadline = monotonic_ns() + TEXT_WAIT_NS;
    uint32_t wanted;

    if (!s->writable)
        return refuse(1, "process %u belongs to another user, and cannot be asked for this", record->pid);
    wanted = ++record->text_wanted;
    record->clerk_bell++;
    syscall(SYS_futex, &record->clerk_bell, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    while ((int32_t)(record->text_done - wanted) < 0) {
        if (monotonic_ns() > deadline)
            return refuse(1, "process %u does not answer; it may be stopped", record->pid);
        nanosleep(&pause, NULL);
    }
    return 0;
}

/* A text that the process writes on demand, in the form that Linux gives its own file of that name. */
static int print_text(struct statsfile *s, struct weir_process_stats *record, const char *text, size_t max) {
    int status = refresh_text(s, record);

    if (status == 0)
        printf("%.*s", (int)max, text);
    return status;
}

static int print_buddyinfo(struct statsfile *s, struct weir_process_stats *record, struct stat_state *state) {
    (void)state;
    return print_text(s, record, record->buddyinfo, sizeof record->buddyinfo);
}

static int print_pagetypeinfo(struct statsfile *s, struct weir_process_stats *record, struct stat_state *state) {
    (void)state;
    return print_text(s, record, record->pagetypeinfo, sizeof record->pagetypeinfo);
}

static int print_zoneinfo(struct statsfile *s, struct weir_process_stats *record, struct stat_state *state) {
    (void)state;
    return print_text(s, record, record->zoneinfo, sizeof record->zoneinfo);
}

static int print_proc_vmstat(struct statsfile *s, struct weir_process_stats *record, struct stat_state *state) {
    (void)state;
    return print_text(s, record, record->vmstat, sizeof record->vmstat);
}

static int print_swaps(struct statsfile *s, struct weir_process_stats *record, struct stat_state *state) {
    (void)state;
    return print_text(s, record, record->swaps, sizeof record->swaps);
}

const struct stat_format *stat_format_find(const char *name) {
    static const struct stat_format formats[] = {
        {"vmstat", print_vmstat},
        {"json", print_json},
        {"openmetrics", print_openmetrics},
        {"buddyinfo", print_buddyinfo},
        {"pagetypeinfo", print_pagetypeinfo},
        {"zoneinfo", print_zoneinfo},
        {"proc-vmstat", print_proc_vmstat},
        {"swaps", print_swaps},
    };

    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}
