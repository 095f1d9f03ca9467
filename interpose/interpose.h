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

/* libc's own function of that name: the next one after this library's. Ends the program if there is none. */
void *real_function(const char *name);

/* Where the code of the preloaded allocator lies: memory it maps is the program's (runtime/space.h). */
void allocator_find(void);
bool allocator_holds(const void *code);

/* Tells glibc of weir's fork handlers; those that the program registers are kept apart and run around weir's. */
void fork_handlers_init(void);

/* The caller has changed what its thread may do by prctl(2): weir's threads do the same. (credentials.c) */
void credentials_called_prctl(const uintptr_t call[5]);

/* A system call's result as libc returns it: -1 and errno, or the value. */
static inline long as_libc(long result) {
    if (result < 0 && result > -4096) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

/* libc's own function of that name, looked up once. */
#define REAL(name)                                                                                                     \
    ({                                                                                                                 \
        static __typeof__(&(name)) real_##name;                                                                        \
        if (!real_##name)                                                                                              \
            real_##name = (__typeof__(&(name)))real_function(#name);                                                   \
        real_##name;                                                                                                   \
    })

#endif
