/* SPDX-License-Identifier: MIT */
/* Counters and their text, apart from the assertions in tests/spec. */
#include "tests/unit/fake_platform.h"

#include <stdlib.h>
#include <string.h>

#include "mm/page_alloc.h"
#include "mm/pcp.h"
#include "mm/swapfile.h"

static struct fake *boot_two_nodes(void) {
    static const uint8_t cpu_node[] = {0, 1};
    const struct memory_range ranges[] = {
        {0, 4096, 0, ZONE_DMA32}, {4096, 8192, 0, ZONE_NORMAL}, {16384, 8192, 1, ZONE_NORMAL}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 3, .nr_cpus = 2, .nr_nodes = 2, .cpu_node = cpu_node};

    return fake_boot_map(&map);
}

static void zone_node_and_global_counters_agree_once_folded(void **state) {
    struct fake *fake = boot_two_nodes();
    struct machine *m = fake->machine;
    struct zone *a = fake_zone(fake, 0, ZONE_DMA32), *b = fake_zone(fake, 0, ZONE_NORMAL);
    struct zone *c = fake_zone(fake, 1, ZONE_NORMAL);

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        fake_set_cpu(i % 2);
        inc_zone_page_state(a, NR_PAGETABLE);
        inc_zone_page_state(b, NR_PAGETABLE);
        mod_zone_page_state(c, NR_PAGETABLE, 100);
    }
    dec_zone_page_state(b, NR_PAGETABLE);
    assert_int_equal(zone_page_state_exact(b, NR_PAGETABLE), 2);
    refresh_vm_stats(m);
    assert_int_equal(zone_page_state(a, NR_PAGETABLE), 3);
    assert_int_equal(node_page_state(m, 0, NR_PAGETABLE), 5);
    assert_int_equal(node_page_state(m, 1, NR_PAGETABLE), 300);
    assert_int_equal(global_page_state(m, NR_PAGETABLE), 305);
    fake_check_and_finish(fake);
}

static void a_fold_of_one_cpu_leaves_the_others_alone(void **state) {
    struct fake *fake = fake_boot(4096, 2);
    struct machine *m = fake->machine;
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);

    (void)state;
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        fake_set_cpu(cpu);
        inc_zone_page_state(zone, NR_PAGETABLE);
    }
    fake_set_cpu(0);
    assert_int_equal(vmstat_update(m, 1), 1000000000);
    assert_int_equal(zone_page_state(zone, NR_PAGETABLE), 1);
    m->tune.stat_interval = 10;
    assert_int_equal(vmstat_update(m, 0), 10000000000);
    assert_int_equal(global_page_state(m, NR_PAGETABLE), 2);
    fake_check_and_finish(fake);
}

static unsigned long pages_on(struct zone *zone) {
    return zone_pcp_pages(zone);
}

/* Section 14: a list of another node's pages is emptied by a batch when it has been idle for three foldings. */
static void an_idle_list_of_a_remote_zone_gives_back_a_batch(void **state) {
    struct fake *fake = boot_two_nodes();
    struct machine *m = fake->machine;
    struct zone *remote = fake_zone(fake, 1, ZONE_NORMAL), *home = fake_zone(fake, 0, ZONE_NORMAL);
    struct page *pages[3], *own;
    unsigned long before, own_before;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        pages[i] = alloc_pages(m, GFP_KERNEL | __GFP_NOWARN, 0), assert_non_null(pages[i]);
    own = pages[0];
    assert_ptr_equal(page_zone(m, own), home);
    fake_set_cpu(1);
    for (unsigned i = 0; i < 3; i++) {
        __free_pages(m, pages[i], 0);
        pages[i] = alloc_pages(m, GFP_KERNEL, 0);
        assert_ptr_equal(page_zone(m, pages[i]), remote);
    }
    /* CPU 0 belongs to node 0, and frees what is node 1's. */
    fake_set_cpu(0);
    for (unsigned i = 0; i < 3; i++) {
        mod_zone_page_state(remote, NR_BOUNCE, 1);
        __free_pages(m, pages[i], 0);
    }
    __free_pages(m, alloc_pages(m, GFP_KERNEL, 0), 0);
    before = pages_on(remote);
    own_before = pages_on(home);
    assert_true(before > 0 && own_before > 0);
    for (unsigned fold = 0; fold < 3; fold++) {
        assert_int_equal(pages_on(remote), before);
        refresh_cpu_vm_stats(m, 0);
    }
    assert_true(pages_on(remote) < before);
    for (unsigned fold = 0; fold < 40; fold++)
        refresh_cpu_vm_stats(m, 0);
    assert_int_equal(pages_on(home), own_before);
    fake_check_and_finish(fake);
}

