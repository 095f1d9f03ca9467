/* SPDX-License-Identifier: MIT */
/*
 * direct_io.c - open(2) and fcntl(2) without O_DIRECT, on kernels without UFFDIO_MOVE.
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

static int without_direct(int flags) {
    if (flags & O_DIRECT && rt.up && !rt.have_move) {
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

/* libc's own, looked up on first use; a race finds the same function twice. */
static void *libc_function(void *_Atomic *known, const char *name) {
    void *function = atomic_load_explicit(known, memory_order_relaxed);

    if (!function) {
        function = real_function(name);
        atomic_store_explicit(known, function, memory_order_relaxed);
    }
    return function;
}

static int open_as(const char *name, void *_Atomic *known, const char *path, int flags, mode_t mode) {
    open_fn *real;

    *(void **)&real = libc_function(known, name);
    return real(path, without_direct(flags), mode);
}

static int openat_as(const char *name, void *_Atomic *known, int dir, const char *path, int flags, mode_t mode) {
    openat_fn *real;

    *(void **)&real = libc_function(known, name);
    return real(dir, path, without_direct(flags), mode);
}

#define WEIR_OPEN(function)                                                                                            \
    WEIR_EXPORT int function(const char *path, int flags, ...) {                                                       \
        static void *_Atomic known;                                                                                    \
        mode_t mode = 0;                                                                                               \
                                                                                                                       \
        MODE_OF(flags, mode);                                                                                          \
        return open_as(#function, &known, path, flags, mode);                                                          \
    }

#define WEIR_OPENAT(function)                                                                                          \
    WEIR_EXPORT int function(int dir, const char *path, int flags, ...) {                                              \
        static void *_Atomic known;                                                                                    \
        mode_t mode = 0;                                                                                               \
                                                                                                                       \
        MODE_OF(flags, mode);                                                                                          \
        return openat_as(#function, &known, dir, path, flags, mode);                                                   \
    }

WEIR_OPEN(open)
WEIR_OPEN(open64)
WEIR_OPENAT(openat)
WEIR_OPENAT(openat64)

/* The flag can be set later, too; the one command of fcntl(2) that sets it passes an int where others pass a pointer.
 */
static int fcntl_as(const char *name, void *_Atomic *known, int fd, int command, long argument) {
    int (*real)(int fd, int command, ...);

    *(void **)&real = libc_function(known, name);
    return real(fd, command, command == F_SETFL ? (long)without_direct((int)argument) : argument);
}

#define WEIR_FCNTL(function)                                                                                           \
    WEIR_EXPORT int function(int fd, int command, ...) {                                                               \
        static void *_Atomic known;                                                                                    \
        va_list args;                                                                                                  \
        long argument;                                                                                                 \
                                                                                                                       \
        va_start(args, command);                                                                                       \
        argument = va_arg(args, long);                                                                                 \
        va_end(args);                                                                                                  \
        return fcntl_as(#function, &known, fd, command, argument);                                                     \
    }

WEIR_FCNTL(fcntl)
WEIR_FCNTL(fcntl64)
