/* SPDX-License-Identifier: MIT */
/*
 * told_ram.c - the budget for the machine's RAM, where a program asks libc for that. (weir run --tell-ram)
 *
 * Compilers, runtimes with collectors, sort and others size their heaps and buffers by the RAM of the machine. In a
 * smaller budget what they take that way has to be swapped. sysconf(3), sysinfo(2), get_phys_pages(3) and /proc/meminfo
 * say the budget instead, and the swap that weir has. Only if it was asked for: some end for want of memory at a limit
 * that they derive from it, where swap would have done.
 */
#undef _FILE_OFFSET_BITS /* it would make fopen another name for fopen64, and both are wanted here */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "interpose/interpose.h"
#include "mm/memory.h"
#include "mm/vmstat.h"
#include "runtime/proc_text.h"
#include "runtime/runtime.h"
#include "runtime/sys.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif

static bool tells(void) {
    return rt.up && rt.config.tell_ram;
}

/* In pages. */
struct told {
    uint64_t ram, free_ram, swap, free_swap;
};

static struct told what_is_told(void) {
    struct told told = {.ram = rt.config.ram_bytes / PAGE_SIZE, .swap = rt.config.swap_bytes / PAGE_SIZE};
    long swapped;

    told.free_swap = told.swap;
    told.free_ram = global_page_state(rt.machine, NR_FREE_PAGES);
    if (told.free_ram > told.ram)
        told.free_ram = told.ram;
    swapped = atomic_load_explicit(&rt.mm->nr_swapped, memory_order_relaxed);
    if (swapped > 0)
        told.free_swap -= (uint64_t)swapped < told.swap ? (uint64_t)swapped : told.swap;
    return told;
}

WEIR_EXPORT long sysconf(int name) {
    if (tells() && name == _SC_PHYS_PAGES)
        return (long)what_is_told().ram;
    if (tells() && name == _SC_AVPHYS_PAGES)
        return (long)what_is_told().free_ram;
    return REAL(sysconf)(name);
}

WEIR_EXPORT long get_phys_pages(void) {
    return tells() ? (long)what_is_told().ram : REAL(get_phys_pages)();
}

WEIR_EXPORT long get_avphys_pages(void) {
    return tells() ? (long)what_is_told().free_ram : REAL(get_avphys_pages)();
}

WEIR_EXPORT int sysinfo(struct sysinfo *info) {
    int result = REAL(sysinfo)(info);
    struct told told;

    if (result < 0 || !tells())
        return result;
    told = what_is_told();
    info->totalram = told.ram * PAGE_SIZE;
    info->freeram = told.free_ram * PAGE_SIZE;
    info->totalswap = told.swap * PAGE_SIZE;
    info->freeswap = told.free_swap * PAGE_SIZE;
    info->sharedram = info->bufferram = info->totalhigh = info->freehigh = 0;
    info->mem_unit = 1;
    return result;
}

/* -- /proc/meminfo. ---------------------------------------------------------------------------------------------- */

/* Appends a line as Linux writes it. No stdio: open(2) may be called in a signal handler. */
static char *add_line(char *at, const char *name, uint64_t pages) {
    char digits[TEXT_NUMBER_MAX], *end = stpcpy(stpcpy(at, name), ":");
    size_t len = (size_t)(text_put_number(digits, pages * (PAGE_SIZE / 1024)) - digits);

    while ((size_t)(end - at) + len < 24)
        *end++ = ' ';
    return stpcpy(stpcpy(end, digits), " kB\n");
}

static size_t write_meminfo(char *text) {
    struct told told = what_is_told();
    char *at = add_line(text, "MemTotal", told.ram);

    at = add_line(at, "MemFree", told.free_ram);
    at = add_line(at, "MemAvailable", told.free_ram);
    at = add_line(at, "Buffers", 0);
    at = add_line(at, "Cached", 0);
    at = add_line(at, "SwapCached", 0);
    at = add_line(at, "SwapTotal", told.swap);
    at = add_line(at, "SwapFree", told.free_swap);
    return (size_t)(at - text);
}

static bool is_meminfo(const char *path) {
    return path && strcmp(path, "/proc/meminfo") == 0;
}

/* A file in memory with that text, or a negative errno. */
static long make_meminfo(void) {
    char text[512];
    size_t len = write_meminfo(text);
    long fd = sys2(SYS_memfd_create, "meminfo", MFD_CLOEXEC | MFD_NOEXEC_SEAL), result;

    /* Before Linux 6.3. */
    if (fd == -EINVAL)
        fd = sys2(SYS_memfd_create, "meminfo", MFD_CLOEXEC);
    if (fd < 0)
        return fd;
    result = sys3(SYS_write, fd, text, len);
    if (result == (long)len)
        return fd;
    sys1(SYS_close, fd);
    return -EIO;
}

int told_ram_open(const char *path, int flags) {
    char path_of_it[64];
    long made, fd;

    if (!tells() || !is_meminfo(path) || (flags & O_ACCMODE) != O_RDONLY ||
        flags & (O_PATH | O_DIRECTORY | O_CREAT | O_EXCL | O_TRUNC))
        return TOLD_RAM_NOT_ASKED;
    made = make_meminfo();
    /* Where a sandbox forbids it, the machine's own is better than none. */
    if (made < 0)
        return TOLD_RAM_NOT_ASKED;
    /* Opened anew it is for reading only. */
    text_put_number(stpcpy(path_of_it, "/proc/self/fd/"), (uint64_t)made);
    fd = as_libc(sys4(SYS_openat, AT_FDCWD, path_of_it, flags, 0));
    sys1(SYS_close, made);
    return (int)fd;
}

static FILE *fopen_as(enum real_number number, const char *path, const char *mode) {
    FILE *(*real)(const char *path, const char *mode);
    int fd = TOLD_RAM_NOT_ASKED;
    FILE *file;

    if (mode[0] == 'r' && !strchr(mode, '+'))
        fd = told_ram_open(path, strchr(mode, 'e') ? O_RDONLY | O_CLOEXEC : O_RDONLY);
    if (fd == TOLD_RAM_NOT_ASKED) {
        *(void **)&real = real_function(number);
        return real(path, mode);
    }
    file = fd < 0 ? NULL : fdopen(fd, mode);
    if (!file && fd >= 0)
        sys1(SYS_close, fd);
    return file;
}

#define WEIR_FOPEN(function)                                                                                           \
    WEIR_EXPORT FILE *function(const char *path, const char *mode) {                                                   \
        return fopen_as(REAL_##function, path, mode);                                                                  \
    }

WEIR_FOPEN(fopen)
WEIR_FOPEN(fopen64)
