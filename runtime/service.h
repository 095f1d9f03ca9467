/* SPDX-License-Identifier: MIT */
/*
 * service.h - how a program's thread gets something done by weir.
 *
 * A program's thread never runs the memory manager itself: it may be on a stack that weir pages, inside a signal
 * handler, or in a child that has closed every descriptor. It puts a request into a slot in unmanaged memory and waits
 * on a futex; the service thread, which owns a descriptor table of its own, does it and answers.
 */
#ifndef RUNTIME_SERVICE_H
#define RUNTIME_SERVICE_H

#include <stddef.h>
#include <stdint.h>

enum weir_op {
    OP_MMAP,     /* addr, len, prot, flags (runtime/space.h) -> address; anonymous private memory only */
    OP_MUNMAP,   /* addr, len */
    OP_MPROTECT, /* addr, len, prot, pkey or -1 */
    OP_MREMAP,   /* addr, old_len, new_len, flags, new_addr -> address */
    OP_MADVISE,  /* addr, len, advice */
    OP_MLOCK,    /* addr, len, flags */
    OP_MUNLOCK,  /* addr, len */
    OP_MLOCKALL, /* flags */
    OP_MUNLOCKALL,
    OP_MINCORE,      /* addr, len, vec (in unmanaged memory) */
    OP_FOREIGN,      /* addr, len, no_replace: a mapping of the host's is about to be laid over this managed range */
    OP_HOLD,         /* addr, len: keep resident (mm_hold each page) */
    OP_RELEASE,      /* addr, len */
    OP_CREDENTIALS,  /* pointer to struct weir_credentials, in unmanaged memory */
    OP_FORK_PREPARE, /* runtime/fork.h */
    OP_FORK_SETTLE,
    OP_FORK_PARENT,
};

/* Is any byte of [addr, addr+len) in the managed range? False before weir is up. Async-signal-safe, no lock. */
int weir_manages(uintptr_t addr, size_t len);
/*
 * Has the service thread do op and returns its result, or a negative errno. Callable from any thread of the program
 * and from signal handlers; errno is left alone. Touches no managed memory but through the caller's own stack.
 */
long weir_call(enum weir_op op, uintptr_t a0, uintptr_t a1, uintptr_t a2, uintptr_t a3, uintptr_t a4);

/* The service thread's side: one request. space.c does the address-space operations, fork_parent.c the fork ones. */
struct weir_request {
    _Atomic uint32_t state; /* 0 free, 1 being filled, 2 posted, 3 taken, 4 answered; a futex word */
    uint32_t op;
    uintptr_t args[5];
    long result;
    int tid; /* of the caller */
};

/* Serves requests until the process ends; never returns. Runs on the service thread. */
void service_loop(void);
/* In a fresh child, before its service thread starts: all slots are free again. */
void service_after_fork(void);

#endif
