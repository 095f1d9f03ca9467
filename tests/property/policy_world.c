/* SPDX-License-Identifier: MIT */
/*
 * policy_world.c - a machine that has everything at once: a program's memory, files read, written and mapped, a cache
 * that shrinks, compaction, frames and swap areas that come and go, one node or two, and each of the later kernels'
 * tunables by chance. Every byte is held against a copy.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mm/mmap.h"
#include "mm/page_alloc.h"
#include "mm/swap_state.h"
#include "mm/watermark.h"
#include "tests/property/policy.h"

static void check(struct policy *w) {
    const char *wrong;

    sim_rest(w->sim);
    wrong = sim_check(w->sim);
    if (wrong)
        policy_differ(w, wrong);
}

static void tune(struct policy *w) {
    struct tunables tune = w->m->tune;
    uint64_t seed = w->run->seed;

    tune.swappiness = seed % 3 == 0 ? 100 : 60;
    tune.compaction = seed & 1;
    tune.workingset = seed >> 1 & 1;
    tune.workingset_anon = seed >> 4 & 1;
    tune.dirty_task_share = seed >> 5 & 1;
    tune.probation = seed >> 6 & 1;
    tune.reclaim_retries = seed & 4 ? 16 : 0;
    tune.watermark_scale_factor = seed & 8 ? 200 : 0;
    tune.zone_reclaim_mode = seed % 5 == 0 || seed % 3 == 2 ? 7 : 0;
    tune.zonelist_order = seed % 6 == 2 ? ZONELIST_NODE : ZONELIST_DEFAULT;
    tune.laptop_mode = seed % 7 == 0;
    if (machine_tune(w->m, &tune) != MM_OK)
        policy_differ(w, "tunables are refused");
}

/* 1536 frames, on one node or on two with a hole between them, or a quarter of that. */
static const struct memory_range two_nodes[] = {{0, 1024, 0, ZONE_NORMAL}, {1536, 512, 1, ZONE_NORMAL}};
static const struct memory_range two_small_nodes[] = {{0, 256, 0, ZONE_NORMAL}, {512, 128, 1, ZONE_NORMAL}};

static struct sim_config machine_of(const struct world_run *run, unsigned switch_permille) {
    static const uint8_t cpu_node[] = {0, 1};
    const uint64_t seed = run->seed;
    const uint32_t part = run->small ? 4 : 1;
    struct sim_config config = {
        .seed = seed,
        .ram_pages = 1536 / part,
        .region_pages = ANON_PAGES / part,
        .nr_cpus = 2,
        .no_barrier = seed % 4 == 3,
        .switch_permille = switch_permille,
        .tracks_writes = seed & 2,
    };

    for (unsigned d = 0; d < 2; d++)
        config.devices[d] = (struct sim_device_config){.nr_slots = 2048 / part,
                                                       .async = seed & 1,
                                                       .latency_ns = 100000 * (d + 1),
                                                       .offline = d,
                                                       .detects_clean = true};
    if (seed % 3 == 2) {
        config.ranges = run->small ? two_small_nodes : two_nodes;
        config.nr_ranges = config.nr_nodes = 2;
        config.cpu_node = cpu_node;
    }
    return config;
}

static struct policy *create(const struct world_run *run, struct sim_config *config) {
    const uint64_t seed = run->seed;
    struct policy *w = calloc(1, sizeof(*w));

    w->run = run;
    w->nr_anon = config->region_pages;
    w->nr_file = run->small ? FILE_PAGES / 4 : FILE_PAGES;
    w->draws = world_draw_start(seed, UINT32_MAX);
    w->sim = sim_create(config);
    w->m = sim_machine(w->sim);
    tune(w);
    machine_ops_init(&w->ops, w->sim, config, w->nr_anon);
    for (unsigned f = 0; f < 2; f++) {
        const struct sim_file_config file = {.nr_pages = w->nr_file,
                                             .latency_ns = f ? 200000 : 0,
                                             .queue = 32,
                                             .write_error_permille = seed % 4 == 3 ? 20 : 0,
                                             .reject_permille = 10};

        w->files[f] = sim_file_create(w->sim, &file);
    }
    w->cache.machine = w->m;
    w->cache.shrinker = (struct shrinker){.shrink = policy_shrink, .seeks = DEFAULT_SEEKS};
    register_shrinker(w->m, &w->cache.shrinker);
    sim_map(w->sim, 0, w->nr_anon, VM_READ | VM_WRITE);
    /* Memory is full from the start. */
    for (uint32_t page = 0; page < w->nr_anon; page++)
        policy_access_anon(w, page, page % 3 != 0);
    for (uint32_t page = 0; page < w->nr_file; page++)
        policy_access_file(w, page % 2, page, page % 5 == 0, page % 7 == 0);
    return w;
}

