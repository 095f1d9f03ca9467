/* SPDX-License-Identifier: MIT */
/*
 * pool_policy.h - how much RAM the pool is to take, and which pages are worth compressing, judged by what was wanted of
 * what it kept. (docs/performance.md, The size of the pool)
 *
 * Ages are in evictions: a page that comes back at an age of less than a quarter of RAM would still be there if the
 * program's pages had that much more room; one that was among the pool's oldest sixteenth would have had to be read
 * from the file if the pool were that much smaller. What a page of RAM is worth in either place follows from how many
 * of each there are, and from what a page from the pool and one from the file have cost lately.
 */
#ifndef SWAPDEV_POOL_POLICY_H
#define SWAPDEV_POOL_POLICY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* (C) constant  (A) atomic  (J) the thread that judges */
struct pool_policy {
    uint32_t ram;            /* (C) frames of the machine */
    unsigned long min, max;  /* (C) of the target */
    _Atomic uint32_t clock;  /* (A) pages evicted so far, to wherever */
    _Atomic uint32_t stores; /* (A) these four: since the last judgement */
    _Atomic uint32_t hits;
    _Atomic uint32_t young_hits, old_hits;
    _Atomic uint32_t old_age;     /* (A) from which age on a page was among the oldest, as of the last judgement */
    _Atomic bool bypass;          /* (A) most pages go to the file at once */
    _Atomic bool copies;          /* (A) pages that the file has are worth a copy here */
    _Atomic uint32_t bypassed;    /* (A) counts them, for the sample */
    _Atomic unsigned long target; /* (A) frames that the pool is to take */
    _Atomic uint32_t read_ns;     /* (A) what the file takes for a page, on average */
    _Atomic bool has_read;        /* (A) that has been measured */
    _Atomic uint32_t run;         /* (A) pages that a fault brings, on average, in 256ths */
    uint32_t idle;                /* (J) judgements in a row that found it of no use to anybody */
    uint64_t young, old, young_pages, old_pages; /* (J) hits and pages, with what is left of earlier judgements' */
    _Atomic uint32_t judged_at;                  /* (J) the clock */
};

/* What the pool holds. pages: those that can be written back. */
struct pool_census {
    unsigned long frames;
    unsigned long refaults;           /* since the last one: pages that the program would still have, had it more RAM */
    unsigned long pages, young_pages; /* young: stored less than a quarter of RAM ago */
};

/* share: the most frames that the pool may take. */
void pool_policy_init(struct pool_policy *policy, unsigned long ram, unsigned long share);
/* A page that was stored at that time is wanted again. */
void pool_policy_note_hit(struct pool_policy *policy, uint32_t stamp);
uint32_t pool_policy_age(const struct pool_policy *policy, uint32_t stamp);
uint32_t pool_policy_young_age(const struct pool_policy *policy);
/* A fault brings nr pages, from wherever. */
void pool_policy_note_run(struct pool_policy *policy, unsigned nr);
/* The file has taken ns for nr of them, at least one. */
void pool_policy_note_read(struct pool_policy *policy, uint64_t ns, unsigned nr);
/* What it takes for a page, on average; 0: nobody has read from it. */
uint32_t pool_policy_read_ns(const struct pool_policy *policy);
/* Should the page that is evicted now be stored? copied: the file has it. Counts it if so. */
bool pool_policy_admits(struct pool_policy *policy, bool copied);
/* Is it time? Then a census is worth its while. */
bool pool_policy_is_due(const struct pool_policy *policy);
/* One thread at a time. */
void pool_policy_judge(struct pool_policy *policy, const struct pool_census *census);

#endif
