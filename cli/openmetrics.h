/* SPDX-License-Identifier: MIT */
/*
 * openmetrics.h - the figures of all processes in the text format that Prometheus and others scrape.
 */
#ifndef CLI_OPENMETRICS_H
#define CLI_OPENMETRICS_H

#include "cli/statsfile.h"

/* To standard output. */
void openmetrics_print(const struct statsfile *s);

#endif
