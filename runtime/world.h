/* SPDX-License-Identifier: MIT */
/*
 * world.h - stopping weir's threads at a safe point, for the length of a fork.
 *
 * Whoever works on the machine does so between world_enter and world_leave. While the world is stopped nobody gets in
 * but a handler that answers the forking thread itself.
 */
#ifndef RUNTIME_WORLD_H
#define RUNTIME_WORLD_H

#include <stdbool.h>

/* tid: on whose behalf (0: nobody's). False: the world is stopped; try again after world_wait, or defer. */
bool world_enter(int tid);
void world_leave(void);
/* Sleeps while the world is stopped. */
void world_wait(void);
/* Waits until nobody is in, lets nobody in but for tid. One at a time. */
void world_stop(int tid);
bool world_is_stopped(void);
/* While the world is stopped: waits until whoever is in for its tid has left. */
void world_settle(void);
void world_start(void);
/* In a forked child: the world runs, and nobody is in. */
void world_after_fork(void);

#endif
