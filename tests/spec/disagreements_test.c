/* SPDX-License-Identifier: MIT */
/* The specification's section 0: where the book and the 2.6.24 source disagree, a test for each row and position. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lru.h"
#include "mm/mmap.h"
#include "mm/page_alloc.h"
#include "mm/pcp.h"
#include "mm/vmscan.h"
#include "tests/unit/sim_pages.h"

/* A program of nr pages, whose zone has what kswapd wants and not more. */
static struct sim *program_of(uint32_t nr) {
    const struct sim_config config = {
        .seed = 1, .ram_pages = 4096, .region_pages = 4096, .devices = {{.nr_slots = 8192}}};
    struct sim *sim = sim_create(&config);

    sim_allow_kswapd(sim, false);
    sim_map(sim, 0, 4096, VM_READ | VM_WRITE);
    write_listed_pages(sim, nr);
    return sim;
}

/* Makes nr pages of the program's ready to go, and all others stay. */
static void leave_only(struct sim *sim, uint32_t nr) {
    assert_int_equal(sim_mlock(sim, nr, 1000 - nr), MM_OK);
    sim_cool(sim, 0, nr, false);
    refresh_vm_stats(sim_machine(sim));
    atomic_store(&normal_zone(sim)->nr_scan_inactive, SWAP_CLUSTER_MAX);
    /* What is freed stays on the per-CPU list, as it does on a large machine, and leaves the zone's flag alone. */
    normal_zone(sim)->pageset[0].pcp[PCP_COLD].high = 1000;
}

static unsigned long reclaim(struct sim *sim) {
    struct machine *m = sim_machine(sim);

    return try_to_free_pages(m, gfp_zonelist(m, GFP_KERNEL), 0, GFP_KERNEL);
}

/* Row 1, the book's: a count, whatever it is. */
static void the_result_of_try_to_free_pages_is_the_number_freed(void **state) {
    struct sim *sim = program_of(1000);

    (void)state;
    leave_only(sim, 10);
    assert_int_equal(reclaim(sim), 10);
    /* Nothing freed, and the zone could still be scanned: progress of a kind. */
    assert_int_equal(reclaim(sim), 1);
    zone_set_flag(normal_zone(sim), ZONE_ALL_UNRECLAIMABLE);
    assert_int_equal(reclaim(sim), 0);
    sim_destroy(sim);
}

/* Row 1, the source's. */
static void with_source_progress_the_result_is_1_or_0(void **state) {
    struct sim *sim = program_of(1000);

    (void)state;
    sim_machine(sim)->tune.source_progress = true;
    leave_only(sim, 100);
    assert_int_equal(reclaim(sim), 1);
    sim_destroy(sim);
    /* The one divergence: fewer than 32 freed, and every zone flagged. */
    sim = program_of(1000);
    leave_only(sim, 10);
    zone_set_flag(normal_zone(sim), ZONE_ALL_UNRECLAIMABLE);
    assert_int_equal(reclaim(sim), 10);
    sim_destroy(sim);
    sim = program_of(1000);
    sim_machine(sim)->tune.source_progress = true;
    leave_only(sim, 10);
    zone_set_flag(normal_zone(sim), ZONE_ALL_UNRECLAIMABLE);
    assert_int_equal(reclaim(sim), 0);
    sim_destroy(sim);
}

static const struct memory_range two_nodes[] = {{0, 2048, 0, ZONE_NORMAL}, {2048, 2048, 1, ZONE_NORMAL}};

/* Pages of the second node of which direct reclaim for the first has scanned any. */
static unsigned long scanned_of_the_second_node(enum reclaim_scope scope) {
    const struct sim_config config = {.seed = 1, .ranges = two_nodes, .nr_ranges = 2, .nr_nodes = 2};
    struct sim *sim = sim_create(&config);
    struct machine *m = sim_machine(sim);
    struct zone *second = &m->nodes[1]->node_zones[ZONE_NORMAL];
    const struct zonelist *there = &m->nodes[1]->node_thisnode_zonelists[ZONE_NORMAL];
    unsigned long scanned;

    sim_allow_kswapd(sim, false);
    m->tune.reclaim_scope = scope;
    for (unsigned i = 0; i < 500; i++)
        lru_cache_add(m, __alloc_pages(m, GFP_HIGHUSER_MOVABLE, 0, there));
    lru_add_drain_all(m);
    refresh_vm_stats(m);
    reclaim(sim);
    scanned = atomic_load(&second->pages_scanned) + atomic_load(&second->nr_scan_inactive);
    sim_destroy(sim);
    return scanned;
}

