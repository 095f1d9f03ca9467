/* SPDX-License-Identifier: MIT */
/* Refault distance: the specification's section 18, on and off, with a file in a simulated machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/filemap.h"
#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/shrink.h"
#include "mm/watermark.h"
#include "mm/workingset.h"
#include "sim/sim.h"

static struct sim *sim;
static struct machine *m;
static struct zone *zone;
static struct sim_file *file;

static int boot(void **state) {
    const struct sim_config config = {.seed = 1, .ram_pages = 4096};
    const struct sim_file_config file_config = {.nr_pages = 8192};

    (void)state;
    sim = sim_create(&config);
    sim_allow_kswapd(sim, false);
    m = sim_machine(sim);
    zone = &m->nodes[0]->node_zones[ZONE_NORMAL];
    file = sim_file_create(sim, &file_config);
    m->tune.workingset = 1;
    return 0;
}

static int finish(void **state) {
    const char *wrong = sim_check(sim);

    (void)state;
    if (wrong)
        fail_msg("%s", wrong);
    sim_file_destroy(file);
    assert_int_equal(atomic_load(&m->nr_shadows), 0);
    sim_destroy(sim);
    return 0;
}

static void read_pages(uint32_t first, uint32_t nr) {
    uint64_t value;

    for (uint32_t i = first; i < first + nr; i++)
        assert_int_equal(sim_file_read(file, i, 0, &value, sizeof(value)), SIM_OK);
    lru_add_drain_all(m);
    refresh_vm_stats(m);
}

/* What reclaim does to the first nr pages of the file. */
static void evict(uint32_t first, uint32_t nr) {
    struct scan_control sc = {.gfp_mask = GFP_KERNEL, .may_writepage = true, .may_swap = true, .swap_cluster_max = 32};
    struct page_list list;

    page_list_init(&list);
    for (uint32_t i = first; i < first + nr; i++) {
        struct page *page = find_get_page(sim_file_mapping(file), i);

        assert_true(isolate_lru_page(m, page));
        page_list_add_tail(m, &list, page);
        put_page_testzero(page);
    }
    assert_int_equal(shrink_page_list(m, &list, &sc), nr);
    refresh_vm_stats(m);
}

static bool is_active(uint32_t index) {
    struct page *page = find_get_page(sim_file_mapping(file), index);
    bool active = page_test(page, PG_active);

    put_page(m, page);
    return active;
}

/* nr pages on the active list, from the file's index 4096 on. */
static void make_active(uint32_t nr) {
    read_pages(4096, nr);
    read_pages(4096, nr);
    assert_int_equal(zone_page_state(zone, NR_ACTIVE), nr);
}

static void off_a_page_that_comes_back_is_inactive(void **state) {
    (void)state;
    m->tune.workingset = 0;
    make_active(100);
    read_pages(0, 50);
    evict(0, 50);
    assert_int_equal(atomic_load(&m->nr_shadows), 0);
    read_pages(0, 1);
    assert_false(is_active(0));
    assert_int_equal(atomic_load(&m->nodes[0]->inactive_age), 0);
}

static void on_a_page_that_comes_back_within_the_active_lists_length_is_active_at_once(void **state) {
    (void)state;
    make_active(100);
    read_pages(0, 102);
    evict(0, 102);
    assert_int_equal(atomic_load(&m->nr_shadows), 102);
    /* 101 pages went after page 0; after page 1 it was 100, as many as the active list has. */
    read_pages(0, 2);
    assert_false(is_active(0));
    assert_true(is_active(1));
    assert_int_equal(atomic_load(&m->workingset_refaults), 2);
    assert_int_equal(atomic_load(&m->workingset_activates), 1);
    assert_int_equal(atomic_load(&m->nr_shadows), 100);
}

