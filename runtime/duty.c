/* SPDX-License-Identifier: MIT */
#include "runtime/duty.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>

#include "runtime/bell.h"
#include "runtime/runtime.h"
#include "runtime/sys.h"
#include "runtime/thread.h"

/* A thread stays a client, and a crowd a crowd, for so many faults of others. */
#define STAYS 64u
/* The service thread rings again after this long; and a handler that has passed leaves the bell to others for that. */
#define RING_AGAIN_NS 1000000

/* clients_lock guards changes, and what is not atomic. */
static struct lock clients_lock = {.rank = RANK_HOST};
static struct client {
    _Atomic int tid; /* 0: none */
    unsigned stays;
} clients[WEIR_MAX_HANDLERS];
static _Atomic unsigned crowd; /* for so many more faults more threads fault than there are handlers; 0: they do not */

static struct weir_thread *_Atomic on_duty; /* in a crowd */
static _Atomic bool reads[WEIR_MAX_HANDLERS];

/* Changes when somebody's turn may have come. Those who sleep on it: for want of a turn, and for others to leave. */
static _Atomic uint32_t turn;
static _Atomic uint32_t waiting, chasing;

/* Each handler is to pass by when `wanted` has changed. */
static _Atomic uint32_t wanted, passed[WEIR_MAX_HANDLERS];
static _Atomic uint32_t passes; /* a futex word */

static unsigned index_of(const struct weir_thread *handler) {
    return handler->cpu - THREAD_HANDLER0;
}

static struct weir_thread *handler_of(unsigned i) {
    return weir_thread_of(THREAD_HANDLER0 + i);
}

static void wake(int how_many) {
    atomic_fetch_add(&turn, 1);
    futex_wake(&turn, how_many);
}

/* -- whose turn it is. ------------------------------------------------------------------------------------------- */

static bool anybody_faults(void) {
    for (unsigned i = 0; i < WEIR_MAX_HANDLERS; i++)
        if (atomic_load(&clients[i].tid))
            return true;
    return false;
}

static bool may_read(unsigned i) {
    if (atomic_load(&crowd))
        return atomic_load(&on_duty) == handler_of(i);
    return atomic_load(&clients[i].tid) || (i == 0 && !anybody_faults());
}

static bool may_take_duty(void) {
    return atomic_load(&crowd) && !atomic_load(&on_duty);
}

/* Does a handler read whose turn is over? The next fault wakes it as well, and it leaves if nobody is quicker. */
static bool others_are_to_leave(unsigned me) {
    for (unsigned i = 0; i < WEIR_MAX_HANDLERS; i++)
        if (i != me && atomic_load(&reads[i]) && !may_read(i))
            return true;
    return false;
}

static bool is_to_pass(unsigned i) {
    return atomic_load(&passed[i]) != atomic_load(&wanted);
}

static bool all_have_passed(void) {
    for (unsigned i = 0; i < WEIR_MAX_HANDLERS; i++)
        if (handler_of(i)->run && is_to_pass(i))
            return false;
    return true;
}

static void pass(unsigned me) {
    uint32_t seen = atomic_load(&turn);

    atomic_store(&passed[me], atomic_load(&wanted));
    atomic_fetch_add(&passes, 1);
    futex_wake(&passes, 1);
    /* Whoever has not passed sleeps over a read: let the bell wake that one. */
    if (!all_have_passed())
        futex_wait(&turn, seen, RING_AGAIN_NS);
}

static bool has_turn(unsigned me) {
    return may_read(me) || may_take_duty();
}

static bool has_way(unsigned me) {
    return !may_read(me) || !others_are_to_leave(me);
}

static void sleep_until(bool (*condition)(unsigned me), unsigned me, _Atomic uint32_t *sleepers) {
    uint32_t seen;

    /* Counted before it looks: who changes something after that sees it, and wakes it. */
    atomic_fetch_add(sleepers, 1);
    seen = atomic_load(&turn);
    if (!condition(me) && !is_to_pass(me))
        futex_wait(&turn, seen, -1);
    atomic_fetch_sub(sleepers, 1);
}

