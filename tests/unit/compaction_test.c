/* SPDX-License-Identifier: MIT */
/* Large blocks made by moving what lies between. */
#include "tests/unit/moving_machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/buddy.h"
#include "mm/compaction.h"
#include "mm/page_alloc.h"
#include "mm/pcp.h"

static void compaction_makes_a_block_of_a_programs_scattered_memory(void **state) {
    (void)state;
    write_movable_pages(0, 3000);
    for (uint32_t i = 0; i < 3000; i += 2)
        sim_discard(sim, i, 1);
    drain_all_local_pages(m);
    refresh_vm_stats(m);
    while (nr_free_at_least(zone, 8))
        assert_non_null(
            get_page_from_freelist(m, GFP_HIGHUSER_MOVABLE, 8, gfp_zonelist(m, GFP_KERNEL), ALLOC_NO_WATERMARKS));
    assert_int_equal(compact_zone(zone, 8), COMPACT_PARTIAL);
    assert_true(nr_free_at_least(zone, 8));
    expect_whole();
    for (uint32_t i = 1; i < 3000; i += 2)
        expect_pages(sim, i, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        MOVING(compaction_makes_a_block_of_a_programs_scattered_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
