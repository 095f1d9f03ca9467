/* SPDX-License-Identifier: MIT */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/complain.h"
#include "cli/observe.h"
#include "cli/report.h"
#include "cli/stat_format.h"
#include "cli/statsfile.h"
#include "cli/verbs.h"

#define SUPERVISORS_MAX 256
#define FORMATS "vmstat, json, openmetrics, buddyinfo, pagetypeinfo, zoneinfo, proc-vmstat, swaps or pressure"

struct request {
    const char *format;
    const char *words[3]; /* PID, INTERVAL, COUNT */
    unsigned nr_words;
};

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct request *request = state->input;

    switch (key) {
    case 'f':
        request->format = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (request->nr_words == 3)
            argp_error(state, "too many arguments at '%s'", arg);
        request->words[request->nr_words++] = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_table[] = {
    {"format", 'f', "FORMAT", 0, FORMATS " (default: vmstat)", 0},
    {0},
};

static const struct argp argp = {
    .options = option_table,
    .parser = parse_option,
    .args_doc = "[PID [INTERVAL [COUNT]]]",
    .doc = "Show the counters of a program that runs under weir.\vPID is that of weir run or of any process under it; "
           "without it, the only run there is. With INTERVAL, a line every so many seconds until the program ends, or "
           "COUNT lines.",
};

static bool parse_whole(const char *text, long *ret_value) {
    char *end;

    errno = 0;
    *ret_value = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *ret_value > 0;
}

static bool parse_interval(const char *text, double *ret_seconds) {
    char *end;

    *ret_seconds = strtod(text, &end);
    return end != text && *end == '\0' && *ret_seconds >= 0.01 && *ret_seconds <= 1e6;
}

/* One line for each run, for a person to choose from. */
static void list_runs(const pid_t *supervisors, size_t count) {
    printf("%8s %8s %s\n", "PID", "PROGRAM", "NAME");
    for (size_t i = 0; i < count; i++) {
        const struct weir_process_stats *record;
        struct statsfile s;

        if (statsfile_open(supervisors[i], &s) < 0)
            continue;
        record = statsfile_record(s.file, (pid_t)s.file->program_pid);
        printf("%8d %8u %.16s\n", (int)supervisors[i], s.file->program_pid, record ? record->comm : "?");
        statsfile_close(&s);
    }
}

/* Finds the run that pid belongs to, and pid's record or the program's. 0 or an exit status after saying why. */
static int find_run(pid_t pid, struct statsfile *ret_stats, struct weir_process_stats **ret_record) {
    pid_t supervisors[SUPERVISORS_MAX];
    size_t count;

    if (statsfile_open(pid, ret_stats) == 0) {
        *ret_record = statsfile_record(ret_stats->file, (pid_t)ret_stats->file->program_pid);
        if (*ret_record)
            return 0;
        statsfile_close(ret_stats);
        return refuse(1, "the program that %d runs has not come up yet; try again", (int)pid);
    }
    count = statsfile_list(supervisors, SUPERVISORS_MAX);
    for (size_t i = 0; i < count && i < SUPERVISORS_MAX; i++) {
        if (statsfile_open(supervisors[i], ret_stats) < 0)
            continue;
        *ret_record = statsfile_record(ret_stats->file, pid);
        if (*ret_record)
            return 0;
        statsfile_close(ret_stats);
    }
    return refuse(1, "process %d does not run under weir, or is not yours to look at; 'weir stat' lists what does",
                  (int)pid);
}

static int choose_run(struct statsfile *ret_stats, struct weir_process_stats **ret_record, bool *ret_listed) {
    pid_t supervisors[SUPERVISORS_MAX];
    size_t count = statsfile_list(supervisors, SUPERVISORS_MAX);

    *ret_listed = false;
    if (count == 0)
        return refuse(1, "nothing runs under weir now");
    if (count > 1) {
        list_runs(supervisors, count < SUPERVISORS_MAX ? count : SUPERVISORS_MAX);
        *ret_listed = true;
        return 0;
    }
    return find_run(supervisors[0], ret_stats, ret_record);
}

static bool is_over(const struct statsfile *s, const struct weir_process_stats *record) {
    return record->exited || (kill((pid_t)s->file->supervisor_pid, 0) < 0 && errno == ESRCH);
}

static void sleep_until(uint64_t due_ns) {
    struct timespec due = {.tv_sec = (time_t)(due_ns / 1000000000ull), .tv_nsec = (long)(due_ns % 1000000000ull)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
        ;
}

static int show(struct statsfile *s, struct weir_process_stats *record, const struct stat_format *format,
                double interval, long count) {
    uint64_t step_ns = (uint64_t)(interval * 1e9), due_ns = monotonic_ns();
    struct stat_state state = {0};

    for (long shown = 0; count == 0 || shown < count; shown++) {
        int status;

        if (shown > 0) {
            due_ns += step_ns;
            sleep_until(due_ns);
            if (is_over(s, record))
                break;
        }
        status = format->print(s, record, &state);
        if (status != 0)
            return status;
        /* Somebody reads along a pipe; and when nobody reads any more, that ends it. */
        if (fflush(stdout) == EOF)
            return 1;
    }
    return 0;
}

int verb_stat(int argc, char **argv) {
    struct request request = {.format = "vmstat"};
    const struct stat_format *format;
    struct weir_process_stats *record;
    struct statsfile stats;
    long pid = 0, count = 1;
    double interval = 1;
    bool listed = false;
    int status;

    argp_parse(&argp, argc, argv, 0, NULL, &request);
    format = stat_format_find(request.format);
    if (!format)
        return refuse(EXIT_USAGE, "--format '%s' is unknown; it is " FORMATS, request.format);
    if (request.nr_words > 0 && !parse_whole(request.words[0], &pid))
        return refuse(EXIT_USAGE, "'%s' is no process id", request.words[0]);
    if (request.nr_words > 1) {
        count = 0;
        if (!parse_interval(request.words[1], &interval))
            return refuse(EXIT_USAGE, "'%s' is no interval; give seconds, at least 0.01", request.words[1]);
    }
    if (request.nr_words > 2 && !parse_whole(request.words[2], &count))
        return refuse(EXIT_USAGE, "'%s' is no count; give a whole number above 0", request.words[2]);

    status = pid ? find_run((pid_t)pid, &stats, &record) : choose_run(&stats, &record, &listed);
    if (status != 0 || listed)
        return status;
    status = show(&stats, record, format, interval, count);
    statsfile_close(&stats);
    return status;
}
