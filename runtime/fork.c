/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/fork.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/single_threaded.h>
#include <sys/socket.h>

#include "runtime/boot.h"
#include "runtime/bytes.h"
#include "runtime/credentials.h"
#include "runtime/devices.h"
#include "runtime/handler.h"
#include "runtime/runtime.h"
#include "runtime/service.h"
#include "runtime/space.h"
#include "runtime/stats.h"
#include "runtime/sys.h"
#include "runtime/thread.h"
#include "runtime/uffd.h"
#include "runtime/world.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

/* Pages that the parent's handler may give a child before the child is on its feet: libc's FILEs and the like. */
#define MAX_SERVED 256u
#define MAX_FDS (2 * DEVICES_MAX_INHERITED + DEVICES_MAX_SPARE + 3)

/* What goes through the socket, parent to child, in this order. */
struct greeting {
    /* Descriptors ride along: for each area file_fd and hold_fd; then own_fd and the spare_fds; then the device. */
    struct devices_inheritance inheritance;
    bool event; /* the child's userfaultfd follows in a message of its own */
};
struct handover {
    unsigned nr_served;
    uintptr_t served[MAX_SERVED]; /* pages that the parent has put into the child's memory */
};

/* -- one fork at a time; the words are in unmanaged memory ------------------------------------------------------- */

static struct lock fork_lock = {.rank = RANK_HOST}; /* held by the forking thread of the program */
/* Under fork_lock: */
static int sockets[2] = {-1, -1}; /* in the program's descriptor table; [0] is the child's end */
static uint64_t signal_mask;      /* the forking thread's own */
static bool streams_locked;       /* it holds the lock of libc's list of streams */

static struct {
    _Atomic int tid; /* who forks; 0: nobody */
    int channel;     /* the parent's end, in weir's descriptor table */
    int child_uffd;
    int stop_pipe[2];      /* closing [1] ends serve_child */
    _Atomic uint32_t born; /* 0 not yet, 1 being served, 2 served no more; a futex word */
    struct handover handover;
} fork_state = {.channel = -1, .child_uffd = -1};

int fork_in_progress_by(int tid) {
    return tid != 0 && atomic_load(&fork_state.tid) == tid;
}

static long send_message(int fd, const void *data, size_t len, const int *fds, unsigned nr_fds) {
    char control[CMSG_SPACE(sizeof(int) * MAX_FDS)] = {0};
    struct iovec vector = {(void *)data, len};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};

    if (nr_fds) {
        struct cmsghdr *header = (struct cmsghdr *)(void *)control;

        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * nr_fds);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * nr_fds);
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * nr_fds);
    }
    return sys3(SYS_sendmsg, fd, &message, MSG_NOSIGNAL);
}

/* Returns bytes received, 0 at the other side's end, or a negative errno. */
static long receive_message(int fd, void *data, size_t len, int *fds, unsigned *nr_fds) {
    char control[CMSG_SPACE(sizeof(int) * MAX_FDS)];
    struct iovec vector = {data, len};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    struct cmsghdr *header = (struct cmsghdr *)(void *)control;
    long got;

    do
        got = sys3(SYS_recvmsg, fd, &message, MSG_CMSG_CLOEXEC);
    while (got == -EINTR);
    if (nr_fds)
        *nr_fds = 0;
    if (got > 0 && nr_fds && message.msg_controllen >= sizeof(*header) && header->cmsg_type == SCM_RIGHTS) {
        *nr_fds = (unsigned)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds, CMSG_DATA(header), *nr_fds * sizeof(int));
    }
    return got;
}

