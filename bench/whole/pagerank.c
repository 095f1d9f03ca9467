/* SPDX-License-Identifier: MIT */
/*
 * pagerank.c - PageRank over a generated graph in compressed sparse rows.
 *
 *     pagerank [MIB [ITERATIONS]]
 *
 * Prints the number of nodes and edges, and a digest of the ranks, which are integers: the same on every machine.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "job.h"

#define MEAN_DEGREE 28
#define ONE ((uint64_t)1 << 40) /* of all ranks together, for each node */
#define DAMPING_PERCENT 85

struct graph {
    uint32_t nr_nodes;
    uint64_t *first; /* of each node, its first edge; nr_nodes + 1 */
    uint32_t *from;  /* of each edge, the node that it comes from */
    uint32_t *nr_out;
};

/* A few nodes have many edges, most have few. */
static uint32_t degree_of(uint32_t node) {
    uint32_t draw = (uint32_t)(mix(node) % 1024);

    return draw == 0 ? 8 * MEAN_DEGREE : draw < 64 ? 2 * MEAN_DEGREE : draw % (2 * MEAN_DEGREE - 6);
}

/* Half of the edges come from nearby, the others from anywhere, the more often the lower the number is. */
static uint32_t source_of(uint32_t node, uint32_t edge, uint32_t nr_nodes) {
    uint64_t draw = mix((uint64_t)node << 32 | edge);
    uint64_t high = draw >> 32;

    if (draw & 1)
        return (uint32_t)((node + draw % 4096) % nr_nodes);
    return (uint32_t)((high * high >> 32) * nr_nodes >> 32);
}

static void make_graph(struct graph *graph, size_t nr_bytes) {
    uint64_t nr_edges = 0;

    /* Each node has its edges, its place in them, how many leave it, and two ranks. */
    graph->nr_nodes = (uint32_t)(nr_bytes / (MEAN_DEGREE * sizeof(uint32_t) + 28));
    graph->first = need((size_t)graph->nr_nodes + 1, sizeof(*graph->first));
    graph->nr_out = need(graph->nr_nodes, sizeof(*graph->nr_out));
    for (uint32_t node = 0; node < graph->nr_nodes; node++) {
        graph->first[node] = nr_edges;
        nr_edges += degree_of(node);
    }
    graph->first[graph->nr_nodes] = nr_edges;
    graph->from = need(nr_edges, sizeof(*graph->from));
    for (uint32_t node = 0; node < graph->nr_nodes; node++)
        for (uint64_t edge = graph->first[node]; edge < graph->first[node + 1]; edge++) {
            uint32_t from = source_of(node, (uint32_t)(edge - graph->first[node]), graph->nr_nodes);

            graph->from[edge] = from;
            graph->nr_out[from]++;
        }
}

static void iterate(const struct graph *graph, const uint64_t *ranks, uint64_t *next) {
    for (uint32_t node = 0; node < graph->nr_nodes; node++) {
        uint64_t sum = 0;

        for (uint64_t edge = graph->first[node]; edge < graph->first[node + 1]; edge++)
            sum += ranks[graph->from[edge]];
        next[node] = ONE * (100 - DAMPING_PERCENT) / 100 + sum / 100 * DAMPING_PERCENT;
    }
    /* What each edge carries is divided once, here. */
    for (uint32_t node = 0; node < graph->nr_nodes; node++)
        next[node] = graph->nr_out[node] ? next[node] / graph->nr_out[node] : 0;
}

int main(int argc, char **argv) {
    size_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 1024;
    unsigned long iterations = argc > 2 ? strtoul(argv[2], NULL, 10) : 5;
    struct graph graph;
    uint64_t *ranks, *next, digest = 0;

    if (mib == 0 || mib > 65536) {
        fprintf(stderr, "usage: pagerank [MIB [ITERATIONS]]\n");
        return 2;
    }
    make_graph(&graph, mib << 20);
    ranks = need(graph.nr_nodes, sizeof(*ranks));
    next = need(graph.nr_nodes, sizeof(*next));
    for (uint32_t node = 0; node < graph.nr_nodes; node++)
        ranks[node] = graph.nr_out[node] ? ONE / graph.nr_out[node] : 0;
    for (unsigned long i = 0; i < iterations; i++) {
        uint64_t *last = ranks;

        iterate(&graph, ranks, next);
        ranks = next;
        next = last;
    }
    for (uint32_t node = 0; node < graph.nr_nodes; node++)
        digest = mix(digest ^ ranks[node]);
    printf("%u %llu %016llx\n", graph.nr_nodes, (unsigned long long)graph.first[graph.nr_nodes],
           (unsigned long long)digest);
    return 0;
}
