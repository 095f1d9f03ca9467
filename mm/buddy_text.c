/* SPDX-License-Identifier: MIT */
/* buddyinfo and pagetypeinfo, byte for byte in the kernel's formats. (specification, section 15) */
#include "mm/buddy.h"
#include "mm/text.h"
#include "mm/vmstat.h"

static const char type_names[MIGRATE_TYPES][12] = {"Unmovable", "Reclaimable", "Movable", "Reserve", "Isolate"};

void text_zone(struct text *text, const struct zone *zone) {
    text_str(text, "Node ", 0);
    text_signed(text, zone->node->node_id, 0);
    text_str(text, ", zone ", 0);
    text_str(text, zone_name(zone->type), 8);
}

size_t buddyinfo_text(struct machine *m, char *buf, size_t size) {
    struct text text = {buf, size, 0};

    for_each_populated_zone(m, zone) {
        text_zone(&text, zone);
        text_str(&text, " ", 0);
        lock_acquire(m->platform, &zone->lock);
        for (unsigned order = 0; order < MAX_ORDER; order++) {
            text_unsigned(&text, nr_free_blocks(zone, order), 6);
            text_str(&text, " ", 0);
        }
        lock_release(m->platform, &zone->lock);
        text_str(&text, "\n", 0);
    }
    return text_end(&text);
}

/* A number and a blank. */
static void text_cell(struct text *text, unsigned long n, int width) {
    text_unsigned(text, n, width);
    text_str(text, " ", 0);
}

static void free_counts(struct text *text, struct zone *zone) {
    for (unsigned type = 0; type < MIGRATE_TYPES; type++) {
        text_str(text, "Node ", 0);
        text_signed(text, zone->node->node_id, 4);
        text_str(text, ", zone ", 0);
        text_str(text, zone_name(zone->type), 8);
        text_str(text, ", type ", 0);
        text_str(text, type_names[type], 12);
        text_str(text, " ", 0);
        for (unsigned order = 0; order < MAX_ORDER; order++)
            text_cell(text, nr_free_blocks_of_type(zone, order, (enum migratetype)type), 6);
        text_str(text, "\n", 0);
    }
}

/* A pageblock is the zone's if its first frame is. */
static void block_counts(struct text *text, struct zone *zone) {
    const struct machine *m = zone->machine;
    uint32_t end = zone->zone_start_pfn + (uint32_t)zone->spanned_pages;
    unsigned long counts[MIGRATE_TYPES] = {0};

    for (uint32_t pfn = zone->zone_start_pfn & ~(PAGEBLOCK_PAGES - 1); pfn < end; pfn += PAGEBLOCK_PAGES) {
        uint32_t first = pfn < zone->zone_start_pfn ? zone->zone_start_pfn : pfn;

        if (!frame_has_descriptor(zone, first) || (pfn_valid(m, first) && page_zone(m, pfn_to_page(m, first)) == zone))
            counts[get_pageblock_migratetype(zone, pfn_to_page(m, first))]++;
    }
    text_zone(text, zone);
    text_str(text, " ", 0);
    for (unsigned type = 0; type < MIGRATE_TYPES; type++)
        text_cell(text, counts[type], 12);
    text_str(text, "\n", 0);
}

static void node_pagetypes(struct text *text, struct machine *m, unsigned node) {
    struct zone *zones = m->nodes[node]->node_zones;

    text_str(text, "Page block order: ", 0);
    text_signed(text, PAGEBLOCK_ORDER, 0);
    text_str(text, "\nPages per block:  ", 0);
    text_unsigned(text, PAGEBLOCK_PAGES, 0);
    text_str(text, "\n\n", 0);
    text_str(text, "Free pages count per migrate type at order", -43);
    text_str(text, " ", 0);
    for (unsigned order = 0; order < MAX_ORDER; order++)
        text_cell(text, order, 6);
    text_str(text, "\n", 0);
    for (unsigned type = 0; type < MAX_NR_ZONES; type++)
        if (populated_zone(&zones[type]))
            free_counts(text, &zones[type]);

    text_str(text, "\n", 0);
    text_str(text, "Number of blocks type ", -23);
    for (unsigned type = 0; type < MIGRATE_TYPES; type++) {
        text_str(text, type_names[type], 12);
        text_str(text, " ", 0);
    }
    text_str(text, "\n", 0);
    for (unsigned type = 0; type < MAX_NR_ZONES; type++)
        if (populated_zone(&zones[type]))
            block_counts(text, &zones[type]);
}

size_t pagetypeinfo_text(struct machine *m, char *buf, size_t size) {
    struct text text = {buf, size, 0};

    for (unsigned node = 0; node < m->nr_nodes; node++)
        if (m->nodes[node]->node_present_pages)
            node_pagetypes(&text, m, node);
    return text_end(&text);
}
