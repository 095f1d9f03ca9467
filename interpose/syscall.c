/* SPDX-License-Identifier: MIT */
/*
 * syscall.c - syscall(2): what would be done by one of this library's functions if it were called by name is done by
 * it when it is called by number, too. Anything else goes to Linux as it is.
 */
#undef _FILE_OFFSET_BITS
#include <fcntl.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <unistd.h>

#include "interpose/interpose.h"
#include "runtime/placement.h"
#include "runtime/runtime.h"
#include "runtime/sys.h"

/* Of glibc, in no header of its own. */
extern int capset(struct __user_cap_header_struct *header, const struct __user_cap_data_struct *data);

#define POINTER(x) ((void *)(x))

static bool is_of_memory(long number, const long a[6], long *ret_result) {
    switch (number) {
    case SYS_mmap:
        *ret_result = (long)mmap(POINTER(a[0]), (size_t)a[1], (int)a[2], (int)a[3], (int)a[4], a[5]);
        return true;
    case SYS_munmap:
        *ret_result = munmap(POINTER(a[0]), (size_t)a[1]);
        return true;
    case SYS_mremap:
        *ret_result = (long)mremap(POINTER(a[0]), (size_t)a[1], (size_t)a[2], (int)a[3], POINTER(a[4]));
        return true;
    case SYS_mprotect:
        *ret_result = mprotect(POINTER(a[0]), (size_t)a[1], (int)a[2]);
        return true;
    case SYS_pkey_mprotect:
        *ret_result = pkey_mprotect(POINTER(a[0]), (size_t)a[1], (int)a[2], (int)a[3]);
        return true;
    case SYS_madvise:
        *ret_result = madvise(POINTER(a[0]), (size_t)a[1], (int)a[2]);
        return true;
    case SYS_process_madvise:
        *ret_result = process_madvise((int)a[0], POINTER(a[1]), (size_t)a[2], (int)a[3], (unsigned)a[4]);
        return true;
    case SYS_mincore:
        *ret_result = mincore(POINTER(a[0]), (size_t)a[1], POINTER(a[2]));
        return true;
    default:
        return false;
    }
}

static bool is_of_locking(long number, const long a[6], long *ret_result) {
    switch (number) {
    case SYS_mlock:
        *ret_result = mlock(POINTER(a[0]), (size_t)a[1]);
        return true;
    case SYS_mlock2:
        *ret_result = mlock2(POINTER(a[0]), (size_t)a[1], (unsigned)a[2]);
        return true;
    case SYS_munlock:
        *ret_result = munlock(POINTER(a[0]), (size_t)a[1]);
        return true;
    case SYS_mlockall:
        *ret_result = mlockall((int)a[0]);
        return true;
    case SYS_munlockall:
        *ret_result = munlockall();
        return true;
    default:
        return false;
    }
}

/* Of what a program is told (told_ram.c), and of direct I/O (open.c). */
static bool is_of_files(long number, const long a[6], long *ret_result) {
    switch (number) {
    case SYS_sysinfo:
        *ret_result = sysinfo(POINTER(a[0]));
        return true;
#ifdef SYS_open
    case SYS_open:
        *ret_result = open64(POINTER(a[0]), (int)a[1], (mode_t)a[2]);
        return true;
#endif
    case SYS_openat:
        *ret_result = openat64((int)a[0], POINTER(a[1]), (int)a[2], (mode_t)a[3]);
        return true;
    default:
        return false;
    }
}

/* Unlike libc's functions these change the calling thread only. */
static bool changes_user(long number) {
    return number == SYS_setuid || number == SYS_setgid || number == SYS_setreuid || number == SYS_setregid ||
           number == SYS_setresuid || number == SYS_setresgid || number == SYS_setfsuid || number == SYS_setfsgid ||
           number == SYS_setgroups;
}

/* See affinity.c. */
static bool inherits_affinity(long number) {
    return number == SYS_sched_getaffinity || number == SYS_sched_setaffinity || number == SYS_sched_setattr ||
           number == SYS_vfork || number == SYS_execve || number == SYS_execveat;
}

WEIR_EXPORT long syscall(long number, ...) {
    long a[6], result;
    va_list list;

    va_start(list, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    if (is_of_memory(number, a, &result) || is_of_locking(number, a, &result) || is_of_files(number, a, &result))
        return result;
    if (number == SYS_capset)
        return capset(POINTER(a[0]), POINTER(a[1]));
    if (number == SYS_prctl)
        return prctl((int)a[0], a[1], a[2], a[3], a[4]);
    if (number == SYS_fork || number == SYS_clone || number == SYS_clone3)
        return as_libc(fork_by_number(number, a));
    if (inherits_affinity(number))
        placement_let_go();
    result = sys6(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (changes_user(number) && result >= 0)
        credentials_changed_by_syscall(number == SYS_setgroups);
    return as_libc(result);
}
