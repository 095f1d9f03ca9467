/* SPDX-License-Identifier: MIT */
/*
 * fork.c - weir's work around a fork, innermost: nothing of the program's runs between the world's standing still and
 * the child's standing on its own feet.
 *
 * glibc runs atfork handlers in the order in which they were registered. weir's are the only ones it knows; what the
 * program and its libraries register is kept here and run outside of them.
 */
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "interpose/interpose.h"
#include "runtime/runtime.h"
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

static void lock_table(void) {
    while (atomic_flag_test_and_set(&table_lock))
        sched_yield();
}

static void unlock_table(void) {
    atomic_flag_clear(&table_lock);
}

static struct handlers handlers_at(unsigned i) {
    struct handlers found;

    lock_table();
    found = table[i];
    unlock_table();
    return found;
}

static void run_prepare(void) {
    lock_table();
    nr_prepared = nr_handlers;
    unlock_table();
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
    fork_child();
    /* Another thread may have been at the table when this child was made. */
    atomic_flag_clear(&table_lock);
    for (unsigned i = 0; i < nr_prepared; i++) {
        struct handlers it = handlers_at(i);

        if (it.child)
            it.child();
    }
}

/* A library is being unloaded: its handlers must not be called any more. */
static void forget_handlers(void *dso_handle) {
    lock_table();
    for (unsigned i = 0; i < nr_handlers; i++)
        if (table[i].dso_handle == dso_handle)
            table[i] = (struct handlers){NULL, NULL, NULL, NULL};
    while (nr_handlers && !table[nr_handlers - 1].dso_handle)
        nr_handlers--;
    unlock_table();
}

WEIR_EXPORT int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso_handle) {
    bool known = false;

    if (!dso_handle)
        dso_handle = &table; /* nobody's: stays for good */
    lock_table();
    if (nr_handlers == MAX_HANDLERS) {
        unlock_table();
        return ENOMEM;
    }
    for (unsigned i = 0; i < nr_handlers; i++)
        known |= table[i].dso_handle == dso_handle;
    table[nr_handlers++] = (struct handlers){prepare, parent, child, dso_handle};
    unlock_table();
    /* libc calls back when the library is unloaded, or the program ends. */
    if (!known && dso_handle != &table)
        __cxa_atexit(forget_handlers, dso_handle, dso_handle);
    return 0;
}

void fork_handlers_init(void) {
    REAL(__register_atfork)(run_prepare, run_parent, run_child, NULL);
}

/* Does it as often as chance spoils it. A child that cannot have its memory ends, and then there was no fork. */
static pid_t fork_by(pid_t (*fork_once)(void)) {
    for (int tries = 0;; tries++) {
        pid_t pid = fork_once();

        if (pid <= 0 || fork_result == 0)
            return pid;
        while (sys4(SYS_wait4, pid, NULL, __WALL, NULL) == -EINTR)
            ;
        if (fork_result != -EINTR || tries == MAX_TRIES) {
            if (fork_result == -EINTR)
                weir_say("a fork has failed: libc needs memory for it that is out, each time another page");
            errno = EAGAIN;
            return -1;
        }
    }
}

/* As fork(), but without anybody's handlers except weir's. */
static pid_t bare_fork(void) {
    pid_t pid;

    fork_prepare(false);
    pid = REAL(_Fork)();
    if (pid == 0)
        fork_child();
    else
        fork_result = fork_parent();
    return pid;
}

WEIR_EXPORT pid_t fork(void) {
    return fork_by(REAL(fork));
}

WEIR_EXPORT pid_t _Fork(void) {
    return fork_by(bare_fork);
}

WEIR_EXPORT int clone(int (*fn)(void *), void *stack, int flags, void *arg, ...) {
    void *more[3];
    va_list list;

    va_start(list, arg);
    for (int i = 0; i < 3; i++)
        more[i] = va_arg(list, void *);
    va_end(list);
    if (rt.up && !(flags & CLONE_VM)) {
        weir_say("clone() without CLONE_VM is refused: its child would be without its memory; fork() works");
        errno = ENOSYS;
        return -1;
    }
    return REAL(clone)(fn, stack, flags, arg, more[0], more[1], more[2]);
}
