/* SPDX-License-Identifier: MIT */
#include "cli/stat_ask.h"

#include <limits.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cli/complain.h"
#include "cli/observe.h"

#define TEXT_WAIT_NS 2000000000ull
#define FIGURES_WAIT_NS 100000000ull
#define POLL_NS 2000000l

/* Returns the number of the question. */
static uint32_t ring(struct weir_process_stats *record) {
    uint32_t wanted = ++record->text_wanted;

    record->clerk_bell++;
    syscall(SYS_futex, &record->clerk_bell, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    return wanted;
}

static bool wait_for_answer(const struct weir_process_stats *record, uint32_t wanted, uint64_t deadline_ns) {
    const struct timespec pause = {.tv_nsec = POLL_NS};

    while ((int32_t)(record->text_done - wanted) < 0) {
        if (monotonic_ns() > deadline_ns)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

int ask_for_text(struct statsfile *s, struct weir_process_stats *record) {
    if (!s->writable)
        return refuse(1, "process %u belongs to another user, and cannot be asked for this", record->pid);
    if (!wait_for_answer(record, ring(record), monotonic_ns() + TEXT_WAIT_NS))
        return refuse(1, "process %u does not answer; it may be stopped", record->pid);
    return 0;
}

void ask_for_figures(struct statsfile *s) {
    unsigned nr_processes = statsfile_count(s->file);
    uint64_t deadline_ns = monotonic_ns() + FIGURES_WAIT_NS;
    uint32_t wanted[WEIR_STATS_PROCESSES] = {0};

    if (!s->writable)
        return;
    for (unsigned i = 0; i < nr_processes; i++)
        if (!s->file->process[i].exited)
            wanted[i] = ring(&s->file->process[i]);
    for (unsigned i = 0; i < nr_processes; i++)
        if (!s->file->process[i].exited)
            wait_for_answer(&s->file->process[i], wanted[i], deadline_ns);
}
