/* SPDX-License-Identifier: MIT */
#include "swapdev/workspaces.h"

_Static_assert(sizeof(struct workspace) * WORKSPACES_PER_BLOCK <= PAGE_SIZE << WORKSPACES_ORDER, "they lie in a block");

static struct workspace *workspace_at(struct workspaces *workspaces, unsigned i) {
    struct workspace *block = workspaces->first;

    if (i >= WORKSPACES_PER_BLOCK)
        block = page_address(workspaces->frames->machine, workspaces->blocks[i / WORKSPACES_PER_BLOCK]);
    return &block[i % WORKSPACES_PER_BLOCK];
}

/* Takes the first free one, so that few are used where few are needed. */
static bool try_get(struct workspaces *workspaces, unsigned *ret_index) {
    uint32_t free = atomic_load_explicit(&workspaces->free, memory_order_seq_cst);

    while (free) {
        unsigned i = (unsigned)__builtin_ctz(free);

        if (atomic_compare_exchange_weak_explicit(&workspaces->free, &free, free & ~(1u << i), memory_order_seq_cst,
                                                  memory_order_seq_cst)) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

struct workspace *workspaces_get(struct workspaces *workspaces, unsigned *ret_index) {
    const struct platform *p = workspaces->frames->machine->platform;

    if (try_get(workspaces, ret_index))
        return workspace_at(workspaces, *ret_index);
    /* seq_cst pairs with workspaces_put: either it sees the waiter, or the waiter the free bit. */
    atomic_fetch_add_explicit(&workspaces->waiters, 1, memory_order_seq_cst);
    while (!try_get(workspaces, ret_index))
        p->lock_wait(p->host, &workspaces->free, 0);
    atomic_fetch_sub_explicit(&workspaces->waiters, 1, memory_order_relaxed);
    return workspace_at(workspaces, *ret_index);
}

void workspaces_put(struct workspaces *workspaces, unsigned index) {
    const struct platform *p = workspaces->frames->machine->platform;

    atomic_fetch_or_explicit(&workspaces->free, 1u << index, memory_order_seq_cst);
    if (atomic_load_explicit(&workspaces->waiters, memory_order_seq_cst))
        p->lock_wake(p->host, &workspaces->free, false);
}

void workspaces_init(struct workspaces *workspaces, struct frames *frames, struct workspace *first, unsigned nr_cpus) {
    workspaces->frames = frames;
    workspaces->first = first;
    workspaces->nr_blocks = 1;
    while (workspaces->nr_blocks * WORKSPACES_PER_BLOCK < nr_cpus + 1 &&
           workspaces->nr_blocks < WORKSPACES_MAX_BLOCKS) {
        struct page *block = frames_alloc(frames, WORKSPACES_ORDER);

        if (!block)
            break;
        workspaces->blocks[workspaces->nr_blocks++] = block;
    }
    workspaces_after_fork(workspaces);
}

void workspaces_finish(struct workspaces *workspaces) {
    for (unsigned i = 1; i < workspaces->nr_blocks; i++)
        frames_free(workspaces->frames, workspaces->blocks[i], WORKSPACES_ORDER);
}

void workspaces_after_fork(struct workspaces *workspaces) {
    atomic_store(&workspaces->waiters, 0);
    atomic_store(&workspaces->free, (1u << workspaces->nr_blocks * WORKSPACES_PER_BLOCK) - 1);
}