bool duty_await(struct weir_thread *self) {
    struct weir_thread *nobody = NULL;
    unsigned me = index_of(self);

    if (is_to_pass(me)) {
        pass(me);
        return false;
    }
    if (may_take_duty())
        atomic_compare_exchange_strong(&on_duty, &nobody, self);
    if (!may_read(me))
        sleep_until(has_turn, me, &waiting);
    else if (others_are_to_leave(me))
        sleep_until(has_way, me, &chasing);
    else
        return true;
    return false;
}

void duty_read_begins(struct weir_thread *self) {
    atomic_store(&reads[index_of(self)], true);
}

void duty_read_ends(struct weir_thread *self) {
    atomic_store(&reads[index_of(self)], false);
    if (atomic_load(&chasing))
        wake(INT_MAX);
}

void duty_hand_over(void) {
    struct weir_thread *self = weir_thread_self();

    if (!self || atomic_load(&on_duty) != self)
        return;
    atomic_store(&on_duty, NULL);
    if (atomic_load(&waiting))
        wake(1);
}

/* -- who faults. ------------------------------------------------------------------------------------------------- */

static struct client *find_client(int tid) {
    for (unsigned i = 0; i < WEIR_MAX_HANDLERS; i++)
        if (atomic_load_explicit(&clients[i].tid, memory_order_relaxed) == tid)
            return &clients[i];
    return NULL;
}

/* The handler that has met the thread, or another that has no client; or NULL. */
static struct client *free_client(unsigned me) {
    for (unsigned i = 0; i < WEIR_MAX_HANDLERS; i++) {
        unsigned at = (me + i) % WEIR_MAX_HANDLERS;

        if (handler_of(at)->run && !atomic_load_explicit(&clients[at].tid, memory_order_relaxed))
            return &clients[at];
    }
    return NULL;
}

/* Another one than `faulting` has faulted. Returns whether somebody is a client no longer. */
static bool others_age(const struct client *faulting) {
    bool gone = false;

    for (struct client *client = clients; client < clients + WEIR_MAX_HANDLERS; client++) {
        if (client == faulting || !atomic_load_explicit(&client->tid, memory_order_relaxed) || --client->stays)
            continue;
        atomic_store(&client->tid, 0);
        gone = true;
    }
    return gone;
}

enum faulter duty_note_fault(struct weir_thread *self, int tid) {
    const struct platform *p = rt.machine->platform;
    struct client *client;
    bool changed;
    enum faulter who;

    lock_acquire(p, &clients_lock);
    client = find_client(tid);
    /* In a crowd it is one handler's turn, whoever are clients. */
    changed = others_age(client) && !atomic_load(&crowd);
    if (atomic_load(&crowd) && client && atomic_fetch_sub(&crowd, 1) == 1) {
        atomic_store(&on_duty, NULL);
        changed = true;
    }
    if (!client && (client = free_client(index_of(self)))) {
        atomic_store(&client->tid, tid);
        changed = !atomic_load(&crowd);
    } else if (!client) {
        changed = changed || !atomic_load(&crowd);
        atomic_store(&crowd, STAYS);
    }
    if (client)
        client->stays = STAYS;
    who = atomic_load(&crowd) ? FAULTER_CROWD : client == &clients[index_of(self)] ? FAULTER_CLIENT : FAULTER_ANOTHER;
    lock_release(p, &clients_lock);
    if (changed && (atomic_load(&waiting) || atomic_load(&chasing)))
        wake(INT_MAX);
    return who;
}

/* -- having each of them come by. -------------------------------------------------------------------------------- */

void duty_pass_all(void) {
    atomic_fetch_add(&wanted, 1);
    /* Once: whoever has passed is to sleep on, and not be quicker at the bell than who has not. */
    wake(INT_MAX);
    for (;;) {
        uint32_t seen = atomic_load(&passes);

        if (all_have_passed())
            break;
        bell_ring();
        if (!all_have_passed())
            futex_wait(&passes, seen, RING_AGAIN_NS);
    }
    wake(INT_MAX);
}

void duty_after_fork(void) {
    lock_init(&clients_lock, RANK_HOST);
    for (unsigned i = 0; i < WEIR_MAX_HANDLERS; i++) {
        atomic_store(&clients[i].tid, 0);
        atomic_store(&reads[i], false);
        atomic_store(&passed[i], atomic_load(&wanted));
    }
    atomic_store(&crowd, 0);
    atomic_store(&on_duty, NULL);
    atomic_store(&waiting, 0);
    atomic_store(&chasing, 0);
}
