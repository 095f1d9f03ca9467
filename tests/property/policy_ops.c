/* SPDX-License-Identifier: MIT */
/* policy_ops.c - what happens in the policy worlds. */
#include <string.h>

#include "mm/buddy.h"
#include "mm/compaction.h"
#include "mm/filemap.h"
#include "mm/memory_hotplug.h"
#include "mm/page_alloc.h"
#include "mm/page_writeback.h"
#include "tests/property/policy.h"

#define HOTPLUG_FIRST 512u /* pageblocks from here on come and go */

_Noreturn void policy_differ(const struct policy *w, const char *what) {
    world_fail(w->run, w->op, what);
}

void policy_access_file(struct policy *w, unsigned f, uint32_t page, bool write, bool mapped) {
    unsigned word = world_draw(&w->draws, WORDS);
    uint64_t value = write ? (uint64_t)w->op << 32 | page : 0;
    enum sim_result result;

    if (mapped)
        result = sim_file_touch(w->files[f], page, word * 8, &value, 8, write);
    else if (write)
        result = sim_file_write(w->files[f], page, word * 8, &value, 8);
    else
        result = sim_file_read(w->files[f], page, word * 8, &value, 8);
    if (result != SIM_OK)
        policy_differ(w, "a file access is refused");
    if (write)
        w->file_words[f][page][word] = value;
    else if (w->file_words[f][page][word] != value)
        policy_differ(w, "a file page has wrong bytes");
}

void policy_access_anon(struct policy *w, uint32_t page, bool write) {
    unsigned word = world_draw(&w->draws, WORDS);
    uint64_t value = write ? (uint64_t)w->op << 32 | page : 0;
    enum sim_result result;

    result = write ? sim_write(w->sim, page, word * 8, &value, 8) : sim_read(w->sim, page, word * 8, &value, 8);
    if (result != SIM_OK)
        policy_differ(w, "an access is refused");
    if (write)
        w->anon_words[page][word] = value;
    else if (w->anon_words[page][word] != value)
        policy_differ(w, "a page has wrong bytes");
}

/* -- a cache that shrinks. -- */

/* Gives a page back for each 16 objects that it is asked for. */
long policy_shrink(struct shrinker *shrinker, long nr, gfp_t gfp) {
    struct cache *cache = (struct cache *)shrinker;
    struct reclaim_state *state = mm_current(cache->machine)->reclaim_state;

    (void)gfp;
    for (long i = 0; i < nr; i += 16) {
        struct page *page;

        if (cache->nr == 0)
            break;
        page = cache->pages[--cache->nr];
        dec_zone_page_state(page_zone(cache->machine, page), NR_SLAB_RECLAIMABLE);
        __free_pages(cache->machine, page, 0);
        if (state)
            state->reclaimed_slab++;
    }
    return (long)cache->nr * 16;
}

static void grow_cache(struct policy *w, unsigned nr) {
    for (; nr && w->cache.nr < CACHE_PAGES; nr--) {
        struct page *page = alloc_pages(w->m, GFP_KERNEL | __GFP_RECLAIMABLE | __GFP_NORETRY | __GFP_NOWARN, 0);

        if (!page)
            return;
        inc_zone_page_state(page_zone(w->m, page), NR_SLAB_RECLAIMABLE);
        w->cache.pages[w->cache.nr++] = page;
    }
}

/* -- blocks of frames. -- */

/* Frees every other page of a range, as fragmented as can be. */
static void riddle(struct policy *w, uint32_t first) {
    for (uint32_t page = first; page < w->nr_anon && page < first + 400; page += 2) {
        sim_discard(w->sim, page, 1);
        memset(w->anon_words[page], 0, sizeof(w->anon_words[page]));
    }
}

static void compact(struct policy *w) {
    unsigned node = world_draw(&w->draws, w->m->nr_nodes);

    compact_zone(&w->m->nodes[node]->node_zones[ZONE_NORMAL], 1 + world_draw(&w->draws, 8));
}

static void hotplug(struct policy *w) {
    uint32_t blocks = w->m->end_pfn / PAGEBLOCK_PAGES;
    uint32_t start = world_draw(&w->draws, blocks) * PAGEBLOCK_PAGES;
    unsigned long failures = sim_counts(w->sim).alloc_failures;

    if (start < HOTPLUG_FIRST || !pfn_valid(w->m, start))
        return; /* what the machine was born with, or a hole */
    if (frame_exists(w->m, start))
        offline_pages(w->m, start, PAGEBLOCK_PAGES);
    else if (online_pages(w->m, start, PAGEBLOCK_PAGES) != MM_OK && sim_counts(w->sim).alloc_failures == failures)
        policy_differ(w, "frames that went do not come back");
}

static void large_block(struct policy *w) {
    unsigned order = 1 + world_draw(&w->draws, 6);
    struct page *block = alloc_pages(w->m, GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN, order);

    if (block)
        __free_pages(w->m, block, order);
}

