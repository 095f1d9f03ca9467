/* SPDX-License-Identifier: MIT */
/*
 * memory_world.c - what a program does to its memory, against a naive model that keeps every byte, in machines whose
 * memory is too small for it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mm/mmap.h"
#include "tests/property/decoder.h"
#include "tests/property/world.h"

static void check(struct sim *sim, const struct world_run *run, unsigned op) {
    const char *wrong;

    sim_rest(sim);
    wrong = sim_check(sim);
    if (wrong)
        world_fail(run, op, wrong);
}

/* All ways of bringing pages in and of choosing them, in turn. */
static void tune(struct sim *sim, uint64_t seed) {
    struct tunables *tune = &sim_machine(sim)->tune;
    unsigned around = seed % 3 == 0 ? 0 : seed % 3 == 1 ? 1 : 32;
    bool neighbours = seed % 2;

    tune->fault_around_max = around;
    tune->fault_around_fresh = around ? 8 : 0;
    tune->park_neighbours = neighbours;
    tune->inactive_percent = neighbours ? 40 : 0;
    tune->scan_resistance = neighbours;
    tune->read_around_max = seed % 5 < 2 ? 16 : 0;
    tune->swap_token = seed % 7 < 2;
    tune->swappiness = 100;
}

static struct sim_config machine_of(const struct world *world, const struct world_run *run) {
    struct sim_config config = world->machine(run->seed);

    if (run->small) {
        config.ram_pages /= 4;
        config.region_pages /= 4;
        for (unsigned i = 0; i < SIM_DEVICES; i++) {
            config.devices[i].nr_slots /= 4;
            config.devices[i].pages_most /= 4;
        }
    }
    return config;
}

/* A run's operations: those that it was given, or a world's number of them from the seed. */
struct script {
    const struct world_run *run;
    uint8_t *drawn;
    const uint8_t *bytes;
    unsigned nr_ops;
};

static struct script script_create(const struct world *world, const struct world_run *run) {
    struct script script = {run, NULL, run->bytes, (unsigned)(run->len / BYTES_PER_OP)};

    if (run->bytes)
        return script;
    script.nr_ops = world->nr_ops;
    script.bytes = script.drawn = malloc((size_t)script.nr_ops * BYTES_PER_OP);
    for (unsigned op = 0; op < script.nr_ops; op++) {
        uint64_t state = world_draw_start(run->seed, op);

        for (unsigned i = 0; i < BYTES_PER_OP; i++)
            script.drawn[op * BYTES_PER_OP + i] = (uint8_t)world_draw(&state, 256);
    }
    return script;
}

/* The operation of that number, unless it is left out. */
static bool script_op(const struct script *script, unsigned number, uint32_t nr_pages, struct op *ret_op) {
    struct input input = {script->bytes + (size_t)number * BYTES_PER_OP, BYTES_PER_OP, 0};

    if (!world_keeps(script->run, number) || !decode_op(&input, nr_pages, ret_op))
        return false;
    if (script->run->print) {
        printf("%4u %-8s page %u, %u pages, to %u\n", number, op_name(ret_op->kind), ret_op->page, ret_op->nr,
               ret_op->target);
        fflush(stdout);
    }
    return true;
}

void memory_world_run(const struct world *world, const struct world_run *run) {
    struct sim_config config = machine_of(world, run);
    struct sim *sim = sim_create(&config);
    bool errors = config.devices[0].read_error_permille || config.devices[1].read_error_permille;
    struct model *model = model_create(sim, 0, config.region_pages, config.ram_pages / 8, errors);
    struct script script = script_create(world, run);

    tune(sim, run->seed);
    model_apply(model, &(struct op){.kind = OP_MAP, .page = 0, .nr = config.region_pages});
    for (unsigned i = 0; i < script.nr_ops; i++) {
        struct op op;

        if (!script_op(&script, i, config.region_pages, &op))
            continue;
        model_apply(model, &op);
        check(sim, run, i);
    }
    if (config.alloc_fail_permille && !run->kept && !run->bytes && sim_counts(sim).alloc_failures == 0)
        world_fail(run, script.nr_ops, "no allocation has failed");
    model_verify(model);
    model_apply(model, &(struct op){.kind = OP_UNMAP, .page = 0, .nr = config.region_pages});
    sim_settle(sim);
    check(sim, run, script.nr_ops);
    model_destroy(model);
    sim_destroy(sim);
    free(script.drawn);
}

/* -- machines: four times as many pages as frames; swap has room for all of them. -- */

