/* SPDX-License-Identifier: MIT */
/*
 * latency.h - a clock that costs little, and a histogram of its readings with logarithmic buckets.
 */
#ifndef BENCH_PAGING_LATENCY_H
#define BENCH_PAGING_LATENCY_H

#include <stdint.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#define LATENCY_STEPS 16 /* of a bucket that doubles: percentiles are right to 6 % */
#define LATENCY_BUCKETS (64 * LATENCY_STEPS)

struct latency {
    uint64_t buckets[LATENCY_BUCKETS];
    uint64_t longest;
};

static inline uint64_t clock_ns(clockid_t clock) {
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Ticks of the fastest clock there is, read when what came before is done. */
static inline uint64_t ticks(void) {
#if defined(__x86_64__)
    unsigned cpu;

    return __rdtscp(&cpu);
#else
    return clock_ns(CLOCK_MONOTONIC);
#endif
}

/* Measures the clock; call it once, before the others. */
void latency_init(void);
uint64_t ticks_of_ns(double ns);
double ns_of_ticks(double ticks);

static inline unsigned latency_bucket(uint64_t value) {
    unsigned top = 63 - (unsigned)__builtin_clzll(value | LATENCY_STEPS);

    return (top - 3) * LATENCY_STEPS + (unsigned)(value >> (top - 4)) % LATENCY_STEPS;
}

static inline void latency_add(struct latency *latency, uint64_t value) {
    /* Two CPUs' clocks may differ by a few ticks. */
    if ((int64_t)value < 0)
        value = 0;
    latency->buckets[value < 2 * LATENCY_STEPS ? value : latency_bucket(value)]++;
    if (value > latency->longest)
        latency->longest = value;
}

void latency_merge(struct latency *into, const struct latency *from);
/* The value, in ns, below which this share of all values of at least from_ns lies; 0 if there are none. */
double latency_quantile_ns(const struct latency *latency, double share, double from_ns);
/* How many values are at least from_ns. */
uint64_t latency_count(const struct latency *latency, double from_ns);

#endif
