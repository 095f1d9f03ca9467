/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/credentials.h"

#include <stdatomic.h>
#include <sys/mman.h>

#include "runtime/devices.h"
#include "runtime/handler.h"
#include "runtime/kswapd.h"
#include "runtime/runtime.h"
#include "runtime/stats.h"
#include "runtime/sys.h"
#include "runtime/thread.h"
#include "runtime/uffd.h"

/* A thread that was about to sleep when it was woken is woken again after this long. */
#define WAKE_AGAIN_NS 1000000

static const struct weir_credentials *current; /* good while generation is being followed */
static _Atomic uint32_t generation;
static _Atomic uint32_t taken; /* how often a thread has followed; a futex word */
static _Atomic int failure;    /* a negative errno of one that could not */
static uintptr_t bell;         /* a page that is never there */

bool credentials_reserve(void) {
    long page = sys6(SYS_mmap, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    bell = (uintptr_t)page;
    return page > 0;
}

int credentials_register(void) {
    return uffd_register(bell, PAGE_SIZE);
}

bool credentials_hold(uintptr_t start, uintptr_t end) {
    return start < bell + PAGE_SIZE && end > bell;
}

void credentials_inherit(struct weir_thread *thread) {
    atomic_store(&thread->credentials, atomic_load(&generation));
}

/* -- taking them --------------------------------------------------------------------------------------------------- */

static long set_all(const struct weir_credentials *c) {
    long groups = c->groups_changed ? sys2(SYS_setgroups, c->nr_groups, c->groups) : 0;
    long gid = sys3(SYS_setresgid, c->gid[0], c->gid[1], c->gid[2]);
    long uid = sys3(SYS_setresuid, c->uid[0], c->uid[1], c->uid[2]);

    return groups ? groups : gid ? gid : uid;
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
    if (result)
        atomic_store(&failure, (int)result);
    atomic_store(&self->credentials, wanted);
    atomic_fetch_add(&taken, 1);
    futex_wake(&taken, 1);
}

bool credentials_answer(uintptr_t addr) {
    static const char zeros[PAGE_SIZE] __attribute__((aligned(4096)));

    if (addr != bell)
        return false;
    uffd_copy(rt.uffd, bell, zeros, PAGE_SIZE, true);
    return true;
}

/* -- having them taken --------------------------------------------------------------------------------------------- */

/*
 * Nothing wakes a thread from reading a userfaultfd but a fault, and no signal may reach it: so the service thread, of
 * whom no handler wants anything, makes one.
 */
static void ring(void) {
    (void)*(volatile const char *)bell;
    sys3(SYS_madvise, bell, PAGE_SIZE, MADV_DONTNEED);
}

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
        handler_wake_all();
        ring();
        if (!all_have(wanted))
            futex_wait(&taken, seen, WAKE_AGAIN_NS);
    }
    if (atomic_load(&failure))
        weir_say("its threads could not take the program's new credentials (error %d)", -atomic_load(&failure));
    return 0;
}
