/* SPDX-License-Identifier: MIT */
/* The specification's assertions on reclaim, A28 to A35, in a simulated machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lru.h"
#include "mm/mmap.h"
#include "mm/page_alloc.h"
#include "mm/swapfile.h"
#include "mm/vmscan.h"
#include "tests/unit/sim_pages.h"

static struct sim *machine_of(uint32_t ram_pages, uint32_t region_pages, uint32_t swap_slots) {
    const struct sim_config config = {
        .seed = 1,
        .ram_pages = ram_pages,
        .region_pages = region_pages,
        .devices = {{.nr_slots = swap_slots, .detects_clean = true}},
    };
    struct sim *sim = sim_create(&config);

    sim_allow_kswapd(sim, false);
    return sim;
}

/* nr pages on the inactive list that cannot be freed, because somebody holds a reference. */
static void add_held_pages(struct sim *sim, unsigned nr) {
    struct machine *m = sim_machine(sim);

    for (unsigned i = 0; i < nr; i++)
        lru_cache_add(m, alloc_pages(m, GFP_HIGHUSER_MOVABLE, 0));
    lru_add_drain_all(m);
    refresh_vm_stats(m);
}

/* Takes free frames until the zone fails pages_high. */
static void fill_zone(struct sim *sim, struct zone *zone) {
    while (zone_page_state(zone, NR_FREE_PAGES) > zone->pages_high)
        assert_non_null(get_page_from_freelist(sim_machine(sim), GFP_KERNEL, 0,
                                               gfp_zonelist(sim_machine(sim), GFP_KERNEL), ALLOC_WMARK_MIN));
}

/* A28: kswapd flags a zone whose pages it has looked at six times over in vain. */
static void a_zone_scanned_six_times_over_in_vain_is_flagged(void **state) {
    struct sim *sim = machine_of(4096, 0, 0);
    struct zone *zone = normal_zone(sim);

    (void)state;
    add_held_pages(sim, 1000);
    fill_zone(sim, zone);
    assert_false(zone_is_all_unreclaimable(zone));
    balance_pgdat(zone->node, 0);
    assert_true(zone_is_all_unreclaimable(zone));
    assert_true(atomic_load(&zone->pages_scanned) >= 6 * 1000);
    sim_destroy(sim);
}

/* A28: exactly at six times, in the pass that finds it so. */
static void one_page_scanned_less_than_six_times_over_does_not_flag(void **state) {
    struct sim *sim = machine_of(4096, 0, 0);
    struct zone *zone = normal_zone(sim);

    (void)state;
    add_held_pages(sim, 1000);
    fill_zone(sim, zone);
    atomic_store(&zone->pages_scanned, 5999);
    balance_pgdat(zone->node, 0);
    assert_int_not_equal(atomic_load(&zone->prev_priority), DEF_PRIORITY);

    zone_clear_flag(zone, ZONE_ALL_UNRECLAIMABLE);
    atomic_store(&zone->pages_scanned, 6000);
    balance_pgdat(zone->node, 0);
    /* Flagged in the first pass, so that there was no second. */
    assert_int_equal(atomic_load(&zone->prev_priority), DEF_PRIORITY);
    sim_destroy(sim);
}

/* A28: not while caches give something back. */
static void a_zone_is_not_flagged_in_a_pass_that_freed_slab(void **state) {
    struct sim *sim = machine_of(4096, 0, 0);
    struct zone *zone = normal_zone(sim);
    struct reclaim_state slab = {.reclaimed_slab = 1};

    (void)state;
    add_held_pages(sim, 1000);
    fill_zone(sim, zone);
    atomic_store(&zone->pages_scanned, 6000);
    sim_current(sim)->reclaim_state = &slab;
    balance_pgdat(zone->node, 0);
    sim_current(sim)->reclaim_state = NULL;
    assert_int_equal(slab.reclaimed_slab, 0);
    assert_int_equal(atomic_load(&zone->prev_priority), DEF_PRIORITY - 1);
    sim_destroy(sim);
}

/* A28: any block that reaches the buddy lists clears the flag. */
static void freeing_a_block_clears_the_flag_and_pages_scanned(void **state) {
    struct sim *sim = machine_of(4096, 0, 0);
    struct zone *zone = normal_zone(sim);
    struct page *block = alloc_pages(sim_machine(sim), GFP_KERNEL, 1);

    (void)state;
    add_held_pages(sim, 100);
    fill_zone(sim, zone);
    balance_pgdat(zone->node, 0);
    assert_true(zone_is_all_unreclaimable(zone));
    __free_pages(sim_machine(sim), block, 1);
    assert_false(zone_is_all_unreclaimable(zone));
    assert_int_equal(atomic_load(&zone->pages_scanned), 0);
    sim_destroy(sim);
}