static void destroy(struct policy *w) {
    w->draws = world_draw_start(w->run->seed, UINT32_MAX - 1);
    for (w->op = 0; w->op < w->nr_anon; w->op++)
        policy_access_anon(w, w->op, false);
    for (w->op = 0; w->op < 2 * w->nr_file; w->op++)
        policy_access_file(w, w->op % 2, w->op / 2, false, false);
    unregister_shrinker(w->m, &w->cache.shrinker);
    sim_inject(w->sim, false);
    while (w->cache.nr)
        policy_shrink(&w->cache.shrinker, 16, GFP_KERNEL);
    for (unsigned f = 0; f < 2; f++)
        sim_file_destroy(w->files[f]);
    sim_settle(w->sim);
    check(w);
    if (atomic_load(&w->m->nr_shadows) != swap_cache_shadows(w->m))
        policy_differ(w, "marks of evicted pages outlive their files");
    sim_destroy(w->sim);
    free(w);
}

/* The operation of that number, unless it is left out. */
static bool next_op(struct policy *w, const struct script *script, unsigned number, struct policy_op *ret_op) {
    struct input input;

    w->op = number;
    if (!script_op(script, number, &input))
        return false;
    *ret_op = policy_decode(w, &input);
    w->draws = ret_op->draws;
    if (w->run->print) {
        printf("%4u %-16s page %u, memory %u, %u pages%s\n", number, policy_op_name(ret_op), ret_op->page, ret_op->anon,
               ret_op->nr, ret_op->write ? ", write" : "");
        fflush(stdout);
    }
    return true;
}

void policy_world_run(const struct world *world, const struct world_run *run) {
    struct sim_config config = machine_of(run, 0);
    struct script script = script_create(world, run);
    struct policy *w = create(run, &config);
    struct policy_op op;

    for (unsigned i = 0; i < script.nr_ops; i++) {
        if (!next_op(w, &script, i, &op))
            continue;
        policy_apply(w, &op);
        check(w);
    }
    destroy(w);
    script_destroy(&script);
}

/* -- with another task, which keeps memory moving and has no byte of its own. -- */

struct disturber {
    struct policy own;
    const struct script *script;
    unsigned first;
};

static void disturb(struct sim *sim, void *arg) {
    struct disturber *disturber = arg;
    struct policy *w = &disturber->own;
    struct policy_op op;

    for (unsigned i = disturber->first; i < disturber->script->nr_ops; i++) {
        if (!next_op(w, disturber->script, i, &op))
            continue;
        policy_disturb(w);
        sim_sleep(sim, world_draw(&w->draws, 1000000));
    }
}

/* Eight accesses, to files or memory. */
static void use_memory(struct policy *w) {
    unsigned kind = world_draw(&w->draws, 4);

    for (uint32_t i = 0; i < 8; i++)
        if (kind < 2)
            policy_access_file(w, world_draw(&w->draws, 2), world_draw(&w->draws, w->nr_file), kind, false);
        else
            policy_access_anon(w, world_draw(&w->draws, w->nr_anon), kind == 2);
}

void policy_world_run_with_others(const struct world *world, const struct world_run *run) {
    struct sim_config config = machine_of(run, 100);
    struct script script = script_create(world, run);
    struct policy *w = create(run, &config);
    struct disturber disturber = {*w, &script, script.nr_ops * 10 / 13};
    struct policy_op op;

    disturber.own.ops.races = true;
    sim_spawn(w->sim, disturb, &disturber);
    for (unsigned i = 0; i < disturber.first; i++)
        if (next_op(w, &script, i, &op))
            use_memory(w);
    sim_join(w->sim);
    sim_settle(w->sim);
    sim_sleep(w->sim, 1000000000); /* a write that has ended may have left its task inside the core */
    check(w);
    destroy(w);
    script_destroy(&script);
}
