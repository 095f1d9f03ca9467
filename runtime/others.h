/* SPDX-License-Identifier: MIT */
/*
 * others.h - for how much of a CPU's time has anybody else computed there than a thread of the program's, its handler
 * and kswapd? What is left of the time when that is taken away in which the CPU was idle, and theirs.
 *
 * The time that they wait for the CPU would not tell: they wait for each other and for kswapd, and Linux may let others
 * wait for them instead.
 */
#ifndef RUNTIME_OTHERS_H
#define RUNTIME_OTHERS_H

#include <stdint.h>

/* Linux tells of hundredths of seconds: looks that follow each other sooner say little. */
#define OTHERS_LOOK_NS UINT64_C(200000000)

/* The last look. All zero: there was none. */
struct others_look {
    uint64_t ns, idle_ns, ran_ns, kswapd_ns;
    uint32_t rounds, rounds_here;
    int cpu, tid;
};

/*
 * In percent, since the last look at that CPU and that thread of the program's; 0 if there was none. Negative: it
 * cannot be seen. The clerk's.
 */
int others_percent(struct others_look *last, int cpu, int tid, int handler_tid);
/* kswapd: a round of it is over. How many end on which CPU says how much of its time it has run there. */
void others_note_kswapd(void);

#endif
