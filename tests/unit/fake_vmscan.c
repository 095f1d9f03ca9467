/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_vmscan.h"

struct fake_vmscan fake_vmscan;

unsigned long try_to_free_pages(struct machine *m, const struct zonelist *zonelist, unsigned order, gfp_t gfp) {
    fake_vmscan.calls++;
    return fake_vmscan.reclaim ? fake_vmscan.reclaim(m, zonelist, order, gfp, fake_vmscan.calls) : 0;
}

void wakeup_kswapd(struct zone *zone, unsigned order) {
    (void)zone;
    fake_vmscan.wakes++;
    fake_vmscan.wakes_order = order;
}
