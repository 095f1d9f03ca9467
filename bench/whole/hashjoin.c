/* SPDX-License-Identifier: MIT */
/*
 * hashjoin.c - joins two generated relations: builds a hash table from one and looks up the keys of the other.
 *
 *     hashjoin [MIB]
 *
 * The key of a third of the lookups is one of the few that are frequent, as foreign keys are. Prints how many pairs
 * were found and a digest of them.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "job.h"

struct tuple {
    uint64_t key, value;
};

/* Keys are odd and so never 0, which is an empty place. */
static uint64_t key_of(uint64_t number) {
    return mix(number) | 1;
}

static void insert(struct tuple *table, size_t mask, const struct tuple *tuple) {
    size_t place = (size_t)(tuple->key >> 8) & mask;

    while (table[place].key)
        place = (place + 1) & mask;
    table[place] = *tuple;
}

static const struct tuple *find(const struct tuple *table, size_t mask, uint64_t key) {
    size_t place = (size_t)(key >> 8) & mask;

    while (table[place].key && table[place].key != key)
        place = (place + 1) & mask;
    return table[place].key ? &table[place] : NULL;
}

int main(int argc, char **argv) {
    size_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 256, nr_places = 1024, nr;
    struct tuple *build, *probe, *table;
    uint64_t nr_found = 0, digest = 0;

    if (mib == 0 || mib > 65536) {
        fprintf(stderr, "usage: hashjoin [MIB]\n");
        return 2;
    }
    /* The table takes half of the memory or more, a relation a quarter of the table. */
    while (nr_places * 2 * sizeof(struct tuple) <= (mib << 20) * 2 / 3)
        nr_places *= 2;
    nr = nr_places / 2;
    build = need(nr, sizeof(*build));
    probe = need(nr / 2, sizeof(*probe));
    for (size_t i = 0; i < nr; i++)
        build[i] = (struct tuple){key_of(i), i};
    for (size_t i = 0; i < nr / 2; i++) {
        uint64_t draw = mix(i ^ (uint64_t)1 << 60);

        probe[i] = (struct tuple){key_of(draw % 3 == 0 ? draw / 3 % (nr / 64) : draw / 3 % (nr + nr / 8)), i};
    }
    table = need(nr_places, sizeof(*table));
    for (size_t i = 0; i < nr; i++)
        insert(table, nr_places - 1, &build[i]);
    for (size_t i = 0; i < nr / 2; i++) {
        const struct tuple *match = find(table, nr_places - 1, probe[i].key);

        if (match) {
            nr_found++;
            digest = mix(digest ^ match->value ^ probe[i].value);
        }
    }
    printf("%llu %016llx\n", (unsigned long long)nr_found, (unsigned long long)digest);
    return 0;
}
