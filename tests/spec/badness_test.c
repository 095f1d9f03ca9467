/* SPDX-License-Identifier: MIT */
/* Who is worth killing: the specification's sections 13.4 and 18. */
#include "tests/spec/oom_machine.h"

#include "mm/oom_kill.h"

/* SPEC A37 */
static void forty_thousand_pages_nice_5_root_give_20000(void **state) {
    (void)state;
    mms[0].total_vm = 40000;
    tasks[0].nice = 5;
    atomic_store(&tasks[0].flags, TASK_SYS_ADMIN);
    assert_int_equal(points(&tasks[0]), 20000);
    tasks[0].oomkilladj = -3;
    assert_int_equal(points(&tasks[0]), 2500);
    tasks[0].oomkilladj = 3;
    assert_int_equal(points(&tasks[0]), 160000);
    atomic_store(&tasks[0].flags, TASK_SYS_ADMIN | TASK_SYS_RAWIO);
    assert_int_equal(points(&tasks[0]), 40000);
}

/* SPEC A37 */
static void a_task_in_swapoff_is_maximal_and_adj_minus_17_is_exempt(void **state) {
    (void)state;
    atomic_store(&tasks[0].flags, PF_SWAPOFF);
    assert_true(points(&tasks[0]) == ~0ul);
    tasks[0].oomkilladj = OOM_DISABLE;
    run_oom();
    assert_int_equal(host->nr_kills, 1);
    assert_ptr_equal(host->kills[0].task, &tasks[3]);
    tasks[0].oomkilladj = 0;
    atomic_store(&tasks[3].flags, 0);
    run_oom();
    assert_ptr_equal(host->kills[1].task, &tasks[0]);
}

/* Section 13.4 steps 3 to 5 and 10 */
static void children_count_half_and_age_counts_for_a_task(void **state) {
    const uint64_t second = 1000000000;

    (void)state;
    tasks[1].parent = tasks[2].parent = &tasks[0];
    tasks[2].mm = &mms[0];
    assert_int_equal(points(&tasks[0]), 1000 + 2000 / 2 + 1);
    tasks[1].parent = tasks[2].parent = NULL;

    /* 4 units of 8.192 s of CPU time: isqrt 2. */
    tasks[0].cpu_time_ns = 33 * second;
    assert_int_equal(points(&tasks[0]), 500);
    tasks[0].cpu_time_ns = 32 * second;
    assert_int_equal(points(&tasks[0]), 1000);
    tasks[0].cpu_time_ns = 0;
    /* 16 units of 1024 s of age: fourth root 2. */
    host->now_ns = 20000 * second;
    tasks[0].start_time_ns = (20000 - 16 * 1024) * second;
    assert_int_equal(points(&tasks[0]), 500);
    tasks[0].start_time_ns += second;
    assert_int_equal(points(&tasks[0]), 1000);
    tasks[0].start_time_ns = host->now_ns;

    mms[0].total_vm = 0;
    assert_int_equal(points(&tasks[0]), 0);
    tasks[0].oomkilladj = 2;
    assert_int_equal(points(&tasks[0]), 4);
    tasks[0].mm = NULL;
    assert_int_equal(points(&tasks[0]), 0);
}

/* Section 13.4 */
static void lowering_an_adjustment_takes_cap_sys_resource(void **state) {
    struct machine *m = host->machine;

    (void)state;
    assert_int_equal(oom_set_adj(m, &tasks[0], 16), MM_INVAL);
    assert_int_equal(oom_set_adj(m, &tasks[0], -18), MM_INVAL);
    assert_int_equal(oom_set_adj(m, &tasks[0], 15), MM_OK);
    assert_int_equal(oom_set_adj(m, &tasks[0], 14), MM_PERM);
    assert_int_equal(oom_set_score_adj(m, &tasks[0], 1001), MM_INVAL);
    assert_int_equal(oom_set_score_adj(m, &tasks[0], -1001), MM_INVAL);
    assert_int_equal(oom_set_score_adj(m, &tasks[0], 1000), MM_OK);
    assert_int_equal(oom_set_score_adj(m, &tasks[0], -1), MM_PERM);
    fake_set_current(&tasks[1]);
    atomic_store(&tasks[1].flags, TASK_SYS_RESOURCE);
    assert_int_equal(oom_set_adj(m, &tasks[0], -16), MM_OK);
    assert_int_equal(oom_set_adj(m, &tasks[0], OOM_DISABLE), MM_OK);
    assert_int_equal(oom_set_score_adj(m, &tasks[0], -1000), MM_OK);
    fake_set_current(NULL);
}

/* Section 18: badness by pages alone, behind its tunable. */
static void oom_score_adj_counts_pages_and_thousandths_of_all_there_are(void **state) {
    (void)state;
    atomic_store(&mms[0].nr_rss, 100);
    atomic_store(&mms[0].nr_swapped, 50);
    atomic_store(&mms[0].nr_tables, 7);
    tasks[0].nice = 5;
    tasks[0].oom_score_adj = 500;
    atomic_store(&tasks[0].flags, TASK_SYS_ADMIN);
    assert_int_equal(points(&tasks[0]), 1000 * 2 / 4);
    host->machine->tune.oom_score_adj = 1;
    /* 4096 pages, no swap. */
    assert_int_equal(points(&tasks[0]), 157 + 500 * 4);
    host->machine->total_swap_pages = 2000;
    assert_int_equal(points(&tasks[0]), 157 + 500 * 6);
    tasks[0].oom_score_adj = -10;
    assert_int_equal(points(&tasks[0]), 97);
    tasks[0].oom_score_adj = -999;
    assert_int_equal(points(&tasks[0]), 1);
    host->machine->total_swap_pages = 0;
    /* Nothing to be had, and yet something to be chosen. */
    assert_int_equal(points(&tasks[1]), 1);
}

static void with_oom_score_adj_minus_1000_exempts_and_minus_17_does_not(void **state) {
    (void)state;
    host->machine->tune.oom_score_adj = 1;
    atomic_store(&mms[3].nr_rss, 4000);
    atomic_store(&mms[2].nr_rss, 3000);
    tasks[3].oomkilladj = OOM_DISABLE;
    run_oom();
    assert_ptr_equal(host->kills[0].task, &tasks[3]);
    atomic_store(&tasks[3].flags, 0);
    tasks[3].oom_score_adj = OOM_SCORE_ADJ_MIN;
    run_oom();
    assert_ptr_equal(host->kills[1].task, &tasks[2]);
    atomic_store(&tasks[2].flags, 0);
    host->machine->tune.oom_score_adj = 0;
    tasks[3].oomkilladj = 0;
    run_oom();
    assert_ptr_equal(host->kills[2].task, &tasks[3]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        oom_test(forty_thousand_pages_nice_5_root_give_20000),
        oom_test(a_task_in_swapoff_is_maximal_and_adj_minus_17_is_exempt),
        oom_test(children_count_half_and_age_counts_for_a_task),
        oom_test(lowering_an_adjustment_takes_cap_sys_resource),
        oom_test(oom_score_adj_counts_pages_and_thousandths_of_all_there_are),
        oom_test(with_oom_score_adj_minus_1000_exempts_and_minus_17_does_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
