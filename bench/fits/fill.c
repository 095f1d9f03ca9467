/* SPDX-License-Identifier: MIT */
/*
 * fill.c - a program that mostly touches memory: fills a region, reads it a few times in order and at random, and
 * allocates and frees small blocks.
 *
 *     fill MIB
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PASSES 20
#define BLOCKS 50000
#define ROUNDS 20

int main(int argc, char **argv) {
    size_t nr = (argc > 1 ? strtoul(argv[1], NULL, 10) : 256) << 17, at = 1;
    uint64_t *words = mmap(NULL, nr * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), sum = 0;
    static char *blocks[BLOCKS];

    if (words == MAP_FAILED || nr == 0)
        return 1;
    for (size_t i = 0; i < nr; i++)
        words[i] = i * 0x9e3779b97f4a7c15ull;
    for (int pass = 0; pass < PASSES; pass++) {
        for (size_t i = 0; i < nr; i++)
            sum += words[i];
        for (size_t i = 0; i < nr / 16; i++) {
            at = (at * 6364136223846793005ull + 1442695040888963407ull) % nr;
            words[at] += sum;
        }
    }
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < BLOCKS; i++) {
            free(blocks[i]);
            blocks[i] = malloc(16 + i * 7 % 1000);
            if (!blocks[i])
                return 1;
            blocks[i][0] = (char)i;
        }
    printf("%llu\n", (unsigned long long)sum);
    return 0;
}
