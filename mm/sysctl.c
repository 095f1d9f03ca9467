/* SPDX-License-Identifier: MIT */
#include "mm/sysctl.h"

#include "mm/shrinker.h"
#include "mm/text.h"
#include "mm/watermark.h"
#include "mm/zone_reclaim.h"

#define ANY UINT32_MAX
#define ROW(field) (uint16_t) offsetof(struct tunables, field), (uint8_t)(sizeof(((struct tunables *)0)->field) / 4)

/* name, field, 0 allowed beside the range, a power of two, least, most */
static const struct sysctl table[] = {
    {"min_free_kbytes", ROW(min_free_kbytes), false, false, 0, ANY},
    /* No entry for the highest type, which is below none. 0 is taken as 1. */
    {"lowmem_reserve_ratio", offsetof(struct tunables, lowmem_reserve_ratio), MAX_NR_ZONES - 1, false, false, 0, ANY},
    {"swappiness", ROW(swappiness), false, false, 0, 100},
    {"page-cluster", ROW(page_cluster), false, false, 0, 10},
    {"percpu_pagelist_fraction", ROW(percpu_pagelist_fraction), true, false, 8, ANY},
    {"panic_on_oom", ROW(panic_on_oom), false, false, 0, 2},
    {"oom_kill_allocating_task", ROW(oom_kill_allocating_task), false, false, 0, 1},
    {"stat_interval", ROW(stat_interval), false, false, 1, 3600},
    {"reclaim_scope", ROW(reclaim_scope), false, false, RECLAIM_NODE, RECLAIM_ZONELIST},
    {"source_progress", ROW(source_progress), false, false, 0, 1},
    {"swap_token", ROW(swap_token), false, false, 0, 1},
    {"inactive_percent", ROW(inactive_percent), false, false, 0, 100},
    {"inactive_faults", ROW(inactive_faults), false, false, 0, 1000},
    {"probation", ROW(probation), false, false, 0, 1},
    {"park_neighbours", ROW(park_neighbours), false, false, 0, 1},
    {"fault_around_max", ROW(fault_around_max), false, false, 0, 512},
    {"read_around_max", ROW(read_around_max), true, true, 2, 64},
    {"fault_around_fresh", ROW(fault_around_fresh), false, false, 0, 512},
    {"zone_reclaim_mode", ROW(zone_reclaim_mode), false, false, 0, RECLAIM_ZONE | RECLAIM_WRITE | RECLAIM_SWAP},
    {"min_unmapped_ratio", ROW(min_unmapped_ratio), false, false, 0, 100},
    {"min_slab_ratio", ROW(min_slab_ratio), false, false, 0, 100},
    {"vfs_cache_pressure", ROW(vfs_cache_pressure), false, false, 0, ANY},
    {"dirty_ratio", ROW(dirty_ratio), false, false, 0, 100},
    {"dirty_background_ratio", ROW(dirty_background_ratio), false, false, 0, 100},
    {"dirty_task_share", ROW(dirty_task_share), false, false, 0, 1},
    {"laptop_mode", ROW(laptop_mode), false, false, 0, 1},
    {"drop_caches", ROW(drop_caches), true, false, DROP_PAGECACHE, DROP_PAGECACHE | DROP_SLAB},
    {"numa_zonelist_order", ROW(zonelist_order), false, false, ZONELIST_DEFAULT, ZONELIST_ZONE},
    {"watermark_scale_factor", ROW(watermark_scale_factor), true, false, 1, 3000},
    {"workingset", ROW(workingset), false, false, 0, 1},
    {"workingset_anon", ROW(workingset_anon), false, false, 0, 1},
    {"reclaim_retries", ROW(reclaim_retries), true, false, 1, 64},
    {"oom_waits_for_writes", ROW(oom_waits_for_writes), false, false, 0, 1},
    {"compaction", ROW(compaction), false, false, 0, 1},
    {"oom_score_adj", ROW(oom_score_adj), false, false, 0, 1},
    {"oom_reaper", ROW(oom_reaper), false, false, 0, 1},
    {"psi", ROW(psi), false, false, 0, 1},
};
#define NR_ROWS (sizeof(table) / sizeof(table[0]))

static unsigned *values_of(struct tunables *tune, const struct sysctl *row) {
    return (unsigned *)(void *)((char *)tune + row->offset);
}

