/* SPDX-License-Identifier: MIT */
/*
 * vmstat_text.c - zoneinfo, vmstat and swaps, byte for byte in the kernel's formats. (specification, section
 * 15)
 */
#include "mm/pcp.h"
#include "mm/swapfile.h"
#include "mm/text.h"
#include "mm/vmstat.h"

static const char stat_names[NR_VM_ZONE_STAT_ITEMS][24] = {
    "nr_free_pages",       "nr_inactive",  "nr_active",       "nr_anon_pages",       "nr_mapped",
    "nr_file_pages",       "nr_dirty",     "nr_writeback",    "nr_slab_reclaimable", "nr_slab_unreclaimable",
    "nr_page_table_pages", "nr_unstable",  "nr_bounce",       "nr_vmscan_write",     "numa_hit",
    "numa_miss",           "numa_foreign", "numa_interleave", "numa_local",          "numa_other",
};

static const char zone_suffixes[MAX_NR_ZONES][10] = {"_dma", "_dma32", "_normal", "_high", "_movable"};

/* nr: how many counters in a row share the name, one for each zone type. */
static const struct {
    char name[20];
    unsigned nr;
} event_names[] = {
    {"pgpgin", 1},        {"pgpgout", 1},       {"pswpin", 1},
    {"pswpout", 1},       {"pgalloc", 5},       {"pgfree", 1},
    {"pgactivate", 1},    {"pgdeactivate", 1},  {"pgfault", 1},
    {"pgmajfault", 1},    {"pgrefill", 5},      {"pgsteal", 5},
    {"pgscan_kswapd", 5}, {"pgscan_direct", 5}, {"pginodesteal", 1},
    {"slabs_scanned", 1}, {"kswapd_steal", 1},  {"kswapd_inodesteal", 1},
    {"pageoutrun", 1},    {"allocstall", 1},    {"pgrotated", 1},
};

/* The kernel's files leave out what it is not configured for: here, what the memory map has none of. */
static unsigned nr_stat_items(const struct machine *m) {
    return m->nr_nodes > 1 ? NR_VM_ZONE_STAT_ITEMS : NUMA_HIT;
}

static bool has_zone_type(const struct machine *m, unsigned type) {
    return type == ZONE_NORMAL || type == ZONE_MOVABLE || m->zone_types >> type & 1u;
}

static void line_unsigned(struct text *text, const char *label, unsigned long value) {
    text_str(text, label, 0);
    text_unsigned(text, value, 0);
}

static void line_signed(struct text *text, const char *label, long value) {
    text_str(text, label, 0);
    text_signed(text, value, 0);
}

static void zoneinfo_sizes(struct text *text, const struct zone *zone) {
    line_unsigned(text, "\n  pages free     ", zone_page_state(zone, NR_FREE_PAGES));
    line_unsigned(text, "\n        min      ", zone->pages_min);
    line_unsigned(text, "\n        low      ", zone->pages_low);
    line_unsigned(text, "\n        high     ", zone->pages_high);
    line_unsigned(text, "\n        scanned  ", atomic_load_explicit(&zone->pages_scanned, memory_order_relaxed));
    line_unsigned(text, " (a: ", atomic_load_explicit(&zone->nr_scan_active, memory_order_relaxed));
    line_unsigned(text, " i: ", atomic_load_explicit(&zone->nr_scan_inactive, memory_order_relaxed));
    line_unsigned(text, ")\n        spanned  ", zone->spanned_pages);
    line_unsigned(text, "\n        present  ", zone->present_pages);
}

static void zoneinfo_protection(struct text *text, const struct zone *zone) {
    const char *before = "\n        protection: (";

    for (unsigned type = 0; type < MAX_NR_ZONES; type++) {
        if (!has_zone_type(zone->machine, type))
            continue;
        line_unsigned(text, before, zone->lowmem_reserve[type]);
        before = ", ";
    }
    text_str(text, ")", 0);
}

static void zoneinfo_pagesets(struct text *text, struct zone *zone) {
    struct machine *m = zone->machine;

    text_str(text, "\n  pagesets", 0);
    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++) {
        struct per_cpu_pageset *set = &zone->pageset[cpu];
        struct task *task = mm_current(m);
        struct bias_slot *slot = bias_acquire(m->platform, &set->lock, task);

        for (int i = 0; i < 2; i++) {
            line_signed(text, "\n    cpu: ", (long)cpu);
            line_signed(text, " pcp: ", i);
            line_signed(text, "\n              count: ", pcp_count(&set->pcp[i]));
            line_signed(text, "\n              high:  ", set->pcp[i].high);
            line_signed(text, "\n              batch: ", set->pcp[i].batch);
        }
        bias_release(m->platform, &set->lock, slot, task);
        line_signed(text, "\n  vm stats threshold: ", set->stat_threshold);
    }
}

