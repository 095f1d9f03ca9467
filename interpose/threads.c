/* SPDX-License-Identifier: MIT */
/*
 * threads.c - what Linux touches while a thread exits, when no fault can be served: its control block, if the program
 * supplied the stack it lies on, and the robust mutexes it holds. Those pages stay resident.
 */
#include <pthread.h>

#include "interpose/interpose.h"
#include "runtime/placement.h"
#include "runtime/runtime.h"
#include "runtime/service.h"

/* glibc lays the control block at the very top of a stack that the program supplies; it is smaller than a page. */
#define CONTROL_BYTES (2 * PAGE_SIZE)

/* Bit of a mutex's kind, in glibc. */
#define KIND_ROBUST 16

static uintptr_t top_of(const pthread_attr_t *attr) {
    void *base;
    size_t size;

    if (!attr || pthread_attr_getstack(attr, &base, &size) != 0 || size < CONTROL_BYTES)
        return 0;
    return weir_manages((uintptr_t)base, size) ? (uintptr_t)base + size : 0;
}

WEIR_EXPORT int pthread_create(pthread_t *ret_thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg) {
    uintptr_t top = top_of(attr);
    int result;

    if (top && weir_call(OP_HOLD, top - CONTROL_BYTES, CONTROL_BYTES, 0, 0, 0) != 0)
        return EAGAIN;
    placement_let_go();
    result = REAL(pthread_create)(ret_thread, attr, start, arg);
    if (top && result)
        weir_call(OP_RELEASE, top - CONTROL_BYTES, CONTROL_BYTES, 0, 0, 0);
    return result;
}

/* A thread that is joined has left its stack for good; of others the pages stay held until they are unmapped. */
WEIR_EXPORT int pthread_join(pthread_t thread, void **ret_value) {
    uintptr_t top = 0;
    pthread_attr_t attr;
    int result;

    /* The handle is the control block's address. */
    if (weir_manages((uintptr_t)thread, 1) && pthread_getattr_np(thread, &attr) == 0) {
        top = top_of(&attr);
        pthread_attr_destroy(&attr);
    }
    result = REAL(pthread_join)(thread, ret_value);
    if (top && result == 0)
        weir_call(OP_RELEASE, top - CONTROL_BYTES, CONTROL_BYTES, 0, 0, 0);
    return result;
}

WEIR_EXPORT int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr) {
    int robust = PTHREAD_MUTEX_STALLED;

    if (attr && weir_manages((uintptr_t)mutex, sizeof(*mutex)))
        pthread_mutexattr_getrobust(attr, &robust);
    if (robust == PTHREAD_MUTEX_ROBUST && weir_call(OP_HOLD, (uintptr_t)mutex, sizeof(*mutex), 0, 0, 0) != 0)
        return ENOMEM;
    return REAL(pthread_mutex_init)(mutex, attr);
}

WEIR_EXPORT int pthread_mutex_destroy(pthread_mutex_t *mutex) {
    bool held = weir_manages((uintptr_t)mutex, sizeof(*mutex)) && mutex->__data.__kind >= 0 &&
                (mutex->__data.__kind & KIND_ROBUST);
    int result = REAL(pthread_mutex_destroy)(mutex);

    if (held && result == 0)
        weir_call(OP_RELEASE, (uintptr_t)mutex, sizeof(*mutex), 0, 0, 0);
    return result;
}
