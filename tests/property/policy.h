/* SPDX-License-Identifier: MIT */
/*
 * policy.h - what the files of the policy worlds share: the machine, what its memory must hold, and the operations.
 */
#ifndef TESTS_PROPERTY_POLICY_H
#define TESTS_PROPERTY_POLICY_H

#include "mm/shrinker.h"
#include "sim/sim.h"
#include "tests/property/machine_ops.h"
#include "tests/property/script.h"

#define FILE_PAGES 1024u
#define ANON_PAGES 1536u
#define CACHE_PAGES 256u
#define WORDS 4u /* of each page that the model keeps */

struct cache {
    struct shrinker shrinker;
    struct machine *machine;
    struct page *pages[CACHE_PAGES];
    unsigned nr;
};

struct policy {
    struct sim *sim;
    struct machine *m;
    struct sim_file *files[2];
    uint32_t nr_file, nr_anon; /* pages of each file, and of the program; fewer in a small machine */
    uint64_t file_words[2][FILE_PAGES][WORDS];
    uint64_t anon_words[ANON_PAGES][WORDS];
    struct cache cache;
    struct machine_ops ops;
    const struct world_run *run;
    uint64_t draws; /* where the present operation is in its sequence of numbers */
    unsigned op;
};

/* What an operation is decoded to. */
struct policy_op {
    unsigned kind; /* below 128 */
    uint32_t page, anon, nr;
    unsigned file;
    bool write;
    uint64_t draws; /* where its own sequence of numbers starts */
};

struct policy_op policy_decode(const struct policy *w, struct input *input);
void policy_apply(struct policy *w, const struct policy_op *op);
const char *policy_op_name(const struct policy_op *op);
/* What tasks beside the program do. */
void policy_disturb(struct policy *w);

_Noreturn void policy_differ(const struct policy *w, const char *what);
/* One word of a page, held against what it must be, or changed. */
void policy_access_file(struct policy *w, unsigned f, uint32_t page, bool write, bool mapped);
void policy_access_anon(struct policy *w, uint32_t page, bool write);
long policy_shrink(struct shrinker *shrinker, long nr, gfp_t gfp);

#endif