static void the_timer_publishes_what_shards_keep_to_themselves(void **state) {
    struct fake *fake = fake_boot(65536, 1);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct page *block = alloc_pages(fake->machine, GFP_KERNEL, 1);

    (void)state;
    assert_int_equal(zone_page_state(zone, NR_FREE_PAGES), 65536);
    assert_int_equal(vmstat_update(fake->machine, 0), 1000000000);
    assert_int_equal(zone_page_state(zone, NR_FREE_PAGES), 65534);
    __free_pages(fake->machine, block, 1);
    refresh_vm_stats(fake->machine);
    assert_int_equal(zone_page_state(zone, NR_FREE_PAGES), 65536);
    fake_check_and_finish(fake);
}

static void zone_page_state_add_publishes_at_once(void **state) {
    struct fake *fake = fake_boot(4096, 1);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);

    (void)state;
    zone_page_state_add(1, zone, NR_BOUNCE);
    assert_int_equal(zone_page_state(zone, NR_BOUNCE), 1);
    assert_int_equal(global_page_state(fake->machine, NR_BOUNCE), 1);
    fake_finish(fake);
}

static void numa_counters_tell_where_a_request_was_served(void **state) {
    struct fake *fake = boot_two_nodes();
    struct zone *home = fake_zone(fake, 0, ZONE_NORMAL), *other = fake_zone(fake, 1, ZONE_NORMAL);

    (void)state;
    alloc_pages(fake->machine, GFP_KERNEL, 0);
    assert_int_equal(zone_page_state_exact(home, NUMA_HIT), 1);
    assert_int_equal(zone_page_state_exact(home, NUMA_LOCAL), 1);
    fake_set_cpu(1);
    __alloc_pages(fake->machine, GFP_KERNEL, 0, &fake->machine->nodes[0]->node_zonelists[ZONE_NORMAL]);
    assert_int_equal(zone_page_state_exact(home, NUMA_HIT), 2);
    assert_int_equal(zone_page_state_exact(home, NUMA_OTHER), 1);
    /* Node 0 is full: its list is served from node 1. */
    home->pages_low = 100000;
    fake_zone(fake, 0, ZONE_DMA32)->pages_low = 100000;
    __alloc_pages(fake->machine, GFP_KERNEL, 0, &fake->machine->nodes[0]->node_zonelists[ZONE_NORMAL]);
    assert_int_equal(zone_page_state_exact(other, NUMA_MISS), 1);
    assert_int_equal(zone_page_state_exact(other, NUMA_LOCAL), 1);
    assert_int_equal(zone_page_state_exact(home, NUMA_FOREIGN), 1);
    fake_finish(fake);
}

static void events_are_summed_over_cpus(void **state) {
    struct fake *fake = fake_boot(4096, 2);
    unsigned long events[NR_VM_EVENT_ITEMS];

    (void)state;
    count_vm_event(fake->machine, PSWPIN);
    fake_set_cpu(1);
    count_vm_events(fake->machine, PSWPIN, 4);
    all_vm_events(fake->machine, events);
    assert_int_equal(events[PSWPIN], 5);
    assert_int_equal(events[PSWPOUT], 0);
    fake_finish(fake);
}

/* The value that a "name value" line of a text has, or -1. */
static long value_of(const char *text, const char *name) {
    size_t len = strlen(name);

    for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (!strncmp(line, name, len) && line[len] == ' ')
            return strtol(line + len, NULL, 10);
    return -1;
}

