/* SPDX-License-Identifier: MIT */
/*
 * supervise.h - starts the program and stands between it and whoever started weir, so that neither notices: signals
 * reach it, stops and the way it ends show at weir itself.
 */
#ifndef CLI_SUPERVISE_H
#define CLI_SUPERVISE_H

#include <stdint.h>
#include <sys/types.h>

struct launch {
    char *const *argv;
    /* "NAME=VALUE" strings that the program gets on top of this process's environment, NULL-terminated. */
    char *const *environment;
    const int *keep_fds; /* descriptors that the supervisor goes on using, ascending */
    unsigned nr_keep_fds;
};

/*
 * Forks and executes. Returns the process id; or the negative of EXIT_NOT_FOUND, EXIT_NOT_RUNNABLE, EXIT_WEIR_FAILED
 * after saying why. From then on this process has all signals blocked and holds no descriptor but standard error and
 * keep_fds, so that the program alone decides how long its files and pipes stay open.
 */
pid_t supervise_start(const struct launch *launch);
/*
 * Waits until the program has ended and returns its wait status. Calls tick(arg, now) at the times that it returns
 * (CLOCK_MONOTONIC, ns).
 */
int supervise_wait(pid_t program, uint64_t (*tick)(void *arg, uint64_t now_ns), void *arg);
/* Ends this process the way the program ended. */
void supervise_mirror(int wait_status) __attribute__((noreturn));

#endif
