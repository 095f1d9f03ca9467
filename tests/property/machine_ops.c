/* SPDX-License-Identifier: MIT */
#include "tests/property/machine_ops.h"

#include <stdio.h>
#include <stdlib.h>

#include "mm/watermark.h"

_Noreturn static void fail(const struct machine_ops *ops, const char *what, enum mm_status status) {
    fprintf(stderr, "machine: %s, status %d at %llu ns\n", what, (int)status, (unsigned long long)sim_now(ops->sim));
    abort();
}

/* -- swap areas. ---------------------------------------------------------------------------------------------------
 */

#define BAD_SLOTS 3u
#define EXTENTS 4u

/* Slots of the areas in use, all but that one. */
static uint32_t slots_without(const struct machine_ops *ops, unsigned device) {
    uint32_t slots = 0;

    for (unsigned d = 0; d < SIM_DEVICES; d++)
        if (ops->online[d] && d != device)
            slots += ops->config->devices[d].nr_slots - 2 - BAD_SLOTS;
    return slots;
}

/* The pages of the area lie on the device in parts, the last of which comes first. */
static unsigned place_backwards(uint32_t nr_pages, struct swap_extent *extents) {
    uint32_t part = (nr_pages - 1) / EXTENTS, end = nr_pages, page = 1;

    extents[0] = (struct swap_extent){0, 1, 0}; /* the header stays where it is */
    for (unsigned i = 1; i <= EXTENTS; i++) {
        uint32_t nr = i < EXTENTS ? part : nr_pages - page;

        end -= nr;
        extents[i] = (struct swap_extent){page, nr, end};
        page += nr;
    }
    return EXTENTS + 1;
}

static enum mm_status take_into_use(struct machine_ops *ops, unsigned device, uint64_t value) {
    uint32_t nr_pages = ops->config->devices[device].nr_slots;
    const uint32_t bad[BAD_SLOTS] = {1, nr_pages / 2, nr_pages - 2};
    /* A file has extents, a device may have bad slots. */
    bool is_file = value & 1;
    const struct swap_header header = {.last_page = nr_pages - 1, .nr_bad = is_file ? 0 : BAD_SLOTS, .bad = bad};
    _Alignas(4) uint8_t page[PAGE_SIZE];
    struct swap_extent extents[EXTENTS + 1];
    struct swap_source source = {.header = page,
                                 .nr_pages = nr_pages,
                                 .is_regular = is_file,
                                 .identity = 1 + device,
                                 .area_flags = ops->config->devices[device].flags};
    unsigned prio = value & 2 ? SWAP_FLAG_PREFER | (unsigned)(value >> 2 & 15) : 0;
    enum swap_refusal why;

    swap_header_write(&header, page);
    if (is_file) {
        source.extents = extents;
        source.nr_extents = place_backwards(nr_pages, extents);
    }
    return sim_swapon(ops->sim, device, &source, prio, &why);
}

void machine_ops_init(struct machine_ops *ops, struct sim *sim, const struct sim_config *config, uint32_t pages_most) {
    *ops = (struct machine_ops){.sim = sim, .config = config, .pages_most = pages_most};
    atomic_fetch_or(&sim_current(sim)->flags, TASK_SYS_ADMIN);
    for (unsigned d = 0; d < SIM_DEVICES; d++) {
        enum mm_status status = MM_OK;

        if (config->devices[d].nr_slots == 0)
            continue;
        if (config->devices[d].offline)
            status = take_into_use(ops, d, config->seed + d);
        if (status != MM_OK)
            fail(ops, "swapon is refused at the start", status);
        ops->online[d] = true;
    }
}

