/* SPDX-License-Identifier: MIT */
/*
 * check.h - walks the whole state and tests every invariant. (specification, section 17.1)
 */
#ifndef MM_CHECK_H
#define MM_CHECK_H

#include "mm/machine.h"

/*
 * The first broken invariant as text, or NULL. Only while no other task is inside the core; costs time proportional to
 * the machine's memory.
 */
const char *mm_check(struct machine *m);

#endif
