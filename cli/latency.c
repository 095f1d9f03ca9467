/* SPDX-License-Identifier: MIT */
#include "cli/latency.h"

#include <math.h>

#define FIRST_BUCKET_NS 64.0

double latency_bucket_ns(unsigned bucket) {
    return ldexp(FIRST_BUCKET_NS * (4 + bucket % 4) / 4, (int)(bucket / 4));
}

uint64_t latency_quantile_ns(const struct weir_latency *latency, double share) {
    uint64_t counts[WEIR_LATENCY_BUCKETS];
    uint64_t total = 0, below = 0, longest = latency->max_ns;
    double wanted, value = 0;

    /* The sum is taken of what is read here: count may have moved on meanwhile. */
    for (unsigned i = 0; i < WEIR_LATENCY_BUCKETS; i++)
        total += counts[i] = latency->buckets[i];
    if (total == 0)
        return 0;
    wanted = share * (double)total;
    for (unsigned i = 0; i < WEIR_LATENCY_BUCKETS; i++) {
        if (counts[i] == 0)
            continue;
        if ((double)(below + counts[i]) >= wanted) {
            double part = (wanted - (double)below) / (double)counts[i];
            double low = i ? latency_bucket_ns(i) : 0, high = latency_bucket_ns(i + 1);

            value = low + (high - low) * part;
            break;
        }
        below += counts[i];
    }
    return longest && value > (double)longest ? longest : (uint64_t)value;
}
