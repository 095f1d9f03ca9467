/* SPDX-License-Identifier: MIT */
/*
 * host.h - struct platform over a Linux process: who, when, waiting and dying. Bytes are bytes.h's, swap devices.h's.
 */
#ifndef RUNTIME_HOST_H
#define RUNTIME_HOST_H

#include "mm/platform.h"

extern struct platform host_platform;
/* Before the machine boots: asks Linux what it can do for the core. */
void host_prepare(void);
extern struct task program_task;

#endif
