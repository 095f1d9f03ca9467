/* SPDX-License-Identifier: MIT */
/*
 * fork.c - weir's work around a fork, innermost: nothing of the program's runs between the world's standing still and
 * the child's standing on its own feet.
 *
 * glibc runs atfork handlers in the order in which they were registered. weir's are the only ones it knows; what the
 * program and its libraries register is kept here and run outside of them.
 */
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "interpose/interpose.h"
#include "runtime/placement.h"
#include "runtime/runtime.h"
#include "runtime/service.h"
#include "runtime/sys.h"

#define MAX_HANDLERS 512u
#define MAX_TRIES 10

/* Of glibc, in no header. */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso_handle);
extern int __cxa_atexit(void (*fn)(void *), void *arg, void *dso_handle);

struct handlers {
    void (*prepare)(void), (*parent)(void), (*child)(void);
    void *dso_handle; /* NULL once the library that registered them is gone */
};

/* Under table_lock. Places are never reused: a fork under way counts on the order. */
static struct handlers table[MAX_HANDLERS];
static unsigned nr_handlers;
static atomic_flag table_lock = ATOMIC_FLAG_INIT;

/* How many handlers this thread's fork has prepared. */
static __thread unsigned nr_prepared;
/* What fork_parent said of this thread's last fork. */
static __thread int fork_result;

/* No signal meanwhile: its handler may fork, and would wait here for ever. Returns the mask to be restored. */
static uint64_t lock_table(void) {
    uint64_t all = UINT64_MAX, mask = 0;

    sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask, sizeof(all));
    while (atomic_flag_test_and_set(&table_lock))
        sched_yield();
    return mask;
}

static void unlock_table(uint64_t mask) {
    atomic_flag_clear(&table_lock);
    sys4(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
}

static struct handlers handlers_at(unsigned i) {
    uint64_t mask = lock_table();
    struct handlers found = table[i];

    unlock_table(mask);
    return found;
}

static void run_prepare(void) {
    uint64_t mask = lock_table();

    nr_prepared = nr_handlers;
    unlock_table(mask);
    for (unsigned i = nr_prepared; i-- > 0;) {
        struct handlers it = handlers_at(i);

        if (it.prepare)
            it.prepare();
    }
    fork_prepare(true);
}

static void run_parent(void) {
    fork_result = fork_parent();
    for (unsigned i = 0; i < nr_prepared; i++) {
        struct handlers it = handlers_at(i);

        if (it.parent)
            it.parent();
    }
}

static void run_child(void) {
    /* Another thread may have been at the table when this child was made. Before signals come through again. */
    atomic_flag_clear(&table_lock);
    fork_child();
    for (unsigned i = 0; i < nr_prepared; i++) {
        struct handlers it = handlers_at(i);

        if (it.child)
            it.child();
    }
}

/* A library is being unloaded: its handlers must not be called any more. */
static void forget_handlers(void *dso_handle) {
    uint64_t mask = lock_table();

    for (unsigned i = 0; i < nr_handlers; i++)
        if (table[i].dso_handle == dso_handle)
            table[i] = (struct handlers){NULL, NULL, NULL, NULL};
    while (nr_handlers && !table[nr_handlers - 1].dso_handle)
        nr_handlers--;
    unlock_table(mask);
}

WEIR_EXPORT int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso_handle) {
    bool known = false;
    uint64_t mask;

    if (!dso_handle)
        dso_handle = &table; /* nobody's: stays for good */
    mask = lock_table();
    if (nr_handlers == MAX_HANDLERS) {
        unlock_table(mask);
        return ENOMEM;
    }
    for (unsigned i = 0; i < nr_handlers; i++)
        known |= table[i].dso_handle == dso_handle;
    table[nr_handlers++] = (struct handlers){prepare, parent, child, dso_handle};
    unlock_table(mask);
    /* libc calls back when the library is unloaded, or the program ends. */
    if (!known && dso_handle != &table)
        __cxa_atexit(forget_handlers, dso_handle, dso_handle);
    return 0;
}

void fork_handlers_init(void) {
    REAL(__register_atfork)(run_prepare, run_parent, run_child, NULL);
}

/* A fork by a bare system call: its number and arguments. */
struct call {
    long number;
    const long *args;
};

/*
 * Does it as often as chance spoils it. A child that cannot have its memory ends, and then there was no fork. Returns
 * what fork_once does: a pid, or a negative errno.
 */
static long fork_by(long (*fork_once)(struct call call), struct call call) {
    for (int tries = 0;; tries++) {
        long pid = fork_once(call);

        if (pid <= 0 || fork_result == 0)
            return pid;
        while (sys4(SYS_wait4, pid, NULL, __WALL, NULL) == -EINTR)
            ;
        if (fork_result != -EINTR || tries == MAX_TRIES) {
            if (fork_result == -EINTR)
                weir_say("a fork has failed: libc needs memory for it that is out, each time another page");
            return -EAGAIN;
        }
    }
}

static long libc_fork(struct call call) {
    pid_t pid = REAL(fork)();

    (void)call;
    return pid < 0 ? -errno : pid;
}

/* As fork(), but without anybody's handlers except weir's. */
static long bare_fork(struct call call) {
    pid_t pid;

    (void)call;
    fork_prepare(false);
    pid = REAL(_Fork)();
    if (pid == 0)
        fork_child();
    else
        fork_result = fork_parent();
    return pid < 0 ? -errno : pid;
}

