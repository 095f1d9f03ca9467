/* SPDX-License-Identifier: MIT */
/*
 * sysctl.h - the tunables by name, each with its range: one table. (specification, section 17)
 *
 * Names are the kernel's under vm. where it has the tunable. What a change brings about is machine_tune()'s affair
 * (mm/watermark.h).
 */
#ifndef MM_SYSCTL_H
#define MM_SYSCTL_H

#include "mm/machine.h"

#define SYSCTL_VALUES_MOST MAX_NR_ZONES

/* One tunable, or a row of alike ones. */
struct sysctl {
    char name[32];
    uint16_t offset;   /* of the first value in struct tunables; each is an unsigned */
    uint8_t nr;        /* values */
    bool zero_too;     /* 0 is allowed as well: off */
    bool power_of_two; /* and nothing else */
    unsigned least, most;
};

/* The table's row number i; NULL after the last. */
const struct sysctl *sysctl_row(unsigned i);
/* NULL: there is none of that name. */
const struct sysctl *sysctl_find(const char *name);

/* ret_values[SYSCTL_VALUES_MOST]. MM_INVAL: no such name. */
enum mm_status sysctl_get(const struct machine *m, const char *name, unsigned *ret_values, unsigned *ret_nr);
/*
 * Sets the first nr values of a tunable (a row may be given in part) and does what follows from it. MM_INVAL, and
 * nothing changed: no such name, more values than there are, or one out of its range.
 */
enum mm_status sysctl_set(struct machine *m, const char *name, const unsigned *values, unsigned nr);
/* The same from text: numbers with blanks between them, as one writes them to a file under /proc/sys. */
enum mm_status sysctl_write(struct machine *m, const char *name, const char *text);

/* Is each value within its range? */
bool sysctl_in_range(const struct tunables *tune);
/* A line "vm.NAME = VALUES" each, as sysctl(8) prints them. As the text functions of mm/vmstat.h. */
size_t sysctl_text(const struct machine *m, char *buf, size_t size);

#endif