static void activations_age_shadows_as_evictions_do(void **state) {
    (void)state;
    make_active(10);
    read_pages(0, 1);
    evict(0, 1);
    assert_int_equal(atomic_load(&m->nodes[0]->inactive_age), 11);
    /* Eleven more pages become active: the shadow is eleven old now, and the active list has twenty-one pages. */
    read_pages(2000, 11);
    read_pages(2000, 11);
    assert_int_equal(atomic_load(&m->nodes[0]->inactive_age), 22);
    read_pages(0, 1);
    assert_true(is_active(0));
}

static void a_page_read_for_the_first_time_is_inactive(void **state) {
    (void)state;
    make_active(100);
    read_pages(0, 1);
    assert_false(is_active(0));
    assert_int_equal(atomic_load(&m->workingset_refaults), 0);
}

static void pages_dropped_on_purpose_leave_nothing(void **state) {
    (void)state;
    read_pages(0, 20);
    truncate_inode_pages(sim_file_mapping(file), 10);
    assert_int_equal(atomic_load(&m->nr_shadows), 0);
    evict(0, 10);
    assert_int_equal(atomic_load(&m->nr_shadows), 10);
    truncate_inode_pages(sim_file_mapping(file), 5);
    assert_int_equal(atomic_load(&m->nr_shadows), 5);
    assert_int_equal(sim_file_mapping(file)->nr_shadows, 5);
}

static void there_are_at_most_twice_as_many_shadows_as_frames_and_old_ones_are_dropped(void **state) {
    unsigned long objects, before;

    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        read_pages(i * 1000, 1000);
        evict(i * 1000, 1000);
    }
    before = atomic_load(&m->nr_shadows);
    assert_int_equal(before, 4000);
    /* None is older than the machine has frames. */
    assert_int_equal(drop_old_shadows(m), 0);
    atomic_fetch_add(&m->nodes[0]->inactive_age, m->vm_total_pages - 2000);
    shake_caches(m, 0, GFP_KERNEL, 1, &objects);
    assert_int_equal(objects, before - atomic_load(&m->nr_shadows));
    /* There are fewer than frames: nobody looks for old ones. */
    assert_int_equal(objects, 0);
    m->vm_total_pages = 3000;
    atomic_fetch_sub(&m->nodes[0]->inactive_age, 1096);
    shake_caches(m, 0, GFP_KERNEL, 1, &objects);
    /* That of the first page is 3999 older than the last one's. */
    assert_int_equal(objects, 2000);
    assert_int_equal(atomic_load(&m->nr_shadows), 2000);
    /* Not again, though there are too many, until so many more pages have gone. */
    m->vm_total_pages = 1999;
    atomic_fetch_add(&m->nodes[0]->inactive_age, 498);
    shake_caches(m, 0, GFP_KERNEL, 1, &objects);
    assert_int_equal(objects, 0);
    atomic_fetch_sub(&m->nodes[0]->inactive_age, 498);
    m->vm_total_pages = 1000;
    read_pages(5000, 1);
    evict(5000, 1);
    assert_int_equal(atomic_load(&m->nr_shadows), 2000);
    m->vm_total_pages = 4096;
}

static void the_tunable_is_0_or_1(void **state) {
    struct tunables tune = m->tune;

    (void)state;
    tune.workingset = 2;
    assert_int_equal(machine_tune(m, &tune), MM_INVAL);
}

#define WORKINGSET(test) cmocka_unit_test_setup_teardown(test, boot, finish)

int main(void) {
    const struct CMUnitTest tests[] = {
        WORKINGSET(off_a_page_that_comes_back_is_inactive),
        WORKINGSET(on_a_page_that_comes_back_within_the_active_lists_length_is_active_at_once),
        WORKINGSET(activations_age_shadows_as_evictions_do),
        WORKINGSET(a_page_read_for_the_first_time_is_inactive),
        WORKINGSET(pages_dropped_on_purpose_leave_nothing),
        WORKINGSET(there_are_at_most_twice_as_many_shadows_as_frames_and_old_ones_are_dropped),
        WORKINGSET(the_tunable_is_0_or_1),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
