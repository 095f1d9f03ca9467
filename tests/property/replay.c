/* SPDX-License-Identifier: MIT */
/*
 * replay WORLD SEED [OPERATIONS] [--print]: runs one seed of one world again, all of it or only the operations named,
 * as in 3,17-20. Status 0: it passes. `replay` alone lists the worlds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/property/world.h"

#define RANGES_MOST 4096

static struct op_range ranges[RANGES_MOST];

/* False: it is no list of operations. */
static bool parse_ranges(const char *text, unsigned *ret_nr) {
    unsigned nr = 0;

    while (nr < RANGES_MOST) {
        char *end;

        ranges[nr].first = ranges[nr].last = (unsigned)strtoul(text, &end, 10);
        if (end != text && *end == '-') {
            text = end + 1;
            ranges[nr].last = (unsigned)strtoul(text, &end, 10);
        }
        if (end == text)
            return false;
        nr++;
        *ret_nr = nr;
        if (*end != ',')
            return *end == '\0';
        text = end + 1;
    }
    return false;
}

static int list_worlds(void) {
    for (unsigned i = 0; world_at(i); i++)
        printf("%s %u\n", world_at(i)->name, world_at(i)->nr_ops);
    return 0;
}

int main(int argc, char **argv) {
    struct world_run run = {0};

    if (argc > 1 && strcmp(argv[argc - 1], "--print") == 0) {
        run.print = true;
        argc--;
    }
    if (argc == 1)
        return list_worlds();
    if (argc < 3 || argc > 4 || !world_find(argv[1]) || (argc == 4 && !parse_ranges(argv[3], &run.nr_kept))) {
        fprintf(stderr, "usage: replay [WORLD SEED [OPERATIONS] [--print]]\n");
        return 2;
    }
    run.world = argv[1];
    run.seed = strtoull(argv[2], NULL, 0);
    run.kept = argc == 4 ? ranges : NULL;
    world_run(&run);
    return 0;
}
