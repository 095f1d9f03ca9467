/* SPDX-License-Identifier: MIT */
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "mm/swapfile.h"
#include "sim/internal.h"

void sim_fail(struct sim *sim, const char *what) {
    fflush(stdout);
    fprintf(stderr, "sim: seed %llu, task %td at %llu ns: %s\n", (unsigned long long)sim->config.seed,
            sim->current - sim->tasks, (unsigned long long)sim->clock, what);
    abort();
}

uint32_t sim_random(struct sim *sim, uint32_t limit) {
    /* xorshift64*: quick, and good enough to choose by. */
    sim->random ^= sim->random >> 12;
    sim->random ^= sim->random << 25;
    sim->random ^= sim->random >> 27;
    return limit ? (uint32_t)((sim->random * UINT64_C(2685821657736338717)) >> 33) % limit : 0;
}

bool sim_chance(struct sim *sim, unsigned permille) {
    return permille && sim->injecting && sim_random(sim, 1000) < permille;
}

void sim_inject(struct sim *sim, bool on) {
    sim->injecting = on;
}

void sim_fail_allocations(struct sim *sim, unsigned after, unsigned nr) {
    sim->fails_allocations = true;
    sim->alloc_fail_after = after;
    sim->alloc_fail_nr = nr;
}

bool sim_do_again(struct sim *sim, enum mm_status status) {
    bool again = status == MM_NOMEM && sim->fails_allocations && !sim->current->spared;

    sim->current->spared = again;
    return again;
}

/* Zeroed, and not there until it is touched. */
static void *take_memory(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED) {
        perror("sim: mmap");
        abort();
    }
    return memory;
}

static void boot_machine(struct sim *sim) {
    const struct sim_config *config = &sim->config;
    const struct memory_range whole = {0, config->ram_pages, 0, ZONE_NORMAL};
    struct memory_map map = {
        .ranges = config->ranges ? config->ranges : &whole,
        .nr_ranges = config->ranges ? config->nr_ranges : 1,
        .nr_cpus = config->nr_cpus ? config->nr_cpus : 1,
        .nr_nodes = config->ranges ? config->nr_nodes : 1,
        .range_offline = config->ranges ? config->range_offline : NULL,
        .cpu_node = config->cpu_node,
    };
    const struct memory_range *last = &map.ranges[map.nr_ranges - 1];

    sim->arena_bytes = (size_t)(last->start_pfn + last->nr_pages) << PAGE_SHIFT;
    sim->arena = take_memory(sim->arena_bytes);
    map.arena = sim->arena;
    sim->boot = take_memory(machine_boot_bytes(&map));
    sim->machine = machine_boot(&sim->platform, &map, sim->boot);
    SIM_ASSERT(sim, sim->machine != NULL);
}

static void add_devices(struct sim *sim) {
    for (unsigned i = 0; i < SIM_DEVICES; i++) {
        struct sim_device *device = &sim->devices[i];

        device->config = sim->config.devices[i];
        if (device->config.nr_slots == 0)
            continue;
        device->bytes = take_memory((size_t)device->config.nr_slots << PAGE_SHIFT);
        device->stored = take_memory(device->config.nr_slots);
        device->digests = take_memory(device->config.nr_slots * sizeof(*device->digests));
        if (device->config.offline)
            continue;
        SIM_ASSERT(sim, swap_add(sim->machine, device->config.nr_slots, device->config.prio, device->config.flags,
                                 &device->type) == MM_OK);
        SIM_ASSERT(sim, device->type == i);
        device->online = true;
    }
}

struct sim *sim_create(const struct sim_config *config) {
    struct sim *sim = take_memory(sizeof(*sim));
    uint32_t region = (config->region_pages + PTRS_PER_TABLE - 1) / PTRS_PER_TABLE * PTRS_PER_TABLE;

    sim->config = *config;
    sim->random = config->seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    sim->platform.host = sim;
    sim_sched_calls(&sim->platform);
    if (config->no_barrier)
        sim->platform.barrier = NULL;
    sim_mmu_calls(&sim->platform);
    sim_device_calls(&sim->platform);
    sim_file_calls(&sim->platform);
    sim->current = &sim->tasks[0];
    sim->tasks[0].used = true;
    sim->tasks[0].task.comm = "program";
    boot_machine(sim);
    add_devices(sim);
    if (region) {
        sim->nr_region = region;
        sim->mmu = take_memory(region * sizeof(*sim->mmu));
        sim->mapped = take_memory((size_t)region << PAGE_SHIFT);
        sim->parked = take_memory((size_t)region << PAGE_SHIFT);
        sim->mm = mm_create(sim->machine, SIM_BASE, SIM_BASE + ((uintptr_t)region << PAGE_SHIFT));
        SIM_ASSERT(sim, sim->mm != NULL);
        sim->mm->owner = &sim->tasks[0].task;
        sim->tasks[0].task.mm = sim->mm;
    }
    sim_sched_init(sim);
    sim->injecting = true;
    sim->fails_allocations = config->alloc_fail_permille != 0;
    return sim;
}

void sim_destroy(struct sim *sim) {
    sim_settle(sim);
    if (sim->mm)
        mm_destroy(sim->mm);
    sim_sched_finish(sim);
    for (unsigned i = 0; i < SIM_DEVICES; i++) {
        struct sim_device *device = &sim->devices[i];

        if (device->bytes)
            munmap(device->bytes, (size_t)device->config.nr_slots << PAGE_SHIFT);
        if (device->stored)
            munmap(device->stored, device->config.nr_slots);
        if (device->digests)
            munmap(device->digests, device->config.nr_slots * sizeof(*device->digests));
    }
    if (sim->nr_region) {
        munmap(sim->mmu, sim->nr_region * sizeof(*sim->mmu));
        munmap(sim->mapped, (size_t)sim->nr_region << PAGE_SHIFT);
        munmap(sim->parked, (size_t)sim->nr_region << PAGE_SHIFT);
    }
    munmap(sim->boot, machine_boot_bytes(&sim->machine->map));
    munmap(sim->arena, sim->arena_bytes);
    munmap(sim, sizeof(*sim));
}

struct machine *sim_machine(struct sim *sim) {
    return sim->machine;
}

struct mm *sim_mm(struct sim *sim) {
    return sim->mm;
}

struct sim_counts sim_counts(const struct sim *sim) {
    return sim->counts;
}

uint64_t sim_now(struct sim *sim) {
    return sim->clock;
}
