/* SPDX-License-Identifier: MIT */
/*
 * kswapd.h - the thread that keeps frames free: it runs the core's balancing step when woken and sleeps otherwise.
 */
#ifndef RUNTIME_KSWAPD_H
#define RUNTIME_KSWAPD_H

struct weir_thread;

void kswapd_thread(struct weir_thread *self);
void kswapd_wake(void);

#endif