void policy_disturb(struct policy *w) {
    switch (world_draw(&w->draws, 5)) {
    case 0:
        compact(w);
        break;
    case 1:
        hotplug(w);
        break;
    case 2:
        drop_caches(w->m, DROP_SLAB);
        break;
    case 3:
        machine_ops_swapoff(&w->ops, world_draw(&w->draws, 1u << 24));
        machine_ops_swapon(&w->ops, world_draw(&w->draws, 1u << 24));
        break;
    default:
        large_block(w);
        break;
    }
}

/* -- all of them. -- */

static void file_pages(struct policy *w, const struct policy_op *op) {
    for (uint32_t i = 0; i < op->nr; i++)
        policy_access_file(w, op->file, (op->page + i) % w->nr_file, op->write, false);
}

static void mapped_pages(struct policy *w, const struct policy_op *op) {
    for (uint32_t i = 0; i < op->nr; i++)
        policy_access_file(w, op->file, (op->page + i) % w->nr_file, op->write, true);
}

static void anon_pages(struct policy *w, const struct policy_op *op) {
    for (uint32_t i = 0; i < op->nr; i++)
        policy_access_anon(w, (op->anon + i) % w->nr_anon, op->write);
}

static void grow(struct policy *w, const struct policy_op *op) {
    grow_cache(w, op->nr);
}

static void block(struct policy *w, const struct policy_op *op) {
    (void)op;
    large_block(w);
}

static void riddle_and_compact(struct policy *w, const struct policy_op *op) {
    riddle(w, op->anon);
    compact(w);
}

static void plug(struct policy *w, const struct policy_op *op) {
    (void)op;
    hotplug(w);
}

static void clear_accessed(struct policy *w, const struct policy_op *op) {
    sim_file_clear_accessed(w->files[op->file]);
}

static void unmap_file(struct policy *w, const struct policy_op *op) {
    sim_file_unmap(w->files[op->file]);
}

static void drop(struct policy *w, const struct policy_op *op) {
    if (op->nr % 4 == 0)
        drop_caches(w->m, 1 + world_draw(&w->draws, 3));
}

static void write_back(struct policy *w, const struct policy_op *op) {
    writeback_pages(w->m, NULL, op->nr * 4);
}

static void cool(struct policy *w, const struct policy_op *op) {
    sim_cool(w->sim, op->anon, op->nr < w->nr_anon - op->anon ? op->nr : w->nr_anon - op->anon, op->write);
}

static void sleep_for(struct policy *w, const struct policy_op *op) {
    (void)op;
    sim_sleep(w->sim, world_draw(&w->draws, 5000000));
}

static void area_off(struct policy *w, const struct policy_op *op) {
    machine_ops_swapoff(&w->ops, op->draws >> 8);
}

static void area_on(struct policy *w, const struct policy_op *op) {
    machine_ops_swapon(&w->ops, op->draws >> 8);
}

static void fail_allocations(struct policy *w, const struct policy_op *op) {
    machine_ops_fail(&w->ops, op->draws >> 8);
}

/* How often each comes up, of 128. */
static const struct kind {
    const char *name;
    void (*apply)(struct policy *w, const struct policy_op *op);
    unsigned weight;
} kinds[] = {
    {"file", file_pages, 36},      {"mapped file", mapped_pages, 12},
    {"memory", anon_pages, 44},    {"cache", grow, 5},
    {"block", block, 7},           {"riddle, compact", riddle_and_compact, 3},
    {"hotplug", plug, 3},          {"clear accessed", clear_accessed, 2},
    {"unmap file", unmap_file, 1}, {"drop caches", drop, 1},
    {"write back", write_back, 4}, {"cool", cool, 3},
    {"sleep", sleep_for, 2},       {"swapoff", area_off, 1},
    {"swapon", area_on, 2},        {"fail allocations", fail_allocations, 2},
};

static const struct kind *kind_of(const struct policy_op *op) {
    const struct kind *kind = kinds;

    for (unsigned draw = op->kind; draw >= kind->weight; kind++)
        draw -= kind->weight;
    return kind;
}

const char *policy_op_name(const struct policy_op *op) {
    return kind_of(op)->name;
}

struct policy_op policy_decode(const struct policy *w, struct input *input) {
    struct policy_op op = {.kind = (unsigned)input_take(input, 1) % 128};

    op.page = (uint32_t)input_take(input, 2) % w->nr_file;
    op.anon = (uint32_t)input_take(input, 2) % w->nr_anon;
    op.nr = 1 + (uint32_t)input_take(input, 1) % 24;
    op.file = (unsigned)input_take(input, 1) % 4;
    op.write = op.file & 1;
    op.file >>= 1;
    op.draws = world_draw_start(input_take(input, 3), op.kind);
    return op;
}

void policy_apply(struct policy *w, const struct policy_op *op) {
    w->draws = op->draws;
    kind_of(op)->apply(w, op);
}
