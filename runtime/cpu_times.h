/* SPDX-License-Identifier: MIT */
/*
 * cpu_times.h - for how long each CPU has been busy, and idle: /proc/stat.
 */
#ifndef RUNTIME_CPU_TIMES_H
#define RUNTIME_CPU_TIMES_H

#include <stdbool.h>
#include <stdint.h>

/* What a tick stands for. */
#define CPU_TICK_NS UINT64_C(10000000)

/* In ticks, since boot. */
struct cpu_times {
    uint64_t busy, idle;
};

/* By the CPU's number; of CPUs that are offline what ret_times says stays. False: that cannot be seen. Any thread. */
bool cpu_times_read(struct cpu_times *ret_times, unsigned nr);

#endif