void machine_ops_swapon(struct machine_ops *ops, uint64_t value) {
    unsigned device = (unsigned)(value >> 8) % SIM_DEVICES;
    unsigned long failures = sim_counts(ops->sim).alloc_failures;
    enum mm_status status;

    if (ops->busy || ops->config->devices[device].nr_slots == 0 || ops->online[device])
        return;
    ops->busy = true;
    atomic_fetch_or(&sim_current(ops->sim)->flags, TASK_SYS_ADMIN);
    status = take_into_use(ops, device, value >> 16);
    if (status != MM_OK && (status != MM_NOMEM || sim_counts(ops->sim).alloc_failures == failures))
        fail(ops, "swapon is refused", status);
    ops->online[device] = status == MM_OK;
    ops->nr_on += status == MM_OK;
    ops->busy = false;
}

/* Is that how swapoff() may end, where what it holds would fit elsewhere? */
static bool may_end_so(const struct machine_ops *ops, enum mm_status status, bool wanted, bool failures) {
    switch (status) {
    case MM_OK:
        return true;
    case MM_INTERRUPTED:
        return wanted;
    case MM_NOMEM:
        return failures;
    case MM_BUSY: /* entries on the move, or a host that maps only a part, four times in a row */
        return ops->races || ops->config->short_permille;
    default:
        return false;
    }
}

void machine_ops_swapoff(struct machine_ops *ops, uint64_t value) {
    unsigned device = (unsigned)(value >> 8) % SIM_DEVICES;
    unsigned long failures = sim_counts(ops->sim).alloc_failures;
    bool wanted = (value >> 16) % 8 == 0;
    enum mm_status status;

    if (ops->busy || !ops->online[device] || slots_without(ops, device) < ops->pages_most)
        return;
    ops->busy = true;
    atomic_fetch_or(&sim_current(ops->sim)->flags, TASK_SYS_ADMIN);
    sim_signal(ops->sim, wanted);
    status = sim_swapoff(ops->sim, device);
    sim_signal(ops->sim, false);
    if (!may_end_so(ops, status, wanted, sim_counts(ops->sim).alloc_failures != failures))
        fail(ops, "swapoff ends otherwise than it may", status);
    ops->online[device] = status != MM_OK;
    ops->nr_off += status == MM_OK;
    ops->nr_interrupted += status == MM_INTERRUPTED;
    ops->nr_refused += status == MM_NOMEM || status == MM_BUSY;
    ops->busy = false;
}

/* -- tunables and allocations. -------------------------------------------------------------------------------------
 */

void machine_ops_tune(struct machine_ops *ops, uint64_t value) {
    struct machine *m = sim_machine(ops->sim);
    struct tunables tune = m->tune;
    unsigned around = value % 3 == 0 ? 0 : value % 3 == 1 ? 1 : 32;
    bool neighbours = value % 2;
    enum mm_status status;

    /* All ways of bringing pages in and of choosing them. */
    tune.fault_around_max = around;
    tune.fault_around_fresh = around ? 8 : 0;
    tune.park_neighbours = neighbours;
    tune.inactive_percent = neighbours ? 40 : 0;
    tune.inactive_faults = neighbours ? 2 : 0;
    tune.probation = neighbours;
    tune.read_around_max = value % 5 < 2 ? 16 : 0;
    tune.swap_token = value % 7 < 2;
    tune.swappiness = 100;
    tune.page_cluster = value % 11 < 4 ? (unsigned)(value % 11) : 3;
    /* And of choosing a node. */
    tune.zonelist_order = value % 13 < 3 ? (enum zonelist_order)(value % 13) : ZONELIST_DEFAULT;
    tune.zone_reclaim_mode = value % 17 < 4 ? 7 : 0;
    tune.reclaim_scope = value % 19 < 4 ? RECLAIM_ZONELIST : RECLAIM_NODE;
    tune.percpu_pagelist_fraction = value % 23 < 4 ? 8 : 0;
    tune.watermark_scale_factor = value % 29 < 6 ? 100 : 0;
    status = machine_tune(m, &tune);
    if (status != MM_OK)
        fail(ops, "tunables are refused", status);
}

void machine_ops_fail(struct machine_ops *ops, uint64_t value) {
    sim_fail_allocations(ops->sim, (unsigned)(value >> 8) % 64, 1 + (unsigned)(value >> 16) % 16);
}
