/* SPDX-License-Identifier: MIT */
/*
 * script.h - the operations of a run, BYTES_PER_OP bytes each: those that it was given, or a world's number of them
 * from the seed. Any bytes are a valid operation.
 */
#ifndef TESTS_PROPERTY_SCRIPT_H
#define TESTS_PROPERTY_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

#include "tests/property/world.h"

struct script {
    const struct world_run *run;
    uint8_t *drawn;
    const uint8_t *bytes;
    unsigned nr_ops;
};

/* Bytes that are taken from the front; zeros once they have come to an end. */
struct input {
    const uint8_t *bytes;
    size_t len, used;
};

struct script script_create(const struct world *world, const struct world_run *run);
void script_destroy(struct script *script);
/* The operation of that number. False: it is left out. */
bool script_op(const struct script *script, unsigned number, struct input *ret_input);
/* The next number of so many bytes, the highest first. */
uint64_t input_take(struct input *input, unsigned bytes);

#endif
