/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/checks.h"
#include "cli/complain.h"
#include "cli/observe.h"
#include "cli/options.h"
#include "cli/preload.h"
#include "cli/program.h"
#include "cli/report.h"
#include "cli/size.h"
#include "cli/statsfile.h"
#include "cli/supervise.h"
#include "cli/verbs.h"

#define NS_PER_S 1e9

struct run {
    struct run_options options;
    struct weir_config config;
    struct preload preload;
    struct statsfile stats;
    FILE *json; /* --stats, or NULL */
};

/* Opened before the program starts: a run of hours must not end with "cannot write". */
static int open_json(struct run *run) {
    int fd;

    if (!run->options.stats_path)
        return 0;
    fd = open(run->options.stats_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return refuse(EXIT_USAGE, "--stats: '%s' cannot be written: %s", run->options.stats_path, strerror(errno));
    run->json = fdopen(fd, "w");
    if (!run->json)
        return refuse(EXIT_WEIR_FAILED, "no memory");
    return 0;
}

static void say_what_is_chosen(const struct run *run) {
    char ram[SIZE_TEXT_MAX], swap[SIZE_TEXT_MAX];

    size_text(run->config.ram_bytes, ram);
    if (run->config.swap_bytes)
        complain("RAM %s, compressed pool up to %u %% of it, swap file up to %s in %s", ram, run->config.zpool_percent,
                 size_text(run->config.swap_bytes, swap), run->config.swap_dir);
    else
        complain("RAM %s, compressed pool up to %u %% of it, no swap file", ram, run->config.zpool_percent);
    complain("allocator %s; %ld CPUs", run->preload.allocator, sysconf(_SC_NPROCESSORS_ONLN));
}

/* All that can be refused is refused before anything is made or started. */
static int prepare(struct run *run) {
    char program[PATH_MAX];
    int status = options_resolve(&run->options, &run->config);

    if (status == 0)
        status = program_check(run->options.command[0], program);
    if (status == 0)
        status = checks_before_run();
    if (status == 0)
        status = preload_find(&run->preload);
    if (status == 0)
        status = open_json(run);
    return status;
}

static pid_t start(struct run *run) {
    static char preload[3 * PATH_MAX], config[2048 + sizeof WEIR_CONFIG_ENV], stats[64 + sizeof WEIR_STATS_ENV];
    const char *before = getenv("LD_PRELOAD");
    char text[sizeof run->stats.file->config];
    char *environment[] = {preload, config, stats, NULL};
    int keep[2];
    struct launch launch = {.argv = run->options.command, .environment = environment, .keep_fds = keep};
    pid_t program;
    int error;

    config_encode(&run->config, text, sizeof text);
    error = statsfile_create(text, &run->stats);
    if (error < 0)
        return -refuse(EXIT_WEIR_FAILED, "no memory for statistics: %s", strerror(-error));
    if (snprintf(preload, sizeof preload, "LD_PRELOAD=%s:%s%s%s", run->preload.weir, run->preload.allocator,
                 before && before[0] ? ":" : "", before ? before : "") >= (int)sizeof preload)
        return -refuse(EXIT_WEIR_FAILED, "LD_PRELOAD is too long already");
    snprintf(config, sizeof config, WEIR_CONFIG_ENV "=%s", text);
    snprintf(stats, sizeof stats, WEIR_STATS_ENV "=/proc/%d/fd/%d", (int)getpid(), run->stats.fd);

    /* The JSON file was opened first and so has the lower number. */
    if (run->json)
        keep[launch.nr_keep_fds++] = fileno(run->json);
    keep[launch.nr_keep_fds++] = run->stats.fd;
    program = supervise_start(&launch);
    if (program > 0)
        run->stats.file->program_pid = (uint32_t)program;
    return program;
}

static uint64_t tick(void *arg, uint64_t now_ns) {
    return observer_tick(arg, now_ns);
}

/* In one piece, so that it stays whole beside what other processes write. */
static void print_report(struct run *run, const struct run_end *end) {
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return;
    report_table(out, run->stats.file, end);
    fclose(out);
    for (size_t done = 0; done < len;) {
        ssize_t written = write(STDERR_FILENO, text + done, len - done);

        if (written <= 0)
            break;
        done += (size_t)written;
    }
    free(text);
}

static void finish(struct run *run, const struct run_end *end) {
    struct weir_process_stats *record = statsfile_record(run->stats.file, end->program);
    int error;

    if (record)
        record->exited = 1;
    else if (WIFEXITED(end->wait_status) && WEXITSTATUS(end->wait_status) != EXIT_WEIR_FAILED)
        complain("'%s' ran without weir's library: its loader did not take LD_PRELOAD, so its memory was not bounded",
                 end->argv[0]);
    if (record && run->options.verbose)
        report_measured(record);
    if (run->options.report)
        print_report(run, end);
    if (!run->json)
        return;
    /* What is no regular file, a pipe say, has nothing of an older run to lose. */
    error = ftruncate(fileno(run->json), 0) < 0 && errno != EINVAL ? -errno : 0;
    if (error == 0)
        error = report_json(run->json, run->stats.file, end);
    if (fclose(run->json) == EOF && error == 0)
        error = -errno;
    if (error < 0)
        complain("--stats: '%s' could not be written: %s", run->options.stats_path, strerror(-error));
}

int verb_run(int argc, char **argv) {
    static struct run run;
    struct observer observer;
    struct run_end end;
    uint64_t started;
    int status = options_parse(argc, argv, &run.options);

    if (status == 0)
        status = prepare(&run);
    if (status != 0)
        return status;
    if (run.options.verbose)
        say_what_is_chosen(&run);

    started = monotonic_ns();
    end.program = start(&run);
    if (end.program < 0)
        return -end.program;
    observer_init(&observer, run.stats.file, end.program, run.options.verbose, run.options.progress);
    end.wait_status = supervise_wait(end.program, tick, &observer);
    observer_finish(&observer);
    end.seconds = (double)(monotonic_ns() - started) / NS_PER_S;
    end.argv = run.options.command;
    finish(&run, &end);
    supervise_mirror(end.wait_status);
}
