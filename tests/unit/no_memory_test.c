/* SPDX-License-Identifier: MIT */
/* Calls that say MM_NOMEM have done nothing, and lose nothing: allocations fail here by the linker's --wrap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lock.h"
#include "mm/mmap.h"
#include "mm/page_table.h"
#include "mm/pcp.h"
#include "mm/swapon.h"
#include "sim/sim.h"

#define TRIES 200

static struct sim *machine(uint64_t seed, unsigned alloc_fail_permille) {
    const struct sim_config config = {
        .seed = seed,
        .ram_pages = 2048,
        .region_pages = 4096,
        .nr_cpus = 1,
        .alloc_fail_permille = alloc_fail_permille,
        .devices = {{.nr_slots = 1024}},
    };
    struct sim *sim = sim_create(&config);

    sim_inject(sim, false);
    return sim;
}

/* Frames that nobody has. */
static unsigned long nr_free(struct sim *sim) {
    struct machine *m = sim_machine(sim);

    drain_all_local_pages(m);
    return zone_page_state(&m->nodes[0]->node_zones[ZONE_NORMAL], NR_FREE_PAGES);
}

static void an_address_space_that_lacks_memory_loses_none(void **state) {
    struct sim *sim = machine(1, 300);
    unsigned long before = nr_free(sim);
    unsigned refused = 0, made = 0;

    (void)state;
    for (unsigned i = 0; i < TRIES; i++) {
        struct mm *mm;

        sim_inject(sim, true);
        mm = mm_create(sim_machine(sim), SIM_BASE, SIM_BASE + (512 << PAGE_SHIFT));
        sim_inject(sim, false);
        refused += mm == NULL;
        made += mm != NULL;
        if (mm)
            mm_destroy(mm);
        assert_int_equal(nr_free(sim), before);
    }
    assert_true(refused > 0 && made > 0);
    assert_null(sim_check(sim));
    sim_destroy(sim);
}

static void an_address_space_beyond_the_last_number_is_refused_and_loses_no_memory(void **state) {
    struct sim *sim = machine(2, 0);
    struct machine *m = sim_machine(sim);
    struct mm *mms[MAX_MMS];
    unsigned long before;
    unsigned nr = 0;

    (void)state;
    /* One has been made already. */
    while (nr < MAX_MMS - 1) {
        mms[nr] = mm_create(m, SIM_BASE, SIM_BASE + (512 << PAGE_SHIFT));
        assert_non_null(mms[nr++]);
    }
    before = nr_free(sim);
    assert_null(mm_create(m, SIM_BASE, SIM_BASE + (512 << PAGE_SHIFT)));
    assert_int_equal(nr_free(sim), before);
    while (nr)
        mm_destroy(mms[--nr]);
    sim_destroy(sim);
}

static bool has_table(struct sim *sim, uint32_t page) {
    struct block *block = find_block(sim_mm(sim), sim_address(page));

    return block && block->table;
}

static void a_move_that_lacks_memory_for_its_tables_does_nothing(void **state) {
    unsigned lacked = 0;

    (void)state;
    for (unsigned seed = 1; seed < 30; seed++) {
        struct sim *sim = machine(seed, 500);
        struct mm *mm = sim_mm(sim);
        uint64_t word = seed;
        enum mm_status status;

        sim_map(sim, 0, 1536, VM_READ | VM_WRITE);
        for (uint32_t page = 0; page < 1536; page += 512)
            assert_int_equal(sim_write(sim, page, 0, &word, sizeof(word)), SIM_OK);
        write_lock(mm->machine->platform, &mm->mmap_lock);
        sim_inject(sim, true);
        status = prepare_page_range(mm, sim_address(0), sim_address(2048), 1536 << PAGE_SHIFT);
        sim_inject(sim, false);
        write_unlock(mm->machine->platform, &mm->mmap_lock);
        lacked += status == MM_NOMEM;
        for (uint32_t block = 2048; status == MM_NOMEM && block < 2048 + 1536; block += 512)
            assert_false(has_table(sim, block));
        assert_int_equal(sim_move(sim, 0, 2048, 1536), MM_OK);
        for (uint32_t page = 2048; page < 2048 + 1536; page += 512) {
            word = 0;
            assert_int_equal(sim_read(sim, page, 0, &word, sizeof(word)), SIM_OK);
            assert_int_equal(word, seed);
        }
        assert_null(sim_check(sim));
        sim_destroy(sim);
    }
    assert_true(lacked > 0);
}

static void what_might_be_had_is_files_swap_and_what_is_free_beyond_the_reserve(void **state) {
    struct sim *sim = machine(3, 0);
    struct machine *m = sim_machine(sim);
    unsigned long free = nr_free(sim), swap = (unsigned long)m->nr_swap_pages, most;

    (void)state;
    most = swap + free - m->totalreserve_pages;
    assert_true(vm_enough_memory(m, most - 1, true));
    assert_false(vm_enough_memory(m, most, true));
    /* Not the whole of it is for everybody. */
    most = swap - swap / 32 + (free - m->totalreserve_pages) - (free - m->totalreserve_pages) / 32;
    assert_true(vm_enough_memory(m, most - 1, false));
    assert_false(vm_enough_memory(m, most, false));
    m->totalreserve_pages = free;
    assert_true(vm_enough_memory(m, swap - 1, true));
    assert_false(vm_enough_memory(m, swap, true));
    sim_destroy(sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_space_that_lacks_memory_loses_none),
        cmocka_unit_test(an_address_space_beyond_the_last_number_is_refused_and_loses_no_memory),
        cmocka_unit_test(a_move_that_lacks_memory_for_its_tables_does_nothing),
        cmocka_unit_test(what_might_be_had_is_files_swap_and_what_is_free_beyond_the_reserve),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
