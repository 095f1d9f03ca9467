/* SPDX-License-Identifier: MIT */
#include "mm/swap_map.h"

#include "mm/page_alloc.h"

#define ARRAY_SLOTS 2048u /* of one page of counts */
#define GROUP_SLOTS 256u  /* whose number in use is kept, so that a search skips what is full or empty */
#define GROUPS (ARRAY_SLOTS / GROUP_SLOTS)
#define DIRECTORY_ARRAYS 128u
#define DIRECTORY_SLOTS (ARRAY_SLOTS * DIRECTORY_ARRAYS)
#define ROOT_POINTERS (PAGE_SIZE / sizeof(void *))

struct swap_map_array {
    uint16_t *counts;      /* NULL: all free */
    uint16_t used[GROUPS]; /* slots in use of each group */
};

struct swap_map_directory {
    struct swap_map_array arrays[DIRECTORY_ARRAYS];
};
_Static_assert(sizeof(struct swap_map_directory) <= PAGE_SIZE, "a directory takes one page");

/* Under the swap lock, for a page that is about to leave memory: it must not sleep, and may use what reclaim may use.
 */
#define GFP_SWAP_MAP (__GFP_HIGH | __GFP_NOWARN)

bool swap_map_init(struct machine *m, struct swap_map *map) {
    map->root = get_zeroed_page(m, GFP_KERNEL);
    return map->root != NULL;
}

void swap_map_finish(struct machine *m, struct swap_map *map) {
    for (unsigned d = 0; d < ROOT_POINTERS; d++) {
        struct swap_map_directory *directory = map->root[d];

        if (!directory)
            continue;
        for (unsigned a = 0; a < DIRECTORY_ARRAYS; a++)
            free_pages(m, directory->arrays[a].counts, 0);
        free_pages(m, directory, 0);
    }
    free_pages(m, map->root, 0);
    map->root = NULL;
}

static struct swap_map_array *find_array(const struct swap_map *map, uint32_t offset) {
    struct swap_map_directory *directory = map->root[offset / DIRECTORY_SLOTS];

    return directory ? &directory->arrays[offset / ARRAY_SLOTS % DIRECTORY_ARRAYS] : NULL;
}

uint16_t swap_map_get(const struct swap_map *map, uint32_t offset) {
    const struct swap_map_array *array = find_array(map, offset);

    return array && array->counts ? array->counts[offset % ARRAY_SLOTS] : 0;
}

static unsigned group_used(const struct swap_map *map, uint32_t offset) {
    const struct swap_map_array *array = find_array(map, offset);

    return array ? array->used[offset % ARRAY_SLOTS / GROUP_SLOTS] : 0;
}

static bool make_array(struct machine *m, struct swap_map *map, uint32_t offset) {
    struct swap_map_directory **directory = &map->root[offset / DIRECTORY_SLOTS];
    struct swap_map_array *array;

    if (!*directory)
        *directory = get_zeroed_page(m, GFP_SWAP_MAP);
    if (!*directory)
        return false;
    array = find_array(map, offset);
    if (!array->counts)
        array->counts = get_zeroed_page(m, GFP_SWAP_MAP);
    return array->counts != NULL;
}

static bool array_is_empty(const struct swap_map_array *array) {
    for (unsigned g = 0; g < GROUPS; g++)
        if (array->used[g])
            return false;
    return true;
}

bool swap_map_set(struct machine *m, struct swap_map *map, uint32_t offset, uint16_t count) {
    struct swap_map_array *array;
    uint16_t *slot, *used;

    if (!make_array(m, map, offset))
        return false;
    array = find_array(map, offset);
    slot = &array->counts[offset % ARRAY_SLOTS];
    used = &array->used[offset % ARRAY_SLOTS / GROUP_SLOTS];
    if (*slot == 0 && count != 0)
        (*used)++;
    if (*slot != 0 && count == 0)
        (*used)--;
    *slot = count;
    if (count == 0 && *used == 0 && array_is_empty(array)) {
        free_pages(m, array->counts, 0);
        array->counts = NULL;
    }
    return true;
}

uint32_t swap_map_find_free(const struct swap_map *map, uint32_t from, uint32_t to) {
    uint32_t offset = from;

    while (offset <= to) {
        if (group_used(map, offset) == GROUP_SLOTS) {
            offset = (offset / GROUP_SLOTS + 1) * GROUP_SLOTS;
            continue;
        }
        if (swap_map_get(map, offset) == 0)
            return offset;
        offset++;
    }
    return 0;
}

uint32_t swap_map_find_run(const struct swap_map *map, uint32_t from, uint32_t to, uint32_t nr) {
    uint32_t offset = from, run = 0;

    while (offset <= to) {
        uint32_t group_end = (offset / GROUP_SLOTS + 1) * GROUP_SLOTS;
        uint32_t end = group_end <= to ? group_end : to + 1;
        unsigned used = group_used(map, offset);

        if (used == 0) {
            run += end - offset;
        } else {
            /* Only what is free at the group's start continues the run, and only what is free at its end begins one. */
            while (run < nr && offset < end && swap_map_get(map, offset) == 0) {
                offset++;
                run++;
            }
            if (run >= nr)
                return offset - run;
            if (offset < end) {
                run = 0;
                while (swap_map_get(map, end - 1 - run) == 0)
                    run++;
            }
        }
        if (run >= nr)
            return end - run;
        offset = end;
    }
    return 0;
}

uint32_t swap_map_next_used(const struct swap_map *map, uint32_t from, uint32_t max) {
    uint32_t offset = from;

    while (offset < max) {
        uint16_t count;

        if (group_used(map, offset) == 0) {
            offset = (offset / GROUP_SLOTS + 1) * GROUP_SLOTS;
            continue;
        }
        count = swap_map_get(map, offset);
        if (count != 0 && count != SWAP_MAP_BAD)
            return offset;
        offset++;
    }
    return 0;
}

void swap_map_for_each_used(const struct swap_map *map, uint32_t max, void (*fn)(uint32_t offset, void *arg),
                            void *arg) {
    for (uint32_t offset = 0; (offset = swap_map_next_used(map, offset + 1, max)) != 0;)
        fn(offset, arg);
}

uint32_t swap_map_used(const struct swap_map *map) {
    uint32_t used = 0;

    for (unsigned d = 0; d < ROOT_POINTERS; d++)
        for (unsigned a = 0; map->root[d] && a < DIRECTORY_ARRAYS; a++)
            for (unsigned g = 0; g < GROUPS; g++)
                used += map->root[d]->arrays[a].used[g];
    return used;
}
