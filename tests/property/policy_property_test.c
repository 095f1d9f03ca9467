/* SPDX-License-Identifier: MIT */
/* Random sequences where files, swap, caches, compaction and hot-plug compete. A seed that fails says how to run it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/property/world.h"

static void one_task_finds_every_byte_whatever_reclaim_does(void **state) {
    (void)state;
    world_run_seeds("policy", 1, 6);
}

static void tasks_that_race_with_compaction_and_hotplug_find_every_byte(void **state) {
    (void)state;
    world_run_seeds("policy_with_others", 100, 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_task_finds_every_byte_whatever_reclaim_does),
        cmocka_unit_test(tasks_that_race_with_compaction_and_hotplug_find_every_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
