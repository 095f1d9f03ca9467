/* SPDX-License-Identifier: MIT */
/* What a host's threads and timers call, tunables, and texts. */
#include "embed/names.h"
#include "mm/compaction.h"
#include "mm/oom_kill.h"
#include "mm/oom_reaper.h"
#include "mm/psi.h"
#include "mm/sysctl.h"
#include "mm/vmscan.h"

bool weir_kswapd_run(struct weir_machine *m, int node) {
    return kswapd_run(machine_of(m), node);
}

bool weir_kcompactd_run(struct weir_machine *m, int node) {
    return kcompactd_run(machine_of(m), node);
}

uint64_t weir_vmstat_update(struct weir_machine *m, unsigned cpu) {
    return vmstat_update(machine_of(m), cpu);
}

uint64_t weir_oom_reaper_run(struct weir_machine *m) {
    return oom_reaper_run(machine_of(m));
}

void weir_psi_set_running(struct weir_machine *m, unsigned nr_running) {
    psi_set_running(machine_of(m), nr_running);
}

bool weir_stall_begin(struct weir_machine *m) {
    return psi_memstall_enter(machine_of(m));
}

void weir_stall_end(struct weir_machine *m, bool begun) {
    psi_memstall_leave(machine_of(m), begun);
}

enum weir_status weir_sysctl_write(struct weir_machine *m, const char *name, const char *text) {
    return (enum weir_status)sysctl_write(machine_of(m), name, text);
}

enum weir_status weir_sysctl_read(const struct weir_machine *m, const char *name, unsigned *ret_values,
                                  unsigned *ret_nr) {
    return (enum weir_status)sysctl_get(machine_of(m), name, ret_values, ret_nr);
}

enum weir_status weir_oom_set_adj(struct weir_machine *m, struct weir_task *task, int adj) {
    return (enum weir_status)oom_set_adj(machine_of(m), (struct task *)task, adj);
}

enum weir_status weir_oom_set_score_adj(struct weir_machine *m, struct weir_task *task, int adj) {
    return (enum weir_status)oom_set_score_adj(machine_of(m), (struct task *)task, adj);
}

size_t weir_buddyinfo_text(struct weir_machine *m, char *buf, size_t size) {
    return buddyinfo_text(machine_of(m), buf, size);
}
size_t weir_pagetypeinfo_text(struct weir_machine *m, char *buf, size_t size) {
    return pagetypeinfo_text(machine_of(m), buf, size);
}
size_t weir_zoneinfo_text(struct weir_machine *m, char *buf, size_t size) {
    return zoneinfo_text(machine_of(m), buf, size);
}
size_t weir_vmstat_text(struct weir_machine *m, char *buf, size_t size) {
    return vmstat_text(machine_of(m), buf, size);
}
size_t weir_swaps_text(struct weir_machine *m, char *buf, size_t size) {
    return swaps_text(machine_of(m), buf, size);
}
size_t weir_pressure_text(struct weir_machine *m, char *buf, size_t size) {
    return psi_text(machine_of(m), buf, size);
}
size_t weir_sysctl_text(const struct weir_machine *m, char *buf, size_t size) {
    return sysctl_text(machine_of(m), buf, size);
}
