/* SPDX-License-Identifier: MIT */
/*
 * policy_world.c - a machine that has everything at once: a program's memory, files read, written and mapped, a cache
 * that shrinks, compaction, frames that come and go, and each of the later kernels' tunables by chance. Every byte is
 * held against a copy.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mm/buddy.h"
#include "mm/compaction.h"
#include "mm/filemap.h"
#include "mm/memory_hotplug.h"
#include "mm/mmap.h"
#include "mm/page_alloc.h"
#include "mm/page_writeback.h"
#include "mm/shrinker.h"
#include "mm/swap_state.h"
#include "mm/watermark.h"
#include "sim/sim.h"
#include "tests/property/world.h"

#define FILE_PAGES 1024u
#define ANON_PAGES 1536u
#define WORDS 4u /* of each page that the model keeps */

struct cache {
    struct shrinker shrinker;
    struct machine *machine;
    struct page *pages[256];
    unsigned nr;
};

struct policy {
    struct sim *sim;
    struct machine *m;
    struct sim_file *files[2];
    uint64_t file_words[2][FILE_PAGES][WORDS];
    uint64_t anon_words[ANON_PAGES][WORDS];
    struct cache cache;
    const struct world_run *run;
    uint64_t draws; /* where the present operation is in its sequence of numbers */
    unsigned op;
};

_Noreturn static void differ(const struct policy *w, const char *what) {
    world_fail(w->run, w->op, what);
}

/* Gives a page back for each 16 objects that it is asked for. */
static long shrink(struct shrinker *shrinker, long nr, gfp_t gfp) {
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
    for (; nr && w->cache.nr < 256; nr--) {
        struct page *page = alloc_pages(w->m, GFP_KERNEL | __GFP_RECLAIMABLE | __GFP_NORETRY | __GFP_NOWARN, 0);

        if (!page)
            return;
        inc_zone_page_state(page_zone(w->m, page), NR_SLAB_RECLAIMABLE);
        w->cache.pages[w->cache.nr++] = page;
    }
}

static void access_file(struct policy *w, unsigned f, uint32_t page, bool write, bool mapped) {
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
        differ(w, "a file access is refused");
    if (write)
        w->file_words[f][page][word] = value;
    else if (w->file_words[f][page][word] != value)
        differ(w, "a file page has wrong bytes");
}

static void access_anon(struct policy *w, uint32_t page, bool write) {
    unsigned word = world_draw(&w->draws, WORDS);
    uint64_t value = write ? (uint64_t)w->op << 32 | page : 0;
    enum sim_result result;

    result = write ? sim_write(w->sim, page, word * 8, &value, 8) : sim_read(w->sim, page, word * 8, &value, 8);
    if (result != SIM_OK)
        differ(w, "an access is refused");
    if (write)
        w->anon_words[page][word] = value;
    else if (w->anon_words[page][word] != value)
        differ(w, "a page has wrong bytes");
}

/* Frees every other page of a range, as fragmented as can be. */
static void riddle(struct policy *w, uint32_t first) {
    for (uint32_t page = first; page < ANON_PAGES && page < first + 400; page += 2) {
        sim_discard(w->sim, page, 1);
        memset(w->anon_words[page], 0, sizeof(w->anon_words[page]));
    }
}

static void hotplug(struct policy *w) {
    uint32_t start = 512 * (1 + world_draw(&w->draws, 2));

    if (frame_exists(w->m, start))
        offline_pages(w->m, start, 512);
    else if (online_pages(w->m, start, 512) != MM_OK)
        differ(w, "frames that went do not come back");
}

static void large_block(struct policy *w) {
    unsigned order = 1 + world_draw(&w->draws, 6);
    struct page *block = alloc_pages(w->m, GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN, order);

    if (block)
        __free_pages(w->m, block, order);
}

