/* SPDX-License-Identifier: MIT */
/*
 * psi.h - pressure-stall information: the share of time that is lost to want of memory. (specification, section 18;
 * tunable psi)
 *
 * some: at least one task waits for memory: it reclaims for itself, or for a page that had been swapped out. full: and
 * none gets on with its work. Owns machine->psi and PF_MEMSTALL.
 */
#ifndef MM_PSI_H
#define MM_PSI_H

#include "mm/machine.h"

enum psi_state { PSI_SOME, PSI_FULL };
enum psi_average { PSI_AVG10, PSI_AVG60, PSI_AVG300 }; /* seconds */

/*
 * From here to psi_memstall_leave() the current task waits for memory. Within another such section it does nothing, and
 * returns false; what it returns goes to psi_memstall_leave().
 */
bool psi_memstall_enter(struct machine *m);
void psi_memstall_leave(struct machine *m, bool entered);

/*
 * The host tells how many tasks run, or could if they had a CPU, those aside that are within a section. A host that
 * never does is taken to have one task: then full is what some is. Any task, any lock but psi's held.
 */
void psi_set_running(struct machine *m, unsigned nr_running);

/* As at boot: nobody has ever waited, nor does now. Nobody may be within a section. */
void psi_reset(struct machine *m);

/* The averages are brought up to date each 2 s, here or where a section begins or ends. Any task. */
void psi_update(struct machine *m);
/* Hundredths of a percent, and nanoseconds since boot, as of now. */
unsigned psi_average(struct machine *m, enum psi_state state, enum psi_average which);
uint64_t psi_total_ns(struct machine *m, enum psi_state state);
/* The text of /proc/pressure/memory, byte for byte. As the text functions of mm/vmstat.h. */
size_t psi_text(struct machine *m, char *buf, size_t size);

#endif
