/* SPDX-License-Identifier: MIT */
/* memory_machines.c - machines for memory_world.c: three times as many pages as frames; swap has room for all of them.
 */
#include "mm/swapfile.h"
#include "tests/property/world.h"

struct sim_config memory_world_small(uint64_t seed) {
    return (struct sim_config){
        .seed = seed,
        .ram_pages = 1024,
        .region_pages = 3072,
        .nr_cpus = 2,
        .no_barrier = seed % 4 == 3,
        .devices = {{.nr_slots = 4096, .prio = 5, .detects_clean = true}},
    };
}

/* A pool that rejects what it cannot compress, over a slow file. */
struct sim_config memory_world_two_tiers(uint64_t seed) {
    struct sim_config config = memory_world_small(seed);

    config.devices[0] = (struct sim_device_config){
        .nr_slots = 2048, .prio = 10, .flags = SWP_EXCLUSIVE, .pages_most = 600, .reject_permille = 300};
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

/* The file's device says that it has written what it has not, or not whole. */
struct sim_config memory_world_torn_writes(uint64_t seed) {
    struct sim_config config = memory_world_two_tiers(seed);

    config.devices[1].async = seed % 2;
    config.devices[1].torn_permille = 20;
    config.devices[1].lost_permille = 20;
    return config;
}

/* All that can go wrong at once, but that a page is lost. */
struct sim_config memory_world_failing_allocations(uint64_t seed) {
    struct sim_config config = memory_world_failing_writes(seed);

    config.alloc_fail_permille = seed % 3 == 0 ? 5 : seed % 3 == 1 ? 50 : 300;
    config.devices[1].latency_ns = seed % 2 ? 20000000 : 200000;
    return config;
}

/* Three areas, any of which can go at any time; the host learns of writes by their faults. */
struct sim_config memory_world_swap_areas(uint64_t seed) {
    struct sim_config config = memory_world_small(seed);

    for (unsigned i = 0; i < 3; i++)
        config.devices[i] = (struct sim_device_config){.nr_slots = 1700,
                                                       .offline = true,
                                                       .async = (seed >> i) & 1,
                                                       .latency_ns = i * UINT64_C(100000),
                                                       .flags = seed % 8 == i ? SWP_EXCLUSIVE : 0};
    config.tracks_writes = true;
    config.short_permille = seed % 2 ? 20 : 0;
    return config;
}

/*
 * Two nodes with a hole between them, the first with a zone for DMA: of 1024 frames, and for runs that are to be
 * short, of 256.
 */
static const struct memory_range two_nodes[] = {
    {0, 128, 0, ZONE_DMA}, {128, 512, 0, ZONE_NORMAL}, {1024, 384, 1, ZONE_NORMAL}};
static const struct memory_range two_small_nodes[] = {
    {0, 32, 0, ZONE_DMA}, {32, 128, 0, ZONE_NORMAL}, {1024, 96, 1, ZONE_NORMAL}};

struct sim_config memory_world_nodes(uint64_t seed) {
    static const uint8_t cpu_node[] = {0, 1};
    struct sim_config config = memory_world_two_tiers(seed);

    config.ranges = two_nodes;
    config.nr_ranges = 3;
    config.nr_nodes = 2;
    config.cpu_node = seed % 3 ? cpu_node : NULL;
    config.tracks_writes = seed % 2;
    return config;
}

struct sim_config memory_world_machine(const struct world *world, const struct world_run *run) {
    struct sim_config config = world->machine(run->seed);

    if (!run->small)
        return config;
    config.ram_pages /= 4;
    config.region_pages /= 4;
    if (config.ranges)
        config.ranges = two_small_nodes;
    for (unsigned i = 0; i < SIM_DEVICES; i++) {
        config.devices[i].nr_slots /= 4;
        config.devices[i].pages_most /= 4;
    }
    return config;
}

/* -- several tasks on one address space. -- */

static struct sim_config many_tasks(uint64_t seed, uint32_t region_pages) {
    struct sim_config config = seed % 3 ? memory_world_two_tiers(seed) : memory_world_swap_areas(seed);

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
