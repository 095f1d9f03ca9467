/* SPDX-License-Identifier: MIT */
/*
 * fork_parent.c - a fork as the parent's own threads see it: the service thread stops the world and starts it again, a
 * handler answers for the child meanwhile.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "mm/memory.h"
#include "runtime/bytes.h"
#include "runtime/devices.h"
#include "runtime/duty.h"
#include "runtime/fork.h"
#include "runtime/fork_channel.h"
#include "runtime/handler.h"
#include "runtime/runtime.h"
#include "runtime/service.h"
#include "runtime/space.h"
#include "runtime/stale.h"
#include "runtime/sys.h"
#include "runtime/uffd.h"
#include "runtime/world.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

/* The forking thread's stack, should it be managed: pages around where it is that stay resident. */
#define HELD_PAGES 5u

/* What has become of the child, for its parent: BORN once its userfaultfd has come, and its faults are answered. */
enum child { CHILD_AWAITED, CHILD_BORN, CHILD_SERVED, CHILD_GIVEN_UP };

static struct {
    _Atomic int tid; /* who forks; 0: nobody */
    int channel;     /* the parent's end, in weir's descriptor table */
    int child_uffd;
    _Atomic uint32_t child; /* enum child; a futex word */
    uintptr_t held[HELD_PAGES];
    bool settled;                       /* the forking thread is to touch nothing any more that could be out */
    _Atomic uint32_t faults, disturbed; /* its faults being answered; those of them after it was settled */
    struct fork_pages served;
    struct fork_pages wanted; /* what the last child should have had */
} fork_state = {.channel = -1, .child_uffd = -1};

static int stop_event = -1; /* readable: the child is to be served no more */

