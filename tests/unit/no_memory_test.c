/* SPDX-License-Identifier: MIT */
/* Calls that say MM_NOMEM have done nothing, and lose nothing: allocations fail here by the linker's --wrap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/check.h"
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

static void an_area_that_lacks_memory_for_its_tables_is_not_there(void **state) {
    (void)state;
    for (unsigned nth = 0; nth < 3; nth++) {
        const struct sim_config config = {.seed = 4, .ram_pages = 2048, .nr_cpus = 1};
        struct sim *sim = sim_create(&config);
        struct machine *m = sim_machine(sim);
        unsigned long before = nr_free(sim);
        unsigned type;

        /* The table of areas, the swap cache, the map of slots. */
        sim_fail_allocations(sim, nth, 1);
        assert_int_equal(swap_add(m, 64, 0, 0, &type), MM_NOMEM);
        assert_int_equal(m->total_swap_pages, 0);
        if (nth < 2)
            assert_int_equal(nr_free(sim), before);
        assert_int_equal(swap_add(m, 64, 0, 0, &type), MM_OK);
        assert_int_equal(type, 0);
        sim_destroy(sim);
    }
}

static void the_33rd_area_is_refused_and_loses_no_memory(void **state) {
    struct sim *sim = machine(5, 0);
    struct machine *m = sim_machine(sim);
    unsigned long before;
    unsigned type;

    (void)state;
    for (unsigned i = 1; i < MAX_SWAPFILES; i++)
        assert_int_equal(swap_add(m, 64, 0, 0, &type), MM_OK);
    before = nr_free(sim);
    assert_int_equal(swap_add(m, 64, 0, 0, &type), MM_NOMEM);
    assert_int_equal(nr_free(sim), before);
    sim_destroy(sim);
}

static const void *header_of(uint32_t nr_pages) {
    static _Alignas(4) uint8_t page[PAGE_SIZE];
    const struct swap_header header = {.last_page = nr_pages - 1};

    swap_header_write(&header, page);
    return page;
}

struct comer {
    struct sim *sim;
    enum mm_status status;
    enum swap_refusal why;
};

/* All call the same file by the same name. */
static void swap_on(struct sim *sim, void *arg) {
    struct comer *comer = arg;
    const struct swap_source source = {.header = header_of(64), .nr_pages = 64, .identity = 77};
    unsigned type;

    atomic_store(&sim_current(sim)->flags, TASK_SYS_ADMIN);
    comer->status = swapon(sim_machine(sim), &source, 0, &type, &comer->why);
}

static void of_tasks_that_take_one_file_into_use_at_once_one_succeeds(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        const struct sim_config config = {.seed = seed, .ram_pages = 2048, .nr_cpus = 1, .switch_permille = 500};
        struct sim *sim = sim_create(&config);
        struct comer comers[3];
        unsigned nr_ok = 0;

        for (unsigned i = 0; i < 3; i++)
            sim_spawn(sim, swap_on, &comers[i]);
        sim_join(sim);
        for (unsigned i = 0; i < 3; i++) {
            nr_ok += comers[i].status == MM_OK;
            assert_true(comers[i].status == MM_OK || comers[i].why == SWAP_ACTIVE);
        }
        assert_int_equal(nr_ok, 1);
        assert_int_equal(sim_machine(sim)->total_swap_pages, 62);
        assert_null(mm_check(sim_machine(sim)));
        sim_destroy(sim);
    }
}

static void swapon_without_memory_says_so(void **state) {
    struct comer comer;

    (void)state;
    for (unsigned nth = 0; nth < 3; nth++) {
        const struct sim_config config = {.seed = 6, .ram_pages = 2048, .nr_cpus = 1};
        struct sim *sim = sim_create(&config);

        sim_fail_allocations(sim, nth, 1);
        swap_on(sim, &comer);
        assert_int_equal(comer.status, MM_NOMEM);
        assert_int_equal(comer.why, SWAP_NO_MEMORY);
        swap_on(sim, &comer);
        assert_int_equal(comer.status, MM_OK);
        sim_destroy(sim);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_space_that_lacks_memory_loses_none),
        cmocka_unit_test(an_address_space_beyond_the_last_number_is_refused_and_loses_no_memory),
        cmocka_unit_test(a_move_that_lacks_memory_for_its_tables_does_nothing),
        cmocka_unit_test(an_area_that_lacks_memory_for_its_tables_is_not_there),
        cmocka_unit_test(the_33rd_area_is_refused_and_loses_no_memory),
        cmocka_unit_test(of_tasks_that_take_one_file_into_use_at_once_one_succeeds),
        cmocka_unit_test(swapon_without_memory_says_so),
        cmocka_unit_test(what_might_be_had_is_files_swap_and_what_is_free_beyond_the_reserve),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
