/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/fork.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/single_threaded.h>
#include <sys/socket.h>

#include "runtime/boot.h"
#include "runtime/handler.h"
#include "runtime/placement.h"
#include "runtime/pressure.h"
#include "runtime/runtime.h"
#include "runtime/service.h"
#include "runtime/stats.h"
#include "runtime/sys.h"
#include "runtime/world.h"

/* -- one fork at a time; the words are in unmanaged memory ------------------------------------------------------- */

static struct lock fork_lock = {.rank = RANK_HOST}; /* held by the forking thread of the program */
/* Under fork_lock: */
static int sockets[2] = {-1, -1}; /* in the program's descriptor table; [0] is the child's end */
static uint64_t signal_mask;      /* the forking thread's own */
static bool streams_locked;       /* it holds the lock of libc's list of streams */

/*
 * Without the kernel's fork event nobody answers the child's first faults, and what libc touches before the child's
 * handler runs would read as zeros: its FILEs. Reading them now, while nothing is evicted, brings them in.
 */
static void touch_libc_files(void) {
    extern struct _IO_FILE_plus *_IO_list_all;
    FILE *file = (FILE *)_IO_list_all;

    while (file) {
        volatile const char *bytes = (volatile const char *)file;

        for (size_t at = 0; at < sizeof(*file) + 512; at += 256)
            (void)bytes[at];
        if (file->_lock)
            (void)*(volatile const char *)file->_lock;
        file = file->_chain;
    }
}

/* Of glibc, in no header: the lock of its list of streams, which is recursive. */
extern void _IO_list_lock(void);
extern void _IO_list_unlock(void);
extern void _IO_list_resetlock(void);

/*
 * A handler that ran between here and fork_parent could wait for a page that nobody brings: weir's may all be busy
 * with the child, which waits for us.
 */
static uint64_t block_signals(void) {
    uint64_t all = UINT64_MAX, mask = 0;

    sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask, sizeof(all));
    return mask;
}

static void restore_signals(uint64_t mask) {
    sys4(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
}

void fork_prepare(bool streams) {
    bool lock_streams = streams && !__libc_single_threaded;
    uint64_t mask;

    if (!rt.up)
        return;
    placement_fork_begins();
    mask = block_signals();
    /*
     * fork() takes this lock once the world is stopped. Whoever holds it may have to wait for a page, which would then
     * be brought only after the fork: so it is taken while pages still come.
     */
    if (lock_streams)
        _IO_list_lock();
    lock_acquire(rt.machine->platform, &fork_lock);
    signal_mask = mask;
    streams_locked = lock_streams;
    if (sys4(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        sockets[0] = sockets[1] = -1;
    weir_call(OP_FORK_PREPARE, (uintptr_t)sockets[1], (uintptr_t)__builtin_frame_address(0), 0, 0, 0);
    if (streams)
        touch_libc_files();
    weir_call(OP_FORK_SETTLE, 0, 0, 0, 0, 0);
}

static void close_sockets(void) {
    for (int i = 0; i < 2; i++)
        if (sockets[i] >= 0)
            sys1(SYS_close, sockets[i]);
    sockets[0] = sockets[1] = -1;
}

int fork_parent(void) {
    uint64_t mask = signal_mask;
    bool unlock_streams = streams_locked;
    int result;

    if (!rt.up)
        return 0;
    placement_fork_ends();
    close_sockets();
    result = (int)weir_call(OP_FORK_PARENT, 0, 0, 0, 0, 0);
    lock_release(rt.machine->platform, &fork_lock);
    if (unlock_streams)
        _IO_list_unlock();
    restore_signals(mask);
    return result;
}

/* -- in the child -------------------------------------------------------------------------------------------------- */

static void die(void) {
    sys2(SYS_kill, sys0(SYS_getpid), SIGKILL);
}

void fork_child(void) {
    if (!rt.up)
        return;
    if (fork_is_torn())
        die(); /* the parent tries again */
    fork_service_after_fork();
    world_after_fork();
    handler_after_fork();
    pressure_after_fork();
    placement_note_main_thread();
    service_after_fork();
    stats_after_fork();
    /* The parent's end: while we held it too, waiting for a parent that is gone would never end. */
    if (sockets[1] >= 0)
        sys1(SYS_close, sockets[1]);
    sockets[1] = -1;
    fork_child_take_channel(sockets[0]);
    if (!boot_start_service(fork_child_prepare)) {
        if (!fork_child_has_better_chance())
            weir_say("a fork has failed: the child could not take over its memory");
        die();
    }
    close_sockets();
    lock_init(&fork_lock, RANK_HOST);
    /* libc has done so already, if it agrees that there were other threads. */
    if (streams_locked)
        _IO_list_resetlock();
    restore_signals(signal_mask);
}