static bool in_range(const struct sysctl *row, unsigned value) {
    if (value == 0 && row->zero_too)
        return true;
    return value >= row->least && value <= row->most && !(row->power_of_two && value & (value - 1));
}

bool sysctl_in_range(const struct tunables *tune) {
    struct tunables copy = *tune;

    for (unsigned i = 0; i < NR_ROWS; i++)
        for (unsigned n = 0; n < table[i].nr; n++)
            if (!in_range(&table[i], values_of(&copy, &table[i])[n]))
                return false;
    return true;
}

const struct sysctl *sysctl_row(unsigned i) {
    return i < NR_ROWS ? &table[i] : NULL;
}

static bool same_name(const char *a, const char *b) {
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

const struct sysctl *sysctl_find(const char *name) {
    for (unsigned i = 0; i < NR_ROWS; i++)
        if (same_name(table[i].name, name))
            return &table[i];
    return NULL;
}

enum mm_status sysctl_get(const struct machine *m, const char *name, unsigned *ret_values, unsigned *ret_nr) {
    const struct sysctl *row = sysctl_find(name);
    struct tunables tune = m->tune;

    if (!row)
        return MM_INVAL;
    for (unsigned n = 0; n < row->nr; n++)
        ret_values[n] = values_of(&tune, row)[n];
    *ret_nr = row->nr;
    return MM_OK;
}

enum mm_status sysctl_set(struct machine *m, const char *name, const unsigned *values, unsigned nr) {
    const struct sysctl *row = sysctl_find(name);
    struct tunables wanted = m->tune;
    enum mm_status status;

    if (!row || nr == 0 || nr > row->nr)
        return MM_INVAL;
    for (unsigned n = 0; n < nr; n++)
        values_of(&wanted, row)[n] = values[n];
    status = machine_tune(m, &wanted);
    if (status == MM_OK && row->offset == offsetof(struct tunables, drop_caches))
        drop_caches(m, values[0]);
    return status;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n';
}

/* Reads one number at *text and moves on behind it. */
static bool read_number(const char **text, unsigned *ret_value) {
    const char *p = *text;
    uint64_t value = 0;

    while (*p >= '0' && *p <= '9' && value <= UINT32_MAX)
        value = value * 10 + (uint64_t)(*p++ - '0');
    if (p == *text || value > UINT32_MAX || (*p && !is_blank(*p)))
        return false;
    *text = p;
    *ret_value = (unsigned)value;
    return true;
}

/* The one tunable that has words, of which the kernel reads the first letter. */
static const char zonelist_orders[][8] = {
    [ZONELIST_DEFAULT] = "default", [ZONELIST_NODE] = "node", [ZONELIST_ZONE] = "zone"};

static bool has_words(const struct sysctl *row) {
    return row && row->offset == offsetof(struct tunables, zonelist_order);
}

static bool read_word(const char *text, unsigned *ret_value) {
    for (unsigned order = ZONELIST_DEFAULT; order <= ZONELIST_ZONE; order++)
        if (*text == zonelist_orders[order][0] || *text + 'a' - 'A' == zonelist_orders[order][0]) {
            *ret_value = order;
            return true;
        }
    return false;
}

enum mm_status sysctl_write(struct machine *m, const char *name, const char *text) {
    unsigned values[SYSCTL_VALUES_MOST], nr = 0;

    if (has_words(sysctl_find(name)) && read_word(text, values))
        return sysctl_set(m, name, values, 1);

    for (;;) {
        while (is_blank(*text))
            text++;
        if (!*text)
            return sysctl_set(m, name, values, nr);
        if (nr == SYSCTL_VALUES_MOST || !read_number(&text, &values[nr++]))
            return MM_INVAL;
    }
}

size_t sysctl_text(const struct machine *m, char *buf, size_t size) {
    struct text text = {buf, size, 0};
    struct tunables tune = m->tune;

    for (unsigned i = 0; i < NR_ROWS; i++) {
        text_str(&text, "vm.", 0);
        text_str(&text, table[i].name, 0);
        text_str(&text, " =", 0);
        for (unsigned n = 0; n < table[i].nr; n++) {
            text_str(&text, n ? "\t" : " ", 0);
            if (has_words(&table[i]))
                text_str(&text, zonelist_orders[tune.zonelist_order], 0);
            else
                text_unsigned(&text, values_of(&tune, &table[i])[n], 0);
        }
        text_str(&text, "\n", 0);
    }
    return text_end(&text);
}
