/* SPDX-License-Identifier: MIT */
/*
 * inactive_share.h - how long the inactive list is to be. (tune.inactive_percent, tune.inactive_faults)
 *
 * On the inactive list a page waits for its end, parked, so that a touch shows; and there a touch costs a fault. If
 * what is in use does not fit beside the list it goes round: deactivated, touched, activated, dozens of pages for one
 * that is freed at last. So the list gets shorter as long as more than tune.inactive_faults of its pages are touched
 * for each page freed, and grows again, up to tune.inactive_percent, once fewer than half as many are.
 */
#ifndef MM_INACTIVE_SHARE_H
#define MM_INACTIVE_SHARE_H

#include "mm/machine.h"

/* However many faults there are: in percent of both lists. */
#define INACTIVE_SHARE_MIN 4u

/* What the inactive list should have of both lists now, in percent; 0: that is left to others. */
unsigned inactive_share(const struct zone *zone);
/* A parked page of the zone has been touched. Any thread. */
void inactive_share_note_touch(struct zone *zone);
/* nr pages have been freed from the zone's inactive list. Any thread. */
void inactive_share_note_freed(struct zone *zone, unsigned long nr);

#endif
