/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/others.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "runtime/cpu_times.h"
#include "runtime/proc_text.h"
#include "runtime/sys.h"
#include "runtime/thread.h"

/* kswapd's, and how many of them ended on each CPU. */
static _Atomic uint32_t rounds, rounds_at[CPU_SETSIZE];

void others_note_kswapd(void) {
    unsigned cpu = 0;

    sys3(SYS_getcpu, &cpu, NULL, NULL);
    atomic_fetch_add_explicit(&rounds, 1, memory_order_relaxed);
    if (cpu < CPU_SETSIZE)
        atomic_fetch_add_explicit(&rounds_at[cpu], 1, memory_order_relaxed);
}

/* Adds how long the thread has run: its schedstat. False: that cannot be seen. */
static bool add_run_time(int tid, uint64_t *ns) {
    char path[64];
    struct text text;
    uint64_t value;
    bool is_there;

    strcpy(text_put_number(stpcpy(path, "/proc/self/task/"), (uint64_t)tid), "/schedstat");
    if (!text_open(&text, path))
        return false;
    is_there = text_number(&text, &value);
    text_close(&text);
    *ns += is_there ? value : 0;
    return is_there;
}

int others_percent(struct others_look *last, int cpu, int tid, int handler_tid) {
    static struct cpu_times times[CPU_SETSIZE];
    struct others_look now = {.ns = now_ns(), .cpu = cpu, .tid = tid};
    uint64_t elapsed = now.ns - last->ns, accounted;
    uint32_t rounds_since;
    bool is_first = last->ns == 0 || last->cpu != cpu || last->tid != tid;

    if (!cpu_times_read(times, CPU_SETSIZE) || !add_run_time(tid, &now.ran_ns) ||
        !add_run_time(handler_tid, &now.ran_ns) || !add_run_time(weir_thread_of(THREAD_KSWAPD)->tid, &now.kswapd_ns))
        return -1;
    now.idle_ns = times[cpu].idle * CPU_TICK_NS;
    now.rounds = atomic_load_explicit(&rounds, memory_order_relaxed);
    now.rounds_here = atomic_load_explicit(&rounds_at[cpu], memory_order_relaxed);

    accounted = now.idle_ns - last->idle_ns + now.ran_ns - last->ran_ns;
    rounds_since = now.rounds - last->rounds;
    if (rounds_since)
        accounted += (now.kswapd_ns - last->kswapd_ns) / rounds_since * (now.rounds_here - last->rounds_here);
    *last = now;
    return is_first || accounted >= elapsed ? 0 : (int)((elapsed - accounted) * 100 / elapsed);
}
