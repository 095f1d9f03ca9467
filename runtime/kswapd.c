/* SPDX-License-Identifier: MIT */
#include "runtime/kswapd.h"

#include "mm/vmscan.h"
#include "runtime/credentials.h"
#include "runtime/devices.h"
#include "runtime/runtime.h"
#include "runtime/stale.h"
#include "runtime/stats.h"
#include "runtime/sys.h"
#include "runtime/thread.h"
#include "runtime/world.h"

static _Atomic uint32_t wakes;

void kswapd_wake(void) {
    atomic_fetch_add(&wakes, 1);
    futex_wake(&wakes, 1);
}

void kswapd_thread(struct weir_thread *self) {
    self->task.flags |= PF_MEMALLOC | PF_SWAPWRITE | PF_KSWAPD;
    self->task.comm = "kswapd0";
    for (;;) {
        uint32_t seen = atomic_load(&wakes);
        bool more = false;

        credentials_follow(self);
        if (!world_enter(0)) {
            world_wait();
            continue;
        }
        devices_tend();
        devices_close_unused();
        more = kswapd_run(rt.machine, 0);
        devices_write_back();
        stale_drop(false);
        if (!more) {
            /* Nothing is left in flight when it goes to sleep: pages under writeback come free now. */
            devices_settle();
            stale_drop(true);
            stats_refresh();
        }
        world_leave();
        if (!more)
            futex_wait(&wakes, seen, -1);
    }
}
