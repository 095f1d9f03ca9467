/* SPDX-License-Identifier: MIT */
#include "tests/property/world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct world worlds[] = {
    {"small", 400, memory_world_run, memory_world_small, NULL},
    {"two_tiers", 400, memory_world_run, memory_world_two_tiers, NULL},
    {"failing_writes", 400, memory_world_run, memory_world_failing_writes, NULL},
    {"failing_reads", 400, memory_world_run, memory_world_failing_reads, NULL},
    {"failing_allocations", 400, memory_world_run, memory_world_failing_allocations, NULL},
    {"torn_writes", 400, memory_world_run, memory_world_torn_writes, NULL},
    {"swap_areas", 400, memory_world_run, memory_world_swap_areas, NULL},
    {"nodes", 400, memory_world_run, memory_world_nodes, NULL},
    {"shares", 1200, memory_world_run_tasks, memory_world_shares, memory_world_own_share},
    {"words", 1200, memory_world_run_tasks, memory_world_words, memory_world_own_words},
    {"policy", 200, policy_world_run, NULL, NULL},
    {"policy_with_others", 260, policy_world_run_with_others, NULL, NULL},
};

/* What to type to see the present run again; shown by whatever ends the program. */
static char replay[512];

const struct world *world_at(unsigned nr) {
    return nr < sizeof(worlds) / sizeof(worlds[0]) ? &worlds[nr] : NULL;
}

const struct world *world_find(const char *name) {
    for (unsigned i = 0; world_at(i); i++)
        if (strcmp(worlds[i].name, name) == 0)
            return &worlds[i];
    return NULL;
}

static void show_replay(int number) {
    ssize_t ignored = write(STDERR_FILENO, replay, strlen(replay));

    (void)ignored;
    signal(number, SIG_DFL);
    raise(number);
}

static void note_replay(const struct world_run *run) {
    char self[256] = "";
    char *name;

    if (readlink("/proc/self/exe", self, sizeof(self) - 1) > 0 && (name = strrchr(self, '/')))
        *name = '\0';
    /* Bytes that somebody else gave are theirs to show. */
    if (run->bytes)
        return;
    snprintf(replay, sizeof(replay), "replay with: %s/replay %s %llu\nshrink with: tools/soak BUILD --shrink %s %llu\n",
             self, run->world, (unsigned long long)run->seed, run->world, (unsigned long long)run->seed);
    for (unsigned i = 0; i < 4; i++)
        signal((int[]){SIGABRT, SIGSEGV, SIGBUS, SIGFPE}[i], show_replay);
}

void world_run(const struct world_run *run) {
    const struct world *world = world_find(run->world);

    if (!world) {
        fprintf(stderr, "there is no world '%s'\n", run->world);
        exit(2);
    }
    note_replay(run);
    world->run(world, run);
    replay[0] = '\0';
}

void world_run_seeds(const char *name, uint64_t first, unsigned nr) {
    for (uint64_t seed = first; seed < first + nr; seed++)
        world_run(&(struct world_run){.world = name, .seed = seed});
}

bool world_keeps(const struct world_run *run, unsigned op) {
    if (!run->kept)
        return true;
    for (unsigned i = 0; i < run->nr_kept; i++)
        if (op >= run->kept[i].first && op <= run->kept[i].last)
            return true;
    return false;
}

uint32_t world_draw(uint64_t *state, uint32_t limit) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return limit ? (uint32_t)((*state * UINT64_C(2685821657736338717)) >> 33) % limit : 0;
}

uint64_t world_draw_start(uint64_t seed, unsigned op) {
    uint64_t state = (seed * UINT64_C(0x9e3779b97f4a7c15) + op + 1) * UINT64_C(0xbf58476d1ce4e5b9);

    state ^= state >> 31;
    return (state * UINT64_C(0x94d049bb133111eb)) | 1;
}

void world_fail(const struct world_run *run, unsigned op, const char *what) {
    fflush(stdout);
    fprintf(stderr, "world %s, seed %llu, operation %u: %s\n", run->world, (unsigned long long)run->seed, op, what);
    abort();
}
