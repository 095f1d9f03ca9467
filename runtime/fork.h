/* SPDX-License-Identifier: MIT */
/*
 * fork.h - a forked child gets a machine of its own.
 *
 * The child is born with a copy-on-write copy of everything: the program's memory, the shadow, the arena and all of
 * weir's state; but with none of weir's threads and, unless Linux hands its userfaultfd over (UFFD_FEATURE_EVENT_FORK),
 * with its faults unanswered. So the world is stopped around the fork, the parent's handlers answer the child's faults
 * until it has threads of its own, and descriptors pass through a socket. docs: ARCHITECTURE.md, "fork".
 */
#ifndef RUNTIME_FORK_H
#define RUNTIME_FORK_H

#include <stdbool.h>

struct weir_request;
struct weir_thread;

/* -- the parent (fork_parent.c) -- */
/* Opens what a fork needs in the caller's descriptor table. Service thread, at boot and in a child. False: no room. */
bool fork_open(void);
/* The service thread's parts of fork_prepare and fork_parent (runtime.h). They set request->result. */
void fork_service_prepare(struct weir_request *request);
void fork_service_settle(struct weir_request *request);
void fork_service_parent(struct weir_request *request);
/* Is tid the thread that forks just now? */
int fork_in_progress_by(int tid);
/* A handler has read the event of a fork: the child's userfaultfd. */
void fork_child_born(int child_uffd);
/*
 * A handler is about to answer a fault of the thread that forks, and has put everything back. If it was made too late,
 * the thread can go on and make its child before the handler is through.
 */
void fork_fault_begins(void);
void fork_fault_ends(void);
/* Lets go of the forking thread's stack; in parent and child. Service thread. */
void fork_release_stack(void);
/* In the child: was it made while a handler was at work? Then what it has copied may make no sense. */
bool fork_is_torn(void);
/* In the child, before its threads start: nobody forks here. */
void fork_service_after_fork(void);

/* -- the child (fork_child.c) -- */
/* Its end of the socket, in the program's descriptor table; negative: there is none. Before the service thread starts.
 */
void fork_child_take_channel(int fd);
/* On the service thread, first of all: takes everything over and starts the other threads. False: it cannot. */
bool fork_child_prepare(void);
/* It could not, but has told its parent what the next one needs. */
bool fork_child_has_better_chance(void);

#endif
