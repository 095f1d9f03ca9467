/* SPDX-License-Identifier: MIT */
/* Random sequences of what a program does to its memory. A seed that fails says which command runs it alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/property/world.h"

static void one_synchronous_device_keeps_every_byte(void **state) {
    (void)state;
    world_run_seeds("small", 1, 6);
}

static void a_rejecting_pool_over_a_slow_file_keeps_every_byte(void **state) {
    (void)state;
    world_run_seeds("two_tiers", 100, 6);
}

static void failed_writes_lose_nothing(void **state) {
    (void)state;
    world_run_seeds("failing_writes", 200, 6);
}

static void a_failed_read_is_sigbus_and_never_wrong_bytes(void **state) {
    (void)state;
    world_run_seeds("failing_reads", 300, 6);
}

static void failed_allocations_lose_nothing(void **state) {
    (void)state;
    world_run_seeds("failing_allocations", 600, 6);
}

static void a_torn_or_lost_write_is_sigbus_and_never_wrong_bytes(void **state) {
    (void)state;
    world_run_seeds("torn_writes", 700, 6);
}

static void swap_areas_that_come_and_go_keep_every_byte(void **state) {
    (void)state;
    world_run_seeds("swap_areas", 800, 6);
}

static void two_nodes_keep_every_byte(void **state) {
    (void)state;
    world_run_seeds("nodes", 900, 6);
}

static void tasks_that_race_with_reclaim_keep_every_byte(void **state) {
    (void)state;
    world_run_seeds("shares", 400, 12);
}

static void tasks_that_fault_on_the_same_pages_keep_every_byte(void **state) {
    (void)state;
    world_run_seeds("words", 500, 12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_synchronous_device_keeps_every_byte),
        cmocka_unit_test(a_rejecting_pool_over_a_slow_file_keeps_every_byte),
        cmocka_unit_test(failed_writes_lose_nothing),
        cmocka_unit_test(a_failed_read_is_sigbus_and_never_wrong_bytes),
        cmocka_unit_test(failed_allocations_lose_nothing),
        cmocka_unit_test(a_torn_or_lost_write_is_sigbus_and_never_wrong_bytes),
        cmocka_unit_test(swap_areas_that_come_and_go_keep_every_byte),
        cmocka_unit_test(two_nodes_keep_every_byte),
        cmocka_unit_test(tasks_that_race_with_reclaim_keep_every_byte),
        cmocka_unit_test(tasks_that_fault_on_the_same_pages_keep_every_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
