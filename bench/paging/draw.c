/* SPDX-License-Identifier: MIT */
#include "draw.h"

#include <math.h>

#define THETA 0.99

static struct {
    size_t nr;
    double zeta, eta, second;
} zipf;

/* The generator of Gray and others, "Quickly generating billion-record synthetic databases". */
void draw_init_zipf(size_t nr) {
    double zeta = 0;

    for (size_t i = 1; i <= nr; i++)
        zeta += pow((double)i, -THETA);
    zipf.nr = nr;
    zipf.zeta = zeta;
    zipf.second = 1 + pow(0.5, THETA);
    zipf.eta = (1 - pow(2.0 / (double)nr, 1 - THETA)) / (1 - zipf.second / zeta);
}

uint64_t draw_u64(struct draw *draw) {
    uint64_t x = draw->state += 0x9e3779b97f4a7c15ull;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

size_t draw_below(struct draw *draw, size_t nr) {
    return (size_t)((unsigned __int128)draw_u64(draw) * nr >> 64);
}

size_t draw_zipf(struct draw *draw) {
    double u = (double)(draw_u64(draw) >> 11) * 0x1p-53, scaled = u * zipf.zeta;
    size_t rank;

    if (scaled < 1)
        return 0;
    if (scaled < zipf.second)
        return 1;
    rank = (size_t)((double)zipf.nr * pow(zipf.eta * u - zipf.eta + 1, 1 / (1 - THETA)));
    return rank < zipf.nr ? rank : zipf.nr - 1;
}
