/* SPDX-License-Identifier: MIT */
/* The specification's assertions on the OOM killer (section 13). */
#include "tests/spec/oom_machine.h"

#include "mm/oom_kill.h"

/* SPEC A38 */
static void only_the_victim_gets_tif_memdie(void **state) {
    (void)state;
    tasks[1].mm = &mms[3];
    run_oom();
    assert_int_equal(host->nr_kills, 2);
    assert_ptr_equal(host->kills[0].task, &tasks[1]);
    assert_true(host->kills[0].memdie);
    assert_int_equal(host->kills[0].points, 4000);
    assert_ptr_equal(host->kills[1].task, &tasks[3]);
    assert_false(host->kills[1].memdie);
    assert_int_equal(atomic_load(&tasks[1].flags), TIF_MEMDIE);
    assert_int_equal(atomic_load(&tasks[3].flags), 0);
    assert_int_equal(host->sleeps, 1);
}

/* SPEC A38 */
static void a_task_that_is_dying_already_aborts_the_selection(void **state) {
    (void)state;
    atomic_store(&tasks[0].flags, TIF_MEMDIE);
    run_oom();
    atomic_store(&tasks[0].flags, PF_EXITING);
    run_oom();
    assert_int_equal(host->nr_kills, 0);
    assert_int_equal(host->sleeps, 2);
}

/* Section 13.3 */
static void the_current_task_is_chosen_if_it_is_exiting(void **state) {
    (void)state;
    atomic_store(&tasks[0].flags, PF_EXITING);
    fake_set_current(&tasks[0]);
    run_oom();
    assert_int_equal(host->nr_kills, 1);
    assert_ptr_equal(host->kills[0].task, &tasks[0]);
    assert_true(host->kills[0].memdie);
    /* The victim does not wait for itself. */
    assert_int_equal(host->sleeps, 0);
}

/* Section 13.3 */
static void of_equals_the_first_wins_and_a_score_of_0_is_enough(void **state) {
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        mms[i].total_vm = 0;
    run_oom();
    assert_ptr_equal(host->kills[0].task, &tasks[0]);
    atomic_store(&tasks[0].flags, 0);
    mms[2].total_vm = mms[3].total_vm = 7;
    run_oom();
    assert_ptr_equal(host->kills[1].task, &tasks[2]);
}

/* Section 13.5 */
static void a_child_with_another_address_space_dies_first(void **state) {
    (void)state;
    mms[3].total_vm = 100000;
    tasks[0].parent = &tasks[3];
    tasks[0].mm = &mms[3];
    tasks[1].parent = &tasks[3];
    run_oom();
    assert_int_equal(host->nr_kills, 1);
    assert_ptr_equal(host->kills[0].task, &tasks[1]);
}

/* Section 13.5 */
static void init_and_kernel_threads_are_never_killed(void **state) {
    (void)state;
    atomic_store(&tasks[3].flags, TASK_IS_INIT);
    tasks[2].mm = NULL;
    run_oom();
    assert_ptr_equal(host->kills[0].task, &tasks[1]);
}

/* Section 13.5 */
static void a_kill_is_refused_if_an_exempt_task_shares_the_address_space(void **state) {
    (void)state;
    tasks[3].mm = &mms[2];
    tasks[3].oomkilladj = OOM_DISABLE;
    run_oom();
    assert_int_equal(host->nr_kills, 1);
    assert_ptr_equal(host->kills[0].task, &tasks[1]);
}

/* Section 13.2 */
static void memory_that_a_notifier_frees_calls_the_kill_off(void **state) {
    (void)state;
    host->oom_notify_frees = 1;
    run_oom();
    assert_int_equal(host->nr_kills + host->sleeps, 0);
}

static bool panics(void) {
    jmp_buf here;
    volatile bool came_back = false;

    host->on_panic = &here;
    host->panics = 0;
    if (setjmp(here) == 0) {
        run_oom();
        came_back = true;
    }
    host->on_panic = NULL;
    clear_zonelist_oom(host->machine, &host->machine->nodes[0]->node_zonelists[ZONE_NORMAL]);
    return !came_back && host->panics == 1;
}

/* Section 13.2 */
static void panic_on_oom_and_nobody_left_to_kill_panic(void **state) {
    (void)state;
    assert_false(panics());
    atomic_store(&tasks[3].flags, 0);
    host->machine->tune.panic_on_oom = 1;
    assert_true(panics());
    host->machine->tune.panic_on_oom = 2;
    assert_true(panics());
    host->machine->tune.panic_on_oom = 0;
    host->nr_tasks = 0;
    assert_true(panics());
}

/* Section 13.2 */
static void oom_kill_allocating_task_kills_the_current_one(void **state) {
    (void)state;
    host->machine->tune.oom_kill_allocating_task = 1;
    fake_set_current(&tasks[1]);
    run_oom();
    assert_ptr_equal(host->kills[0].task, &tasks[1]);
}

