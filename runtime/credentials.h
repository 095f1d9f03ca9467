/* SPDX-License-Identifier: MIT */
/*
 * credentials.h - weir's threads have the credentials that the program has, not those with which it started.
 *
 * Linux keeps credentials for each thread; libc changes those of the threads it knows. So when the program has become
 * another user, or has given up capabilities, weir's threads follow before its call returns: a program that has dropped
 * its privileges must not have them left in threads that share its memory.
 */
#ifndef RUNTIME_CREDENTIALS_H
#define RUNTIME_CREDENTIALS_H

#include <stdbool.h>
#include <stdint.h>

struct weir_thread;

/* What the program has become; in unmanaged memory. */
struct weir_credentials {
    uint32_t pid;            /* the caller's own: a vfork child's credentials are not this process's */
    uint32_t uid[3], gid[3]; /* real, effective, saved */
    uint32_t fsuid, fsgid;
    struct weir_capabilities {
        uint32_t effective, permitted, inheritable;
    } capabilities[2];  /* as capset(2) has them: the low 32, the high */
    uintptr_t prctl[5]; /* a call of prctl(2) that each thread makes as well; 0: none */
    uint32_t nr_groups;
    bool groups_changed; /* else what follows is not set */
    uint32_t groups[];
};

/* Has each of weir's threads take these credentials; returns when all have. Service thread. */
long credentials_take(const struct weir_credentials *credentials);
/* The calling thread takes what it has not taken yet. Cheap if there is nothing. */
void credentials_follow(struct weir_thread *self);
/* A thread that is about to start has the credentials of the one that starts it. */
void credentials_inherit(struct weir_thread *thread);

#endif
