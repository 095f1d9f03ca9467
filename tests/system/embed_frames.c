/* SPDX-License-Identifier: MIT */
/* What comes and goes: frames of each kind, caches that give them back, and pools that keep something. */
#include "embed_calls.h"
#include "embed_host.h"

/* A machine of its own, of four kinds of memory. */
void a_request_gets_the_kind_of_memory_it_asks_for(void) {
    static const struct weir_memory_range ranges[] = {{0, BLOCK, 0, WEIR_ZONE_DMA},
                                                      {BLOCK, BLOCK, 0, WEIR_ZONE_NORMAL},
                                                      {2 * BLOCK, BLOCK, 0, WEIR_ZONE_HIGHMEM},
                                                      {3 * BLOCK, BLOCK, 0, WEIR_ZONE_MOVABLE}};
    static const uint32_t masks[] = {WEIR_GFP_DMA, WEIR_GFP_KERNEL, WEIR_GFP_HIGHUSER, WEIR_GFP_HIGHUSER_MOVABLE};
    static _Alignas(4096) char other_boot[1 << 19];
    const struct weir_memory_map map = {.ranges = ranges, .nr_ranges = 4, .nr_cpus = 1, .nr_nodes = 1, .arena = ram};
    struct weir_machine *other;
    struct weir_page *block;
    uint32_t pfn;

    EXPECT(weir_boot_bytes(&map) <= sizeof(other_boot));
    other = weir_boot(&platform, &map, other_boot);
    for (unsigned i = 0; i < 4; i++) {
        struct weir_page *page = weir_alloc_pages(other, masks[i], 0);

        EXPECT(page && weir_page_pfn(other, page) / BLOCK == i);
        weir_put_page(other, page);
    }
    block = weir_alloc_pages(other, WEIR_GFP_KERNEL, 2);
    pfn = weir_page_pfn(other, block);
    weir_split_page(block, 2);
    for (unsigned i = 0; i < 4; i++)
        weir_put_page(other, weir_pfn_page(other, pfn + i));
    EXPECT(weir_check(other) == NULL);
}

static unsigned long nr_free(void) {
    weir_drain_pages(m);
    weir_vmstat_update(m, 0);
    return weir_nr_free(m, 0);
}

void frames_come_and_go_under_a_program(void) {
    unsigned long before = nr_free();
    unsigned gone = 0;

    EXPECT(weir_memory_online(m, FRAMES, BLOCK) == WEIR_OK);
    EXPECT(weir_memory_online(m, FRAMES, BLOCK) == WEIR_INVAL);
    EXPECT(nr_free() == before + BLOCK);
    fill(FRAMES / 2);
    for (unsigned block = 0; block < FRAMES + BLOCK; block += BLOCK)
        gone += weir_memory_offline(m, block, BLOCK) == WEIR_OK;
    EXPECT(gone > 2);
    EXPECT(is_whole(FRAMES / 2));
}

static unsigned nr_objects = 4000;
static long shrink(struct weir_shrinker *shrinker, long nr, uint32_t gfp) {
    (void)shrinker, (void)gfp;
    nr_objects -= (unsigned)nr < nr_objects ? (unsigned)nr : nr_objects;
    weir_shrinker_freed(m, 0);
    return nr_objects;
}

void reclaim_shakes_the_caches(void) {
    static struct weir_shrinker shrinker = {.shrink = shrink, .seeks = 2};
    unsigned before;

    weir_shrinker_add(m, &shrinker);
    swap_on();
    fill(SPACE_PAGES);
    EXPECT(nr_objects < 4000);
    before = nr_objects;
    weir_drop_caches(m, false, true);
    EXPECT(before < 128 || nr_objects < before);
    weir_shrinker_remove(m, &shrinker);
    EXPECT(weir_shrinker_pressure(m, 1000) == 1000);
}

static unsigned elements_left = 3;
static void *make(uint32_t gfp, void *data) {
    (void)gfp;
    return elements_left ? (elements_left--, data) : NULL;
}

static void unmake(void *element, void *data) {
    EXPECT(element == data);
    elements_left++;
}

void a_pool_has_something_when_its_allocator_has_not(void) {
    static struct weir_pool pool;
    int element;

    EXPECT(weir_pool_init(m, &pool, 4, make, unmake, &element) == WEIR_NOMEM);
    EXPECT(weir_pool_init(m, &pool, 2, make, unmake, &element) == WEIR_OK);
    for (unsigned i = 0; i < 3; i++)
        EXPECT(weir_pool_alloc(&pool, WEIR_GFP_ATOMIC) == &element);
    EXPECT(weir_pool_alloc(&pool, WEIR_GFP_ATOMIC) == NULL);
    EXPECT(weir_pool_destroy(&pool) == WEIR_BUSY);
    for (unsigned i = 0; i < 3; i++)
        weir_pool_free(&pool, &element);
    EXPECT(weir_pool_resize(&pool, 1, WEIR_GFP_KERNEL) == WEIR_OK);
    EXPECT(elements_left == 2);
    EXPECT(weir_pool_destroy(&pool) == WEIR_OK && elements_left == 3);
}
