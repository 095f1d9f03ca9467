/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/pressure.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "mm/psi.h"
#include "runtime/runtime.h"
#include "runtime/sys.h"
#include "runtime/thread.h"

/* Looking costs microseconds, a fault less. */
#define LOOK_EVERY_NS UINT64_C(10000000)
/* Of a program with thousands of threads, all of which wait, not all are asked each time. */
#define THREADS_MOST 128u

static _Atomic uint64_t next_ns;
static _Atomic bool looking;
static int tasks_fd = -1; /* /proc/self/task; of whoever is looking */

struct linux_dirent64 {
    uint64_t inode, offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

static bool is_ours(int tid) {
    for (unsigned role = 0; role < WEIR_MAX_THREADS; role++)
        if (weir_thread_of(role)->tid == tid)
            return true;
    return false;
}

static unsigned count_ours(void) {
    unsigned nr = 0;

    for (unsigned role = 0; role < WEIR_MAX_THREADS; role++)
        nr += weir_thread_of(role)->tid != 0;
    return nr;
}

/* The state in /proc/self/task/TID/stat, behind the name in brackets; '?' if there is no such thread any more. */
static char state_of(const char *name) {
    static const char file[] = "/stat";
    char path[32], text[64], *bracket;
    size_t len = 0;
    long fd, got;

    for (; name[len] && len < sizeof(path) - sizeof(file); len++)
        path[len] = name[len];
    memcpy(path + len, file, sizeof(file));
    fd = sys4(SYS_openat, tasks_fd, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return '?';
    got = sys3(SYS_read, fd, text, sizeof(text) - 1);
    sys1(SYS_close, fd);
    text[got > 0 ? got : 0] = '\0';
    bracket = strrchr(text, ')');
    return bracket && bracket[1] ? bracket[2] : '?';
}

static int number_of(const char *name) {
    int number = 0;

    for (; *name >= '0' && *name <= '9'; name++)
        number = number * 10 + (*name - '0');
    return number;
}

static bool somebody_runs(void) {
    _Alignas(8) char entries[2048];
    unsigned asked = 0;
    long got;

    sys3(SYS_lseek, tasks_fd, 0, SEEK_SET);
    while (asked < THREADS_MOST && (got = sys3(SYS_getdents64, tasks_fd, entries, sizeof(entries))) > 0) {
        const struct linux_dirent64 *entry;

        for (long at = 0; at < got && asked < THREADS_MOST; at += entry->length) {
            entry = (const struct linux_dirent64 *)(const void *)(entries + at);
            if (entry->name[0] == '.' || is_ours(number_of(entry->name)))
                continue;
            asked++;
            if (state_of(entry->name) == 'R')
                return true;
        }
    }
    return false;
}

/* Its folder has a link for each thread, besides its own two. */
static bool has_other_threads(void) {
    struct stat status;

    return sys2(SYS_fstat, tasks_fd, &status) == 0 && status.st_nlink > 2 + count_ours() + 1;
}

void pressure_look(uint64_t now_ns) {
    if (now_ns < atomic_load_explicit(&next_ns, memory_order_relaxed) || atomic_exchange(&looking, true))
        return;
    atomic_store_explicit(&next_ns, now_ns + LOOK_EVERY_NS, memory_order_relaxed);
    if (tasks_fd < 0)
        tasks_fd = (int)sys4(SYS_openat, AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (tasks_fd >= 0)
        psi_set_running(rt.machine, has_other_threads() && somebody_runs());
    atomic_store(&looking, false);
}

void pressure_after_fork(void) {
    tasks_fd = -1;
    atomic_store(&next_ns, 0);
    atomic_store(&looking, false);
    psi_reset(rt.machine);
}
