/* SPDX-License-Identifier: MIT */
/*
 * latency.h - reading the histograms of weir/stats.h.
 */
#ifndef CLI_LATENCY_H
#define CLI_LATENCY_H

#include <stdint.h>

#include "weir/stats.h"

/* The latency in ns under which the share (0..1) of all faults stayed, within a bucket's width; 0 if there are none. */
uint64_t latency_quantile_ns(const struct weir_latency *latency, double share);
/* The lower bound of a bucket in ns. */
double latency_bucket_ns(unsigned bucket);

#endif
