/* SPDX-License-Identifier: MIT */
/*
 * bell.h - nothing wakes a thread from reading a userfaultfd but a fault, and no signal may reach weir's threads. So
 * there is a page that is never there, and who wants a handler to come by touches it.
 */
#ifndef RUNTIME_BELL_H
#define RUNTIME_BELL_H

#include <stdbool.h>
#include <stdint.h>

/* Maps the page. Once in a process's life. False: no memory. */
bool bell_reserve(void);
/* Watches it in the userfaultfd just opened. 0 or a negative errno. */
int bell_register(void);
/* Does [start, end) reach into it? */
bool bell_is_in(uintptr_t start, uintptr_t end);
/* Touches it: when this returns, a handler has read that fault. Service thread, of whom no handler wants anything. */
void bell_ring(void);
/* A handler has read a fault: if it was this one, ends it. */
bool bell_answer(uintptr_t addr);
/* Whoever rings, if somebody does, rings again. */
void bell_wake(void);

#endif