/* -- the program's thread, before and after, in the parent --------------------------------------------------------- */

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
 * A handler that ran between here and fork_parent could wait for a page that nobody brings: the handler on duty is busy
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
    volatile char room[1024];
    uint64_t mask;

    if (!rt.up)
        return;
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
    /* What fork_parent needs of the stack is there, should it go a little deeper than we do. */
    room[0] = 0;
    (void)room[0];
    if (sys4(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        sockets[0] = sockets[1] = -1;
    weir_call(OP_FORK_PREPARE, (uintptr_t)sockets[1], 0, 0, 0, 0);
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

void fork_parent(void) {
    uint64_t mask = signal_mask;
    bool unlock_streams = streams_locked;

    if (!rt.up)
        return;
    close_sockets();
    weir_call(OP_FORK_PARENT, 0, 0, 0, 0, 0);
    lock_release(rt.machine->platform, &fork_lock);
    if (unlock_streams)
        _IO_list_unlock();
    restore_signals(mask);
}

/* -- the parent's service thread ----------------------------------------------------------------------------------- */

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

static void send_greeting(void) {
    struct greeting greeting = {.event = rt.have_fork_event};
    int fds[MAX_FDS];
    unsigned nr = 0;

    devices_bequeath(&greeting.inheritance);
    for (unsigned i = 0; i < greeting.inheritance.nr; i++) {
        if (greeting.inheritance.areas[i].hold_fd < 0)
            continue; /* the child will see that it lacks one, and say so */
        fds[nr++] = greeting.inheritance.areas[i].file_fd;
        fds[nr++] = greeting.inheritance.areas[i].hold_fd;
    }
    if (greeting.inheritance.own_fd >= 0)
        fds[nr++] = greeting.inheritance.own_fd;
    for (unsigned i = 0; i < greeting.inheritance.nr_spare; i++)
        fds[nr++] = greeting.inheritance.spare_fds[i];
    if (rt.uffd_device >= 0)
        fds[nr++] = rt.uffd_device;
    send_message(fork_state.channel, &greeting, sizeof(greeting), fds, nr);
    for (unsigned i = 0; i < greeting.inheritance.nr; i++)
        if (greeting.inheritance.areas[i].hold_fd >= 0)
            sys1(SYS_close, greeting.inheritance.areas[i].hold_fd);
    if (greeting.inheritance.own_fd >= 0)
        sys1(SYS_close, greeting.inheritance.own_fd);
    for (unsigned i = 0; i < greeting.inheritance.nr_spare; i++)
        sys1(SYS_close, greeting.inheritance.spare_fds[i]);
}

void fork_service_prepare(struct weir_request *request) {
    fork_state.channel = (int)request->args[0] < 0 ? -1 : fetch_descriptor(request->tid, (int)request->args[0]);
    fork_state.child_uffd = -1;
    fork_state.handover.nr_served = 0;
    atomic_store(&fork_state.born, 0);
    sys2(SYS_pipe2, fork_state.stop_pipe, O_CLOEXEC);
    atomic_store(&fork_state.tid, request->tid);
    world_stop(request->tid);
    devices_settle();
    bytes_drop_stale(true);
    if (fork_state.channel >= 0)
        send_greeting();
    request->result = 0;
}

/*
 * A thread wakes before the handler that woke it has put its locks down and its tables right: the fork must not copy
 * them like that. After this the forking thread touches nothing that could be out.
 */
void fork_service_settle(struct weir_request *request) {
    world_settle();
    devices_settle();
    bytes_drop_stale(true);
    request->result = 0;
}

/* Ends serve_child and waits until it has. */
static void stop_serving(void) {
    uint32_t born;

    sys1(SYS_close, fork_state.stop_pipe[1]);
    fork_state.stop_pipe[1] = -1;
    while ((born = atomic_load(&fork_state.born)) == 1)
        futex_wait(&fork_state.born, born, -1);
}

void fork_service_parent(struct weir_request *request) {
    char word;

    /* The child asks for what it was served, takes over, and says when it stands; or it is gone and nothing comes. */
    if (fork_state.channel >= 0 && receive_message(fork_state.channel, &word, 1, NULL, NULL) == 1) {
        stop_serving();
        send_message(fork_state.channel, &fork_state.handover, sizeof(fork_state.handover), NULL, 0);
        receive_message(fork_state.channel, &word, 1, NULL, NULL);
    }
    if (fork_state.stop_pipe[1] >= 0)
        stop_serving();
    sys1(SYS_close, fork_state.stop_pipe[0]);
    if (fork_state.channel >= 0)
        sys1(SYS_close, fork_state.channel);
    if (fork_state.child_uffd >= 0)
        sys1(SYS_close, fork_state.child_uffd);
    handler_keep_room();
    atomic_store(&fork_state.tid, 0);
    world_start();
    handler_retry_deferred();
    request->result = 0;
}

/* -- the parent's handler, answering for the child ----------------------------------------------------------------- */

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
    struct pollfd polls[2] = {{.fd = child_uffd, .events = POLLIN}, {.fd = fork_state.stop_pipe[0], .events = POLLIN}};

    for (;;) {
        struct uffd_msg event;
        struct handover *handover = &fork_state.handover;
        uintptr_t addr;

        polls[0].revents = polls[1].revents = 0;
        sys3(SYS_poll, polls, 2, -1);
        if (polls[1].revents)
            return;
        if (!(polls[0].revents & POLLIN) || sys3(SYS_read, child_uffd, &event, sizeof(event)) <= 0 ||
            event.event != UFFD_EVENT_PAGEFAULT)
            continue;
        addr = (uintptr_t)event.arg.pagefault.address & PAGE_MASK;
        if (handover->nr_served < MAX_SERVED && give_page(child_uffd, addr))
            handover->served[handover->nr_served++] = addr;
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
    if (atomic_load(&fork_state.tid) == 0) {
        /* A raw system call made this child: it has no weir. What it cannot have must not read as zeros. */
        weir_say("a process was forked by a raw system call: touching what was swapped out gives it SIGBUS");
        for_each_block(rt.mm, rt.mm->start, rt.mm->end, poison_missing, &child_uffd);
        sys1(SYS_close, child_uffd);
        return;
    }
    fork_state.child_uffd = child_uffd;
    atomic_store(&fork_state.born, 1);
    if (fork_state.channel >= 0)
        send_message(fork_state.channel, "u", 1, &child_uffd, 1);
    serve_child(child_uffd);
    atomic_store(&fork_state.born, 2);
    futex_wake(&fork_state.born, 1);
}

/* -- the child ----------------------------------------------------------------------------------------------------- */

static int channel; /* the child's end, in its service thread's table */

static bool open_in_child(bool event, int device) {
    unsigned nr = 0;
    char word;
    int fd = -1, unused;

    rt.uffd_device = device;
    if (event) {
        if (receive_message(channel, &word, 1, &fd, &nr) != 1 || nr != 1)
            return false;
        rt.uffd = fd;
        return true;
    }
    rt.uffd = uffd_open(device, &unused);
    return rt.uffd >= 0 && uffd_handshake() == 0;
}

/* Everything but what is the host's. */
static bool register_all(void) {
    uintptr_t at = rt.region_start;
    const struct vm_area *area;

    for (area = find_area_from(rt.mm, at); area; area = area_next(rt.mm, area)) {
        if (!(area->flags & VM_FOREIGN))
            continue;
        if (area->start > at && uffd_register(at, area->start - at) < 0)
            return false;
        at = area->end;
    }
    return (at == rt.region_end || uffd_register(at, rt.region_end - at) == 0) &&
           uffd_register_shadow(rt.region_end, rt.region_end - rt.region_start) == 0 && credentials_register() == 0;
}

static void count_impostors(struct block *block, void *arg) {
    unsigned char resident[PTRS_PER_TABLE];
    unsigned *ret_count = arg;

    if (!block->table || sys3(SYS_mincore, block->start, BLOCK_SIZE, resident) < 0)
        return;
    for (unsigned i = 0; i < PTRS_PER_TABLE; i++) {
        pte_t entry = block->table->pte[i];

        if ((resident[i] & 1) && (entry & (PTE_SWAP | PTE_PARKED)))
            (*ret_count)++;
    }
}

/* The page is there, put there by the parent and perhaps written since, but the tables do not know. */
static bool adopt_page(uintptr_t addr) {
    static char saved[PAGE_SIZE];
    enum fault_result result;

    memcpy(saved, (const void *)addr, PAGE_SIZE);
    sys3(SYS_madvise, addr, PAGE_SIZE, MADV_DONTNEED);
    read_lock(rt.machine->platform, &rt.mm->mmap_lock);
    result = handle_mm_fault(rt.mm, addr, true, NULL, NULL);
    read_unlock(rt.machine->platform, &rt.mm->mmap_lock);
    if (result == FAULT_SIGBUS || result == FAULT_OOM)
        return false;
    if (memcmp((const void *)addr, saved, PAGE_SIZE) != 0)
        memcpy((void *)addr, saved, PAGE_SIZE);
    return true;
}

static bool take_over(void) {
    struct handover handover = {.nr_served = 0};
    unsigned impostors = 0;

    if (send_message(channel, "t", 1, NULL, 0) != 1 ||
        receive_message(channel, &handover, sizeof(handover), NULL, NULL) != (long)sizeof(handover))
        return false;
    if (!rt.have_fork_event) {
        for_each_block(rt.mm, rt.mm->start, rt.mm->end, count_impostors, &impostors);
        if (impostors) {
            weir_say("a forked child touched %u swapped-out pages before it could be helped", impostors);
            return false;
        }
    }
    for (unsigned i = 0; i < handover.nr_served; i++)
        if (!adopt_page(handover.served[i]))
            return false;
    return true;
}

/* The child's service thread: a copy of the program's descriptor table, of which only the socket is kept. */
static bool prepare_child(void) {
    struct greeting greeting;
    int fds[MAX_FDS];
    unsigned nr = 0, used = 0;

    if (sockets[0] < 0)
        return false;
    channel = sockets[0];
    if (channel > 0)
        sys3(SYS_close_range, 0, channel - 1, 0);
    sys3(SYS_close_range, channel + 1, ~0u, 0);
    handler_keep_room();
    if (receive_message(channel, &greeting, sizeof(greeting), fds, &nr) != (long)sizeof(greeting))
        return false;
    for (unsigned i = 0; i < greeting.inheritance.nr; i++) {
        if (greeting.inheritance.areas[i].hold_fd < 0)
            continue;
        if (used + 2 > nr)
            return false;
        greeting.inheritance.areas[i].file_fd = fds[used++];
        greeting.inheritance.areas[i].hold_fd = fds[used++];
    }
    if (greeting.inheritance.own_fd >= 0)
        greeting.inheritance.own_fd = used < nr ? fds[used++] : -EBADF;
    for (unsigned i = 0; i < greeting.inheritance.nr_spare; i++)
        greeting.inheritance.spare_fds[i] = used < nr ? fds[used++] : -EBADF;
    if (!open_in_child(greeting.event, used < nr ? fds[used] : -1))
        return false;
    bytes_open();
    if (!greeting.event && !register_all())
        return false;
    if (space_after_fork() < 0)
        return false;
    for (unsigned node = 0; node < rt.machine->nr_nodes; node++)
        atomic_store(&rt.machine->nodes[node]->kswapd_awake, 0);
    if (!devices_inherit(&greeting.inheritance) || !take_over() || !boot_start_threads())
        return false;
    return send_message(channel, "r", 1, NULL, 0) == 1;
}

void fork_child(void) {
    if (!rt.up)
        return;
    atomic_store(&fork_state.tid, 0);
    world_after_fork();
    handler_after_fork();
    handler_note_main_thread();
    service_after_fork();
    stats_after_fork();
    /* The parent's end: while we held it too, waiting for a parent that is gone would never end. */
    if (sockets[1] >= 0)
        sys1(SYS_close, sockets[1]);
    sockets[1] = -1;
    if (!boot_start_service(prepare_child)) {
        weir_say("a forked child cannot go on: its memory could not be taken over");
        sys2(SYS_kill, sys0(SYS_getpid), SIGKILL);
    }
    close_sockets();
    lock_init(&fork_lock, RANK_HOST);
    /* libc has done so already, if it agrees that there were other threads. */
    if (streams_locked)
        _IO_list_resetlock();
    restore_signals(signal_mask);
}
