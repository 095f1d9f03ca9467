/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/survivors.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

#include "runtime/sys.h"
#include "runtime/thread.h"

/* Fields of /proc/PID/stat behind the name, which begin with the state. */
#define FIELD_EXIT_CODE 49

/* As getdents64(2) has it. */
struct entry {
    uint64_t inode;
    int64_t offset;
    uint16_t size;
    uint8_t type;
    char name[];
};

static int number_of(const char *text) {
    int number = 0;

    for (; *text >= '0' && *text <= '9'; text++)
        number = number * 10 + (*text - '0');
    return number;
}

static bool is_weirs(int tid) {
    for (unsigned role = 0; role < WEIR_MAX_THREADS; role++)
        if (weir_thread_of(role)->run && weir_thread_of(role)->tid == tid)
            return true;
    return false;
}

/* The state of the process's main thread, 0 if it cannot be told; *ret_code is its exit code, as wait(2) has it. */
static char main_thread_state(int *ret_code) {
    char text[1024], *field;
    long fd = sys4(SYS_openat, AT_FDCWD, "/proc/self/stat", O_RDONLY | O_CLOEXEC, 0);
    long got = fd < 0 ? 0 : sys3(SYS_read, fd, text, sizeof(text) - 1);
    char state;

    if (fd >= 0)
        sys1(SYS_close, fd);
    text[got > 0 ? got : 0] = '\0';
    field = strrchr(text, ')');
    if (!field || field[1] != ' ')
        return 0;
    field += 2;
    state = *field;
    for (int i = 0; field && i < FIELD_EXIT_CODE; i++) {
        field = strchr(field, ' ');
        field = field ? field + 1 : NULL;
    }
    *ret_code = field ? number_of(field) : 0;
    return state;
}

static bool is_gone(char state) {
    return state == 'Z' || state == 'X';
}

int survivors_find(void) {
    char buffer[1024] __attribute__((aligned(8)));
    long fd = sys4(SYS_openat, AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), got;
    int pid = (int)sys0(SYS_getpid), code, found = 0;
    bool without_main = is_gone(main_thread_state(&code));

    while (fd >= 0 && !found && (got = sys3(SYS_getdents64, fd, buffer, sizeof(buffer))) > 0) {
        for (long at = 0; at < got && !found;) {
            const struct entry *entry = (const struct entry *)(void *)(buffer + at);
            int tid = number_of(entry->name);

            if (tid && !(tid == pid && without_main) && !is_weirs(tid))
                found = tid;
            at += entry->size;
        }
    }
    if (fd >= 0)
        sys1(SYS_close, fd);
    return found;
}

/* By a signal that all threads block: this one lets it in, and it does what it does by default. */
static void end_by(int signal) {
    struct {
        uintptr_t handler;
        unsigned long flags;
        uintptr_t restorer;
        uint64_t mask;
    } by_default = {0};
    uint64_t one = UINT64_C(1) << (signal - 1);

    sys4(SYS_rt_sigaction, signal, &by_default, NULL, sizeof(one));
    sys2(SYS_kill, sys0(SYS_getpid), signal);
    sys4(SYS_rt_sigprocmask, SIG_UNBLOCK, &one, NULL, sizeof(one));
}

void survivors_end_if_none(void) {
    int code = 0;

    if (!is_gone(main_thread_state(&code)) || survivors_find() != 0)
        return;
    if (code & 0x7f)
        end_by(code & 0x7f);
    sys1(SYS_exit_group, code >> 8 & 0xff);
}
