/* SPDX-License-Identifier: MIT */
/*
 * interpose.h - the preloaded library: functions of libc that a program calls, done by weir where weir's memory is
 * concerned and by libc or Linux elsewhere.
 *
 * A wrapper may be called at any time: by the dynamic linker's helpers before the constructor has run, in a signal
 * handler, in a vfork child. Until weir is up each does exactly what libc's function does.
 */
#ifndef INTERPOSE_INTERPOSE_H
#define INTERPOSE_INTERPOSE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR_EXPORT __attribute__((visibility("default")))

/*
 * libc's own functions, which are the next ones after this library's. All are looked up when the library starts: later
 * the loader's lock may be held by a thread that waits for weir, and a signal handler must not wait for it either.
 */
#define REAL_FUNCTIONS(X)                                                                                              \
    X(__open64_2)                                                                                                      \
    X(__open_2)                                                                                                        \
    X(__openat64_2)                                                                                                    \
    X(__openat_2)                                                                                                      \
    X(__register_atfork)                                                                                               \
    X(_Fork)                                                                                                           \
    X(clone)                                                                                                           \
    X(execv)                                                                                                           \
    X(execve)                                                                                                          \
    X(execveat)                                                                                                        \
    X(execvp)                                                                                                          \
    X(execvpe)                                                                                                         \
    X(fcntl)                                                                                                           \
    X(fcntl64)                                                                                                         \
    X(fexecve)                                                                                                         \
    X(fopen)                                                                                                           \
    X(fopen64)                                                                                                         \
    X(fork)                                                                                                            \
    X(get_avphys_pages)                                                                                                \
    X(get_phys_pages)                                                                                                  \
    X(initgroups)                                                                                                      \
    X(mq_notify)                                                                                                       \
    X(open)                                                                                                            \
    X(open64)                                                                                                          \
    X(openat)                                                                                                          \
    X(openat64)                                                                                                        \
    X(popen)                                                                                                           \
    X(posix_spawn)                                                                                                     \
    X(posix_spawnp)                                                                                                    \
    X(pthread_create)                                                                                                  \
    X(pthread_getaffinity_np)                                                                                          \
    X(pthread_getattr_np)                                                                                              \
    X(pthread_join)                                                                                                    \
    X(pthread_mutex_destroy)                                                                                           \
    X(pthread_mutex_init)                                                                                              \
    X(pthread_setaffinity_np)                                                                                          \
    X(sbrk)                                                                                                            \
    X(sched_getaffinity)                                                                                               \
    X(sched_setaffinity)                                                                                               \
    X(setegid)                                                                                                         \
    X(seteuid)                                                                                                         \
    X(setgid)                                                                                                          \
    X(setgroups)                                                                                                       \
    X(setregid)                                                                                                        \
    X(setresgid)                                                                                                       \
    X(setresuid)                                                                                                       \
    X(setreuid)                                                                                                        \
    X(setuid)                                                                                                          \
    X(sysconf)                                                                                                         \
    X(sysinfo)                                                                                                         \
    X(system)                                                                                                          \
    X(thrd_create)                                                                                                     \
    X(timer_create)                                                                                                    \
    X(vfork)                                                                                                           \
    X(wordexp)

#define REAL_NUMBER(name) REAL_##name,
enum real_number { REAL_FUNCTIONS(REAL_NUMBER) NR_REAL_FUNCTIONS };

void real_functions_find(void);
/* Ends the program if libc has no such function. */
void *real_function(enum real_number number);
#define REAL(name) ((__typeof__(&(name)))real_function(REAL_##name))

/* Where the code of the preloaded allocator lies: memory it maps is the program's (runtime/space.h). */
void allocator_find(void);
bool allocator_holds(const void *code);

/* Tells glibc of weir's fork handlers; those that the program registers are kept apart and run around weir's. */
void fork_handlers_init(void);

/* The caller has changed what its thread may do by prctl(2): weir's threads do the same. (credentials.c) */
void credentials_called_prctl(const uintptr_t call[5]);
/* The calling thread has become another user or group, or got other groups, and libc knows nothing of it. */
void credentials_changed_by_syscall(bool groups_changed);

/*
 * fork(2), clone(2) or clone3(2), by number, with weir's work around it if a process comes of it that has memory of its
 * own. Returns what the system call does; in the child, 0.
 */
long fork_by_number(long number, const long args[6]);

/*
 * Opens what /proc/meminfo would say on a machine of the budget's size, if that is the path, and the program is told of
 * it (told_ram.c). Else TOLD_RAM_NOT_ASKED. -1 and errno: it cannot be opened.
 */
#define TOLD_RAM_NOT_ASKED (-2)
int told_ram_open(const char *path, int flags);

/* A system call's result as libc returns it: -1 and errno, or the value. */
static inline long as_libc(long result) {
    if (result < 0 && result > -4096) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

#endif