static void apply(struct policy *w) {
    struct sim *sim = w->sim;
    uint32_t page = world_draw(&w->draws, FILE_PAGES), anon = world_draw(&w->draws, ANON_PAGES),
             nr = 1 + world_draw(&w->draws, 24);
    unsigned f = world_draw(&w->draws, 2), kind = world_draw(&w->draws, 100);
    bool write = world_draw(&w->draws, 2);

    if (kind < 40) {
        for (uint32_t i = 0; i < nr; i++)
            access_file(w, f, (page + i) % FILE_PAGES, write, kind < 10);
    } else if (kind < 75) {
        for (uint32_t i = 0; i < nr; i++)
            access_anon(w, (anon + i) % ANON_PAGES, write);
    } else if (kind < 79) {
        grow_cache(w, nr);
    } else if (kind < 85) {
        large_block(w);
    } else if (kind < 88) {
        riddle(w, anon);
        compact_zone(&w->m->nodes[0]->node_zones[ZONE_NORMAL], 1 + world_draw(&w->draws, 8));
    } else if (kind < 90) {
        hotplug(w);
    } else if (kind < 92) {
        sim_file_clear_accessed(w->files[f]);
    } else if (kind < 93) {
        sim_file_unmap(w->files[f]);
    } else if (kind < 94) {
        if (world_draw(&w->draws, 4) == 0)
            drop_caches(w->m, 1 + world_draw(&w->draws, 3));
    } else if (kind < 97) {
        writeback_pages(w->m, NULL, nr * 4);
    } else if (kind < 99) {
        sim_cool(sim, anon, nr < ANON_PAGES - anon ? nr : ANON_PAGES - anon, write);
    } else {
        sim_sleep(sim, world_draw(&w->draws, 5000000));
    }
}

static void check(struct policy *w) {
    const char *wrong;

    sim_rest(w->sim);
    wrong = sim_check(w->sim);
    if (wrong)
        differ(w, wrong);
}

static void tune(struct policy *w) {
    struct tunables tune = w->m->tune;
    uint64_t seed = w->run->seed;

    tune.swappiness = seed % 3 == 0 ? 100 : 60;
    tune.compaction = seed & 1;
    tune.workingset = seed >> 1 & 1;
    tune.workingset_anon = seed >> 4 & 1;
    tune.dirty_task_share = seed >> 5 & 1;
    tune.reclaim_retries = seed & 4 ? 16 : 0;
    tune.watermark_scale_factor = seed & 8 ? 200 : 0;
    tune.zone_reclaim_mode = seed % 5 == 0 ? 7 : 0;
    tune.laptop_mode = seed % 7 == 0;
    if (machine_tune(w->m, &tune) != MM_OK)
        differ(w, "tunables are refused");
}

static struct policy *create(const struct world_run *run, unsigned switch_permille) {
    uint64_t seed = run->seed;
    const struct sim_config config = {
        .seed = seed,
        .ram_pages = 1536,
        .region_pages = ANON_PAGES,
        .nr_cpus = 2,
        .switch_permille = switch_permille,
        .devices = {{.nr_slots = 4096, .async = seed & 1, .latency_ns = 100000, .detects_clean = true}},
    };
    struct policy *w = calloc(1, sizeof(*w));

    w->run = run;
    w->draws = world_draw_start(seed, UINT32_MAX);
    w->sim = sim_create(&config);
    w->m = sim_machine(w->sim);
    tune(w);
    for (unsigned f = 0; f < 2; f++) {
        const struct sim_file_config file = {.nr_pages = FILE_PAGES,
                                             .latency_ns = f ? 200000 : 0,
                                             .queue = 32,
                                             .write_error_permille = seed % 4 == 3 ? 20 : 0,
                                             .reject_permille = 10};

        w->files[f] = sim_file_create(w->sim, &file);
    }
    w->cache.machine = w->m;
    w->cache.shrinker = (struct shrinker){.shrink = shrink, .seeks = DEFAULT_SEEKS};
    register_shrinker(w->m, &w->cache.shrinker);
    sim_map(w->sim, 0, ANON_PAGES, VM_READ | VM_WRITE);
    /* Memory is full from the start. */
    for (uint32_t page = 0; page < ANON_PAGES; page++)
        access_anon(w, page, page % 3 != 0);
    for (uint32_t page = 0; page < FILE_PAGES; page++)
        access_file(w, page % 2, page, page % 5 == 0, page % 7 == 0);
    return w;
}

