/* SPDX-License-Identifier: MIT */
#include "tests/unit/moving_machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lru.h"
#include "mm/mmap.h"

static const struct memory_range ranges[] = {
    {0, 4096, 0, ZONE_NORMAL}, {4096, 1024, 0, ZONE_NORMAL}, {5120, 512, 0, ZONE_MOVABLE}};
static const bool offline[] = {false, true, true};

struct sim *sim;
struct machine *m;
struct zone *zone;

int moving_machine_boot(void **state) {
    const struct sim_config config = {
        .seed = 1,
        .ranges = ranges,
        .nr_ranges = 3,
        .range_offline = offline,
        .nr_nodes = 1,
        .region_pages = 4096,
        .devices = {{.nr_slots = 8192, .detects_clean = true}},
    };

    (void)state;
    sim = sim_create(&config);
    m = sim_machine(sim);
    zone = normal_zone(sim);
    sim_allow_kswapd(sim, false);
    sim_map(sim, 0, 4096, VM_READ | VM_WRITE);
    return 0;
}

void expect_whole(void) {
    const char *wrong;

    sim_settle(sim);
    wrong = sim_check(sim);
    if (wrong)
        fail_msg("%s", wrong);
}

int moving_machine_finish(void **state) {
    (void)state;
    expect_whole();
    sim_destroy(sim);
    return 0;
}

void write_movable_pages(uint32_t first, uint32_t nr) {
    write_pages(sim, first, nr);
    lru_add_drain_all(m);
    refresh_vm_stats(m);
}
