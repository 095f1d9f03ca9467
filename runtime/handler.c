/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/handler.h"

#include <errno.h>
#include <fcntl.h>

#include "mm/vmscan.h"
#include "runtime/bell.h"
#include "runtime/credentials.h"
#include "runtime/disk_cpu.h"
#include "runtime/duty.h"
#include "runtime/fork.h"
#include "runtime/placement.h"
#include "runtime/pressure.h"
#include "runtime/runtime.h"
#include "runtime/stale.h"
#include "runtime/stats.h"
#include "runtime/sys.h"
#include "runtime/thread.h"
#include "runtime/uffd.h"
#include "runtime/world.h"

static _Atomic bool deferred;
static _Atomic bool draining; /* somebody is in handler_drain_events */

/* How many more faults count as those of a stream since the last that brought several pages. */
#define STREAMING 64u

static _Atomic int room_fd = -1; /* of no use but for its number */

void handler_keep_room(void) {
    if (atomic_load(&room_fd) < 0)
        atomic_store(&room_fd, (int)sys2(SYS_eventfd2, 0, O_CLOEXEC));
}

/* A fork waits until its event is read, and reading it takes a descriptor. */
static bool make_room(void) {
    int fd = atomic_exchange(&room_fd, -1);

    if (fd >= 0)
        sys1(SYS_close, fd);
    return fd >= 0;
}

/* Waits for an event. False: it is no page fault, or none at all. */
static bool read_event(struct weir_thread *self, struct uffd_msg *ret_event) {
    long got;

    duty_read_begins(self);
    got = sys3(SYS_read, rt.uffd, ret_event, sizeof(*ret_event));
    /* Nobody is woken again for an event that has been put back. */
    if (got == -EMFILE && make_room())
        got = sys3(SYS_read, rt.uffd, ret_event, sizeof(*ret_event));
    duty_read_ends(self);
    if (got != (long)sizeof(*ret_event))
        return false;
    if (ret_event->event == UFFD_EVENT_FORK)
        fork_child_born((int)ret_event->arg.fork.ufd);
    return ret_event->event == UFFD_EVENT_PAGEFAULT;
}

/* Whatever waits in any range that is watched is looked at again. */
static void wake_everybody(void) {
    size_t len = rt.region_end - rt.region_start;

    uffd_wake(rt.region_start, len);
    uffd_wake(rt.region_start + (uintptr_t)rt.shadow_offset, len);
    bell_wake();
}

/* Reads all events without waiting. Returns what read(2) said last. */
static long drain(void) {
    struct uffd_msg event;
    bool faults = false;
    long got;

    uffd_set_blocking(rt.uffd, false);
    while ((got = sys3(SYS_read, rt.uffd, &event, sizeof(event))) == (long)sizeof(event)) {
        if (event.event == UFFD_EVENT_FORK) {
            /* It may take long, and those that read spin meanwhile if they must not wait. */
            uffd_set_blocking(rt.uffd, true);
            fork_child_born((int)event.arg.fork.ufd);
            uffd_set_blocking(rt.uffd, false);
        } else {
            faults = true;
        }
    }
    uffd_set_blocking(rt.uffd, true);
    /* Not one by one: each would come again at once, and faults are read before the fork. */
    if (faults)
        wake_everybody();
    return got;
}

/*
 * Only an unannounced fork gets here (an announced one stops the world first). Who is to read may wait for a lock that
 * we hold, and would never read the event: so we read what there is. A page fault among it is left to happen again.
 */
void handler_drain_events(void) {
    if (!atomic_exchange(&draining, true)) {
        if (drain() == -EMFILE)
            make_room();
        atomic_store(&draining, false);
    }
    sys0(SYS_sched_yield);
}

/* False: the world is stopped, and the fault happens again once it runs. */
static bool enter_or_defer(int tid) {
    while (!world_enter(tid)) {
        atomic_store(&deferred, true);
        /* Either whoever starts the world sees that, or we see that it has started, and nobody else would wake tid. */
        if (world_is_stopped())
            return false;
    }
    return true;
}

static void resolve(struct weir_thread *self, const struct uffd_msg *event, enum faulter who) {
    const struct platform *p = rt.machine->platform;
    uintptr_t addr = (uintptr_t)event->arg.pagefault.address & PAGE_MASK;
    bool write = event->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WRITE;
    bool protected = event->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP;
    int tid = (int)event->arg.pagefault.feat.ptid;
    uint64_t start = now_ns();
    enum fault_result result;
    unsigned pages = 0;
    bool forks;

    if (!enter_or_defer(tid))
        return;
    pressure_look(start);
    forks = fork_in_progress_by(tid);
    /* Nothing may be evicted while a fork is prepared: its own faults are answered from the reserves. */
    if (forks) {
        fork_fault_begins();
        self->task.flags |= PF_MEMALLOC;
    }
    self->assists = who == FAULTER_CLIENT && self->streaming == 0 && !forks;
    placement_hold(self, tid, who);
    read_lock(p, &rt.mm->mmap_lock);
    result = handle_mm_fault(rt.mm, addr, write, &pages, NULL);
    read_unlock(p, &rt.mm->mmap_lock);
    self->task.flags &= ~(uint32_t)PF_MEMALLOC;
    if (self->assists && kswapd_wants_assistance(rt.machine, 0))
        kswapd_assist(rt.machine, 0);
    self->assists = false;
    self->streaming = pages > 1 ? STREAMING : self->streaming - (self->streaming > 0);

    if (result == FAULT_SPURIOUS || result == FAULT_SIGBUS || result == FAULT_OOM) {
        if (protected)
            uffd_unprotect(addr, PAGE_SIZE);
        uffd_wake(addr, PAGE_SIZE);
    }
    stats_fault(result, now_ns() - start);
    if (result == FAULT_MAJOR && self->read_file && who == FAULTER_CLIENT)
        disk_cpu_note_read();
    /* A page that came back by copy has left its old one behind, which kswapd, asleep, does not see. */
    stale_drop(false);
    stats_tick();
    if (forks)
        fork_fault_ends();
    world_leave();
}

void handler_run(struct weir_thread *self) {
    struct uffd_msg event;
    enum faulter who;
    int tid;

    placement_begin(self);
    for (;;) {
        credentials_follow(self);
        if (!duty_await(self) || !read_event(self, &event) ||
            bell_answer((uintptr_t)event.arg.pagefault.address & PAGE_MASK))
            continue;
        tid = (int)event.arg.pagefault.feat.ptid;
        who = duty_note_fault(self, tid);
        resolve(self, &event, who);
        placement_follow(self, tid, who);
    }
}

void handler_retry_deferred(void) {
    if (atomic_exchange(&deferred, false))
        uffd_wake(rt.region_start, rt.region_end - rt.region_start);
}

void handler_after_fork(void) {
    duty_after_fork();
    atomic_store(&deferred, false);
    atomic_store(&draining, false);
    atomic_store(&room_fd, -1);
    placement_after_fork();
}
