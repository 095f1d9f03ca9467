/* SPDX-License-Identifier: MIT */
/*
 * decoder.h - operations of a program on its memory, decoded from bytes, and the naive model they are held against.
 *
 * Any bytes are a valid sequence, so that a fuzzer's crash file replays; a seed makes one by drawing bytes at random.
 */
#ifndef TESTS_PROPERTY_DECODER_H
#define TESTS_PROPERTY_DECODER_H

#include <stddef.h>
#include <stdint.h>

#include "sim/sim.h"
#include "tests/property/machine_ops.h"
#include "tests/property/script.h"

enum op_kind {
    OP_WRITE,
    OP_READ,
    OP_FILL,
    OP_SCAN,
    OP_COOL,
    OP_PAGEOUT,
    OP_DISCARD,
    OP_MAP,
    OP_UNMAP,
    OP_LOCK,
    OP_UNLOCK,
    OP_HOLD,
    OP_RELEASE,
    OP_MOVE,
    OP_SLEEP,
    /* From here on: on the machine. */
    OP_SWAPOFF,
    OP_SWAPON,
    OP_TUNE,
    OP_FAIL,
    OP_KINDS
};

struct op {
    enum op_kind kind;
    uint32_t page, nr, target;
    uint64_t value;
};

/* The next operation on a range of nr_pages. False: the input has ended. */
bool decode_op(struct input *input, uint32_t nr_pages, struct op *ret_op);

const char *op_name(enum op_kind kind);

/* What a page must be. */
struct model_page {
    bool mapped, locked, lost; /* lost: its bytes may be gone, after an injected error */
    uint32_t holds;
    uint8_t *bytes; /* NULL: zeros */
};

struct model {
    struct sim *sim;
    struct machine_ops *ops;  /* all models of a machine share them */
    uint32_t first, nr_pages; /* of the managed range; what lies outside is somebody else's */
    uint32_t locked_most;     /* pages that may be locked or held at a time */
    bool errors;              /* pages may be lost */
    unsigned lane, lanes;     /* of each page only the words whose number is lane, modulo lanes, are the model's */
    struct model_page *pages;
};

struct model *model_create(struct machine_ops *ops, uint32_t first, uint32_t nr_pages, uint32_t locked_most,
                           bool errors);
/*
 * One of several models of the same pages, which their tasks share: each has its own words of every page. The pages
 * are mapped, and of the operations only those that change no other task's words are done.
 */
struct model *model_create_lane(struct machine_ops *ops, uint32_t first, uint32_t nr_pages, unsigned lane,
                                unsigned lanes);
void model_destroy(struct model *model);
/* Does op in the simulated machine and the model; ends the run with a line where they differ. */
void model_apply(struct model *model, const struct op *op);
/* Reads every page back. */
void model_verify(struct model *model);

#endif
