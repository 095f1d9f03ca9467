/* SPDX-License-Identifier: MIT */
#include "tests/spec/slow_path.h"

#include <string.h>

#include "mm/buddy.h"
#include "mm/memory.h"
#include "mm/page_alloc.h"
#include "mm/pcp.h"

struct fake *fake;
struct zone *zone;
struct task hog;
unsigned give_up_after;
static struct mm hog_mm;
static struct page *held[16384]; /* single frames that the test has taken, for reclaim to give back */
static unsigned nr_held;

int slow_path_setup(void **state) {
    (void)state;
    fake = fake_boot(16384, 2);
    zone = fake_zone(fake, 0, ZONE_NORMAL);
    memset(&fake_vmscan, 0, sizeof(fake_vmscan));
    memset(&hog_mm, 0, sizeof(hog_mm));
    hog = (struct task){.comm = "hog", .mm = &hog_mm};
    fake_add_task(fake, &hog);
    nr_held = 0;
    assert_int_equal(zone->pages_min, 256);
    assert_int_equal(zone->pages_low, 320);
    assert_int_equal(zone->pages_high, 384);
    return 0;
}

int slow_path_setup_two_nodes(void **state) {
    slow_path_setup(state);
    fake_finish(fake);
    fake = fake_boot_two_nodes(16384, 2);
    fake_add_task(fake, &hog);
    zone = fake_zone(fake, 0, ZONE_NORMAL);
    return 0;
}

int slow_path_teardown(void **state) {
    (void)state;
    /* However it ended: no lock is left, no flag, and the task is as it was. */
    fake_check_and_finish(fake);
    return 0;
}

static struct page *take_one(void) {
    return __rmqueue(zone, 0, MIGRATE_MOVABLE);
}

void give_back(unsigned nr) {
    for (unsigned i = 0; i < nr; i++)
        free_one_page(zone, held[--nr_held], 0);
    refresh_vm_stats(fake->machine);
}

void give_back_all(void) {
    give_back(nr_held);
}

struct page *take_held_page(void) {
    return held[--nr_held];
}

void leave_free(unsigned nr) {
    drain_all_local_pages(fake->machine);
    while (zone_page_state_exact(zone, NR_FREE_PAGES) > (long)nr)
        held[nr_held++] = take_one();
    while (zone_page_state_exact(zone, NR_FREE_PAGES) < (long)nr)
        give_back(1);
    refresh_vm_stats(fake->machine);
    assert_int_equal(zone_page_state(zone, NR_FREE_PAGES), nr);
}

struct page *request(gfp_t gfp, unsigned order) {
    return alloc_pages(fake->machine, gfp, order);
}

void leave_free_single(unsigned nr) {
    static struct page *all[16384];
    unsigned nr_all = 0;

    nr_held = 0;
    while ((all[nr_all] = take_one()))
        if (++nr_all == 16384)
            break;
    for (unsigned i = 0; i < nr_all; i++) {
        uint32_t pfn = page_to_pfn(fake->machine, all[i]);

        if (pfn % 2 == 0 && pfn / 2 < nr)
            free_one_page(zone, all[i], 0);
        else
            held[nr_held++] = all[i];
    }
    refresh_vm_stats(fake->machine);
    assert_int_equal(zone_page_state(zone, NR_FREE_PAGES), nr);
    assert_int_equal(nr_free_blocks(zone, 0), nr);
}

unsigned long no_progress(struct machine *m, const struct zonelist *list, unsigned order, gfp_t gfp, unsigned call) {
    (void)m, (void)list, (void)order, (void)gfp, (void)call;
    return 0;
}

unsigned long frees_100_on_the_last_call(struct machine *m, const struct zonelist *list, unsigned order, gfp_t gfp,
                                         unsigned call) {
    (void)m, (void)list, (void)order, (void)gfp;
    if (call < give_up_after)
        return 0;
    give_back(100);
    return 100;
}

unsigned long frees_10_each_time(struct machine *m, const struct zonelist *list, unsigned order, gfp_t gfp,
                                 unsigned call) {
    (void)m, (void)list, (void)order, (void)gfp, (void)call;
    give_back(10);
    return 10;
}

unsigned long frees_a_block_on_the_last_call(struct machine *m, const struct zonelist *list, unsigned order, gfp_t gfp,
                                             unsigned call) {
    (void)m, (void)list, (void)order, (void)gfp;
    if (call < give_up_after)
        return 1;
    give_back_all();
    return 1;
}
