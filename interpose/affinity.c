/* SPDX-License-Identifier: MIT */
/*
 * affinity.c - weir narrows the affinity of a thread that faults again and again (runtime/placement.h). Who asks for
 * one, sets it, or makes a thread or process that would inherit it finds the thread as the program left it.
 * pthread_create is in threads.c, fork and clone in fork.c, numbers in syscall.c.
 */
#include <mqueue.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>
#include <wordexp.h>

#include "interpose/interpose.h"
#include "runtime/placement.h"

WEIR_EXPORT int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *ret_cpus) {
    placement_let_go();
    return REAL(sched_getaffinity)(pid, size, ret_cpus);
}

WEIR_EXPORT int sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *cpus) {
    placement_let_go();
    return REAL(sched_setaffinity)(pid, size, cpus);
}

WEIR_EXPORT int pthread_getaffinity_np(pthread_t thread, size_t size, cpu_set_t *ret_cpus) {
    placement_let_go();
    return REAL(pthread_getaffinity_np)(thread, size, ret_cpus);
}

WEIR_EXPORT int pthread_setaffinity_np(pthread_t thread, size_t size, const cpu_set_t *cpus) {
    placement_let_go();
    return REAL(pthread_setaffinity_np)(thread, size, cpus);
}

WEIR_EXPORT int posix_spawn(pid_t *ret_pid, const char *path, const posix_spawn_file_actions_t *actions,
                            const posix_spawnattr_t *attr, char *const argv[], char *const envp[]) {
    placement_let_go();
    return REAL(posix_spawn)(ret_pid, path, actions, attr, argv, envp);
}

WEIR_EXPORT int posix_spawnp(pid_t *ret_pid, const char *file, const posix_spawn_file_actions_t *actions,
                             const posix_spawnattr_t *attr, char *const argv[], char *const envp[]) {
    placement_let_go();
    return REAL(posix_spawnp)(ret_pid, file, actions, attr, argv, envp);
}

WEIR_EXPORT int system(const char *command) {
    placement_let_go();
    return REAL(system)(command);
}

WEIR_EXPORT FILE *popen(const char *command, const char *type) {
    placement_let_go();
    return REAL(popen)(command, type);
}

WEIR_EXPORT int execve(const char *path, char *const argv[], char *const envp[]) {
    placement_let_go();
    return REAL(execve)(path, argv, envp);
}

WEIR_EXPORT int execv(const char *path, char *const argv[]) {
    placement_let_go();
    return REAL(execv)(path, argv);
}

WEIR_EXPORT int execvp(const char *file, char *const argv[]) {
    placement_let_go();
    return REAL(execvp)(file, argv);
}

WEIR_EXPORT int execvpe(const char *file, char *const argv[], char *const envp[]) {
    placement_let_go();
    return REAL(execvpe)(file, argv, envp);
}

WEIR_EXPORT int fexecve(int fd, char *const argv[], char *const envp[]) {
    placement_let_go();
    return REAL(fexecve)(fd, argv, envp);
}

WEIR_EXPORT int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags) {
    placement_let_go();
    return REAL(execveat)(dir, path, argv, envp, flags);
}

/* How many words the arguments from `first` on take, the NULL at their end included. */
static size_t count(const char *first, va_list list) {
    size_t nr = 1;

    for (; first; first = va_arg(list, const char *))
        nr++;
    return nr;
}

static void take(const char *first, va_list *list, char **ret_argv) {
    for (; first; first = va_arg(*list, const char *))
        *ret_argv++ = (char *)(uintptr_t)first;
    *ret_argv = NULL;
}

/* Declares argv, on the stack since a vfork child may call, of the arguments from `first` on; leaves `list` behind
 * them. */
#define ARGUMENTS(first)                                                                                               \
    va_list list;                                                                                                      \
    va_start(list, first);                                                                                             \
    char **argv = __builtin_alloca(count(first, list) * sizeof(*argv));                                                \
    va_end(list);                                                                                                      \
    va_start(list, first);                                                                                             \
    take(first, &list, argv)

WEIR_EXPORT int execl(const char *path, const char *first, ...) {
    ARGUMENTS(first);
    va_end(list);
    return execv(path, argv);
}

WEIR_EXPORT int execlp(const char *file, const char *first, ...) {
    ARGUMENTS(first);
    va_end(list);
    return execvp(file, argv);
}

WEIR_EXPORT int execle(const char *path, const char *first, ...) {
    char **envp;

    ARGUMENTS(first);
    envp = va_arg(list, char **);
    va_end(list);
    return execve(path, argv, envp);
}

WEIR_EXPORT int timer_create(clockid_t clock, struct sigevent *event, timer_t *ret_timer) {
    placement_let_go();
    return REAL(timer_create)(clock, event, ret_timer);
}

WEIR_EXPORT int mq_notify(mqd_t queue, const struct sigevent *event) {
    placement_let_go();
    return REAL(mq_notify)(queue, event);
}

/* It holds an affinity too. */
WEIR_EXPORT int pthread_getattr_np(pthread_t thread, pthread_attr_t *ret_attr) {
    placement_let_go();
    return REAL(pthread_getattr_np)(thread, ret_attr);
}

WEIR_EXPORT int wordexp(const char *words, wordexp_t *ret_words, int flags) {
    placement_let_go();
    return REAL(wordexp)(words, ret_words, flags);
}

WEIR_EXPORT int thrd_create(thrd_t *ret_thread, thrd_start_t start, void *arg) {
    placement_let_go();
    return REAL(thrd_create)(ret_thread, start, arg);
}

void *vfork_next(void);

/* Who calls vfork returns twice from it, so nothing may lie on the stack: libc's own takes over. */
__attribute__((used)) void *vfork_next(void) {
    placement_let_go();
    return (void *)REAL(vfork);
}

__asm__(".text\n"
        ".globl vfork\n"
        ".type vfork, @function\n"
        "vfork:\n"
        "    endbr64\n"
        "    subq $8, %rsp\n"
        "    call vfork_next\n"
        "    addq $8, %rsp\n"
        "    jmp *%rax\n"
        ".size vfork, . - vfork\n");
