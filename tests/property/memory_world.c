/* SPDX-License-Identifier: MIT */
/*
 * memory_world.c - what a program does to its memory, against a naive model that keeps every byte, in machines whose
 * memory is too small for it.
 */
#include <stdio.h>

#include "mm/mmap.h"
#include "mm/swapfile.h"
#include "tests/property/decoder.h"
#include "tests/property/script.h"
#include "tests/property/world.h"

static void check(struct sim *sim, const struct world_run *run, unsigned op) {
    const char *wrong;

    sim_rest(sim);
    wrong = sim_check(sim);
    if (wrong)
        world_fail(run, op, wrong);
}

/* The operation of that number, unless it is left out. */
static bool next_op(const struct script *script, unsigned number, uint32_t nr_pages, struct op *ret_op) {
    struct input input;

    if (!script_op(script, number, &input) || !decode_op(&input, nr_pages, ret_op))
        return false;
    if (script->run->print) {
        printf("%4u %-8s page %u, %u pages, to %u\n", number, op_name(ret_op->kind), ret_op->page, ret_op->nr,
               ret_op->target);
        fflush(stdout);
    }
    return true;
}

/* Must every page be found again? */
static bool may_lose(const struct sim_config *config) {
    bool may = false;

    for (unsigned d = 0; d < SIM_DEVICES; d++)
        may |= config->devices[d].read_error_permille || config->devices[d].torn_permille ||
               config->devices[d].lost_permille;
    return may;
}

/* What the world is there for has come about. */
static void check_reached(struct sim *sim, const struct world_run *run, const struct sim_config *config) {
    struct sim_counts counts = sim_counts(sim);
    bool torn = false, clean = config->tracks_writes;

    if (run->kept || run->bytes)
        return;
    for (unsigned d = 0; d < SIM_DEVICES; d++) {
        torn |= config->devices[d].torn_permille && config->devices[d].lost_permille;
        clean &= !(config->devices[d].flags & SWP_EXCLUSIVE); /* whose pages give up their copies */
    }
    if (config->alloc_fail_permille && counts.alloc_failures == 0)
        world_fail(run, 0, "no allocation has failed");
    if (torn && counts.torn + counts.lost == 0)
        world_fail(run, 0, "no write was torn or lost");
    if (clean && (counts.write_faults == 0 || counts.clean == 0))
        world_fail(run, 0, "no clean page was written to, or none dropped");
}

void memory_world_run(const struct world *world, const struct world_run *run) {
    struct sim_config config = memory_world_machine(world, run);
    struct sim *sim = sim_create(&config);
    struct script script = script_create(world, run);
    struct machine_ops ops;
    struct model *model;

    machine_ops_init(&ops, sim, &config, config.region_pages);
    machine_ops_tune(&ops, run->seed);
    model = model_create(&ops, 0, config.region_pages, config.ram_pages / 8, may_lose(&config));
    model_apply(model, &(struct op){.kind = OP_MAP, .page = 0, .nr = config.region_pages});
    for (unsigned i = 0; i < script.nr_ops; i++) {
        struct op op;

        if (!next_op(&script, i, config.region_pages, &op))
            continue;
        model_apply(model, &op);
        check(sim, run, i);
    }
    model_verify(model);
    check_reached(sim, run, &config);
    model_apply(model, &(struct op){.kind = OP_UNMAP, .page = 0, .nr = config.region_pages});
    sim_settle(sim);
    check(sim, run, script.nr_ops);
    model_destroy(model);
    sim_destroy(sim);
    script_destroy(&script);
}

/* -- several tasks on one address space. -- */

enum { WORKERS = 4 };

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
        if (next_op(worker->script, i, worker->model->nr_pages, &op))
            model_apply(worker->model, &op);
}

/* Each task its own part of the range: no whole blocks, so that neighbours share tables. */
struct model *memory_world_own_share(struct machine_ops *ops, const struct sim_config *config, unsigned worker) {
    uint32_t share = config->region_pages / WORKERS;
    struct model *model = model_create(ops, worker * share, share, config->ram_pages / 8 / WORKERS, false);

    model_apply(model, &(struct op){.kind = OP_MAP, .page = 0, .nr = share});
    return model;
}

/* Each task its own words of all pages. */
struct model *memory_world_own_words(struct machine_ops *ops, const struct sim_config *config, unsigned worker) {
    if (worker == 0)
        sim_map(ops->sim, 0, config->region_pages, VM_READ | VM_WRITE);
    return model_create_lane(ops, 0, config->region_pages, worker, WORKERS);
}

void memory_world_run_tasks(const struct world *world, const struct world_run *run) {
    struct sim_config config = memory_world_machine(world, run);
    struct sim *sim = sim_create(&config);
    struct script script = script_create(world, run);
    struct worker workers[WORKERS];
    unsigned share = script.nr_ops / WORKERS;
    struct machine_ops ops;

    machine_ops_init(&ops, sim, &config, config.region_pages);
    machine_ops_tune(&ops, run->seed);
    ops.races = true;
    for (unsigned w = 0; w < WORKERS; w++)
        workers[w] = (struct worker){&script, world->make(&ops, &config, w), w * share, share};
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
    script_destroy(&script);
}
