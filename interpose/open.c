/* SPDX-License-Identifier: MIT */
/*
 * open.c - open(2) and its kin, and fcntl(2): without O_DIRECT on kernels without UFFDIO_MOVE; and what /proc/meminfo
 * says, where the program is told of its budget (told_ram.c).
 *
 * A device that writes into a page by direct I/O does not ask the page tables: what is evicted by copying meanwhile
 * would miss those bytes. UFFDIO_MOVE refuses such a page; without it, I/O has to go through the page cache, whose
 * copies fault as any other access does. O_DIRECT is a wish about performance, and a file opened without it reads and
 * writes the same bytes.
 */
#undef _FILE_OFFSET_BITS /* it would make open another name for open64, and both are wanted here */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>

#include "interpose/interpose.h"
#include "runtime/runtime.h"
#include "runtime/thread.h"

/* Weir's own swap file is no concern of this. */
static int without_direct(int flags) {
    if (flags & O_DIRECT && rt.up && !rt.have_move && !weir_thread_self()) {
        flags &= ~O_DIRECT;
        if (rt.config.verbose)
            weir_say("a file is opened without O_DIRECT: this kernel has no UFFDIO_MOVE");
    }
    return flags;
}

static bool takes_mode(int flags) {
    return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
}

/* The mode is there only with the flags that ask for it. */
#define MODE_OF(flags, mode)                                                                                           \
    do {                                                                                                               \
        if (takes_mode(flags)) {                                                                                       \
            va_list args;                                                                                              \
                                                                                                                       \
            va_start(args, flags);                                                                                     \
            (mode) = va_arg(args, mode_t);                                                                             \
            va_end(args);                                                                                              \
        }                                                                                                              \
    } while (0)

typedef int open_fn(const char *path, int flags, ...);
typedef int openat_fn(int dir, const char *path, int flags, ...);

static int open_as(enum real_number number, const char *path, int flags, mode_t mode) {
    int fd = told_ram_open(path, flags);
    open_fn *real;

    if (fd != TOLD_RAM_NOT_ASKED)
        return fd;
    *(void **)&real = real_function(number);
    return real(path, without_direct(flags), mode);
}

static int openat_as(enum real_number number, int dir, const char *path, int flags, mode_t mode) {
    int fd = told_ram_open(path, flags);
    openat_fn *real;

    if (fd != TOLD_RAM_NOT_ASKED)
        return fd;
    *(void **)&real = real_function(number);
    return real(dir, path, without_direct(flags), mode);
}

#define WEIR_OPEN(function)                                                                                            \
    WEIR_EXPORT int function(const char *path, int flags, ...) {                                                       \
        mode_t mode = 0;                                                                                               \
                                                                                                                       \
        MODE_OF(flags, mode);                                                                                          \
        return open_as(REAL_##function, path, flags, mode);                                                            \
    }

#define WEIR_OPENAT(function)                                                                                          \
    WEIR_EXPORT int function(int dir, const char *path, int flags, ...) {                                              \
        mode_t mode = 0;                                                                                               \
                                                                                                                       \
        MODE_OF(flags, mode);                                                                                          \
        return openat_as(REAL_##function, dir, path, flags, mode);                                                     \
    }

WEIR_OPEN(open)
WEIR_OPEN(open64)
WEIR_OPENAT(openat)
WEIR_OPENAT(openat64)

/* What these are for a program compiled with _FORTIFY_SOURCE, where no mode is given; the real ones refuse O_CREAT. */
#define WEIR_OPEN_2(function)                                                                                          \
    int function(const char *path, int flags);                                                                         \
    WEIR_EXPORT int function(const char *path, int flags) {                                                            \
        return open_as(REAL_##function, path, flags, 0);                                                               \
    }

#define WEIR_OPENAT_2(function)                                                                                        \
    int function(int dir, const char *path, int flags);                                                                \
    WEIR_EXPORT int function(int dir, const char *path, int flags) {                                                   \
        return openat_as(REAL_##function, dir, path, flags, 0);                                                        \
    }

WEIR_OPEN_2(__open_2)
WEIR_OPEN_2(__open64_2)
WEIR_OPENAT_2(__openat_2)
WEIR_OPENAT_2(__openat64_2)

/* The flag can be set later, too; the one command of fcntl(2) that sets it passes an int where others pass a pointer.
 */
static int fcntl_as(enum real_number number, int fd, int command, long argument) {
    int (*real)(int fd, int command, ...);

    *(void **)&real = real_function(number);
    return real(fd, command, command == F_SETFL ? (long)without_direct((int)argument) : argument);
}

#define WEIR_FCNTL(function)                                                                                           \
    WEIR_EXPORT int function(int fd, int command, ...) {                                                               \
        va_list args;                                                                                                  \
        long argument;                                                                                                 \
                                                                                                                       \
        va_start(args, command);                                                                                       \
        argument = va_arg(args, long);                                                                                 \
        va_end(args);                                                                                                  \
        return fcntl_as(REAL_##function, fd, command, argument);                                                       \
    }

WEIR_FCNTL(fcntl)
WEIR_FCNTL(fcntl64)
