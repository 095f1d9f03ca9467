/* SPDX-License-Identifier: MIT */
/*
 * boot.h - bringing the machine up: address space, arena, threads.
 */
#ifndef RUNTIME_BOOT_H
#define RUNTIME_BOOT_H

#include <stdbool.h>

/* Starts kswapd, the clerk and the handlers; they share the caller's descriptor table. Service thread. */
bool boot_start_threads(void);
/* Starts the service thread, which prepares itself by calling prepare and then serves; waits until it does. */
bool boot_start_service(bool (*prepare)(void));

#endif