/* A29: the debt that a pass leaves behind tells at which priorities there was one. */
static void a_flagged_zone_is_scanned_only_at_priority_12(void **state) {
    struct sim *sim = machine_of(4096, 0, 0);
    struct machine *m = sim_machine(sim);
    struct zone *zone = normal_zone(sim);

    (void)state;
    add_held_pages(sim, 100);
    zone_set_flag(zone, ZONE_ALL_UNRECLAIMABLE);
    assert_int_equal(try_to_free_pages(m, gfp_zonelist(m, GFP_KERNEL), 0, GFP_KERNEL), 0);
    assert_int_equal(atomic_load(&zone->nr_scan_inactive), 1);
    assert_int_equal(atomic_load(&zone->pages_scanned), 0);

    zone_clear_flag(zone, ZONE_ALL_UNRECLAIMABLE);
    assert_int_equal(try_to_free_pages(m, gfp_zonelist(m, GFP_KERNEL), 0, GFP_KERNEL), 1);
    assert_int_not_equal(atomic_load(&zone->pages_scanned), 0);
    sim_destroy(sim);
}

/* A30: 32 calls at 1 each make a scan; a list of 8192 pages adds 3. */
static void a_short_list_is_scanned_every_32nd_call_at_priority_12(void **state) {
    struct sim *sim = machine_of(16384, 0, 0);
    struct zone *zone = normal_zone(sim);
    struct scan_control sc = full_scan_control();

    (void)state;
    add_held_pages(sim, 4095);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned call = 1; call < 32; call++) {
            shrink_zone(DEF_PRIORITY, zone, &sc);
            assert_int_equal(atomic_load(&zone->nr_scan_inactive), call);
        }
        assert_int_equal(atomic_load(&zone->pages_scanned), round * 32);
        shrink_zone(DEF_PRIORITY, zone, &sc);
        assert_int_equal(atomic_load(&zone->nr_scan_inactive), 0);
        assert_int_equal(atomic_load(&zone->pages_scanned), (round + 1) * 32);
    }
    add_held_pages(sim, 4097);
    shrink_zone(DEF_PRIORITY, zone, &sc);
    assert_int_equal(atomic_load(&zone->nr_scan_inactive), (8192 >> 12) + 1);
    sim_destroy(sim);
}

/* A31 */
static void swap_tendency_reaches_100_at_priority_2(void **state) {
    struct sim *sim = machine_of(4096, 0, 0);
    struct machine *m = sim_machine(sim);
    struct zone *zone = normal_zone(sim);

    (void)state;
    zone_page_state_add((long)m->vm_total_pages / 2, zone, NR_ANON_PAGES);
    assert_int_equal(swap_tendency(zone, 12, 60), 85);
    assert_int_equal(swap_tendency(zone, 3, 60), 97);
    assert_int_equal(swap_tendency(zone, 2, 60), 110);
    /* The zone's earlier distress counts as well. */
    atomic_store(&zone->prev_priority, 2);
    assert_int_equal(swap_tendency(zone, 12, 60), 110);
    zone_page_state_add(-(long)m->vm_total_pages / 2, zone, NR_ANON_PAGES);
    sim_destroy(sim);
}

/* A machine with nr pages of a program's on the active list. */
static struct sim *program_of(uint32_t nr) {
    struct sim *sim = machine_of(4096, 2048, 4096);

    sim_map(sim, 0, 2048, VM_READ | VM_WRITE);
    write_listed_pages(sim, nr);
    return sim;
}

/* A32 */
static void three_times_scanned_in_vain_forces_mapped_reclaim(void **state) {
    struct sim *sim = program_of(1000);
    struct zone *zone = normal_zone(sim);
    struct scan_control sc = full_scan_control();

    (void)state;
    sc.swappiness = 0;
    atomic_store(&zone->pages_scanned, 0);
    atomic_store(&zone->nr_scan_active, SWAP_CLUSTER_MAX);
    shrink_zone(DEF_PRIORITY, zone, &sc);
    assert_int_equal(vm_event(sim, PGDEACTIVATE), 0);

    atomic_store(&zone->pages_scanned, 3 * 1000 - 1);
    atomic_store(&zone->nr_scan_active, SWAP_CLUSTER_MAX);
    shrink_zone(DEF_PRIORITY, zone, &sc);
    /* The chunks after the first found the zone past the mark. */
    assert_int_equal(vm_event(sim, PGDEACTIVATE), 1);

    atomic_store(&zone->pages_scanned, 3 * 1000);
    atomic_store(&zone->nr_scan_active, SWAP_CLUSTER_MAX);
    shrink_zone(DEF_PRIORITY, zone, &sc);
    assert_true(vm_event(sim, PGDEACTIVATE) >= SWAP_CLUSTER_MAX);
    sim_destroy(sim);
}

