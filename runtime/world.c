/* SPDX-License-Identifier: MIT */
#include "runtime/world.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>

#include "runtime/sys.h"

static _Atomic uint32_t inside;  /* how many are in */
static _Atomic uint32_t stopped; /* 0, or the tid that is still served */

bool world_enter(int tid) {
    uint32_t who;

    /* seq_cst on both sides: either world_stop sees us inside, or we see it stopped. */
    atomic_fetch_add(&inside, 1);
    who = atomic_load(&stopped);
    if (who == 0 || (tid != 0 && who == (uint32_t)tid))
        return true;
    world_leave();
    return false;
}

void world_leave(void) {
    if (atomic_fetch_sub(&inside, 1) == 1 && atomic_load(&stopped))
        futex_wake(&inside, INT_MAX);
}

void world_wait(void) {
    uint32_t who;

    while ((who = atomic_load(&stopped)) != 0)
        futex_wait(&stopped, who, -1);
}

bool world_is_stopped(void) {
    return atomic_load(&stopped) != 0;
}

void world_settle(void) {
    uint32_t seen;

    while ((seen = atomic_load(&inside)) != 0)
        futex_wait(&inside, seen, -1);
}

void world_stop(int tid) {
    atomic_store(&stopped, (uint32_t)tid);
    world_settle();
}

void world_start(void) {
    atomic_store(&stopped, 0);
    futex_wake(&stopped, INT_MAX);
}

void world_after_fork(void) {
    atomic_store(&inside, 0);
    atomic_store(&stopped, 0);
}