/* Row 2. */
static void reclaim_stays_on_the_node_of_the_lists_first_zone(void **state) {
    (void)state;
    assert_int_equal(scanned_of_the_second_node(RECLAIM_NODE), 0);
}

static void with_zonelist_scope_reclaim_reaches_every_zone_listed(void **state) {
    (void)state;
    assert_int_not_equal(scanned_of_the_second_node(RECLAIM_ZONELIST), 0);
}

static void become_kswapd(struct sim *sim, bool is) {
    atomic_store(&sim_current(sim)->flags, is ? PF_MEMALLOC | PF_SWAPWRITE | PF_KSWAPD : 0);
}

/* A zone that has nothing but 1000 locked pages, and too little free. */
static struct sim *fully_locked(void) {
    struct sim *sim = program_of(1000);

    assert_int_equal(sim_mlock(sim, 0, 1000), MM_OK);
    normal_zone(sim)->pages_high = zone_page_state(normal_zone(sim), NR_FREE_PAGES) + 100;
    become_kswapd(sim, true);
    balance_pgdat(sim_machine(sim)->nodes[0], 0);
    become_kswapd(sim, false);
    return sim;
}

/* Row 3: a heuristic, not a count of pinned pages, and this is what it must find. */
static void a_fully_locked_zone_is_flagged(void **state) {
    struct sim *sim = fully_locked();

    (void)state;
    assert_true(zone_is_all_unreclaimable(normal_zone(sim)));
    assert_true(atomic_load(&normal_zone(sim)->pages_scanned) >= 6 * 1000);
    sim_destroy(sim);
}

/* Row 4: neither munlock() nor kswapd removes it, but any page that reaches the buddy lists. */
static void the_flag_goes_with_the_first_page_freed_and_not_before(void **state) {
    struct sim *sim = fully_locked();
    struct machine *m = sim_machine(sim);
    struct zone *zone = normal_zone(sim);
    struct page *page;

    (void)state;
    sim_munlock(sim, 0, 1000);
    assert_true(zone_is_all_unreclaimable(zone));
    atomic_store(&zone->nr_scan_active, 0);
    atomic_store(&zone->nr_scan_inactive, 0);
    become_kswapd(sim, true);
    /* The one pass at priority 12, whose 1/4096 scan frees nothing here. */
    balance_pgdat(m->nodes[0], 0);
    become_kswapd(sim, false);
    assert_true(zone_is_all_unreclaimable(zone));
    zone->pageset[0].pcp[PCP_HOT].high = 1000;
    page = alloc_pages(m, GFP_HIGHUSER_MOVABLE, 0);
    put_page(m, page);
    assert_true(zone_is_all_unreclaimable(zone));
    drain_all_local_pages(m);
    assert_false(zone_is_all_unreclaimable(zone));
    assert_int_equal(atomic_load(&zone->pages_scanned), 0);
    become_kswapd(sim, true);
    assert_true(balance_pgdat(m->nodes[0], 0) >= 32);
    become_kswapd(sim, false);
    sim_destroy(sim);
}

/* Row 5, who takes ZONE_RECLAIM_LOCKED and who ignores it, is in zone_reclaim_test.c. */

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_result_of_try_to_free_pages_is_the_number_freed),
        cmocka_unit_test(with_source_progress_the_result_is_1_or_0),
        cmocka_unit_test(reclaim_stays_on_the_node_of_the_lists_first_zone),
        cmocka_unit_test(with_zonelist_scope_reclaim_reaches_every_zone_listed),
        cmocka_unit_test(a_fully_locked_zone_is_flagged),
        cmocka_unit_test(the_flag_goes_with_the_first_page_freed_and_not_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
