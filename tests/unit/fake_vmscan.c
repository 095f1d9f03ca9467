/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_vmscan.h"

struct fake_vmscan fake_vmscan;

unsigned long try_to_free_pages(struct machine *m, const struct zonelist *zonelist, unsigned order, gfp_t gfp) {
    unsigned call = ++fake_vmscan.calls;

    return fake_vmscan.reclaim ? fake_vmscan.reclaim(m, zonelist, order, gfp, call) : 0;
}

void wakeup_kswapd(struct zone *zone, unsigned order) {
    (void)zone, (void)order;
    fake_vmscan.wakes++;
}
