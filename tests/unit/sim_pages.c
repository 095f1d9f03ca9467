/* SPDX-License-Identifier: MIT */
#include "tests/unit/sim_pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lru.h"
#include "mm/mmap.h"

struct sim *sim_pages_boot(struct sim_device_config device) {
    const struct sim_config config = {
        .seed = 1,
        .ram_pages = 4096,
        .region_pages = SIM_PAGES_REGION,
        .devices = {device},
    };
    struct sim *sim = sim_create(&config);

    sim_allow_kswapd(sim, false);
    sim_machine(sim)->tune.fault_around_max = 1;
    sim_map(sim, 0, SIM_PAGES_REGION, VM_READ | VM_WRITE);
    return sim;
}

struct sim *sim_pages_boot_plain(void) {
    return sim_pages_boot((struct sim_device_config){.nr_slots = 4096, .detects_clean = true});
}

struct sim *sim_pages_boot_parking(uint32_t ram_pages, uint32_t region_pages) {
    const struct sim_config config = {
        .seed = 1,
        .ram_pages = ram_pages,
        .region_pages = region_pages,
        .devices = {{.nr_slots = 2 * region_pages, .detects_clean = true}},
    };
    struct sim *sim = sim_create(&config);

    sim_allow_kswapd(sim, false);
    sim_machine(sim)->tune.swappiness = 100;
    sim_machine(sim)->tune.inactive_percent = 25;
    sim_map(sim, 0, region_pages, VM_READ | VM_WRITE);
    return sim;
}

void sim_pages_finish(struct sim *sim) {
    sim_settle(sim);
    assert_null(sim_check(sim));
    sim_destroy(sim);
}

void write_pages(struct sim *sim, uint32_t first, uint32_t nr) {
    for (uint64_t i = first; i < first + nr; i++)
        assert_int_equal(sim_write(sim, (uint32_t)i, 8, &i, sizeof(i)), SIM_OK);
}

void expect_pages(struct sim *sim, uint32_t first, uint32_t nr) {
    for (uint64_t i = first; i < first + nr; i++) {
        uint64_t value = 0;

        assert_int_equal(sim_read(sim, (uint32_t)i, 8, &value, sizeof(value)), SIM_OK);
        assert_int_equal(value, i);
    }
}

void write_listed_pages(struct sim *sim, uint32_t nr) {
    uint64_t value = 1;

    for (uint32_t i = 0; i < nr; i++)
        assert_int_equal(sim_write(sim, i, 0, &value, sizeof(value)), SIM_OK);
    lru_add_drain_all(sim_machine(sim));
    refresh_vm_stats(sim_machine(sim));
}

struct zone *normal_zone(struct sim *sim) {
    return &sim_machine(sim)->nodes[0]->node_zones[ZONE_NORMAL];
}

unsigned long vm_event(struct sim *sim, unsigned item) {
    unsigned long events[NR_VM_EVENT_ITEMS];

    all_vm_events(sim_machine(sim), events);
    return events[item];
}

struct scan_control full_scan_control(void) {
    return (struct scan_control){.gfp_mask = GFP_KERNEL,
                                 .may_writepage = true,
                                 .may_swap = true,
                                 .swap_cluster_max = SWAP_CLUSTER_MAX,
                                 .swappiness = 60};
}
