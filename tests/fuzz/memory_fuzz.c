/* SPDX-License-Identifier: MIT */
/*
 * memory_fuzz.c - a fuzzer's bytes as operations on memory: the first names the world, the second the seed, the others
 * are what tests/property/decoder.h decodes. With libFuzzer's main it searches; with replay_main.c it runs files.
 */
#include <stdlib.h>

#include "tests/property/world.h"

#define OPS_MOST 120

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct world_run run = {0};
    unsigned nr_worlds = 0;

    if (len < 2 + BYTES_PER_OP || len > 2 + OPS_MOST * BYTES_PER_OP)
        return 0;
    while (world_at(nr_worlds))
        nr_worlds++;
    run.world = world_at(bytes[0] % nr_worlds)->name;
    run.seed = bytes[1];
    run.bytes = bytes + 2;
    run.len = len - 2;
    run.small = true;
    run.print = getenv("FUZZ_PRINT") != NULL;
    world_run(&run);
    return 0;
}
