/* SPDX-License-Identifier: MIT */
#include "cli/observe.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/complain.h"
#include "cli/size.h"
#include "cli/statsfile.h"

#define NS_PER_S 1000000000ull
#define SAMPLE_FIRST_NS (NS_PER_S / 2)
#define SAMPLE_LAST_NS (8 * NS_PER_S)
#define ANNOUNCE_NS (NS_PER_S / 4)
#define DRAW_TERMINAL_NS (NS_PER_S / 2)
#define DRAW_LINES_NS (2 * NS_PER_S)
#define OUTSIDE_WARN_BYTES ((uint64_t)64 << 20)
#define MIB(pages) ((double)(pages)*4096 / (1 << 20))

uint64_t monotonic_ns(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void observer_init(struct observer *o, struct weir_stats_file *file, pid_t program, bool verbose, bool progress) {
    const char *forced = getenv("WEIR_PROGRESS");

    memset(o, 0, sizeof *o);
    o->file = file;
    o->program = program;
    o->verbose = verbose;
    o->progress = progress;
    o->terminal = isatty(STDERR_FILENO) || (forced && strcmp(forced, "1") == 0);
    o->start_ns = monotonic_ns();
    o->sample_interval_ns = SAMPLE_FIRST_NS;
    o->sample_due_ns = o->start_ns + o->sample_interval_ns;
    o->draw_ns = o->start_ns;
    o->draw_due_ns = o->start_ns + (o->terminal ? DRAW_TERMINAL_NS : DRAW_LINES_NS);
}

static void clear_line(struct observer *o) {
    if (o->line_drawn && o->terminal)
        dprintf(STDERR_FILENO, "\r\033[K");
    o->line_drawn = false;
}

static bool lies_in(uint64_t addr, uint64_t start, uint64_t end) {
    return addr >= start && addr < end;
}

/*
 * Anonymous memory that lies neither in the managed range nor in the arena: what was mapped by raw system calls, thread
 * stacks, and weir's own threads. Files' private pages and the main stack are not counted.
 */
static uint64_t outside_bytes(const struct weir_process_stats *record) {
    char path[64], line[512];
    unsigned long long start = 0, inode = 0, kib = 0, total = 0;
    bool counts = false;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%u/smaps", record->pid);
    file = fopen(path, "re");
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%llx-%*x %*s %*x %*s %llu", &start, &inode) == 2)
            counts = inode == 0 && !strstr(line, "[stack]") &&
                     !lies_in(start, record->managed_start, record->managed_end) &&
                     !lies_in(start, record->arena_start, record->arena_end);
        else if (counts && sscanf(line, "Anonymous: %llu kB", &kib) == 1)
            total += kib;
    }
    fclose(file);
    return total << 10;
}

static void sample_outside(struct observer *o) {
    for (unsigned i = 0; i < statsfile_count(o->file); i++) {
        struct weir_process_stats *record = &o->file->process[i];
        uint64_t outside;
        char size[SIZE_TEXT_MAX];

        if (record->exited || record->managed_end == 0)
            continue;
        if (kill((pid_t)record->pid, 0) < 0 && errno == ESRCH) {
            record->exited = 1;
            continue;
        }
        outside = outside_bytes(record);
        if (outside > record->outside_bytes)
            record->outside_bytes = outside;
        if (record->outside_bytes < OUTSIDE_WARN_BYTES || o->outside_warned)
            continue;
        o->outside_warned = true;
        clear_line(o);
        complain("%.16s (process %u) has %s of anonymous memory that weir does not manage, mapped by raw system calls; "
                 "--ram does not bound that part",
                 record->comm, record->pid, size_text(record->outside_bytes, size));
    }
}

static void announce_processes(struct observer *o) {
    unsigned count = statsfile_count(o->file);

    for (; o->announced < count; o->announced++) {
        const struct weir_process_stats *record = &o->file->process[o->announced];
        char size[SIZE_TEXT_MAX];

        /* The record is claimed before it is filled in. */
        if (record->ram_pages == 0 && !record->exited)
            return;
        if (record->pid == (uint32_t)o->program)
            continue;
        clear_line(o);
        complain("process %u (%.16s), a child of %u, has a machine of its own with the same budget of %s", record->pid,
                 record->comm, record->parent_pid, size_text(record->ram_pages * 4096, size));
    }
}

static void draw_progress(struct observer *o, uint64_t now_ns) {
    const struct weir_process_stats *record = statsfile_record(o->file, o->program);
    double seconds = (double)(now_ns - o->draw_ns) / NS_PER_S;
    uint64_t faults = 0;
    struct winsize window;
    char line[256];
    int len;

    if (!record || record->ram_pages == 0)
        return;
    for (unsigned kind = 0; kind < WEIR_FAULT_KINDS; kind++)
        faults += record->fault[kind].count;
    len = snprintf(
        line, sizeof line, "%4.0f s  RAM %.0f/%.0f MiB  program %.0f  pool %.0f holds %.0f  file %.0f  %.0f faults/s",
        (double)(now_ns - o->start_ns) / NS_PER_S, MIB(record->ram_pages - record->free_pages), MIB(record->ram_pages),
        MIB(record->resident_pages), MIB(record->pool_pages), MIB(record->pool_stored_pages), MIB(record->file_pages),
        seconds > 0 ? (double)(faults - o->draw_faults) / seconds : 0);
    o->draw_ns = now_ns;
    o->draw_faults = faults;
    if (!o->terminal) {
        complain("%s", line + strspn(line, " "));
        return;
    }
    /* A line that wraps could not be redrawn. */
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1 && len > window.ws_col - 1)
        line[window.ws_col - 1] = '\0';
    dprintf(STDERR_FILENO, "\r%s\033[K", line);
    o->line_drawn = true;
}

uint64_t observer_tick(struct observer *o, uint64_t now_ns) {
    uint64_t next;

    if (now_ns >= o->sample_due_ns) {
        sample_outside(o);
        if (o->sample_interval_ns < SAMPLE_LAST_NS)
            o->sample_interval_ns *= 2;
        o->sample_due_ns = now_ns + o->sample_interval_ns;
    }
    next = o->sample_due_ns;
    if (o->verbose) {
        announce_processes(o);
        if (now_ns + ANNOUNCE_NS < next)
            next = now_ns + ANNOUNCE_NS;
    }
    if (o->progress) {
        if (now_ns >= o->draw_due_ns) {
            draw_progress(o, now_ns);
            o->draw_due_ns = now_ns + (o->terminal ? DRAW_TERMINAL_NS : DRAW_LINES_NS);
        }
        if (o->draw_due_ns < next)
            next = o->draw_due_ns;
    }
    return next;
}

void observer_finish(struct observer *o) {
    if (o->verbose)
        announce_processes(o);
    clear_line(o);
}
