/* SPDX-License-Identifier: MIT */
/*
 * Random sequences of what a program does to its memory, against a naive model that keeps every byte, in a simulated
 * machine whose memory is too small for them. `memory_property_test SEED` runs one seed of each; a failure prints its.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mm/mmap.h"
#include "tests/property/decoder.h"

#define BYTES_PER_OP 10

static uint64_t only_seed;

static void check(struct sim *sim, uint64_t seed, unsigned op) {
    const char *wrong;

    sim_rest(sim);
    wrong = sim_check(sim);
    if (wrong)
        fail_msg("seed %llu, operation %u: %s", (unsigned long long)seed, op, wrong);
}

static uint8_t *random_bytes(struct sim *sim, size_t len) {
    uint8_t *bytes = malloc(len);

    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)sim_random(sim, 256);
    return bytes;
}

static void tune(struct sim *sim, unsigned around, bool neighbours) {
    struct tunables *tune = &sim_machine(sim)->tune;

    tune->fault_around_max = around;
    tune->fault_around_fresh = around ? 8 : 0;
    tune->park_neighbours = neighbours;
    tune->inactive_percent = neighbours ? 40 : 0;
    tune->swappiness = 100;
}

static void run_sequence(const struct sim_config *config, unsigned nr_ops, unsigned around, bool neighbours) {
    struct sim *sim = sim_create(config);
    size_t len = (size_t)nr_ops * BYTES_PER_OP;
    uint8_t *bytes = random_bytes(sim, len);
    struct input input = {bytes, len, 0};
    bool errors = config->devices[0].read_error_permille || config->devices[1].read_error_permille;
    struct model *model = model_create(sim, 0, config->region_pages, config->ram_pages / 8, errors);
    struct op op;

    tune(sim, around, neighbours);
    model_apply(model, &(struct op){.kind = OP_MAP, .page = 0, .nr = config->region_pages});
    for (unsigned i = 0; decode_op(&input, config->region_pages, &op); i++) {
        model_apply(model, &op);
        check(sim, config->seed, i);
    }
    model_verify(model);
    model_apply(model, &(struct op){.kind = OP_UNMAP, .page = 0, .nr = config->region_pages});
    sim_settle(sim);
    check(sim, config->seed, nr_ops);
    model_destroy(model);
    sim_destroy(sim);
    free(bytes);
}

/* Four times as many pages as frames; swap has room for all of them. */
static struct sim_config small_machine(uint64_t seed) {
    return (struct sim_config){
        .seed = seed,
        .ram_pages = 1024,
        .region_pages = 3072,
        .nr_cpus = 2,
        .devices = {{.nr_slots = 4096, .prio = 5, .detects_clean = true}},
    };
}

static void for_seeds(uint64_t first, unsigned nr, unsigned nr_ops, struct sim_config (*machine)(uint64_t seed)) {
    if (only_seed) {
        first = only_seed;
        nr = 1;
    }
    for (uint64_t seed = first; seed < first + nr; seed++) {
        struct sim_config config = machine(seed);

        /* All ways of bringing pages in and of choosing them, in turn. */
        run_sequence(&config, nr_ops, seed % 3 == 0 ? 0 : seed % 3 == 1 ? 1 : 32, seed % 2);
    }
}

static void one_synchronous_device_keeps_every_byte(void **state) {
    (void)state;
    for_seeds(1, 6, 400, small_machine);
}

static struct sim_config two_tiers(uint64_t seed) {
    struct sim_config config = small_machine(seed);

    config.devices[0] = (struct sim_device_config){
        .nr_slots = 2048, .prio = 10, .flags = 4 /* SWP_EXCLUSIVE */, .pages_most = 600, .reject_permille = 300};
    config.devices[1] = (struct sim_device_config){
        .nr_slots = 4096, .prio = 1, .async = true, .latency_ns = 200000, .detects_clean = true};
    config.pin_permille = 20;
    config.short_permille = 50;
    return config;
}

static void a_rejecting_pool_over_a_slow_file_keeps_every_byte(void **state) {
    (void)state;
    for_seeds(100, 6, 400, two_tiers);
}

static struct sim_config failing_writes(uint64_t seed) {
    struct sim_config config = two_tiers(seed);

    config.devices[0].write_error_permille = 20;
    config.devices[1].write_error_permille = 50;
    return config;
}

