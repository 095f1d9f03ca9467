/* SPDX-License-Identifier: MIT */
#include "runtime/service.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "runtime/credentials.h"
#include "runtime/fork.h"
#include "runtime/runtime.h"
#include "runtime/space.h"
#include "runtime/stale.h"
#include "runtime/sys.h"
#include "runtime/world.h"

#define SLOTS 128u
/* A thread that finds no free slot looks again after this long, should it have missed a slot that came free. */
#define SLOT_WAIT_NS 1000000

enum slot_state { SLOT_FREE, SLOT_FILLING, SLOT_POSTED, SLOT_TAKEN, SLOT_ANSWERED };

static struct weir_request slots[SLOTS] __attribute__((aligned(64)));
static _Atomic uint32_t slots_used; /* slots above this have never been taken */
static _Atomic uint32_t posted;     /* requests ever posted; the service thread waits on it */
static _Atomic uint32_t freed;      /* slots ever freed while somebody waited for one */
static _Atomic uint32_t waiting;    /* threads that found no free slot */

int weir_manages(uintptr_t addr, size_t len) {
    if (!atomic_load_explicit(&rt.up, memory_order_acquire) || len == 0)
        return 0;
    return addr < rt.region_end && (addr >= rt.region_start || len > rt.region_start - addr);
}

/* -- the program's side -------------------------------------------------------------------------------------------- */

/* A fork's calls, one at a time, have this slot to themselves: all others may wait until the fork is over. */
#define FORK_SLOT 0u

static bool is_fork_op(enum weir_op op) {
    return op == OP_FORK_PREPARE || op == OP_FORK_SETTLE || op == OP_FORK_PARENT;
}

static struct weir_request *claim_slot(enum weir_op op) {
    uint32_t first = is_fork_op(op) ? FORK_SLOT : FORK_SLOT + 1, end = is_fork_op(op) ? first + 1 : SLOTS;

    for (;;) {
        uint32_t seen = atomic_load(&freed);

        for (uint32_t i = first; i < end; i++) {
            uint32_t state = SLOT_FREE, used = atomic_load(&slots_used);

            if (!atomic_compare_exchange_strong(&slots[i].state, &state, SLOT_FILLING))
                continue;
            while (used <= i && !atomic_compare_exchange_weak(&slots_used, &used, i + 1))
                ;
            return &slots[i];
        }
        atomic_fetch_add(&waiting, 1);
        futex_wait(&freed, seen, SLOT_WAIT_NS);
        atomic_fetch_sub(&waiting, 1);
    }
}

static void free_slot(struct weir_request *slot) {
    atomic_store(&slot->state, SLOT_FREE);
    if (atomic_load(&waiting)) {
        atomic_fetch_add(&freed, 1);
        futex_wake(&freed, 1);
    }
}

long weir_call(enum weir_op op, uintptr_t a0, uintptr_t a1, uintptr_t a2, uintptr_t a3, uintptr_t a4) {
    uint64_t all = UINT64_MAX, old;
    struct weir_request *slot;
    uint32_t state;
    long result;

    /* As a system call, it is not interrupted halfway: a handler that jumps away would leave the slot behind. */
    sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, sizeof(all));
    slot = claim_slot(op);
    slot->op = op;
    slot->args[0] = a0;
    slot->args[1] = a1;
    slot->args[2] = a2;
    slot->args[3] = a3;
    slot->args[4] = a4;
    slot->tid = (int)sys0(SYS_gettid);
    atomic_store(&slot->state, SLOT_POSTED);
    atomic_fetch_add(&posted, 1);
    futex_wake(&posted, 1);
    while ((state = atomic_load(&slot->state)) != SLOT_ANSWERED)
        futex_wait(&slot->state, state, -1);
    result = slot->result;
    free_slot(slot);
    sys4(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof(old));
    return result;
}

/* -- the service thread -------------------------------------------------------------------------------------------- */

static long do_space_op(const struct weir_request *r) {
    const uintptr_t *a = r->args;

    switch ((enum weir_op)r->op) {
    case OP_MMAP:
        return space_mmap(a[0], a[1], (int)a[2], (int)a[3]);
    case OP_MUNMAP:
        return space_munmap(a[0], a[1]);
    case OP_MPROTECT:
        return space_mprotect(a[0], a[1], (int)a[2], (int)a[3]);
    case OP_MREMAP:
        return space_mremap(a[0], a[1], a[2], (int)a[3], a[4]);
    case OP_MADVISE:
        return space_madvise(a[0], a[1], (int)a[2]);
    case OP_MLOCK:
        return space_mlock(a[0], a[1], (int)a[2]);
    case OP_MUNLOCK:
        return space_munlock(a[0], a[1]);
    case OP_MLOCKALL:
        return space_mlockall((int)a[0]);
    case OP_MUNLOCKALL:
        return space_munlockall();
    case OP_MINCORE:
        return space_mincore(a[0], a[1], (unsigned char *)a[2]);
    case OP_FOREIGN:
        return space_foreign(a[0], a[1], a[2] != 0);
    case OP_HOLD:
        return space_hold(a[0], a[1]);
    case OP_RELEASE:
        return space_release(a[0], a[1]);
    case OP_CREDENTIALS:
        return credentials_take((const struct weir_credentials *)a[0]);
    case OP_FORK_PREPARE:
    case OP_FORK_SETTLE:
    case OP_FORK_PARENT:
        break;
    }
    return -ENOSYS;
}

static void answer(struct weir_request *r, long result) {
    r->result = result;
    atomic_store(&r->state, SLOT_ANSWERED);
    futex_wake(&r->state, INT_MAX);
}

/*
 * Does one posted request. False: it has to wait, because a fork has stopped the world. The halves of a fork stop and
 * start the world themselves.
 */
static bool serve(struct weir_request *r) {
    bool enters = !is_fork_op((enum weir_op)r->op);

    if (enters && !world_enter(r->tid))
        return false;
    atomic_store(&r->state, SLOT_TAKEN);
    if (r->op == OP_FORK_PREPARE)
        fork_service_prepare(r);
    else if (r->op == OP_FORK_SETTLE)
        fork_service_settle(r);
    else if (r->op == OP_FORK_PARENT)
        fork_service_parent(r);
    else
        r->result = do_space_op(r);
    if (enters) {
        stale_drop(false);
        world_leave();
    }
    answer(r, r->result);
    return true;
}

void service_loop(void) {
    for (;;) {
        uint32_t seen = atomic_load(&posted), used = atomic_load(&slots_used);
        bool served = false;

        for (uint32_t i = 0; i < used; i++)
            if (atomic_load(&slots[i].state) == SLOT_POSTED && serve(&slots[i]))
                served = true;
        if (!served)
            futex_wait(&posted, seen, -1);
    }
}

void service_after_fork(void) {
    memset(slots, 0, sizeof(slots));
    atomic_store(&waiting, 0);
}