/* A33: from either list. */
static void mlocked_pages_always_return_to_the_active_list(void **state) {
    struct sim *sim = program_of(64);
    struct machine *m = sim_machine(sim);
    struct zone *zone = normal_zone(sim);
    struct scan_control sc = full_scan_control();
    struct page_list list;

    (void)state;
    sc.swappiness = 100;
    assert_int_equal(sim_mlock(sim, 0, 64), MM_OK);
    page_list_init(&list);
    for (uint32_t i = 0; i < 32; i++) {
        struct page *page = sim_page(sim, i);

        assert_true(isolate_lru_page(m, page));
        page_clear(page, PG_active);
        page_list_add(m, &list, page);
    }
    putback_lru_pages(m, &list);
    refresh_vm_stats(m);
    assert_int_equal(zone_page_state_exact(zone, NR_INACTIVE), 32);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(shrink_zone(0, zone, &sc), 0);
    assert_int_equal(zone_page_state_exact(zone, NR_INACTIVE), 0);
    assert_int_equal(zone_page_state_exact(zone, NR_ACTIVE), 64);
    for (uint32_t i = 0; i < 64; i++)
        assert_true(page_test(sim_page(sim, i), PG_active));
    assert_int_equal(sim_counts(sim).parked, 0);
    sim_destroy(sim);
}

/* A34 */
static void two_accesses_activate_a_listed_page_but_not_one_in_a_pagevec(void **state) {
    struct sim *sim = machine_of(4096, 0, 0);
    struct machine *m = sim_machine(sim);
    struct page *page = alloc_pages(m, GFP_HIGHUSER_MOVABLE, 0);

    (void)state;
    lru_cache_add(m, page);
    mark_page_accessed(m, page);
    mark_page_accessed(m, page);
    assert_false(page_test(page, PG_active));
    lru_add_drain(m);
    page_clear(page, PG_referenced);

    mark_page_accessed(m, page);
    assert_true(page_test(page, PG_referenced));
    assert_false(page_test(page, PG_active));
    mark_page_accessed(m, page);
    assert_true(page_test(page, PG_active));
    assert_false(page_test(page, PG_referenced));
    assert_int_equal(vm_event(sim, PGACTIVATE), 1);
    put_page(m, page);
    sim_destroy(sim);
}

/* -- A35. -- */

static const struct memory_range two_zones[] = {{0, 4096, 0, ZONE_DMA}, {4096, 4096, 0, ZONE_NORMAL}};

static enum mm_status (*real_swap_write)(void *host, swp_entry_t entry, struct page *page, struct mm *mm,
                                         uintptr_t addr);
static unsigned zone_order[2], nr_zone_order;

static enum mm_status note_zone_of_write(void *host, swp_entry_t entry, struct page *page, struct mm *mm,
                                         uintptr_t addr) {
    unsigned type = page_zone_type(page);

    if (nr_zone_order == 0 || (nr_zone_order == 1 && zone_order[0] != type))
        zone_order[nr_zone_order++] = type;
    return real_swap_write(host, entry, page, mm, addr);
}

/* Two zones, both filled by a program, on a machine whose kswapd the test runs itself. */
static struct sim *two_full_zones(void) {
    const struct sim_config config = {
        .seed = 1,
        .region_pages = 8192,
        .ranges = two_zones,
        .nr_ranges = 2,
        .nr_nodes = 1,
        .devices = {{.nr_slots = 16384}},
    };
    struct sim *sim = sim_create(&config);
    uint64_t value = 1;

    sim_allow_kswapd(sim, false);
    sim_machine(sim)->tune.swappiness = 100;
    sim_map(sim, 0, 8192, VM_READ | VM_WRITE);
    for (uint32_t i = 0; i < 8192 - 512; i++)
        assert_int_equal(sim_write(sim, i, 0, &value, sizeof(value)), SIM_OK);
    lru_add_drain_all(sim_machine(sim));
    refresh_vm_stats(sim_machine(sim));
    return sim;
}

static void become_kswapd(struct sim *sim) {
    atomic_store(&sim_current(sim)->flags, PF_MEMALLOC | PF_SWAPWRITE | PF_KSWAPD);
}