/* The same past libc, which does not even learn that it is in a child. */
static long raw_fork(struct call call) {
    const long *a = call.args;
    long args[] = {a[0], a[1], a[2], a[3], a[4], a[5]}, pid;

    fork_prepare(false);
    pid = sys6(call.number, args[0], args[1], args[2], args[3], args[4], args[5]);
    if (pid == 0)
        fork_child();
    else
        fork_result = fork_parent();
    return pid;
}

WEIR_EXPORT pid_t fork(void) {
    return (pid_t)as_libc(fork_by(libc_fork, (struct call){0, NULL}));
}

WEIR_EXPORT pid_t _Fork(void) {
    return (pid_t)as_libc(fork_by(bare_fork, (struct call){0, NULL}));
}

/* -- clone -------------------------------------------------------------------------------------------------------- */

/*
 * What a clone may ask for and be as a fork is: a process with memory, descriptors and signal handlers of its own,
 * whose maker goes on at once.
 */
#define AS_FORK                                                                                                        \
    ((uint64_t)(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_PARENT | CLONE_PTRACE |        \
                CLONE_UNTRACED | CLONE_SYSVSEM | CLONE_IO | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |             \
                CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET))

static long refuse_clone(void) {
    weir_say("this kind of clone() without CLONE_VM is refused: its child would be without its memory; fork() works");
    return -ENOSYS;
}

/* A clone, by whichever number. */
struct cloning {
    struct clone_args args;
    bool is_clone3;
    size_t size; /* of args, as the caller of clone3 knows them */
};

/* False: Linux is to refuse it. */
static bool read_call(long number, const long a[6], struct cloning *ret_cloning) {
    *ret_cloning = (struct cloning){.args = {.exit_signal = SIGCHLD}};
    if (number == SYS_clone) {
        ret_cloning->args = (struct clone_args){.flags = (uint64_t)a[0] & ~(uint64_t)CSIGNAL,
                                                .exit_signal = (uint64_t)a[0] & CSIGNAL,
                                                .stack = (uint64_t)a[1],
                                                .parent_tid = (uint64_t)a[2],
                                                .child_tid = (uint64_t)a[3],
                                                .tls = (uint64_t)a[4]};
    } else if (number == SYS_clone3) {
        ret_cloning->is_clone3 = true;
        ret_cloning->size = (size_t)a[1];
        if (ret_cloning->size < CLONE_ARGS_SIZE_VER0 || ret_cloning->size > sizeof(struct clone_args))
            return false;
        memcpy(&ret_cloning->args, (const void *)a[0], ret_cloning->size);
    }
    return true;
}

/*
 * The child's id is written here and not by Linux: whose thread could have to wait for its page while weir's handler
 * answers for the child, which waits for that thread.
 */
static long clone_as_fork(const struct cloning *cloning) {
    struct clone_args args = cloning->args;
    pid_t *parent_tid = args.flags & CLONE_PARENT_SETTID ? (pid_t *)(uintptr_t)args.parent_tid : NULL;
    /* Containers may refuse clone3, which the caller need not know. */
    long old[6] = {(long)((args.flags & ~(uint64_t)CLONE_PARENT_SETTID) | args.exit_signal), 0, 0,
                   (long)args.child_tid};
    long new[6] = {(long)&args, (long)cloning->size};
    long pid;

    args.flags &= ~(uint64_t)CLONE_PARENT_SETTID;
    pid = fork_by(raw_fork, cloning->is_clone3 ? (struct call){SYS_clone3, new} : (struct call){SYS_clone, old});
    if (pid > 0 && parent_tid)
        *parent_tid = (pid_t)pid;
    return pid;
}

long fork_by_number(long number, const long args[6]) {
    struct cloning cloning;

    placement_let_go();
    if (!rt.up || !read_call(number, args, &cloning) || cloning.args.flags & CLONE_VM)
        return sys6(number, args[0], args[1], args[2], args[3], args[4], args[5]);
    if (!cloning.args.stack && !(cloning.args.flags & ~AS_FORK))
        return clone_as_fork(&cloning);
    /* The kernel's event makes it a child that gets SIGBUS on what it cannot have. Else that would read as zeros. */
    return rt.have_fork_event ? sys6(number, args[0], args[1], args[2], args[3], args[4], args[5]) : refuse_clone();
}

WEIR_EXPORT int clone(int (*fn)(void *), void *stack, int flags, void *arg, ...) {
    void *more[3];
    va_list list;
    long pid;

    va_start(list, arg);
    for (int i = 0; i < 3; i++)
        more[i] = va_arg(list, void *);
    va_end(list);
    if (rt.up && !(flags & CLONE_VM)) {
        /* It runs on a copy of the caller's stack, which does as well as a copy of the one that it was given. */
        const long args[6] = {flags, 0, (long)more[0], (long)more[2], (long)more[1]};
        struct cloning cloning;

        if (!fn || !stack)
            return (int)as_libc(-EINVAL);
        read_call(SYS_clone, args, &cloning);
        pid = cloning.args.flags & ~AS_FORK ? refuse_clone() : clone_as_fork(&cloning);
        if (pid == 0)
            _exit(fn(arg));
        return (int)as_libc(pid);
    }
    /* Where the thread's end is to be told: Linux writes there when no fault can be served any more. */
    if (flags & CLONE_CHILD_CLEARTID && weir_manages((uintptr_t)more[2], sizeof(pid_t)) &&
        weir_call(OP_HOLD, (uintptr_t)more[2], sizeof(pid_t), 0, 0, 0) != 0)
        return (int)as_libc(-EAGAIN);
    placement_let_go();
    return REAL(clone)(fn, stack, flags, arg, more[0], more[1], more[2]);
}
