/* SPDX-License-Identifier: MIT */
/*
 * oom_machine.h - what the tests of the OOM killer share: a machine of 4096 frames with four tasks, each with an
 * address space of its own, of 1000, 2000, 3000 and 4000 pages.
 */
#ifndef TESTS_OOM_MACHINE_H
#define TESTS_OOM_MACHINE_H

#include "mm/memory.h"
#include "tests/unit/fake_platform.h"

extern struct fake *host;
extern struct mm mms[4];
extern struct task tasks[4];

/* For cmocka. */
int oom_machine_boot(void **state);
int oom_machine_finish(void **state);
#define oom_test(test) cmocka_unit_test_setup_teardown(test, oom_machine_boot, oom_machine_finish)

/* The task's badness. */
unsigned long points(const struct task *task);
/* Memory has come to its end. */
void run_oom(void);

#endif
