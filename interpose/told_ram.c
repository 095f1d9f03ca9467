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
#include "runtime/runtime.h"
#include "runtime/sys.h"

static bool tells(void) {
    return rt.up && rt.config.tell_ram;
}

/* In pages. */
struct told {
    uint64_t ram, free_ram, swap, free_swap;
};

static uint64_t minus(uint64_t of, const _Atomic long *taken) {
    long pages = atomic_load_explicit(taken, memory_order_relaxed);

    return pages > 0 ? of - ((uint64_t)pages < of ? (uint64_t)pages : of) : of;
}

static struct told what_is_told(void) {
    struct told told = {.ram = rt.config.ram_bytes / PAGE_SIZE, .swap = rt.config.swap_bytes / PAGE_SIZE};

    told.free_ram = minus(told.ram, &rt.mm->nr_rss);
    told.free_swap = minus(told.swap, &rt.mm->nr_swapped);
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
    uint64_t kib = pages * (PAGE_SIZE / 1024);
    char digits[24];
    size_t nr = 0, len = strlen(name);

    do
        digits[nr++] = (char)('0' + kib % 10);
    while ((kib /= 10) != 0);
    memcpy(at, name, len);
    at[len++] = ':';
    for (; len + nr < 24; len++)
        at[len] = ' ';
    while (nr)
        at[len++] = digits[--nr];
    memcpy(at + len, " kB\n", 4);
    return at + len + 4;
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

int told_ram_open(const char *path, int flags) {
    char text[512];
    long fd;
    size_t len;

    if (!tells() || !is_meminfo(path) || (flags & O_ACCMODE) != O_RDONLY || flags & (O_PATH | O_DIRECTORY))
        return TOLD_RAM_NOT_ASKED;
    fd = as_libc(sys2(SYS_memfd_create, "meminfo", flags & O_CLOEXEC ? MFD_CLOEXEC : 0));
    if (fd < 0)
        return -1;
    len = write_meminfo(text);
    if (as_libc(sys3(SYS_write, fd, text, len)) < 0) {
        sys1(SYS_close, fd);
        return -1;
    }
    sys3(SYS_lseek, fd, 0, SEEK_SET);
    return (int)fd;
}

static FILE *fopen_as(enum real_number number, const char *path, const char *mode) {
    FILE *(*real)(const char *path, const char *mode);
    int fd = TOLD_RAM_NOT_ASKED;

    if (mode[0] == 'r' && !strchr(mode, '+'))
        fd = told_ram_open(path, strchr(mode, 'e') ? O_RDONLY | O_CLOEXEC : O_RDONLY);
    if (fd != TOLD_RAM_NOT_ASKED)
        return fd < 0 ? NULL : fdopen(fd, mode);
    *(void **)&real = real_function(number);
    return real(path, mode);
}

#define WEIR_FOPEN(function)                                                                                           \
    WEIR_EXPORT FILE *function(const char *path, const char *mode) {                                                   \
        return fopen_as(REAL_##function, path, mode);                                                                  \
    }

WEIR_FOPEN(fopen)
WEIR_FOPEN(fopen64)
