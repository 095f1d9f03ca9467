/* SPDX-License-Identifier: MIT */
#include "mm/shard.h"

#define PLACE_WHOLE place_of(PAGEBLOCK_ORDER, 0)
#define PLACE_FIRST place_of(PAGEBLOCK_ORDER + 1, 0)

/* Read without the lock. */
static inline void set_orders(struct zone_shard *shard, unsigned type, unsigned orders) {
    __atomic_store_n(&shard->orders[type], (uint16_t)orders, __ATOMIC_RELAXED);
}

void shard_init(struct zone_shard *shard) {
    bias_init(&shard->lock, RANK_SHARD);
    shard->user = -1;
    __builtin_memset(shard->head, 0xff, sizeof(shard->head));
}

void shard_count_free(struct zone *zone, struct zone_shard *shard, long delta) {
    long batch = __atomic_load_n(&zone->free_batch, __ATOMIC_RELAXED);

    __atomic_store_n(&shard->unpublished, shard->unpublished + delta, __ATOMIC_RELAXED);
    if (shard->unpublished > batch || shard->unpublished < -batch)
        shard_publish(zone, shard);
}

void shard_publish(struct zone *zone, struct zone_shard *shard) {
    long delta = shard->unpublished;

    __atomic_store_n(&shard->unpublished, 0, __ATOMIC_RELAXED);
    zone_page_state_add(delta, zone, NR_FREE_PAGES);
}

static void link_block(struct zone *zone, struct zone_shard *shard, uint32_t index, uint8_t place) {
    struct pageblock *block = &zone->pageblocks[index];
    unsigned order = place / FULLNESS_CLASSES, fullness = place % FULLNESS_CLASSES, type = block->list_type;
    uint32_t *head = &shard->head[type][order][fullness];

    block->place = place;
    block->prev = PAGEBLOCK_NONE;
    block->next = *head;
    if (*head != PAGEBLOCK_NONE)
        zone->pageblocks[*head].prev = index;
    *head = index;
    shard->fullness[type][fullness] = (uint16_t)(shard->fullness[type][fullness] | 1u << order);
    set_orders(shard, type, shard->orders[type] | 1u << order);
}

static void unlink_block(struct zone *zone, struct zone_shard *shard, uint32_t index) {
    struct pageblock *block = &zone->pageblocks[index];
    unsigned order = block->place / FULLNESS_CLASSES, fullness = block->place % FULLNESS_CLASSES;
    unsigned type = block->list_type, others = 0;

    block->place = PLACE_NONE;
    if (block->next != PAGEBLOCK_NONE)
        zone->pageblocks[block->next].prev = block->prev;
    if (block->prev != PAGEBLOCK_NONE) {
        zone->pageblocks[block->prev].next = block->next;
        return;
    }
    shard->head[type][order][fullness] = block->next;
    if (block->next != PAGEBLOCK_NONE)
        return;
    shard->fullness[type][fullness] = (uint16_t)(shard->fullness[type][fullness] & ~(1u << order));
    /* Wholly free ones are of one class. */
    for (unsigned i = 0; order < PAGEBLOCK_ORDER && i < FULLNESS_CLASSES; i++)
        others |= shard->fullness[type][i];
    set_orders(shard, type, (shard->orders[type] & ~(1u << order)) | others);
}

uint32_t shard_other_half(const struct zone *zone, uint32_t index) {
    uint32_t other = ((zone->first_pageblock + index) ^ 1) - zone->first_pageblock;
    uint32_t nr =
        (uint32_t)((zone->zone_start_pfn + zone->spanned_pages - 1) >> PAGEBLOCK_ORDER) - zone->first_pageblock + 1;

    return other < nr ? other : PAGEBLOCK_NONE;
}

/* Takes an order 10 block apart: its upper half is listed by itself. */
static void unpair(struct zone *zone, struct zone_shard *shard, uint32_t first) {
    uint32_t second = shard_other_half(zone, first);

    unlink_block(zone, shard, first);
    shard_add_nr_free(shard, PAGEBLOCK_ORDER + 1, -1);
    shard_add_nr_free(shard, PAGEBLOCK_ORDER, 2);
    zone->pageblocks[second].list_type = zone->pageblocks[first].list_type;
    link_block(zone, shard, second, PLACE_WHOLE);
}

void shard_unlist(struct zone *zone, uint32_t index) {
    struct zone_shard *shard = shard_of(zone, index);
    struct pageblock *block = &zone->pageblocks[index];

    if (block->place == PLACE_NONE)
        return;
    if (block->place == PLACE_SECOND) {
        uint32_t first = shard_other_half(zone, index);

        unpair(zone, shard, first);
        unlink_block(zone, shard, index);
        link_block(zone, shard, first, PLACE_WHOLE);
    } else if (block->place == PLACE_FIRST) {
        unpair(zone, shard, index);
    } else {
        unlink_block(zone, shard, index);
    }
}

