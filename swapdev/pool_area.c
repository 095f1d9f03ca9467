/* SPDX-License-Identifier: MIT */
/* The pool and its areas: making and ending them. */
#include <string.h>

#include "swapdev/pool_state.h"

static unsigned long present_pages(const struct machine *m) {
    unsigned long pages = 0;

    for (unsigned i = 0; i < m->nr_nodes; i++)
        pages += m->nodes[i]->node_present_pages;
    return pages;
}

struct pool *pool_create(struct machine *m, unsigned share_percent) {
    struct frames frames;
    struct page *page;
    struct pool *pool;

    frames_init(&frames, m, present_pages(m) * share_percent / 100);
    page = frames_alloc(&frames, WORKSPACES_ORDER);
    if (!page)
        return NULL;
    pool = page_address(m, page);
    memset(pool, 0, sizeof(*pool));
    pool->frames = frames;
    pool->page = page;
    atomic_store(&pool->backed, -1);
    pool_policy_init(&pool->policy, present_pages(m), pool->frames.limit);
    zspages_init(&pool->zspages, &pool->frames);
    workspaces_init(&pool->workspaces, &pool->frames, pool->first_workspaces, m->nr_cpus);
    return pool;
}

bool pool_open_area(struct pool *pool, unsigned area, uint32_t nr_slots) {
    struct page *page = nr_slots <= 1u << SWAP_TYPE_SHIFT ? frames_alloc(&pool->frames, 0) : NULL;
    struct pool_area *opened;

    if (!page)
        return false;
    opened = page_address(pool->frames.machine, page);
    memset(opened, 0, sizeof(*opened));
    opened->page = page;
    opened->nr_slots = nr_slots;
    slot_table_init(&opened->slots, &pool->frames);
    pool->areas[area] = opened;
    return true;
}

static void drop_chunk(struct pool *pool, struct pool_area *area, uint32_t index) {
    struct slot_chunk *chunk = slot_table_lock(&area->slots, index);

    /* Nobody else is left to change it once it is unlocked. */
    slot_table_unlock(&area->slots, index);
    for (uint32_t i = 0; chunk && i < SLOTS_PER_CHUNK; i++)
        pool_drop(pool, slot_get(chunk, i));
}

void pool_close_area(struct pool *pool, unsigned type) {
    struct pool_area *area = pool->areas[type];
    uint32_t nr_chunks = area ? atomic_load(&area->nr_chunks) : 0;

    for (uint32_t index = 0; index < nr_chunks; index++)
        drop_chunk(pool, area, index);
    if (!area)
        return;
    pool->areas[type] = NULL;
    slot_table_finish(&area->slots);
    frames_free(&pool->frames, area->page, 0);
}

void pool_set_backed(struct pool *pool, int area) {
    pool->hand = 0;
    atomic_store(&pool->backed, area);
}

void pool_destroy(struct pool *pool) {
    struct frames frames = pool->frames;

    for (unsigned type = 0; type < MAX_SWAPFILES; type++)
        pool_close_area(pool, type);
    workspaces_finish(&pool->workspaces);
    frames_free(&frames, pool->page, WORKSPACES_ORDER);
}