static void vmstat_lists_counters_then_events_in_the_kernels_order(void **state) {
    static const char *const order[] = {"nr_free_pages ",
                                        "nr_inactive ",
                                        "nr_active ",
                                        "nr_anon_pages ",
                                        "nr_mapped ",
                                        "nr_file_pages ",
                                        "nr_dirty ",
                                        "nr_writeback ",
                                        "nr_slab_reclaimable ",
                                        "nr_slab_unreclaimable ",
                                        "nr_page_table_pages ",
                                        "nr_unstable ",
                                        "nr_bounce ",
                                        "nr_vmscan_write ",
                                        "pgpgin ",
                                        "pgpgout ",
                                        "pswpin ",
                                        "pswpout ",
                                        "pgalloc_normal ",
                                        "pgalloc_movable ",
                                        "pgfree ",
                                        "pgactivate ",
                                        "pgdeactivate ",
                                        "pgfault ",
                                        "pgmajfault ",
                                        "pgrefill_normal ",
                                        "pgrefill_movable ",
                                        "pgsteal_normal ",
                                        "pgsteal_movable ",
                                        "pgscan_kswapd_normal ",
                                        "pgscan_kswapd_movable ",
                                        "pgscan_direct_normal ",
                                        "pgscan_direct_movable ",
                                        "pginodesteal ",
                                        "slabs_scanned ",
                                        "kswapd_steal ",
                                        "kswapd_inodesteal ",
                                        "pageoutrun ",
                                        "allocstall ",
                                        "pgrotated "};
    struct fake *fake = fake_boot(4096, 1);
    char text[4096], *line = text;

    (void)state;
    for (unsigned event = 0; event < NR_VM_EVENT_ITEMS; event++)
        count_vm_events(fake->machine, event, 1000 + event);
    assert_true(vmstat_text(fake->machine, text, sizeof(text)) < sizeof(text));
    for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        assert_memory_equal(line, order[i], strlen(order[i]));
        line = strchr(line, '\n') + 1;
    }
    assert_int_equal(*line, '\0');
    assert_int_equal(value_of(text, "nr_free_pages"), 4096);
    assert_int_equal(value_of(text, "pgpgin"), (1000 + PGPGIN) / 2);
    assert_int_equal(value_of(text, "pgpgout"), (1000 + PGPGOUT) / 2);
    assert_int_equal(value_of(text, "pswpin"), 1000 + PSWPIN);
    assert_int_equal(value_of(text, "pgalloc_movable"), 1000 + PGALLOC + ZONE_MOVABLE);
    assert_int_equal(value_of(text, "pgscan_direct_normal"), 1000 + PGSCAN_DIRECT + ZONE_NORMAL);
    assert_int_equal(value_of(text, "pgrotated"), 1000 + PGROTATED);
    fake_finish(fake);
}

static void with_several_nodes_vmstat_has_the_numa_counters_and_all_zone_types(void **state) {
    struct fake *fake = boot_two_nodes();
    char text[4096];

    (void)state;
    alloc_pages(fake->machine, GFP_KERNEL, 0);
    refresh_vm_stats(fake->machine);
    vmstat_text(fake->machine, text, sizeof(text));
    assert_int_equal(value_of(text, "numa_hit"), 1);
    assert_int_equal(value_of(text, "numa_interleave"), 0);
    assert_int_equal(value_of(text, "numa_other"), 0);
    assert_int_equal(value_of(text, "pgalloc_dma32"), 0);
    assert_int_equal(value_of(text, "pgalloc_dma"), -1);
    fake_finish(fake);
}

static void zoneinfo_is_the_kernels_byte_for_byte(void **state) {
    static const char wanted[] = "Node 0, zone   Normal\n"
                                 "  pages free     16381\n"
                                 "        min      256\n"
                                 "        low      320\n"
                                 "        high     384\n"
                                 "        scanned  7 (a: 8 i: 9)\n"
                                 "        spanned  16384\n"
                                 "        present  16384\n"
                                 "    nr_free_pages 16381\n"
                                 "    nr_inactive  0\n"
                                 "    nr_active    0\n"
                                 "    nr_anon_pages 0\n"
                                 "    nr_mapped    0\n"
                                 "    nr_file_pages 0\n"
                                 "    nr_dirty     0\n"
                                 "    nr_writeback 0\n"
                                 "    nr_slab_reclaimable 0\n"
                                 "    nr_slab_unreclaimable 0\n"
                                 "    nr_page_table_pages 0\n"
                                 "    nr_unstable  0\n"
                                 "    nr_bounce    0\n"
                                 "    nr_vmscan_write 0\n"
                                 "        protection: (0, 0)\n"
                                 "  pagesets\n"
                                 "    cpu: 0 pcp: 0\n"
                                 "              count: 2\n"
                                 "              high:  18\n"
                                 "              batch: 3\n"
                                 "    cpu: 0 pcp: 1\n"
                                 "              count: 0\n"
                                 "              high:  6\n"
                                 "              batch: 1\n"
                                 "  vm stats threshold: 2\n"
                                 "  all_unreclaimable: 1\n"
                                 "  prev_priority:     12\n"
                                 "  start_pfn:         0\n";
    struct fake *fake = fake_boot(16384, 1);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    char text[2048];

    (void)state;
    alloc_pages(fake->machine, GFP_KERNEL, 0);
    refresh_vm_stats(fake->machine);
    atomic_store(&zone->pages_scanned, 7);
    atomic_store(&zone->nr_scan_active, 8);
    atomic_store(&zone->nr_scan_inactive, 9);
    zone_set_flag(zone, ZONE_ALL_UNRECLAIMABLE);
    assert_int_equal(zoneinfo_text(fake->machine, text, sizeof(text)), strlen(wanted));
    assert_string_equal(text, wanted);
    fake_finish(fake);
}

