/* SPDX-License-Identifier: MIT */
/*
 * world.h - the machines in which random sequences run, each by a name, and the run of one seed in one of them.
 *
 * World and seed decide everything. Operations are numbered from 0, and each is drawn from the seed and its number
 * alone, so that any of them can be left out and the others stay what they were: that is how a failing run shrinks.
 */
#ifndef TESTS_PROPERTY_WORLD_H
#define TESTS_PROPERTY_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/property/machine_ops.h"

#define BYTES_PER_OP 10u

struct op_range {
    unsigned first, last;
};

struct world_run {
    const char *world; /* its name */
    uint64_t seed;
    const struct op_range *kept; /* [nr_kept] the operations that are done; NULL: all of them */
    unsigned nr_kept;
    bool print;           /* each operation, before it is done */
    const uint8_t *bytes; /* [len] what the operations are decoded from; NULL: drawn from the seed */
    size_t len;
    bool small; /* a machine of a quarter of the size: many short runs rather than few long ones */
};

struct world {
    const char *name;
    unsigned nr_ops;
    void (*run)(const struct world *world, const struct world_run *run);
    struct sim_config (*machine)(uint64_t seed);
    struct model *(*make)(struct machine_ops *ops, const struct sim_config *config, unsigned worker);
};

/* The world_nr'th of all, or NULL; the one of a name, or NULL. */
const struct world *world_at(unsigned nr);
const struct world *world_find(const char *name);
/* Runs it. What is wrong ends the program with a line that says so, and another with the command that does it again. */
void world_run(const struct world_run *run);
/* So many seeds, one after the other. */
void world_run_seeds(const char *name, uint64_t first, unsigned nr);

/* -- for the worlds. -- */
bool world_keeps(const struct world_run *run, unsigned op);
/* The next of a sequence of numbers below limit; *state is its place, and 0 no good one. */
uint32_t world_draw(uint64_t *state, uint32_t limit);
/* The first state for an operation. */
uint64_t world_draw_start(uint64_t seed, unsigned op);
_Noreturn void world_fail(const struct world_run *run, unsigned op, const char *what);

/* memory_world.c, memory_machines.c */
void memory_world_run(const struct world *world, const struct world_run *run);
void memory_world_run_tasks(const struct world *world, const struct world_run *run);
struct sim_config memory_world_small(uint64_t seed);
struct sim_config memory_world_two_tiers(uint64_t seed);
struct sim_config memory_world_failing_writes(uint64_t seed);
struct sim_config memory_world_failing_reads(uint64_t seed);
struct sim_config memory_world_failing_allocations(uint64_t seed);
struct sim_config memory_world_torn_writes(uint64_t seed);
struct sim_config memory_world_swap_areas(uint64_t seed);
struct sim_config memory_world_nodes(uint64_t seed);
struct sim_config memory_world_shares(uint64_t seed);
struct sim_config memory_world_words(uint64_t seed);
/* world->machine's, a quarter of it if the run is to be small. */
struct sim_config memory_world_machine(const struct world *world, const struct world_run *run);
struct model *memory_world_own_share(struct machine_ops *ops, const struct sim_config *config, unsigned worker);
struct model *memory_world_own_words(struct machine_ops *ops, const struct sim_config *config, unsigned worker);
/* policy_world.c */
void policy_world_run(const struct world *world, const struct world_run *run);
void policy_world_run_with_others(const struct world *world, const struct world_run *run);

#endif
