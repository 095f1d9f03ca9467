/* SPDX-License-Identifier: MIT */
#include "mm/page_isolation.h"

#include "mm/buddy.h"
#include "mm/pcp.h"

static bool change_type(struct zone *zone, struct page *page, enum migratetype from, enum migratetype to) {
    bool matches;

    lock_acquire(zone->machine->platform, &zone->lock);
    matches = get_pageblock_migratetype(zone, page) == from;
    if (matches) {
        set_pageblock_migratetype(zone, page, to);
        move_freepages_block(zone, page, to);
    }
    lock_release(zone->machine->platform, &zone->lock);
    return matches;
}

enum mm_status set_migratetype_isolate(struct zone *zone, struct page *page) {
    if (!change_type(zone, page, MIGRATE_MOVABLE, MIGRATE_ISOLATE))
        return MM_BUSY;
    /* Frames of the block that are on per-CPU lists now would be handed out from there; later ones do not get there. */
    drain_all_local_pages(zone->machine);
    return MM_OK;
}

void unset_migratetype_isolate(struct zone *zone, struct page *page) {
    change_type(zone, page, MIGRATE_ISOLATE, MIGRATE_MOVABLE);
}
