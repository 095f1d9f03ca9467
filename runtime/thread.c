/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/credentials.h"
#include "runtime/runtime.h"
#include "runtime/sys.h"

/*
 * One thread's memory, aligned to its size so that a stack pointer finds it:
 *   [0] struct weir_thread   thread-local storage, one page of control block   guard page   stack
 */
#define STACK_BYTES_MIN ((size_t)192 << 10)
#define TLS_OFFSET PAGE_SIZE

_Static_assert(sizeof(struct weir_thread) <= PAGE_SIZE, "a thread's struct lies in its first page");

/* What the x86-64 ABI wants at the thread pointer. */
struct thread_control {
    void *self;
    void *dtv;
    void *self_again;
    int multiple_threads, gscope;
    uintptr_t sysinfo;
    uintptr_t stack_guard;
    uintptr_t pointer_guard;
};

static char *threads_base;
static size_t thread_bytes; /* a power of two */
static size_t tls_bytes;

/*
 * libc's thread-local variables (errno) lie below the thread pointer, below those of the program and of the libraries
 * that were loaded before: as far below as on this thread.
 */
static size_t tls_size(void) {
    size_t below = (size_t)((char *)__builtin_thread_pointer() - (char *)&errno);

    return ((below + PAGE_SIZE - 1) & PAGE_MASK) + PAGE_SIZE + PAGE_SIZE;
}

bool threads_reserve(void) {
    size_t size;
    long base;

    tls_bytes = tls_size();
    for (thread_bytes = PAGE_SIZE; thread_bytes < TLS_OFFSET + tls_bytes + PAGE_SIZE + STACK_BYTES_MIN;)
        thread_bytes *= 2;
    size = (WEIR_MAX_THREADS + 1) * thread_bytes;
    base = sys6(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base < 0 && base > -4096)
        return false;
    threads_base = (char *)(((uintptr_t)base + thread_bytes - 1) & ~(thread_bytes - 1));
    for (unsigned role = 0; role < WEIR_MAX_THREADS; role++)
        sys3(SYS_mprotect, threads_base + role * thread_bytes + TLS_OFFSET + tls_bytes, PAGE_SIZE, PROT_NONE);
    return true;
}

struct weir_thread *weir_thread_of(unsigned role) {
    return (struct weir_thread *)(threads_base + role * thread_bytes);
}

struct weir_thread *weir_thread_self(void) {
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);

    if (here - (uintptr_t)threads_base >= WEIR_MAX_THREADS * thread_bytes)
        return NULL;
    return (struct weir_thread *)(here & ~(thread_bytes - 1));
}

static int thread_main(void *arg) {
    struct weir_thread *self = arg;

    self->tid = (int)sys0(SYS_gettid);
    self->run(self);
    sys1(SYS_exit, 0);
    return 0;
}

int weir_thread_start(unsigned role, void (*run)(struct weir_thread *self), bool own_files) {
    struct weir_thread *thread = weir_thread_of(role);
    char *memory = (char *)thread;
    struct thread_control *control = (struct thread_control *)(void *)(memory + TLS_OFFSET + tls_bytes - PAGE_SIZE);
    const struct thread_control *mine = __builtin_thread_pointer();
    uint64_t all = UINT64_MAX, old;
    int flags = CLONE_VM | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS;
    int tid;

    /* Most of them are never used, and stay so. */
    if (sys3(SYS_madvise, memory + TLS_OFFSET, tls_bytes, MADV_DONTNEED) < 0)
        memset(memory + TLS_OFFSET, 0, tls_bytes);
    control->self = control->self_again = control;
    control->stack_guard = mine->stack_guard;
    control->pointer_guard = mine->pointer_guard;
    thread->run = run;
    thread->cpu = role;
    thread->task.flags = 0;
    credentials_inherit(thread);

    /* The mask is inherited: no signal may ever arrive on one of weir's threads. */
    sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, sizeof(all));
    tid = clone(thread_main, memory + thread_bytes - 64, flags | (own_files ? 0 : CLONE_FILES), thread, NULL, control,
                NULL);
    sys4(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof(old));
    return tid < 0 ? -11 : 0; /* EAGAIN, as clone says when there may be no more threads */
}