static void kswapd_reclaims_zones_upward_until_all_are_balanced(void **state) {
    struct sim *sim = two_full_zones();
    struct machine *m = sim_machine(sim);
    struct platform *platform = (struct platform *)m->platform;

    (void)state;
    /* Marks that both zones fail. */
    for (unsigned type = ZONE_DMA; type <= ZONE_NORMAL; type += ZONE_NORMAL - ZONE_DMA)
        m->nodes[0]->node_zones[type].pages_high = zone_page_state(&m->nodes[0]->node_zones[type], NR_FREE_PAGES) + 300;
    real_swap_write = platform->swap_write;
    platform->swap_write = note_zone_of_write;
    nr_zone_order = 0;
    become_kswapd(sim);
    balance_pgdat(m->nodes[0], 0);
    atomic_store(&sim_current(sim)->flags, 0);
    platform->swap_write = real_swap_write;
    assert_int_equal(nr_zone_order, 2);
    assert_int_equal(zone_order[0], ZONE_DMA);
    assert_int_equal(zone_order[1], ZONE_NORMAL);
    for_each_populated_zone(m, zone) {
        assert_true(zone_page_state_exact(zone, NR_FREE_PAGES) + 40 > (long)zone->pages_high);
        assert_false(zone_is_all_unreclaimable(zone));
    }
    sim_destroy(sim);
}

static void kswapd_leaves_a_zone_with_more_than_8_times_pages_high_alone(void **state) {
    struct sim *sim = two_full_zones();
    struct machine *m = sim_machine(sim);
    struct zone *dma = &m->nodes[0]->node_zones[ZONE_DMA], *normal = &m->nodes[0]->node_zones[ZONE_NORMAL];

    (void)state;
    normal->pages_high = zone_page_state(normal, NR_FREE_PAGES) + 300;
    for (unsigned type = 0; type < MAX_NR_ZONES; type++)
        dma->lowmem_reserve[type] = 0;
    dma->pages_high = zone_page_state(dma, NR_FREE_PAGES) / 8 - 1;
    become_kswapd(sim);
    balance_pgdat(m->nodes[0], 0);
    assert_int_equal(vm_event(sim, PGSCAN_KSWAPD + ZONE_DMA) + vm_event(sim, PGREFILL + ZONE_DMA), 0);
    assert_int_equal(atomic_load(&dma->nr_scan_active), 0);
    assert_int_not_equal(vm_event(sim, PGSCAN_KSWAPD + ZONE_NORMAL), 0);
    assert_int_not_equal(vm_event(sim, PGREFILL + ZONE_NORMAL), 0);

    /* One page less than eight times, and it is scanned with the other. */
    dma->pages_high = zone_page_state(dma, NR_FREE_PAGES) / 8 + 1;
    normal->pages_high = zone_page_state(normal, NR_FREE_PAGES) + 300;
    balance_pgdat(m->nodes[0], 0);
    atomic_store(&sim_current(sim)->flags, 0);
    assert_int_not_equal(atomic_load(&dma->nr_scan_active) + vm_event(sim, PGREFILL + ZONE_DMA), 0);
    sim_destroy(sim);
}

static void kswapd_stops_when_every_failing_zone_is_flagged(void **state) {
    struct sim *sim = machine_of(4096, 0, 0);
    struct zone *zone = normal_zone(sim);

    (void)state;
    add_held_pages(sim, 100);
    fill_zone(sim, zone);
    become_kswapd(sim);
    assert_false(kswapd_run(sim_machine(sim), 0));
    atomic_store(&sim_current(sim)->flags, 0);
    assert_true(zone_is_all_unreclaimable(zone));
    assert_int_equal(atomic_load(&zone->node->kswapd_awake), 0);
    sim_destroy(sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zone_scanned_six_times_over_in_vain_is_flagged),
        cmocka_unit_test(one_page_scanned_less_than_six_times_over_does_not_flag),
        cmocka_unit_test(a_zone_is_not_flagged_in_a_pass_that_freed_slab),
        cmocka_unit_test(freeing_a_block_clears_the_flag_and_pages_scanned),
        cmocka_unit_test(a_flagged_zone_is_scanned_only_at_priority_12),
        cmocka_unit_test(a_short_list_is_scanned_every_32nd_call_at_priority_12),
        cmocka_unit_test(swap_tendency_reaches_100_at_priority_2),
        cmocka_unit_test(three_times_scanned_in_vain_forces_mapped_reclaim),
        cmocka_unit_test(mlocked_pages_always_return_to_the_active_list),
        cmocka_unit_test(two_accesses_activate_a_listed_page_but_not_one_in_a_pagevec),
        cmocka_unit_test(kswapd_reclaims_zones_upward_until_all_are_balanced),
        cmocka_unit_test(kswapd_leaves_a_zone_with_more_than_8_times_pages_high_alone),
        cmocka_unit_test(kswapd_stops_when_every_failing_zone_is_flagged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
