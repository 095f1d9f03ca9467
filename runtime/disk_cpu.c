/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/disk_cpu.h"

#include <stdatomic.h>
#include <string.h>

#include "runtime/cpu_times.h"
#include "runtime/proc_text.h"
#include "runtime/stats.h"
#include "runtime/sys.h"

static _Atomic int found = -1;

int disk_cpu(void) {
    return atomic_load_explicit(&found, memory_order_relaxed);
}

/* So many reads, most of them interrupts of one CPU, show where the disk's go. */
#define READS_MIN 256u
#define MOST_PERCENT 75u
/* A CPU that has been busy with others for longer than this is not made busier. */
#define BUSY_PERCENT 50u
/* After it has looked, whether it has learnt something or not: twice as long each time. */
#define PAUSE_MIN_NS UINT64_C(250000000)
#define PAUSE_MAX_NS UINT64_C(4000000000)
/* Fewer reads a second are not worth it, and may be drowned by other interrupts. */
#define READS_PER_S 1000u
#define CPUS_MAX 1024u

static _Atomic uint32_t reads;

/* The clerk's own. */
struct counts {
    uint64_t interrupts[CPUS_MAX]; /* of devices, by CPU */
    struct cpu_times times[CPUS_MAX];
    uint64_t ns, own_ns; /* when; CPU time of the process */
    uint32_t reads;
};
static struct counts last, now;
static _Atomic uint64_t next_look;
static uint64_t pause_ns;
static bool blind; /* there is nothing to see here */

/* "CPU0 CPU1 ...", then a line for each source: devices have a number, what CPUs send each other has a name. */
static bool read_interrupts(struct counts *counts) {
    static uint16_t cpu_of[CPUS_MAX];
    struct text text;
    unsigned columns = 0;
    uint64_t value;

    memset(counts->interrupts, 0, sizeof(counts->interrupts));
    if (!text_open(&text, "/proc/interrupts"))
        return false;
    for (text_skip_blanks(&text); columns < CPUS_MAX && text_word(&text, "CPU"); text_skip_blanks(&text))
        if (text_number(&text, &value) && value < CPUS_MAX)
            cpu_of[columns++] = (uint16_t)value;
    for (text_skip_line(&text); text_peek(&text) != '\0'; text_skip_line(&text)) {
        text_skip_blanks(&text);
        if (!text_number(&text, &value) || !text_word(&text, ":"))
            continue;
        for (unsigned i = 0; i < columns; i++) {
            text_skip_blanks(&text);
            if (!text_number(&text, &value))
                break;
            counts->interrupts[cpu_of[i]] += value;
        }
    }
    text_close(&text);
    return true;
}

static bool has_room(int cpu, const cpu_set_t *used) {
    uint64_t busy = now.times[cpu].busy - last.times[cpu].busy;
    uint64_t ticks = busy + now.times[cpu].idle - last.times[cpu].idle;
    uint64_t own = (now.own_ns - last.own_ns) / CPU_TICK_NS;

    if (CPU_ISSET((size_t)cpu, used))
        busy -= own < busy ? own : busy;
    return ticks != 0 && busy * 100 <= ticks * BUSY_PERCENT;
}

/* The CPU that had most of the devices' interrupts since the last look, if those are the reads; or -1. */
static int interrupted_cpu(void) {
    uint64_t most = 0, all = now.reads - last.reads;
    unsigned cpu = 0;

    if (last.ns == 0 || all * 1000000000 < READS_PER_S * (now.ns - last.ns))
        return -1;
    for (unsigned i = 0; i < CPUS_MAX; i++) {
        /* Less than before: one of its sources is gone. */
        uint64_t nr = now.interrupts[i] > last.interrupts[i] ? now.interrupts[i] - last.interrupts[i] : 0;

        if (nr > most) {
            most = nr;
            cpu = i;
        }
    }
    return most * 100 >= all * MOST_PERCENT ? (int)cpu : -1;
}

static uint64_t process_ns(void) {
    struct timespec cpu;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    return (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec;
}

void disk_cpu_note_read(void) {
    if (atomic_fetch_add_explicit(&reads, 1, memory_order_relaxed) % READS_MIN == READS_MIN - 1 && !blind &&
        now_ns() >= atomic_load_explicit(&next_look, memory_order_relaxed))
        stats_wake_clerk();
}

void disk_cpu_look(const cpu_set_t *used) {
    int cpu;

    now.ns = now_ns();
    now.reads = atomic_load_explicit(&reads, memory_order_relaxed);
    if (blind || now.ns < atomic_load_explicit(&next_look, memory_order_relaxed) || now.reads - last.reads < READS_MIN)
        return;
    blind = !read_interrupts(&now) || !cpu_times_read(now.times, CPUS_MAX);
    now.own_ns = process_ns();
    cpu = blind ? -1 : interrupted_cpu();
    if (last.ns)
        atomic_store(&found, cpu >= 0 && has_room(cpu, used) ? cpu : -1);
    memcpy(&last, &now, sizeof(last));
    pause_ns = pause_ns ? pause_ns * 2 : PAUSE_MIN_NS;
    if (pause_ns > PAUSE_MAX_NS)
        pause_ns = PAUSE_MAX_NS;
    atomic_store(&next_look, now.ns + pause_ns);
}

void disk_cpu_after_fork(void) {
    atomic_store(&found, -1);
    atomic_store(&reads, 0);
    atomic_store(&next_look, 0);
    last.ns = pause_ns = 0;
    last.reads = 0;
}