/* Section 13.2: a list that leaves out a node is the request's own limit. */
static void a_request_for_one_node_of_two_kills_its_own_task(void **state) {
    const struct memory_range ranges[] = {{0, 4096, 0, ZONE_NORMAL}, {4096, 4096, 1, ZONE_NORMAL}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 2, .nr_cpus = 1, .nr_nodes = 2};
    struct machine *m;

    (void)state;
    fake_finish(host);
    host = fake_boot_map(&map);
    m = host->machine;
    for (unsigned i = 0; i < 4; i++)
        fake_add_task(host, &tasks[i]);
    fake_set_current(&tasks[0]);
    m->tune.panic_on_oom = 1;
    out_of_memory(m, &m->nodes[0]->node_thisnode_zonelists[ZONE_NORMAL], GFP_KERNEL, 0);
    assert_int_equal(host->nr_kills, 1);
    assert_ptr_equal(host->kills[0].task, &tasks[0]);
    atomic_store(&tasks[0].flags, 0);
    m->tune.panic_on_oom = 0;
    out_of_memory(m, &m->nodes[0]->node_zonelists[ZONE_NORMAL], GFP_KERNEL, 0);
    assert_ptr_equal(host->kills[1].task, &tasks[3]);
}

/* Section 13.4, step 9, and section 13.2: a cpuset is a limit that several tasks share; others do not help. */
static void a_request_within_a_cpuset_selects_and_discounts_those_outside(void **state) {
    const struct memory_range ranges[] = {{0, 4096, 0, ZONE_NORMAL}, {4096, 4096, 1, ZONE_NORMAL}};
    const struct memory_map map = {.ranges = ranges, .nr_ranges = 2, .nr_cpus = 1, .nr_nodes = 2};
    const struct zonelist *all, *one;
    struct machine *m;

    (void)state;
    fake_finish(host);
    host = fake_boot_map(&map);
    m = host->machine;
    all = &m->nodes[0]->node_zonelists[ZONE_NORMAL];
    one = &m->nodes[0]->node_thisnode_zonelists[ZONE_NORMAL];
    for (unsigned i = 0; i < 4; i++)
        fake_add_task(host, &tasks[i]);
    fake_set_current(&tasks[0]);
    assert_int_equal(oom_constraint_of(m, all, GFP_USER), CONSTRAINT_NONE);
    assert_int_equal(oom_constraint_of(m, one, GFP_USER), CONSTRAINT_MEMORY_POLICY);
    tasks[0].mems_allowed = 1;
    assert_int_equal(oom_constraint_of(m, all, GFP_USER), CONSTRAINT_CPUSET);
    /* A kernel request may go beyond, as far as the next exclusive cpuset. */
    assert_int_equal(oom_constraint_of(m, all, GFP_KERNEL), CONSTRAINT_NONE);
    tasks[0].mems_exclusive = 1;
    assert_int_equal(oom_constraint_of(m, all, GFP_KERNEL), CONSTRAINT_CPUSET);
    atomic_store(&tasks[0].flags, TIF_MEMDIE);
    assert_int_equal(oom_constraint_of(m, all, GFP_USER), CONSTRAINT_NONE);
    atomic_store(&tasks[0].flags, 0);

    tasks[2].mems_allowed = 3;
    tasks[3].mems_allowed = 2;
    assert_int_equal(points(&tasks[3]), 4000 / 8);
    assert_int_equal(points(&tasks[2]), 3000);
    m->tune.panic_on_oom = 1;
    out_of_memory(m, all, GFP_USER, 0);
    assert_int_equal(host->nr_kills, 1);
    assert_ptr_equal(host->kills[0].task, &tasks[2]);
    m->tune.oom_kill_allocating_task = 1;
    out_of_memory(m, all, GFP_USER, 0);
    assert_ptr_equal(host->kills[1].task, &tasks[0]);
}

static void without_a_list_of_tasks_the_owners_of_address_spaces_are_all_there_are(void **state) {
    (void)state;
    host->platform.for_each_task = NULL;
    for (unsigned i = 0; i < 3; i++) {
        mms[i].owner = i ? &tasks[i] : NULL;
        host->machine->mms[2 * i] = &mms[i];
    }
    tasks[2].oomkilladj = -3;
    run_oom();
    /* The fourth has more, but nobody knows of it; the first is nobody's. */
    assert_int_equal(host->nr_kills, 1);
    assert_ptr_equal(host->kills[0].task, &tasks[1]);
    assert_int_equal(atomic_load(&host->machine->rmap_walkers), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        oom_test(only_the_victim_gets_tif_memdie),
        oom_test(a_task_that_is_dying_already_aborts_the_selection),
        oom_test(the_current_task_is_chosen_if_it_is_exiting),
        oom_test(of_equals_the_first_wins_and_a_score_of_0_is_enough),
        oom_test(a_child_with_another_address_space_dies_first),
        oom_test(init_and_kernel_threads_are_never_killed),
        oom_test(a_kill_is_refused_if_an_exempt_task_shares_the_address_space),
        oom_test(memory_that_a_notifier_frees_calls_the_kill_off),
        oom_test(panic_on_oom_and_nobody_left_to_kill_panic),
        oom_test(oom_kill_allocating_task_kills_the_current_one),
        oom_test(a_request_for_one_node_of_two_kills_its_own_task),
        oom_test(a_request_within_a_cpuset_selects_and_discounts_those_outside),
        oom_test(without_a_list_of_tasks_the_owners_of_address_spaces_are_all_there_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