bool fork_open(void) {
    stop_event = (int)sys2(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
    return stop_event >= 0;
}

int fork_in_progress_by(int tid) {
    return tid != 0 && atomic_load(&fork_state.tid) == tid;
}

void fork_fault_begins(void) {
    atomic_fetch_add(&fork_state.faults, 1);
    if (fork_state.settled)
        atomic_store(&fork_state.disturbed, 1);
}

void fork_fault_ends(void) {
    atomic_fetch_sub(&fork_state.faults, 1);
}

bool fork_is_torn(void) {
    return atomic_load(&fork_state.faults) != 0;
}

/* -- the service thread -------------------------------------------------------------------------------------------- */

/* The forking thread's descriptor, into weir's table. */
static int fetch_descriptor(int tid, int fd) {
    long pidfd = sys2(SYS_pidfd_open, tid, PIDFD_THREAD);
    long mine;

    if (pidfd < 0) /* before 6.9: only the main thread can be asked, which shares its table as a rule */
        pidfd = sys2(SYS_pidfd_open, sys0(SYS_getpid), 0);
    mine = sys3(SYS_pidfd_getfd, pidfd, fd, 0);
    sys1(SYS_close, pidfd);
    return (int)mine;
}

/* False: the child will hear nothing. */
static bool send_greeting(void) {
    struct greeting greeting = {.event = rt.have_fork_event};
    int fds[MAX_FDS];
    unsigned nr = 0;
    bool sent;

    devices_bequeath(&greeting.inheritance);
    for (unsigned i = 0; i < greeting.inheritance.nr; i++) {
        if (greeting.inheritance.areas[i].hold_fd < 0)
            continue; /* the child will see that it lacks one, and say so */
        fds[nr++] = greeting.inheritance.areas[i].file_fd;
        fds[nr++] = greeting.inheritance.areas[i].hold_fd;
    }
    if (greeting.inheritance.dir_fd >= 0)
        fds[nr++] = greeting.inheritance.dir_fd;
    if (greeting.inheritance.own_fd >= 0)
        fds[nr++] = greeting.inheritance.own_fd;
    for (unsigned i = 0; i < greeting.inheritance.nr_spare; i++)
        fds[nr++] = greeting.inheritance.spare_fds[i];
    if (rt.uffd_device >= 0)
        fds[nr++] = rt.uffd_device;
    sent = send_message(fork_state.channel, &greeting, sizeof(greeting), fds, nr) == (long)sizeof(greeting);
    for (unsigned i = 0; i < greeting.inheritance.nr; i++)
        if (greeting.inheritance.areas[i].hold_fd >= 0)
            sys1(SYS_close, greeting.inheritance.areas[i].hold_fd);
    if (greeting.inheritance.own_fd >= 0)
        sys1(SYS_close, greeting.inheritance.own_fd);
    for (unsigned i = 0; i < greeting.inheritance.nr_spare; i++)
        sys1(SYS_close, greeting.inheritance.spare_fds[i]);
    return sent;
}

static void close_channel(void) {
    if (fork_state.channel >= 0)
        sys1(SYS_close, fork_state.channel);
    fork_state.channel = -1;
}

/*
 * From when the world stops until it runs again, the forking thread uses its stack. A fault there would come when its
 * child is copied, or when nobody answers.
 */
static void hold_stack(uintptr_t here) {
    for (unsigned i = 0; i < HELD_PAGES; i++) {
        uintptr_t page = (here & PAGE_MASK) + i * PAGE_SIZE - HELD_PAGES / 2 * PAGE_SIZE;

        fork_state.held[i] = weir_manages(page, PAGE_SIZE) && space_hold(page, PAGE_SIZE) == 0 ? page : 0;
    }
}

void fork_release_stack(void) {
    for (unsigned i = 0; i < HELD_PAGES; i++)
        if (fork_state.held[i])
            space_release(fork_state.held[i], PAGE_SIZE);
}

/* Pages that the last child missed are brought in for the next one, now that they are known. */
static void bring_wanted(void) {
    struct fork_pages *wanted = &fork_state.wanted;

    read_lock(rt.machine->platform, &rt.mm->mmap_lock);
    for (unsigned i = 0; i < wanted->nr; i++)
        (void)populate_range(rt.mm, wanted->pages[i], wanted->pages[i] + PAGE_SIZE);
    read_unlock(rt.machine->platform, &rt.mm->mmap_lock);
    wanted->nr = 0;
}

void fork_service_prepare(struct weir_request *request) {
    uint64_t stopped;

    fork_state.channel = (int)request->args[0] < 0 ? -1 : fetch_descriptor(request->tid, (int)request->args[0]);
    fork_state.child_uffd = -1;
    fork_state.served.nr = 0;
    fork_state.settled = false;
    atomic_store(&fork_state.disturbed, 0);
    atomic_store(&fork_state.child, CHILD_AWAITED);
    sys3(SYS_read, stop_event, &stopped, sizeof(stopped)); /* what the last fork left */
    hold_stack(request->args[1]);
    bring_wanted();
    atomic_store(&fork_state.tid, request->tid);
    world_stop(request->tid);
    devices_stop();
    stale_drop(true);
    /* A child without its greeting must not wait for it. */
    if (fork_state.channel >= 0 && !send_greeting())
        close_channel();
    request->result = 0;
}

/*
 * A thread wakes before the handler that woke it has put its locks down and its tables right: the fork must not copy
 * them like that. After this the forking thread touches nothing that could be out.
 */
void fork_service_settle(struct weir_request *request) {
    world_settle();
    devices_stop();
    stale_drop(true);
    fork_state.settled = true;
    request->result = 0;
}

/* Ends serve_child and waits until it has; or there is nobody to serve, and nobody will be. */
static void stop_serving(void) {
    uint64_t one = 1;
    uint32_t child = CHILD_AWAITED;

    if (atomic_compare_exchange_strong(&fork_state.child, &child, CHILD_GIVEN_UP)) {
        /* The event may have been read, but no more than that: it must not be taken for the next fork's. */
        if (rt.have_fork_event)
            duty_pass_all();
        return;
    }
    sys3(SYS_write, stop_event, &one, sizeof(one));
    while (atomic_load(&fork_state.child) == CHILD_BORN)
        futex_wait(&fork_state.child, CHILD_BORN, -1);
}

/* The child asks for what it was served, takes over, and says when it stands; or it is gone and nothing comes. */
static bool see_child_up(void) {
    char word;

    if (fork_state.channel < 0 || receive_message(fork_state.channel, &word, 1, NULL, NULL) != 1)
        return false;
    stop_serving();
    send_message(fork_state.channel, &fork_state.served, sizeof(fork_state.served), NULL, 0);
    if (receive_message(fork_state.channel, &fork_state.wanted, sizeof(fork_state.wanted), NULL, NULL) == 1) {
        fork_state.wanted.nr = 0;
        return true;
    }
    return false;
}

void fork_service_parent(struct weir_request *request) {
    bool stands = see_child_up(), again;

    if (!stands)
        stop_serving();
    close_channel();
    if (fork_state.child_uffd >= 0)
        sys1(SYS_close, fork_state.child_uffd);
    handler_keep_room();
    atomic_store(&fork_state.tid, 0);
    world_start();
    fork_release_stack();
    handler_retry_deferred();
    again = atomic_load(&fork_state.disturbed) || fork_state.wanted.nr;
    request->result = stands ? 0 : again ? -EINTR : -EAGAIN;
}

/* -- the handler, answering for the child ---------------------------------------------------------------------------
 */

static pte_t entry_of(uintptr_t addr) {
    struct block *block = find_block(rt.mm, addr);

    return block && block->table ? block->table->pte[pte_index(addr)] : 0;
}

/* A page as the child must see it, given into its memory. The world is stopped: the parent's tables are the child's. */
static bool give_page(int child_uffd, uintptr_t addr) {
    static char buffer[PAGE_SIZE] __attribute__((aligned(4096)));
    const struct vm_area *area = find_area(rt.mm, addr);
    pte_t entry = entry_of(addr);
    const void *bytes = buffer;
    long result;

    memset(buffer, 0, sizeof(buffer));
    if (area && (area->flags & VM_WIPEONFORK))
        entry = 0;
    if (entry & PTE_PARKED)
        bytes = bytes_parked(addr);
    else if ((entry & PTE_SWAP) && !devices_read_slot((swp_entry_t){(uint32_t)(entry >> PTE_PFN_SHIFT)}, buffer))
        entry |= PTE_POISON;
    if (entry & PTE_POISON)
        return uffd_poison(child_uffd, addr, PAGE_SIZE) == 0;
    do
        result = uffd_copy(child_uffd, addr, bytes, PAGE_SIZE, true);
    while (result == -EAGAIN);
    return result > 0;
}

static void serve_child(int child_uffd) {
    struct pollfd polls[2] = {{.fd = child_uffd, .events = POLLIN}, {.fd = stop_event, .events = POLLIN}};

    uffd_set_blocking(child_uffd, false);
    for (;;) {
        struct uffd_msg event;
        struct fork_pages *served = &fork_state.served;
        uintptr_t addr;

        polls[0].revents = polls[1].revents = 0;
        sys3(SYS_poll, polls, 2, -1);
        if (polls[1].revents)
            return;
        if (!(polls[0].revents & POLLIN) || sys3(SYS_read, child_uffd, &event, sizeof(event)) <= 0 ||
            event.event != UFFD_EVENT_PAGEFAULT)
            continue;
        addr = (uintptr_t)event.arg.pagefault.address & PAGE_MASK;
        if (served->nr < MAX_SERVED && give_page(child_uffd, addr))
            served->pages[served->nr++] = addr;
        else
            uffd_poison(child_uffd, addr, PAGE_SIZE);
    }
}

static void poison_missing(struct block *block, void *arg) {
    int child_uffd = *(int *)arg;

    for (unsigned i = 0; block->table && i < PTRS_PER_TABLE; i++)
        if (block->table->pte[i] & (PTE_SWAP | PTE_PARKED))
            uffd_poison(child_uffd, block->start + i * PAGE_SIZE, PAGE_SIZE);
}

void fork_child_born(int child_uffd) {
    uint32_t awaited = CHILD_AWAITED;

    if (atomic_load(&fork_state.tid) == 0) {
        static _Atomic bool said;

        /* A raw system call made this child: it has no weir. What it cannot have must not read as zeros. */
        if (!atomic_exchange(&said, true))
            weir_say("a process was forked by a raw system call: touching what was swapped out gives it "
                     "SIGBUS");
        for_each_block(rt.mm, rt.mm->start, rt.mm->end, poison_missing, &child_uffd);
        sys1(SYS_close, child_uffd);
        return;
    }
    if (!atomic_compare_exchange_strong(&fork_state.child, &awaited, CHILD_BORN)) {
        /* It is gone already, and so is who waited for it. */
        sys1(SYS_close, child_uffd);
        return;
    }
    fork_state.child_uffd = child_uffd;
    /* A child that is not going to get it must not wait for it, nor its parent for the child. */
    if (fork_state.channel >= 0 && send_message(fork_state.channel, "u", 1, &child_uffd, 1) != 1)
        sys2(SYS_shutdown, fork_state.channel, SHUT_RDWR);
    serve_child(child_uffd);
    atomic_store(&fork_state.child, CHILD_SERVED);
    futex_wake(&fork_state.child, 1);
}

void fork_service_after_fork(void) {
    atomic_store(&fork_state.tid, 0);
    atomic_store(&fork_state.faults, 0);
}
