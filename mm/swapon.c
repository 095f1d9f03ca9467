/* SPDX-License-Identifier: MIT */
#include "mm/swapon.h"

#include "mm/swap_area.h"

static enum mm_status refuse(enum swap_refusal why, enum swap_refusal *ret_why) {
    *ret_why = why;
    switch (why) {
    case SWAP_ACCEPTED:
        return MM_OK;
    case SWAP_NOT_ALLOWED:
    case SWAP_NO_AREA_LEFT:
        return MM_PERM;
    case SWAP_ACTIVE:
        return MM_BUSY;
    case SWAP_NO_MEMORY:
        return MM_NOMEM;
    default:
        return MM_INVAL;
    }
}

static enum swap_refusal mark_bad_slots(struct machine *m, struct swap_info *area, const struct swap_header *header) {
    for (uint32_t i = 0; i < header->nr_bad; i++) {
        /* One that is listed twice is no worse for it; one above what an entry can name is out of the way already. */
        if (header->bad[i] >= area->max || swap_map_get(&area->map, header->bad[i]) == SWAP_MAP_BAD)
            continue;
        if (!swap_map_set(m, &area->map, header->bad[i], SWAP_MAP_BAD))
            return SWAP_NO_MEMORY;
        area->nr_bad++;
    }
    return area->nr_bad == area->max - 1 ? SWAP_EMPTY : SWAP_ACCEPTED;
}

/* The tables of an area that nobody knows yet. They are complete or not there. */
static enum swap_refusal build_tables(struct machine *m, const struct swap_source *source,
                                      const struct swap_header *header, struct swap_info *area) {
    enum swap_refusal why = SWAP_NO_MEMORY;
    enum mm_status status;

    if (!swap_map_init(m, &area->map))
        return why;
    status = swap_extents_init(m, &area->extents, source->extents, source->nr_extents, area->max);
    if (status == MM_OK)
        why = mark_bad_slots(m, area, header);
    else if (status == MM_INVAL)
        why = SWAP_HOLES;
    if (why != SWAP_ACCEPTED)
        swap_area_finish(m, area);
    return why;
}

enum mm_status swapon(struct machine *m, const struct swap_source *source, unsigned prio_flags, unsigned *ret_type,
                      enum swap_refusal *ret_why) {
    uint32_t task = atomic_load_explicit(&mm_current(m)->flags, memory_order_relaxed);
    struct swap_info area = {
        .flags = (source->area_flags & SWP_EXCLUSIVE) | (source->is_regular ? 0 : SWP_PARTITION),
        .identity = source->identity,
        .prio = (int)(prio_flags & SWAP_FLAG_PRIO_MASK),
    };
    struct swap_header header;
    enum swap_refusal why;

    if (!(task & TASK_SYS_ADMIN))
        return refuse(SWAP_NOT_ALLOWED, ret_why);
    if (swap_areas_create(m) != MM_OK)
        return refuse(SWAP_NO_MEMORY, ret_why);
    why = swap_area_would_fit(m, source->identity);
    if (why == SWAP_ACCEPTED)
        why = swap_header_read(source->header, source->nr_pages, source->is_regular, &header);
    if (why != SWAP_ACCEPTED)
        return refuse(why, ret_why);

    area.max = header.last_page < 1u << SWAP_TYPE_SHIFT ? header.last_page : 1u << SWAP_TYPE_SHIFT;
    why = build_tables(m, source, &header, &area);
    if (why != SWAP_ACCEPTED)
        return refuse(why, ret_why);
    why = swap_area_publish(m, &area, !(prio_flags & SWAP_FLAG_PREFER), ret_type);
    if (why != SWAP_ACCEPTED)
        swap_area_finish(m, &area);
    return refuse(why, ret_why);
}

uint64_t map_swap_page(const struct machine *m, swp_entry_t entry) {
    return swap_extents_block(&m->swap_areas[swp_type(entry)].extents, swp_offset(entry));
}
