/* SPDX-License-Identifier: MIT */
/*
 * statsfile.h - the memfd in which processes under weir publish their figures (weir/stats.h): the supervisor makes
 * it, `weir stat` finds it.
 */
#ifndef CLI_STATSFILE_H
#define CLI_STATSFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "weir/stats.h"

struct statsfile {
    int fd;
    bool writable;
    struct weir_stats_file *file; /* mapped */
};

/* Makes the file for a run with this config. 0 or a negative errno. */
int statsfile_create(const char *config, struct statsfile *ret);
/* Opens that of the supervisor; 0 or a negative errno, -ENOENT if pid supervises nothing. */
int statsfile_open(pid_t supervisor, struct statsfile *ret);
void statsfile_close(struct statsfile *s);

/* Every supervisor that this user may look at, in ret[0..max); returns how many there are. */
size_t statsfile_list(pid_t *ret, size_t max);

/* The newest record of the process pid (an exec starts a new one), or NULL. */
struct weir_process_stats *statsfile_record(struct weir_stats_file *file, pid_t pid);
/* How many records are in use; they are file->process[0..n). */
unsigned statsfile_count(const struct weir_stats_file *file);

#endif
