/* SPDX-License-Identifier: MIT */
#include "tests/spec/swap_machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/mmap.h"

static _Alignas(4096) uint8_t header_page[PAGE_SIZE];

uint8_t *swap_machine_header(uint32_t last_page, uint32_t nr_bad, const uint32_t *bad) {
    const struct swap_header header = {.last_page = last_page, .nr_bad = nr_bad, .bad = bad};

    swap_header_write(&header, header_page);
    return header_page;
}

struct sim *swap_machine(unsigned switch_permille) {
    const struct sim_config config = {
        .seed = 1,
        .ram_pages = 1024,
        .region_pages = 1024,
        .switch_permille = switch_permille,
        .devices = {{.nr_slots = SLOTS + 1, .offline = true},
                    {.nr_slots = SLOTS + 1, .offline = true, .async = true, .latency_ns = 100000},
                    {.nr_slots = 64, .offline = true}},
    };
    struct sim *sim = sim_create(&config);

    sim_allow_kswapd(sim, false);
    atomic_store(&sim_current(sim)->flags, TASK_SYS_ADMIN);
    sim_map(sim, 0, 1024, VM_READ | VM_WRITE);
    return sim;
}

void area_on(struct sim *sim, unsigned device, unsigned prio_flags) {
    const struct swap_source source = {
        .header = swap_machine_header(SLOTS, 0, NULL), .nr_pages = SLOTS + 1, .identity = 100 + device};
    enum swap_refusal why;

    assert_int_equal(sim_swapon(sim, device, &source, prio_flags, &why), MM_OK);
    assert_int_equal(why, SWAP_ACCEPTED);
}
