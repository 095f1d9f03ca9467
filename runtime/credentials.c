/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/credentials.h"

#include <linux/capability.h>
#include <stdatomic.h>
#include <string.h>

#include "runtime/devices.h"
#include "runtime/duty.h"
#include "runtime/kswapd.h"
#include "runtime/runtime.h"
#include "runtime/stats.h"
#include "runtime/sys.h"
#include "runtime/thread.h"

/* A thread that was about to sleep when it was woken is woken again after this long. */
#define WAKE_AGAIN_NS 1000000

static const struct weir_credentials *current; /* good while generation is being followed */
static _Atomic uint32_t generation;
static _Atomic uint32_t taken; /* how often a thread has followed; a futex word */
static _Atomic int failure;    /* a negative errno of one that could not */

void credentials_inherit(struct weir_thread *thread) {
    atomic_store(&thread->credentials, atomic_load(&generation));
}

/* -- taking them --------------------------------------------------------------------------------------------------- */

/* Those of the wanted ones that the thread may still have: it may have lost some with its user. */
static long set_capabilities(const struct weir_capabilities wanted[2]) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct weir_capabilities mine[2];
    long result = sys2(SYS_capget, &header, mine);

    for (int i = 0; i < 2 && !result; i++) {
        mine[i].permitted &= wanted[i].permitted;
        mine[i].effective = wanted[i].effective & mine[i].permitted;
        mine[i].inheritable &= wanted[i].inheritable;
    }
    return result ? result : sys2(SYS_capset, &header, mine);
}

/*
 * Sets real, effective and saved ids by one system call, unless another says that they are so already: setting them
 * sets the one for files as well, which cannot always be undone.
 */
static long set_ids(long get, long set, const uint32_t wanted[3]) {
    uint32_t mine[3] = {0};

    if (sys3(get, &mine[0], &mine[1], &mine[2]) == 0 && memcmp(mine, wanted, sizeof(mine)) == 0)
        return 0;
    return sys3(set, wanted[0], wanted[1], wanted[2]);
}

static long set_all(const struct weir_credentials *c) {
    long groups = c->groups_changed ? sys2(SYS_setgroups, c->nr_groups, c->groups) : 0;
    long gid = set_ids(SYS_getresgid, SYS_setresgid, c->gid);
    long uid;

    /* As long as the user may; the answer is what was before, not whether it worked. */
    sys1(SYS_setfsgid, c->fsgid);
    uid = set_ids(SYS_getresuid, SYS_setresuid, c->uid);
    sys1(SYS_setfsuid, c->fsuid);
    return groups ? groups : gid ? gid : uid;
}

static long set_rest(const struct weir_credentials *c) {
    long result = set_capabilities(c->capabilities);
    long called = c->prctl[0] ? sys5(SYS_prctl, c->prctl[0], c->prctl[1], c->prctl[2], c->prctl[3], c->prctl[4]) : 0;

    return result ? result : called;
}

void credentials_follow(struct weir_thread *self) {
    uint32_t wanted = atomic_load(&generation);
    long result;

    if (atomic_load_explicit(&self->credentials, memory_order_relaxed) == wanted)
        return;
    result = set_all(current);
    /* One that gets its privileges back has them only once it has the user. */
    if (result)
        result = set_all(current);
    if (!result)
        result = set_rest(current);
    if (result)
        atomic_store(&failure, (int)result);
    atomic_store(&self->credentials, wanted);
    atomic_fetch_add(&taken, 1);
    futex_wake(&taken, 1);
}

/* -- having them taken --------------------------------------------------------------------------------------------- */

static bool all_have(uint32_t wanted) {
    for (unsigned role = 0; role < WEIR_MAX_THREADS; role++) {
        struct weir_thread *thread = weir_thread_of(role);

        if (thread->run && atomic_load(&thread->credentials) != wanted)
            return false;
    }
    return true;
}

long credentials_take(const struct weir_credentials *credentials) {
    uint32_t wanted = atomic_load(&generation) + 1;

    if (credentials->pid != (uint32_t)sys0(SYS_getpid))
        return 0;
    devices_foresee();
    current = credentials;
    atomic_store(&failure, 0);
    atomic_store(&generation, wanted);
    credentials_follow(weir_thread_self());
    for (;;) {
        uint32_t seen = atomic_load(&taken);

        if (all_have(wanted))
            break;
        kswapd_wake();
        stats_wake_clerk();
        duty_pass_all();
        if (!all_have(wanted))
            futex_wait(&taken, seen, WAKE_AGAIN_NS);
    }
    if (atomic_load(&failure))
        weir_say("its threads could not take the program's new credentials (error %d)", -atomic_load(&failure));
    return 0;
}
