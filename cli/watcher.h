/* SPDX-License-Identifier: MIT */
/*
 * watcher.h - a process beside the supervisor for the one signal that it cannot see: SIGSTOP sent to weir alone must
 * stop the program.
 */
#ifndef CLI_WATCHER_H
#define CLI_WATCHER_H

#include <stdbool.h>
#include <sys/types.h>

/* Starts it; it ends with this process. */
void watcher_start(pid_t program);
void watcher_stop(void);
bool watcher_is_stopped(pid_t pid);

#endif
