/* SPDX-License-Identifier: MIT */
/*
 * machine_ops.h - operations on the machine rather than on a program's memory: swap areas that go and come back,
 * tunables that change, allocations that fail. They change no byte of anybody's.
 */
#ifndef TESTS_PROPERTY_MACHINE_OPS_H
#define TESTS_PROPERTY_MACHINE_OPS_H

#include "sim/sim.h"

struct machine_ops {
    struct sim *sim;
    const struct sim_config *config;
    uint32_t pages_most; /* that may be in swap at a time: so many slots always stay */
    bool races;          /* other tasks are at work */
    bool busy;           /* an area is just coming or going */
    bool online[SIM_DEVICES];
    unsigned nr_on, nr_off, nr_interrupted, nr_refused; /* how often each came about */
};

/* Devices that are offline at boot come into use. pages_most: how many pages a program may have. */
void machine_ops_init(struct machine_ops *ops, struct sim *sim, const struct sim_config *config, uint32_t pages_most);
/* Each does something that value chooses, or nothing; ends the run with a line if it comes out wrong. */
void machine_ops_swapoff(struct machine_ops *ops, uint64_t value);
void machine_ops_swapon(struct machine_ops *ops, uint64_t value);
void machine_ops_tune(struct machine_ops *ops, uint64_t value);
void machine_ops_fail(struct machine_ops *ops, uint64_t value);

#endif
