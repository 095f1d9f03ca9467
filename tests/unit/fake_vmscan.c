/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_vmscan.h"

#include "mm/zone_reclaim.h"

struct fake_vmscan fake_vmscan;

unsigned long try_to_free_pages(struct machine *m, const struct zonelist *zonelist, unsigned order, gfp_t gfp) {
    unsigned call = ++fake_vmscan.calls;

    return fake_vmscan.reclaim ? fake_vmscan.reclaim(m, zonelist, order, gfp, call) : 0;
}

bool zone_reclaim(struct zone *zone, gfp_t gfp, unsigned order) {
    fake_vmscan.zone_reclaims++;
    return fake_vmscan.reclaim_zone && fake_vmscan.reclaim_zone(zone, gfp, order);
}

void wakeup_kswapd(struct zone *zone, unsigned order) {
    (void)zone, (void)order;
    fake_vmscan.wakes++;
}