size_t zoneinfo_text(struct machine *m, char *buf, size_t size) {
    struct text text = {buf, size, 0};

    for_each_populated_zone(m, zone) {
        text_zone(&text, zone);
        zoneinfo_sizes(&text, zone);
        for (unsigned item = 0; item < nr_stat_items(m); item++) {
            text_str(&text, "\n    ", 0);
            text_str(&text, stat_names[item], -12);
            line_unsigned(&text, " ", zone_page_state(zone, (enum zone_stat_item)item));
        }
        zoneinfo_protection(&text, zone);
        zoneinfo_pagesets(&text, zone);
        line_unsigned(&text, "\n  all_unreclaimable: ", zone_is_all_unreclaimable(zone));
        line_signed(&text, "\n  prev_priority:     ", atomic_load_explicit(&zone->prev_priority, memory_order_relaxed));
        line_unsigned(&text, "\n  start_pfn:         ", zone->zone_start_pfn);
        text_str(&text, "\n", 0);
    }
    return text_end(&text);
}

size_t vmstat_text(struct machine *m, char *buf, size_t size) {
    struct text text = {buf, size, 0};
    unsigned long events[NR_VM_EVENT_ITEMS];
    unsigned item = 0;

    for (unsigned i = 0; i < nr_stat_items(m); i++) {
        text_str(&text, stat_names[i], 0);
        line_unsigned(&text, " ", global_page_state(m, (enum zone_stat_item)i));
        text_str(&text, "\n", 0);
    }
    all_vm_events(m, events);
    /* Counted in sectors, shown in KiB. */
    events[PGPGIN] /= 2;
    events[PGPGOUT] /= 2;
    for (unsigned i = 0; i < sizeof(event_names) / sizeof(event_names[0]); i++) {
        for (unsigned type = 0; type < event_names[i].nr; type++, item++) {
            if (event_names[i].nr > 1 && !has_zone_type(m, type))
                continue;
            text_str(&text, event_names[i].name, 0);
            text_str(&text, event_names[i].nr > 1 ? zone_suffixes[type] : "", 0);
            line_unsigned(&text, " ", events[item]);
            text_str(&text, "\n", 0);
        }
    }
    return text_end(&text);
}

#define SWAPS_NAME_WIDTH 40
#define KIB_PER_PAGE (PAGE_SIZE / 1024)

/* What would end the column, and what marks that, is written as three octal digits. */
static void text_path(struct text *text, const char *path) {
    for (; *path; path++) {
        char c[5] = {*path};

        if (*path == ' ' || *path == '\t' || *path == '\n' || *path == '\\') {
            c[0] = '\\';
            c[1] = (char)('0' + *path / 64);
            c[2] = (char)('0' + *path / 8 % 8);
            c[3] = (char)('0' + *path % 8);
        }
        text_str(text, c, 0);
    }
}

static void swaps_line(struct text *text, struct machine *m, unsigned type, const struct swap_area_state *area) {
    const struct platform *p = m->platform;
    size_t start = text->len;

    if (p->swap_area_name) {
        text_path(text, p->swap_area_name(p->host, type));
    } else {
        text_str(text, "swap", 0);
        text_unsigned(text, type, 0);
    }
    /* At least one blank, however long the name. */
    text_str(text, " ", 0);
    while (text->len - start < SWAPS_NAME_WIDTH)
        text_str(text, " ", 0);
    line_unsigned(text, area->flags & SWP_PARTITION ? "partition\t" : "file\t\t", area->pages * KIB_PER_PAGE);
    line_unsigned(text, "\t", area->inuse_pages * KIB_PER_PAGE);
    line_signed(text, "\t", area->prio);
    text_str(text, "\n", 0);
}

size_t swaps_text(struct machine *m, char *buf, size_t size) {
    struct text text = {buf, size, 0};
    struct swap_area_state area;

    text_str(&text, "Filename\t\t\t\tType\t\tSize\tUsed\tPriority\n", 0);
    for (unsigned type = 0; type < MAX_SWAPFILES; type++)
        if (swap_area_state(m, type, &area))
            swaps_line(&text, m, type, &area);
    return text_end(&text);
}
