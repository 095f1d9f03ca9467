/* SPDX-License-Identifier: MIT */
#include "latency.h"

static double ns_per_tick = 1;

void latency_init(void) {
    uint64_t from_ns = clock_ns(CLOCK_MONOTONIC), from = ticks(), now_ns;

    do
        now_ns = clock_ns(CLOCK_MONOTONIC);
    while (now_ns - from_ns < 20000000);
    ns_per_tick = (double)(now_ns - from_ns) / (double)(ticks() - from);
}

uint64_t ticks_of_ns(double ns) {
    return (uint64_t)(ns / ns_per_tick);
}

double ns_of_ticks(double value) {
    return value * ns_per_tick;
}

void latency_merge(struct latency *into, const struct latency *from) {
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
    if (from->longest > into->longest)
        into->longest = from->longest;
}

/* The middle of a bucket's values. */
static double bucket_value(unsigned bucket) {
    unsigned top = bucket / LATENCY_STEPS + 3;

    if (bucket < 2 * LATENCY_STEPS)
        return bucket;
    return ((double)(bucket % LATENCY_STEPS + LATENCY_STEPS) + 0.5) * (double)((uint64_t)1 << (top - 4));
}

static unsigned first_bucket(double from_ns) {
    uint64_t value = ticks_of_ns(from_ns);

    return value < 2 * LATENCY_STEPS ? (unsigned)value : latency_bucket(value);
}

uint64_t latency_count(const struct latency *latency, double from_ns) {
    uint64_t nr = 0;

    for (unsigned i = first_bucket(from_ns); i < LATENCY_BUCKETS; i++)
        nr += latency->buckets[i];
    return nr;
}

double latency_quantile_ns(const struct latency *latency, double share, double from_ns) {
    uint64_t nr = latency_count(latency, from_ns), seen = 0;
    double value = 0;

    for (unsigned i = first_bucket(from_ns); i < LATENCY_BUCKETS && nr > 0; i++) {
        seen += latency->buckets[i];
        if ((double)seen >= share * (double)nr) {
            value = ns_of_ticks(bucket_value(i));
            break;
        }
    }
    return value;
}