static const char *name_of_area(void *host, unsigned type) {
    (void)host;
    return type == 0 ? "/var/swap" : "/a/path/that/is/longer/than/forty/characters/are";
}

static bool has_room(void *host, unsigned type) {
    (void)host, (void)type;
    return true;
}

static void swaps_is_the_kernels_byte_for_byte(void **state) {
    static const char wanted[] = "Filename\t\t\t\tType\t\tSize\tUsed\tPriority\n"
                                 "/var/swap                               file\t\t4092\t8\t-1\n"
                                 "/a/path/that/is/longer/than/forty/characters/are file\t\t8188\t0\t-2\n";
    struct fake *fake = fake_boot(16384, 1);
    unsigned type;
    char text[512];

    (void)state;
    fake->platform.swap_area_name = name_of_area;
    fake->platform.swap_has_room = has_room;
    assert_int_equal(swap_add(fake->machine, 1024, -1, 0, &type), MM_OK);
    assert_int_equal(swap_add(fake->machine, 2048, -2, 0, &type), MM_OK);
    get_swap_page(fake->machine);
    get_swap_page(fake->machine);
    assert_int_equal(swaps_text(fake->machine, text, sizeof(text)), strlen(wanted));
    assert_string_equal(text, wanted);
    fake->platform.swap_area_name = NULL;
    swaps_text(fake->machine, text, sizeof(text));
    assert_non_null(strstr(text, "\nswap0                                   file\t\t4092\t8\t-1\n"));
    fake_finish(fake);
}

static const char *awkward_name(void *host, unsigned type) {
    (void)host, (void)type;
    return "/a b\tc\nd\\e";
}

static void in_swaps_a_name_with_blanks_is_one_column(void **state) {
    struct fake *fake = fake_boot(16384, 1);
    unsigned type;
    char text[512];

    (void)state;
    fake->platform.swap_area_name = awkward_name;
    assert_int_equal(swap_add(fake->machine, 1024, -1, 0, &type), MM_OK);
    swaps_text(fake->machine, text, sizeof(text));
    assert_non_null(strstr(text, "\n/a\\040b\\011c\\012d\\134e                  file\t\t4092\t0\t-1\n"));
    fake_finish(fake);
}

static void a_text_that_does_not_fit_is_cut_and_its_whole_length_returned(void **state) {
    struct fake *fake = fake_boot(16384, 1);
    char whole[256], cut[32];
    size_t len = buddyinfo_text(fake->machine, whole, sizeof(whole));

    (void)state;
    memset(cut, 'x', sizeof(cut));
    assert_int_equal(buddyinfo_text(fake->machine, cut, 20), len);
    assert_memory_equal(cut, whole, 19);
    assert_int_equal(cut[19], '\0');
    assert_int_equal(cut[20], 'x');
    assert_int_equal(buddyinfo_text(fake->machine, NULL, 0), len);
    fake_finish(fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zone_node_and_global_counters_agree_once_folded),
        cmocka_unit_test(a_fold_of_one_cpu_leaves_the_others_alone),
        cmocka_unit_test(an_idle_list_of_a_remote_zone_gives_back_a_batch),
        cmocka_unit_test(the_timer_publishes_what_shards_keep_to_themselves),
        cmocka_unit_test(zone_page_state_add_publishes_at_once),
        cmocka_unit_test(numa_counters_tell_where_a_request_was_served),
        cmocka_unit_test(events_are_summed_over_cpus),
        cmocka_unit_test(vmstat_lists_counters_then_events_in_the_kernels_order),
        cmocka_unit_test(with_several_nodes_vmstat_has_the_numa_counters_and_all_zone_types),
        cmocka_unit_test(zoneinfo_is_the_kernels_byte_for_byte),
        cmocka_unit_test(swaps_is_the_kernels_byte_for_byte),
        cmocka_unit_test(in_swaps_a_name_with_blanks_is_one_column),
        cmocka_unit_test(a_text_that_does_not_fit_is_cut_and_its_whole_length_returned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
