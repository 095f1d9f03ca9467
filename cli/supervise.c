/* SPDX-License-Identifier: MIT */
#include "cli/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/complain.h"
#include "cli/observe.h"
#include "cli/watcher.h"

#define NS_PER_S 1000000000ull

/* In the child: becomes the program. What fails is told through the pipe. */
static void __attribute__((noreturn)) become(const struct launch *launch, pid_t supervisor, const sigset_t *mask,
                                             const struct sigaction *sigchld, int error_pipe) {
    int error;

    /* Should the supervisor be killed, the program must not run on unseen. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != supervisor)
        _exit(EXIT_WEIR_FAILED);
    for (char *const *pair = launch->environment; *pair; pair++)
        putenv(*pair);
    sigaction(SIGCHLD, sigchld, NULL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(launch->argv[0], launch->argv);
    error = errno;
    if (write(error_pipe, &error, sizeof error) < 0)
        _exit(EXIT_WEIR_FAILED);
    _exit(EXIT_NOT_RUNNABLE);
}

/* Standard input and output and all that was inherited are the program's alone. */
static void let_go_of_descriptors(const struct launch *launch) {
    unsigned from = STDERR_FILENO + 1;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
    }
    for (unsigned i = 0; i < launch->nr_keep_fds; i++) {
        unsigned keep = (unsigned)launch->keep_fds[i];

        if (keep > from)
            syscall(SYS_close_range, from, keep - 1, 0);
        if (keep >= from)
            from = keep + 1;
    }
    syscall(SYS_close_range, from, ~0u, 0);
}

pid_t supervise_start(const struct launch *launch) {
    struct sigaction default_action = {.sa_handler = SIG_DFL}, sigchld;
    pid_t supervisor = getpid(), program;
    int error_pipe[2], error;
    sigset_t all, mask;

    if (pipe2(error_pipe, O_CLOEXEC) < 0)
        return -refuse(EXIT_WEIR_FAILED, "no pipe can be made: %s", strerror(errno));
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &mask);
    /* Whoever started weir may ignore SIGCHLD, and then there would be nothing to wait for. */
    sigaction(SIGCHLD, &default_action, &sigchld);
    program = fork();
    if (program == 0)
        become(launch, supervisor, &mask, &sigchld, error_pipe[1]);
    error = errno;
    close(error_pipe[1]);
    if (program < 0)
        return -refuse(EXIT_WEIR_FAILED, "no process can be started: %s", strerror(error));
    if (read(error_pipe[0], &error, sizeof error) == (ssize_t)sizeof error) {
        waitpid(program, NULL, 0);
        return -refuse(error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_RUNNABLE, "'%s' cannot be executed: %s",
                       launch->argv[0], strerror(error));
    }
    close(error_pipe[0]);
    let_go_of_descriptors(launch);
    watcher_start(program);
    /* The program may want to unmount where it was started. */
    if (chdir("/") < 0)
        complain("cannot leave the current directory: %s", strerror(errno));
    return program;
}

static bool is_pending(int sig) {
    sigset_t pending;

    return sigpending(&pending) == 0 && sigismember(&pending, sig);
}

/* Does to this process what has been done to the program, so that the shell sees the job stopped. */
static void stop_with(int sig) {
    sigset_t one;

    /* The program may have been continued already. */
    if (is_pending(SIGCONT))
        return;
    sigemptyset(&one);
    sigaddset(&one, sig);
    if (sig == SIGSTOP) {
        kill(getpid(), SIGSTOP);
    } else {
        struct sigaction default_action = {.sa_handler = SIG_DFL}, before;

        /* The terminal's own SIGTSTP to this process, if there was one, is the same pending signal. */
        sigaction(sig, &default_action, &before);
        kill(getpid(), sig);
        sigprocmask(SIG_UNBLOCK, &one, NULL);
        sigprocmask(SIG_BLOCK, &one, NULL);
        sigaction(sig, &before, NULL);
    }
}

/* Takes note of what has happened to the program. True: it has ended, *ret_status is set. */
static bool reap(pid_t program, int *ret_status) {
    int status;

    while (waitpid(program, &status, WNOHANG | WUNTRACED) == program) {
        if (!WIFSTOPPED(status)) {
            *ret_status = status;
            return true;
        }
        stop_with(WSTOPSIG(status));
    }
    return false;
}

static void pass_on(pid_t program, const siginfo_t *info) {
    if (info->si_signo == SIGCONT) {
        /* Where the whole group was continued, the program runs already and need not be told twice. */
        if (watcher_is_stopped(program))
            kill(program, SIGCONT);
        return;
    }
    /* What the kernel sends for the terminal goes to the whole foreground group, the program included. */
    if (info->si_code == SI_QUEUE) {
        sigqueue(program, info->si_signo, info->si_value);
    } else if ((info->si_code == SI_USER || info->si_code == SI_TKILL) && info->si_pid != getpid()) {
        kill(program, info->si_signo);
    }
}

int supervise_wait(pid_t program, uint64_t (*tick)(void *arg, uint64_t now_ns), void *arg) {
    int status;
    sigset_t all;

    sigfillset(&all);
    for (;;) {
        uint64_t now = monotonic_ns(), due = tick(arg, now), wait_ns = due > now ? due - now : 0;
        struct timespec timeout = {.tv_sec = (time_t)(wait_ns / NS_PER_S), .tv_nsec = (long)(wait_ns % NS_PER_S)};
        siginfo_t info;
        int sig;

        if (reap(program, &status)) {
            watcher_stop();
            return status;
        }
        sig = sigtimedwait(&all, &info, &timeout);
        if (sig > 0 && sig != SIGCHLD)
            pass_on(program, &info);
    }
}

void supervise_mirror(int wait_status) {
    struct sigaction default_action = {.sa_handler = SIG_DFL};
    struct rlimit no_core = {0, 0};
    sigset_t none;

    if (WIFEXITED(wait_status))
        exit(WEXITSTATUS(wait_status));
    /* If there is a core to be dumped, the program has dumped it. */
    setrlimit(RLIMIT_CORE, &no_core);
    prctl(PR_SET_DUMPABLE, 0);
    sigaction(WTERMSIG(wait_status), &default_action, NULL);
    kill(getpid(), WTERMSIG(wait_status));
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    _exit(128 + WTERMSIG(wait_status));
}
