/* SPDX-License-Identifier: MIT */
/* A machine: how it is made, and whether it is sound. */
#include "embed/names.h"
#include "mm/check.h"
#include "mm/memory.h"

/* The platform, with what it left out filled in, lies behind the machine. */
size_t weir_boot_bytes(const struct weir_memory_map *map) {
    size_t bytes = machine_boot_bytes((const struct memory_map *)map);

    return bytes ? (bytes + sizeof(struct embed_platform) + PAGE_SIZE - 1) & PAGE_MASK : 0;
}

void *weir_boot_memory(const struct weir_memory_map *map, struct weir_memory_range *ranges) {
    size_t bytes = weir_boot_bytes(map), nr_pages = bytes >> PAGE_SHIFT;

    for (unsigned i = 0; bytes && i < map->nr_ranges; i++) {
        struct weir_memory_range *range = &ranges[i];
        char *memory;

        if (range->nr_pages <= nr_pages || (map->range_offline && map->range_offline[i]))
            continue;
        range->nr_pages -= (uint32_t)nr_pages;
        memory = (char *)map->arena + ((size_t)(range->start_pfn + range->nr_pages) << PAGE_SHIFT);
        __builtin_memset(memory, 0, bytes);
        return memory;
    }
    return NULL;
}

struct weir_machine *weir_boot(const struct weir_platform *platform, const struct weir_memory_map *map, void *memory) {
    size_t bytes = machine_boot_bytes((const struct memory_map *)map);
    struct embed_platform *own = (struct embed_platform *)((char *)memory + bytes);

    if (bytes == 0 || !memory)
        return NULL;
    __builtin_memcpy(&own->core, platform, sizeof(own->core));
    own->set_page = platform->set_page;
    embed_fill_in(own);
    return (struct weir_machine *)machine_boot(&own->core, (const struct memory_map *)map, memory);
}

const char *weir_check(struct weir_machine *m) {
    const char *wrong = mm_check(machine_of(m));

    return wrong ? wrong : memory_check(machine_of(m));
}