static void failed_writes_lose_nothing(void **state) {
    (void)state;
    for_seeds(200, 6, 400, failing_writes);
}

static struct sim_config failing_reads(uint64_t seed) {
    struct sim_config config = two_tiers(seed);

    config.devices[0].read_error_permille = 5;
    config.devices[1].read_error_permille = 10;
    return config;
}

static void a_failed_read_is_sigbus_and_never_wrong_bytes(void **state) {
    (void)state;
    for_seeds(300, 6, 400, failing_reads);
}

/* -- several tasks on one address space. -- */

struct worker {
    struct model *model;
    uint8_t *bytes;
    size_t len;
};

static void work(struct sim *sim, void *arg) {
    struct worker *worker = arg;
    struct input input = {worker->bytes, worker->len, 0};
    struct op op;

    (void)sim;
    while (decode_op(&input, worker->model->nr_pages, &op))
        model_apply(worker->model, &op);
}

enum { WORKERS = 4 };

/* Each task its own part of the range: no whole blocks, so that neighbours share tables. */
static struct model *own_share(struct sim *sim, const struct sim_config *config, unsigned w) {
    uint32_t share = config->region_pages / WORKERS;
    struct model *model = model_create(sim, w * share, share, config->ram_pages / 8 / WORKERS, false);

    model_apply(model, &(struct op){.kind = OP_MAP, .page = 0, .nr = share});
    return model;
}

/* Each task its own words of all pages. */
static struct model *own_words(struct sim *sim, const struct sim_config *config, unsigned w) {
    if (w == 0)
        sim_map(sim, 0, config->region_pages, VM_READ | VM_WRITE);
    return model_create_lane(sim, 0, config->region_pages, w, WORKERS);
}

static void run_tasks(const struct sim_config *config, unsigned nr_ops,
                      struct model *(*make)(struct sim *sim, const struct sim_config *config, unsigned w)) {
    struct sim *sim = sim_create(config);
    struct worker workers[WORKERS];

    tune(sim, config->seed % 3 == 0 ? 0 : config->seed % 3 == 1 ? 1 : 32, config->seed % 2);
    for (unsigned w = 0; w < WORKERS; w++) {
        workers[w].model = make(sim, config, w);
        workers[w].len = (size_t)nr_ops * BYTES_PER_OP;
        workers[w].bytes = random_bytes(sim, workers[w].len);
    }
    for (unsigned w = 0; w < WORKERS; w++)
        sim_spawn(sim, work, &workers[w]);
    sim_join(sim);
    sim_settle(sim);
    sim_sleep(sim, 1000000000); /* kswapd has come to rest */
    check(sim, config->seed, nr_ops);
    for (unsigned w = 0; w < WORKERS; w++) {
        model_verify(workers[w].model);
        model_destroy(workers[w].model);
        free(workers[w].bytes);
    }
    sim_destroy(sim);
}

static void for_task_seeds(uint64_t first, unsigned nr,
                           struct model *(*make)(struct sim *sim, const struct sim_config *config, unsigned w)) {
    if (only_seed) {
        first = only_seed;
        nr = 1;
    }
    for (uint64_t seed = first; seed < first + nr; seed++) {
        struct sim_config config = two_tiers(seed);

        config.region_pages = make == own_words ? 2048 : 3000;
        config.switch_permille = seed % 4 ? 20 : 200;
        run_tasks(&config, 300, make);
    }
}

static void tasks_that_race_with_reclaim_keep_every_byte(void **state) {
    (void)state;
    for_task_seeds(400, 12, own_share);
}

static void tasks_that_fault_on_the_same_pages_keep_every_byte(void **state) {
    (void)state;
    for_task_seeds(500, 12, own_words);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_synchronous_device_keeps_every_byte),
        cmocka_unit_test(a_rejecting_pool_over_a_slow_file_keeps_every_byte),
        cmocka_unit_test(failed_writes_lose_nothing),
        cmocka_unit_test(a_failed_read_is_sigbus_and_never_wrong_bytes),
        cmocka_unit_test(tasks_that_race_with_reclaim_keep_every_byte),
        cmocka_unit_test(tasks_that_fault_on_the_same_pages_keep_every_byte),
    };

    if (argc > 1)
        only_seed = strtoull(argv[1], NULL, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
