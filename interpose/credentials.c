/* SPDX-License-Identifier: MIT */
/*
 * credentials.c - becoming another user or group: once libc has done it for the program's threads, weir's follow.
 */
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <unistd.h>

#include "interpose/interpose.h"
#include "runtime/credentials.h"
#include "runtime/runtime.h"
#include "runtime/service.h"
#include "runtime/sys.h"

/* As the kernel has it: no more groups than that. */
#define GROUPS_MAX 65536

/* What the calling thread has become. */
static void take_stock(struct weir_credentials *now) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};

    now->pid = (uint32_t)sys0(SYS_getpid);
    sys3(SYS_getresuid, &now->uid[0], &now->uid[1], &now->uid[2]);
    sys3(SYS_getresgid, &now->gid[0], &now->gid[1], &now->gid[2]);
    /* No such user or group: nothing changes, and the answer is what there was. */
    now->fsuid = (uint32_t)sys1(SYS_setfsuid, -1);
    now->fsgid = (uint32_t)sys1(SYS_setfsgid, -1);
    sys2(SYS_capget, &header, now->capabilities);
}

/* Weir's threads take what the caller has become; call: a call of prctl(2) that they make too, or NULL. */
static void follow_caller(bool groups_changed, const uintptr_t call[5]) {
    size_t size = sizeof(struct weir_credentials) + GROUPS_MAX * sizeof(uint32_t);
    struct weir_credentials *now;
    long memory;

    if (!rt.up)
        return;
    /* The service thread must not touch managed memory. */
    memory = sys6(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory < 0 && memory > -4096) {
        weir_say("its threads could not take the program's new credentials (error %ld)", -memory);
        return;
    }
    now = (struct weir_credentials *)memory;
    take_stock(now);
    for (int i = 0; call && i < 5; i++)
        now->prctl[i] = call[i];
    now->groups_changed = groups_changed;
    if (groups_changed)
        now->nr_groups = (uint32_t)sys2(SYS_getgroups, GROUPS_MAX, now->groups);
    weir_call(OP_CREDENTIALS, (uintptr_t)memory, 0, 0, 0, 0);
    sys2(SYS_munmap, memory, size);
}

/* Hands the result through of a call that libc has made for all of the program's threads. */
static int follow(int result, bool groups_changed) {
    if (result == 0)
        follow_caller(groups_changed, NULL);
    return result;
}

/*
 * Other calls are the calling thread's own affair. What the main thread becomes is taken for what the program becomes:
 * before it has other threads there is no difference, and servers whose workers act for one user after another have
 * those do it.
 */
static bool is_main_thread(void) {
    return sys0(SYS_gettid) == sys0(SYS_getpid);
}

void credentials_called_prctl(const uintptr_t call[5]) {
    if (is_main_thread())
        follow_caller(false, call);
}

void credentials_changed_by_syscall(bool groups_changed) {
    if (is_main_thread())
        follow_caller(groups_changed, NULL);
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

WEIR_EXPORT int setfsuid(uid_t uid) {
    int before = (int)sys1(SYS_setfsuid, uid);

    if (is_main_thread())
        follow_caller(false, NULL);
    return before;
}

WEIR_EXPORT int setfsgid(gid_t gid) {
    int before = (int)sys1(SYS_setfsgid, gid);

    if (is_main_thread())
        follow_caller(false, NULL);
    return before;
}

/* Of glibc, in no header of its own. */
extern int capset(struct __user_cap_header_struct *header, const struct __user_cap_data_struct *data);

WEIR_EXPORT int capset(struct __user_cap_header_struct *header, const struct __user_cap_data_struct *data) {
    long result = sys2(SYS_capset, header, data);

    if (result == 0 && is_main_thread())
        follow_caller(false, NULL);
    return (int)as_libc(result);
}
