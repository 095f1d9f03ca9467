/* SPDX-License-Identifier: MIT */
/*
 * options.h - what the user of `weir run` asks for, and what comes of it on this machine.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>

#include "runtime/config.h"

struct run_options {
    const char *ram, *swap, *swap_size; /* as typed; NULL: not given */
    const char *zpool, *swappiness, *oom;
    const char *stats_path;
    bool report, verbose, progress, tell_ram;
    char **command; /* NULL-terminated, at least one word */
};

/* Reads the command line. Ends the process on --help and on what argp refuses. 0 or EXIT_USAGE after saying why. */
int options_parse(int argc, char **argv, struct run_options *ret_options);
/* Checks every value against this machine and fills in defaults. 0 or an exit status after saying why. */
int options_resolve(const struct run_options *options, struct weir_config *ret_config);

#endif
