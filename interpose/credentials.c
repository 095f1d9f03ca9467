/* SPDX-License-Identifier: MIT */
/*
 * credentials.c - becoming another user or group: once libc has done it for the program's threads, weir's follow.
 */
#include <grp.h>
#include <sys/mman.h>
#include <unistd.h>

#include "interpose/interpose.h"
#include "runtime/credentials.h"
#include "runtime/runtime.h"
#include "runtime/service.h"
#include "runtime/sys.h"

/* As the kernel has it: no more groups than that. */
#define GROUPS_MAX 65536

/* Hands result through; if it is 0, weir's threads first take what the caller has become. */
static int follow(int result, bool groups_changed) {
    size_t size = sizeof(struct weir_credentials) + GROUPS_MAX * sizeof(uint32_t);
    struct weir_credentials *now;
    long memory;

    if (result != 0 || !rt.up)
        return result;
    /* The service thread must not touch managed memory. */
    memory = sys6(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory < 0 && memory > -4096) {
        weir_say("its threads could not take the program's new credentials (error %ld)", -memory);
        return result;
    }
    now = (struct weir_credentials *)memory;
    now->pid = (uint32_t)sys0(SYS_getpid);
    sys3(SYS_getresuid, &now->uid[0], &now->uid[1], &now->uid[2]);
    sys3(SYS_getresgid, &now->gid[0], &now->gid[1], &now->gid[2]);
    now->groups_changed = groups_changed;
    if (groups_changed)
        now->nr_groups = (uint32_t)sys2(SYS_getgroups, GROUPS_MAX, now->groups);
    weir_call(OP_CREDENTIALS, (uintptr_t)memory, 0, 0, 0, 0);
    sys2(SYS_munmap, memory, size);
    return result;
}

WEIR_EXPORT int setuid(uid_t uid) {
    return follow(REAL(setuid)(uid), false);
}

WEIR_EXPORT int seteuid(uid_t uid) {
    return follow(REAL(seteuid)(uid), false);
}

WEIR_EXPORT int setreuid(uid_t real, uid_t effective) {
    return follow(REAL(setreuid)(real, effective), false);
}

WEIR_EXPORT int setresuid(uid_t real, uid_t effective, uid_t saved) {
    return follow(REAL(setresuid)(real, effective, saved), false);
}

WEIR_EXPORT int setgid(gid_t gid) {
    return follow(REAL(setgid)(gid), false);
}

WEIR_EXPORT int setegid(gid_t gid) {
    return follow(REAL(setegid)(gid), false);
}

WEIR_EXPORT int setregid(gid_t real, gid_t effective) {
    return follow(REAL(setregid)(real, effective), false);
}

WEIR_EXPORT int setresgid(gid_t real, gid_t effective, gid_t saved) {
    return follow(REAL(setresgid)(real, effective, saved), false);
}

WEIR_EXPORT int setgroups(size_t nr, const gid_t *groups) {
    return follow(REAL(setgroups)(nr, groups), true);
}

WEIR_EXPORT int initgroups(const char *user, gid_t group) {
    return follow(REAL(initgroups)(user, group), true);
}
