/* SPDX-License-Identifier: MIT */
#include "tests/spec/oom_machine.h"

#include <string.h>

#include "mm/oom_kill.h"

struct fake *host;
struct mm mms[4];
struct task tasks[4];

int oom_machine_boot(void **state) {
    (void)state;
    host = fake_boot(4096, 1);
    memset(mms, 0, sizeof(mms));
    memset(tasks, 0, sizeof(tasks));
    for (unsigned i = 0; i < 4; i++) {
        tasks[i].mm = &mms[i];
        mms[i].total_vm = 1000 * (i + 1);
        fake_add_task(host, &tasks[i]);
    }
    return 0;
}

int oom_machine_finish(void **state) {
    (void)state;
    fake_set_current(NULL);
    fake_finish(host);
    return 0;
}

unsigned long points(const struct task *task) {
    return badness(host->machine, task, host->now_ns);
}

void run_oom(void) {
    const struct zonelist *list = &host->machine->nodes[0]->node_zonelists[ZONE_NORMAL];

    assert_true(try_set_zone_oom(host->machine, list));
    out_of_memory(host->machine, list, GFP_KERNEL, 0);
    clear_zonelist_oom(host->machine, list);
}
