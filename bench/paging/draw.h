/* SPDX-License-Identifier: MIT */
/*
 * draw.h - numbers drawn at random, the same in every run: uniform, Zipf, and a few that are drawn often.
 */
#ifndef BENCH_PAGING_DRAW_H
#define BENCH_PAGING_DRAW_H

#include <stddef.h>
#include <stdint.h>

struct draw {
    uint64_t state;
};

/* Computes what Zipf's law with exponent 0.99 over nr numbers needs; call it before draw_zipf. */
void draw_init_zipf(size_t nr);

uint64_t draw_u64(struct draw *draw);
/* Below nr. */
size_t draw_below(struct draw *draw, size_t nr);
/* Below the nr of draw_init_zipf; 0 is the most frequent. */
size_t draw_zipf(struct draw *draw);

#endif
