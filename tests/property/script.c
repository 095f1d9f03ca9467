/* SPDX-License-Identifier: MIT */
#include "tests/property/script.h"

#include <stdlib.h>

struct script script_create(const struct world *world, const struct world_run *run) {
    struct script script = {run, NULL, run->bytes, (unsigned)(run->len / BYTES_PER_OP)};

    if (run->bytes)
        return script;
    script.nr_ops = world->nr_ops;
    script.bytes = script.drawn = malloc((size_t)script.nr_ops * BYTES_PER_OP);
    for (unsigned op = 0; op < script.nr_ops; op++) {
        uint64_t state = world_draw_start(run->seed, op);

        for (unsigned i = 0; i < BYTES_PER_OP; i++)
            script.drawn[op * BYTES_PER_OP + i] = (uint8_t)world_draw(&state, 256);
    }
    return script;
}

void script_destroy(struct script *script) {
    free(script->drawn);
}

bool script_op(const struct script *script, unsigned number, struct input *ret_input) {
    *ret_input = (struct input){script->bytes + (size_t)number * BYTES_PER_OP, BYTES_PER_OP, 0};
    return world_keeps(script->run, number);
}

uint64_t input_take(struct input *input, unsigned bytes) {
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | (input->used < input->len ? input->bytes[input->used] : 0), input->used++;
    return value;
}
