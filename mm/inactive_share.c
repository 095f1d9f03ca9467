/* SPDX-License-Identifier: MIT */
#include "mm/inactive_share.h"

/* Judged once in so large a part of the zone freed. */
#define JUDGED_PART 64u

unsigned inactive_share(const struct zone *zone) {
    const struct tunables *tune = &zone->machine->tune;
    unsigned most = tune->inactive_percent, least = most < INACTIVE_SHARE_MIN ? most : INACTIVE_SHARE_MIN;
    unsigned cut = tune->inactive_faults ? atomic_load_explicit(&zone->inactive_cut, memory_order_relaxed) : 0;

    return most > least + cut ? most - cut : least;
}

void inactive_share_note_touch(struct zone *zone) {
    if (zone->machine->tune.inactive_faults == 0)
        return;
    atomic_fetch_add_explicit(&zone->parked_touched, 1, memory_order_relaxed);
}

/* By a quarter if it is too long, by a percent if it may grow: too short it takes from what is in use. */
static void judge(struct zone *zone, unsigned long touched, unsigned long freed) {
    unsigned most = zone->machine->tune.inactive_percent, share = inactive_share(zone);
    unsigned long bearable = freed * zone->machine->tune.inactive_faults;

    /* Below the least it makes no difference. */
    if (touched > bearable)
        share = share * 3 / 4;
    else if (touched * 2 < bearable && share < most)
        share++;
    /* The tunable may have been lowered in between. */
    atomic_store_explicit(&zone->inactive_cut, most > share ? most - share : 0, memory_order_relaxed);
}

void inactive_share_note_freed(struct zone *zone, unsigned long nr) {
    unsigned long freed;

    if (zone->machine->tune.inactive_faults == 0)
        return;
    freed = atomic_fetch_add_explicit(&zone->inactive_freed, nr, memory_order_relaxed) + nr;
    if (freed < zone->present_pages / JUDGED_PART)
        return;
    /* Two that come here at once judge twice: the second has nothing to judge by, which is no reason for anything. */
    freed = atomic_exchange_explicit(&zone->inactive_freed, 0, memory_order_relaxed);
    judge(zone, atomic_exchange_explicit(&zone->parked_touched, 0, memory_order_relaxed), freed);
}