struct sim_config memory_world_small(uint64_t seed) {
    return (struct sim_config){
        .seed = seed,
        .ram_pages = 1024,
        .region_pages = 3072,
        .nr_cpus = 2,
        .devices = {{.nr_slots = 4096, .prio = 5, .detects_clean = true}},
    };
}

/* A pool that rejects what it cannot compress, over a slow file. */
struct sim_config memory_world_two_tiers(uint64_t seed) {
    struct sim_config config = memory_world_small(seed);

    config.devices[0] = (struct sim_device_config){
        .nr_slots = 2048, .prio = 10, .flags = 4 /* SWP_EXCLUSIVE */, .pages_most = 600, .reject_permille = 300};
    config.devices[1] = (struct sim_device_config){
        .nr_slots = 4096, .prio = 1, .async = true, .latency_ns = 200000, .detects_clean = true};
    config.pin_permille = 20;
    config.short_permille = 50;
    return config;
}

struct sim_config memory_world_failing_writes(uint64_t seed) {
    struct sim_config config = memory_world_two_tiers(seed);

    config.devices[0].write_error_permille = 20;
    config.devices[1].write_error_permille = 50;
    return config;
}

struct sim_config memory_world_failing_reads(uint64_t seed) {
    struct sim_config config = memory_world_two_tiers(seed);

    config.devices[0].read_error_permille = 5;
    config.devices[1].read_error_permille = 10;
    return config;
}

/* All that can go wrong at once, but that a page is lost. */
struct sim_config memory_world_failing_allocations(uint64_t seed) {
    struct sim_config config = memory_world_failing_writes(seed);

    config.alloc_fail_permille = seed % 3 == 0 ? 5 : seed % 3 == 1 ? 50 : 300;
    config.devices[1].latency_ns = seed % 2 ? 20000000 : 200000;
    return config;
}

/* -- several tasks on one address space. -- */

enum { WORKERS = 4 };

static struct sim_config many_tasks(uint64_t seed, uint32_t region_pages) {
    struct sim_config config = memory_world_two_tiers(seed);

    config.region_pages = region_pages;
    config.switch_permille = seed % 4 ? 20 : 200;
    return config;
}

struct sim_config memory_world_shares(uint64_t seed) {
    return many_tasks(seed, 3000);
}

struct sim_config memory_world_words(uint64_t seed) {
    return many_tasks(seed, 2048);
}

struct worker {
    const struct script *script;
    struct model *model;
    unsigned first, nr_ops;
};

static void work(struct sim *sim, void *arg) {
    struct worker *worker = arg;
    struct op op;

    (void)sim;
    for (unsigned i = worker->first; i < worker->first + worker->nr_ops; i++)
        if (script_op(worker->script, i, worker->model->nr_pages, &op))
            model_apply(worker->model, &op);
}

/* Each task its own part of the range: no whole blocks, so that neighbours share tables. */
struct model *memory_world_own_share(struct sim *sim, const struct sim_config *config, unsigned worker) {
    uint32_t share = config->region_pages / WORKERS;
    struct model *model = model_create(sim, worker * share, share, config->ram_pages / 8 / WORKERS, false);

    model_apply(model, &(struct op){.kind = OP_MAP, .page = 0, .nr = share});
    return model;
}

/* Each task its own words of all pages. */
struct model *memory_world_own_words(struct sim *sim, const struct sim_config *config, unsigned worker) {
    if (worker == 0)
        sim_map(sim, 0, config->region_pages, VM_READ | VM_WRITE);
    return model_create_lane(sim, 0, config->region_pages, worker, WORKERS);
}

void memory_world_run_tasks(const struct world *world, const struct world_run *run) {
    struct sim_config config = machine_of(world, run);
    struct sim *sim = sim_create(&config);
    struct script script = script_create(world, run);
    struct worker workers[WORKERS];
    unsigned share = script.nr_ops / WORKERS;

    tune(sim, run->seed);
    for (unsigned w = 0; w < WORKERS; w++)
        workers[w] = (struct worker){&script, world->make(sim, &config, w), w * share, share};
    for (unsigned w = 0; w < WORKERS; w++)
        sim_spawn(sim, work, &workers[w]);
    sim_join(sim);
    sim_settle(sim);
    sim_sleep(sim, 1000000000); /* kswapd has come to rest */
    check(sim, run, script.nr_ops);
    for (unsigned w = 0; w < WORKERS; w++) {
        model_verify(workers[w].model);
        model_destroy(workers[w].model);
    }
    sim_destroy(sim);
    free(script.drawn);
}
