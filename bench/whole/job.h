/* SPDX-License-Identifier: MIT */
/* job.h - what the jobs written in C share: numbers drawn, the same on every machine, and memory. */
#ifndef BENCH_WHOLE_JOB_H
#define BENCH_WHOLE_JOB_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* The number drawn for x. */
static inline uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

/* Zeros; ends the program where there is no such memory. */
static inline void *need(size_t nr, size_t size) {
    void *memory = calloc(nr, size);

    if (!memory) {
        perror(program_invocation_short_name);
        exit(2);
    }
    return memory;
}

#endif
