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

struct sim *moving_machine_boot(void) {
    const struct sim_config config = {
        .seed = 1,
        .ranges = ranges,
        .nr_ranges = 3,
        .range_offline = offline,
        .nr_nodes = 1,
        .region_pages = 4096,
        .devices = {{.nr_slots = 8192, .detects_clean = true}},
    };
    struct sim *sim = sim_create(&config);

    sim_allow_kswapd(sim, false);
    sim_map(sim, 0, 4096, VM_READ | VM_WRITE);
    return sim;
}

void expect_whole(struct sim *sim) {
    const char *wrong;

    sim_settle(sim);
    wrong = sim_check(sim);
    if (wrong)
        fail_msg("%s", wrong);
}

void moving_machine_finish(struct sim *sim) {
    expect_whole(sim);
    sim_destroy(sim);
}

void write_movable_pages(struct sim *sim, uint32_t first, uint32_t nr) {
    write_pages(sim, first, nr);
    lru_add_drain_all(sim_machine(sim));
    refresh_vm_stats(sim_machine(sim));
}
