/* SPDX-License-Identifier: MIT */
/*
 * advice.c - calls that reach memory in roundabout ways: process_madvise(2) on oneself, prctl(2) naming a range.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>

#include "interpose/interpose.h"
#include "runtime/runtime.h"
#include "runtime/proc_text.h"
#include "runtime/service.h"
#include "runtime/sys.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

/* Does this pidfd stand for the calling process? Its fdinfo has a line "Pid:\t<number>". */
static bool is_own_pidfd(int pidfd) {
    char path[64], text[512];
    const char *line;
    unsigned pid = 0;
    long fd, got;

    text_put_number(stpcpy(path, "/proc/self/fdinfo/"), (unsigned)pidfd);
    fd = sys4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    got = sys3(SYS_read, fd, text, sizeof(text) - 1);
    sys1(SYS_close, fd);
    text[got > 0 ? got : 0] = '\0';
    line = strstr(text, "Pid:\t");
    if (!line)
        return false;
    for (line += 5; *line >= '0' && *line <= '9'; line++)
        pid = pid * 10 + (unsigned)(*line - '0');
    return pid == (unsigned)sys0(SYS_getpid);
}

WEIR_EXPORT ssize_t process_madvise(int pidfd, const struct iovec *ranges, size_t nr, int advice, unsigned flags) {
    bool managed = false;
    ssize_t done = 0;

    for (size_t i = 0; i < nr && nr <= IOV_MAX; i++)
        managed |= weir_manages((uintptr_t)ranges[i].iov_base, ranges[i].iov_len) != 0;
    if (!managed || flags || !is_own_pidfd(pidfd))
        return as_libc(sys5(SYS_process_madvise, pidfd, ranges, nr, advice, flags));
    for (size_t i = 0; i < nr; i++) {
        if (madvise(ranges[i].iov_base, ranges[i].iov_len, advice) != 0)
            return done ? done : -1;
        done += (ssize_t)ranges[i].iov_len;
    }
    return done;
}

static bool is_about_privileges(const uintptr_t call[5]) {
    return call[0] == PR_SET_KEEPCAPS || call[0] == PR_CAPBSET_DROP || call[0] == PR_SET_SECUREBITS ||
           call[0] == PR_SET_NO_NEW_PRIVS || (call[0] == PR_CAP_AMBIENT && call[1] != PR_CAP_AMBIENT_IS_SET);
}

WEIR_EXPORT int prctl(int option, ...) {
    uintptr_t call[5] = {(uintptr_t)option};
    va_list list;
    long result;

    va_start(list, option);
    for (int i = 1; i < 5; i++)
        call[i] = va_arg(list, unsigned long);
    va_end(list);
    /* A name would split Linux's mapping of the managed range, and shows nowhere but in /proc/PID/maps. */
    if (option == PR_SET_VMA && weir_manages(call[2], call[3]))
        return 0;
    result = sys5(SYS_prctl, call[0], call[1], call[2], call[3], call[4]);
    if (result == 0 && is_about_privileges(call))
        credentials_called_prctl(call);
    return (int)as_libc(result);
}
