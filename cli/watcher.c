/* SPDX-License-Identifier: MIT */
#include "cli/watcher.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define POLL_NS 50000000l

static pid_t watcher;

bool watcher_is_stopped(pid_t pid) {
    char path[64], text[512];
    const char *state;
    ssize_t len;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    len = read(fd, text, sizeof text - 1);
    close(fd);
    if (len <= 0)
        return false;
    text[len] = '\0';
    /* The name before the state may hold anything, parentheses too. */
    state = strrchr(text, ')');
    return state && state[1] == ' ' && state[2] == 'T';
}

static void __attribute__((noreturn)) watch(pid_t supervisor, pid_t program) {
    const struct timespec pause = {.tv_nsec = POLL_NS};
    bool was_stopped = false;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "weir-watcher");
    while (getppid() == supervisor) {
        bool stopped = watcher_is_stopped(supervisor);

        /*
         * Only when the supervisor comes to a halt: whoever continues the program by itself later means it. If the
         * supervisor stopped because the program did, this changes nothing.
         */
        if (stopped && !was_stopped && !watcher_is_stopped(program))
            kill(program, SIGSTOP);
        was_stopped = stopped;
        nanosleep(&pause, NULL);
    }
    _exit(0);
}

void watcher_start(pid_t program) {
    pid_t supervisor = getpid();

    watcher = fork();
    if (watcher != 0)
        return;
    /* It must keep no pipe of the program's open. */
    syscall(SYS_close_range, 0, ~0u, 0);
    watch(supervisor, program);
}

void watcher_stop(void) {
    if (watcher <= 0)
        return;
    kill(watcher, SIGKILL);
    waitpid(watcher, NULL, 0);
    watcher = 0;
}
