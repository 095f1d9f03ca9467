/* SPDX-License-Identifier: MIT */
#include "cli/stat_format.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/complain.h"
#include "cli/observe.h"
#include "cli/openmetrics.h"
#include "cli/report.h"
#include "cli/stat_ask.h"

#define LINES_PER_HEADING 20
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

    ask_for_figures(s);
    if (state->lines == 0)
        state->at_ns = started_ns(r->pid);
    seconds = (double)(now_ns - state->at_ns) / (double)NS_PER_S;
    state->at_ns = now_ns;
    if (state->lines++ % LINES_PER_HEADING == 0)
        printf("-----------RAM, MiB----------- --swap, MiB- ---pages/s--- ---------faults/s---------- -reclaim/s-- "
               "--%%-- pressure %%\n"
               "  free program parked  pool   pool  file     so     si  fresh   soft   pool   file kswapd direct stall "
               " some full\n");
    printf("%6lu %7lu %6lu %5lu %6lu %5lu", mib(r->free_pages), mib(r->resident_pages), mib(r->parked_pages),
           mib(r->pool_pages), mib(r->pool_stored_pages), mib(r->file_pages));
    printf(" %6lu %6lu", rate(r->swapped_out_pages, &state->swapped_out, seconds),
           rate(r->swapped_in_pages, &state->swapped_in, seconds));
    for (unsigned kind = 0; kind < WEIR_FAULT_KINDS; kind++)
        printf(" %6lu", rate(r->fault[kind].count, &state->faults[kind], seconds));
    printf(" %6lu %6lu", rate(r->reclaimed_kswapd_pages, &state->kswapd, seconds),
           rate(r->reclaimed_direct_pages, &state->direct, seconds));
    printf(" %5lu", rate(r->stalled_ns, &state->stalled_ns, seconds * (double)NS_PER_S / 100));
    printf(" %5lu", rate(r->pressure_some_ns, &state->some_ns, seconds * (double)NS_PER_S / 100));
    printf(" %4lu\n", rate(r->pressure_full_ns, &state->full_ns, seconds * (double)NS_PER_S / 100));
    return 0;
}

static int print_json(struct statsfile *s, struct weir_process_stats *record, struct stat_state *state) {
    (void)record;
    (void)state;
    ask_for_figures(s);
    return report_json(stdout, s->file, NULL) < 0 ? refuse(1, "standard output cannot be written") : 0;
}

/* A text that the process writes on demand, in the form that Linux gives its own file of that name. */
static int print_text(struct statsfile *s, struct weir_process_stats *record, const char *text, size_t max) {
    int status = ask_for_text(s, record);

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

static int print_pressure(struct statsfile *s, struct weir_process_stats *record, struct stat_state *state) {
    (void)state;
    return print_text(s, record, record->pressure_text, sizeof record->pressure_text);
}

static int print_openmetrics(struct statsfile *s, struct weir_process_stats *record, struct stat_state *state) {
    (void)record;
    (void)state;
    ask_for_figures(s);
    openmetrics_print(s);
    return 0;
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
        {"pressure", print_pressure},
    };

    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}