/* An isolated pageblock makes no block with one that is not: the two are not to be handed out together. */
static bool may_pair(unsigned a_type, unsigned b_type) {
    return (a_type == MIGRATE_ISOLATE) == (b_type == MIGRATE_ISOLATE);
}

void shard_list_whole(struct zone *zone, struct zone_shard *shard, uint32_t index, unsigned type) {
    uint32_t other = shard_other_half(zone, index), first = index < other ? index : other;

    if (other == PAGEBLOCK_NONE || zone->pageblocks[other].place != PLACE_WHOLE ||
        !may_pair(type, zone->pageblocks[other].list_type)) {
        zone->pageblocks[index].list_type = (uint8_t)type;
        link_block(zone, shard, index, PLACE_WHOLE);
        return;
    }
    unlink_block(zone, shard, other);
    zone->pageblocks[index].list_type = zone->pageblocks[other].list_type = (uint8_t)type;
    zone->pageblocks[index == first ? other : index].place = PLACE_SECOND;
    link_block(zone, shard, first, PLACE_FIRST);
    shard_add_nr_free(shard, PAGEBLOCK_ORDER, -2);
    shard_add_nr_free(shard, PAGEBLOCK_ORDER + 1, 1);
}

void shard_relist(struct zone *zone, uint32_t index, unsigned type) {
    struct pageblock *block = &zone->pageblocks[index];
    struct zone_shard *shard = shard_of(zone, index);
    int largest = largest_block(block->counts);
    uint8_t place;

    if (largest < (int)PAGEBLOCK_ORDER) {
        place =
            largest < 0 ? PLACE_NONE : place_of((unsigned)largest, block->nr_free * FULLNESS_CLASSES / PAGEBLOCK_PAGES);
        if (block->place == place && block->list_type == type)
            return;
        shard_unlist(zone, index);
        block->list_type = (uint8_t)type;
        if (place != PLACE_NONE)
            link_block(zone, shard, index, place);
    } else if (block->list_type != type || block->place < PLACE_WHOLE || block->place == PLACE_NONE) {
        shard_unlist(zone, index);
        shard_list_whole(zone, shard, index, type);
    }
}

uint32_t shard_find(const struct zone_shard *shard, unsigned type, unsigned orders) {
    for (unsigned fullness = 0; fullness < FULLNESS_CLASSES; fullness++) {
        unsigned found = shard->fullness[type][fullness] & orders;

        if (found)
            return shard->head[type][__builtin_ctz(found)][fullness];
    }
    return PAGEBLOCK_NONE;
}

bool shard_has_pair(const struct zone *zone, uint32_t index) {
    return zone->pageblocks[index].place == PLACE_FIRST || zone->pageblocks[index].place == PLACE_SECOND;
}

static const char *check_links(const struct zone *zone, const struct zone_shard *shard, uint32_t index) {
    const struct pageblock *block = &zone->pageblocks[index];
    unsigned order = block->place / FULLNESS_CLASSES, fullness = block->place % FULLNESS_CLASSES;
    uint32_t before = block->prev == PAGEBLOCK_NONE ? shard->head[block->list_type][order][fullness]
                                                    : zone->pageblocks[block->prev].next;

    if (before != index || (block->next != PAGEBLOCK_NONE && zone->pageblocks[block->next].prev != index))
        return "buddy: a list's links do not agree";
    if (block->next != PAGEBLOCK_NONE && (zone->pageblocks[block->next].place != block->place ||
                                          zone->pageblocks[block->next].list_type != block->list_type))
        return "buddy: two pageblocks on one list belong on two";
    if (!(shard->fullness[block->list_type][fullness] >> order & 1) || !(shard->orders[block->list_type] >> order & 1))
        return "buddy: a list is not among those that a search looks at";
    return NULL;
}

const char *shard_check(const struct zone *zone, uint32_t index) {
    const struct pageblock *block = &zone->pageblocks[index];
    uint32_t other = shard_other_half(zone, index);
    int largest = largest_block(block->counts);
    bool other_whole = other != PAGEBLOCK_NONE && largest_block(zone->pageblocks[other].counts) == PAGEBLOCK_ORDER &&
                       may_pair(block->list_type, zone->pageblocks[other].list_type);
    uint8_t wanted = PLACE_NONE;

    if (block->list_type >= MIGRATE_TYPES)
        return "buddy: a pageblock serves a type that does not exist";
    if (largest == PAGEBLOCK_ORDER && other_whole)
        wanted = other > index ? PLACE_FIRST : PLACE_SECOND;
    else if (largest >= 0)
        wanted = place_of((unsigned)largest,
                          largest == PAGEBLOCK_ORDER ? 0 : block->nr_free * FULLNESS_CLASSES / PAGEBLOCK_PAGES);
    if (block->place != wanted)
        return "buddy: a pageblock is not on the list where it belongs";
    return wanted == PLACE_NONE || wanted == PLACE_SECOND ? NULL : check_links(zone, shard_of(zone, index), index);
}
