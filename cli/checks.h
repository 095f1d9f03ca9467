/* SPDX-License-Identifier: MIT */
/*
 * checks.h - what weir needs of the machine it runs on: looked at before each run, and told by `weir doctor`.
 */
#ifndef CLI_CHECKS_H
#define CLI_CHECKS_H

#include <stdbool.h>
#include <stddef.h>

enum check_verdict {
    CHECK_OK,
    CHECK_LESS, /* weir works, but slower or with less */
    CHECK_BAD,  /* weir cannot work */
};

struct check {
    enum check_verdict verdict;
    char what[320]; /* the fact */
    char mend[320]; /* what to type or do about it; "" if ok */
};

typedef void check_fn(struct check *check);

/* All that there are, in the order in which a person would want them. */
extern check_fn *const checks[];
extern const size_t nr_checks;

/* What a run cannot do without, whatever its options: says the first that is bad and returns EXIT_WEIR_FAILED. */
int checks_before_run(void);

#endif
