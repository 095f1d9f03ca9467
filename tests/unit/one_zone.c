/* SPDX-License-Identifier: MIT */
#include "tests/unit/one_zone.h"

#include "mm/buddy.h"
#include "mm/pcp.h"

struct fake *fake;
struct machine *m;
struct zone *zone;

int one_zone_setup(void **state) {
    (void)state;
    fake = fake_boot(16384, 2);
    m = fake->machine;
    zone = fake_zone(fake, 0, ZONE_NORMAL);
    return 0;
}

int one_zone_teardown(void **state) {
    (void)state;
    fake_check_and_finish(fake);
    return 0;
}

void assert_all_free(void) {
    drain_all_local_pages(m);
    assert_int_equal(nr_free_blocks(zone, 10), 16);
    assert_int_equal(zone_page_state_exact(zone, NR_FREE_PAGES), 16384);
}