static void destroy(struct policy *w) {
    w->draws = world_draw_start(w->run->seed, UINT32_MAX - 1);
    for (w->op = 0; w->op < ANON_PAGES; w->op++)
        access_anon(w, w->op, false);
    for (w->op = 0; w->op < 2 * FILE_PAGES; w->op++)
        access_file(w, w->op % 2, w->op / 2, false, false);
    unregister_shrinker(w->m, &w->cache.shrinker);
    sim_inject(w->sim, false);
    while (w->cache.nr)
        shrink(&w->cache.shrinker, 16, GFP_KERNEL);
    for (unsigned f = 0; f < 2; f++)
        sim_file_destroy(w->files[f]);
    sim_settle(w->sim);
    check(w);
    if (atomic_load(&w->m->nr_shadows) != swap_cache_shadows(w->m))
        differ(w, "marks of evicted pages outlive their files");
    sim_destroy(w->sim);
    free(w);
}

/* Whether the operation of that number is to be done; its numbers are its own. */
static bool begin(struct policy *w, unsigned op) {
    w->op = op;
    w->draws = world_draw_start(w->run->seed, op);
    if (!world_keeps(w->run, op))
        return false;
    if (w->run->print) {
        printf("%4u\n", op);
        fflush(stdout);
    }
    return true;
}

void policy_world_run(const struct world *world, const struct world_run *run) {
    struct policy *w = create(run, 0);

    for (unsigned op = 0; op < world->nr_ops; op++) {
        if (!begin(w, op))
            continue;
        apply(w);
        check(w);
    }
    destroy(w);
}

enum { OWN_OPS = 200 }; /* the others do the rest */

/* Another task that keeps memory moving, without a byte of its own. */
static void disturb(struct sim *sim, void *arg) {
    const struct policy *shared = arg;
    struct policy own = {.sim = sim, .m = shared->m, .run = shared->run}, *w = &own;

    for (unsigned op = OWN_OPS; op < world_find(w->run->world)->nr_ops; op++) {
        if (!begin(w, op))
            continue;
        switch (world_draw(&w->draws, 4)) {
        case 0:
            compact_zone(&w->m->nodes[0]->node_zones[ZONE_NORMAL], 1 + world_draw(&w->draws, 8));
            break;
        case 1:
            hotplug(w);
            break;
        case 2:
            drop_caches(w->m, DROP_SLAB);
            break;
        default:
            large_block(w);
            break;
        }
        sim_sleep(sim, world_draw(&w->draws, 1000000));
    }
}

void policy_world_run_with_others(const struct world *world, const struct world_run *run) {
    struct policy *w = create(run, 100);

    (void)world;
    sim_spawn(w->sim, disturb, w);
    for (unsigned op = 0; op < OWN_OPS; op++) {
        unsigned kind;

        if (!begin(w, op))
            continue;
        kind = world_draw(&w->draws, 4);
        for (uint32_t i = 0; i < 8; i++)
            if (kind < 2)
                access_file(w, world_draw(&w->draws, 2), world_draw(&w->draws, FILE_PAGES), kind, false);
            else
                access_anon(w, world_draw(&w->draws, ANON_PAGES), kind == 2);
    }
    sim_join(w->sim);
    sim_settle(w->sim);
    sim_sleep(w->sim, 1000000000); /* a write that has ended may have left its task inside the core */
    check(w);
    destroy(w);
}
