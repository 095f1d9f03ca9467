/* SPDX-License-Identifier: MIT */
/* kswapd and those who wake it: nobody's wish is lost in the moment before it goes to sleep. */
#include "tests/unit/fake_platform.h"

#include "mm/page_alloc.h"
#include "mm/vmscan.h"
#include "mm/vmstat.h"

static struct fake *fake;
static struct zone *zone;
static struct task *(*really_current)(void *host);
static unsigned calls, take_at;
static long taken;

/* At its take_at'th look at the current task, memory runs short. */
static struct task *current_that_takes(void *host) {
    if (++calls == take_at) {
        taken = (long)(zone_page_state(zone, NR_FREE_PAGES) - zone->pages_min);
        atomic_fetch_sub(&zone->vm_stat[NR_FREE_PAGES], taken);
    }
    return really_current(host);
}

static void give_back(void) {
    atomic_fetch_add(&zone->vm_stat[NR_FREE_PAGES], taken);
    taken = 0;
}

static bool run_with_order_6(void) {
    calls = 0;
    atomic_store(&fake->machine->nodes[0]->kswapd_max_order, 6);
    return kswapd_run(fake->machine, 0);
}

static void who_finds_kswapd_awake_as_it_goes_to_sleep_is_not_forgotten(void **state) {
    const struct pglist_data *node;

    (void)state;
    fake = fake_boot(16384, 1);
    zone = fake_zone(fake, 0, ZONE_NORMAL);
    node = fake->machine->nodes[0];
    really_current = fake->platform.current;
    fake->platform.current = current_that_takes;
    take_at = 0;
    assert_false(run_with_order_6());
    assert_int_equal(atomic_load(&node->kswapd_awake), 0);
    assert_true(calls > 0);
    /* Its last look: it has found the zone well above its marks a moment before. */
    take_at = calls;
    assert_true(run_with_order_6());
    assert_true(taken > 0);
    assert_int_equal(atomic_load(&node->kswapd_awake), 1);
    give_back();
    take_at = 0;
    assert_false(run_with_order_6());
    assert_int_equal(atomic_load(&node->kswapd_awake), 0);
    fake->platform.current = really_current;
    fake_check_and_finish(fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_finds_kswapd_awake_as_it_goes_to_sleep_is_not_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
