/* SPDX-License-Identifier: MIT */
/*
 * vmscan.h - reclaim: which pages leave memory when frames run short. (specification, section 10)
 *
 * Owns the scan state of zones (debts, pages_scanned, prev_priority, ZONE_ALL_UNRECLAIMABLE) and the steps of kswapd.
 * Knows page tables only through rmap, devices only through the platform.
 */
#ifndef MM_VMSCAN_H
#define MM_VMSCAN_H

#include "mm/gfp.h"
#include "mm/machine.h"

/* What one reclaim run may do, and what it has seen. (section 10.1) */
struct scan_control {
    unsigned long nr_scanned;
    gfp_t gfp_mask;
    bool may_writepage;
    bool may_swap; /* false: mapped pages are skipped */
    bool all_unreclaimable;
    unsigned swap_cluster_max;
    unsigned swappiness;
    unsigned order;
};

/*
 * Direct reclaim for a request (section 10.3). The caller has set PF_MEMALLOC and installed reclaim_state. Returns the
 * number of pages freed; if that is 0, 1 while some zone was still scannable; else 0. With tune.source_progress: 1 if
 * 32 pages were freed or some zone was still scannable, else 0. No spinning lock held; sleeps.
 */
unsigned long try_to_free_pages(struct machine *m, const struct zonelist *zonelist, unsigned order, gfp_t gfp);
/*
 * For a filesystem that cannot have the memory it needs in order to write, and will try again: wakes the flusher, and
 * reclaims on each node without entering filesystems. (section 10.3) Sleeps; no lock held.
 */
void free_more_memory(struct machine *m);

/* Asks the zone's node for free pages at this order unless it has them (section 10.4). Any context, any lock held. */
void wakeup_kswapd(struct zone *zone, unsigned order);

/*
 * One step of a node's kswapd: takes the order asked for and balances the node. True: there is more to do now; the
 * host's thread then calls again, and else sleeps until wake_kswapd. The thread's task carries
 * PF_MEMALLOC | PF_SWAPWRITE | PF_KSWAPD.
 */
bool kswapd_run(struct machine *m, int node);
/*
 * A little of what kswapd does, by a task that would otherwise only wait: scans the lists of each zone of the node that
 * is below pages_high once, at the lightest priority. True: there is more to do. Where one task faults alone, its
 * handler keeps up so, and kswapd, on another CPU, need not wake. Caches of the host are left alone. No spinning lock
 * held; page locks may be.
 */
bool kswapd_assist(struct machine *m, int node);
/* Is some zone of the node below pages_high? */
bool kswapd_wants_assistance(const struct machine *m, int node);
/* Reclaims until every zone of the node meets pages_high at this order or is flagged. Returns pages freed. */
unsigned long balance_pgdat(struct pglist_data *pgdat, unsigned order);

/* Scans one zone's lists as the priority demands (section 10.2). Returns pages freed. */
unsigned long shrink_zone(int priority, struct zone *zone, struct scan_control *sc);
/* Is the inactive list short enough that active pages should follow? (tune.inactive_percent; always where that is 0) */
bool inactive_is_low(const struct zone *zone);
/* swap_tendency of section 10.2: mapped pages are deactivated from 100 on. */
unsigned long swap_tendency(const struct zone *zone, int priority, unsigned swappiness);

/*
 * Tries to free the pages of an isolated list, each holding the isolation's reference. Freed ones leave the list; the
 * others stay, PG_active telling where they belong. Returns pages freed. (section 10.2, shrink_page_list)
 */
unsigned long shrink_page_list(struct machine *m, struct page_list *list, struct scan_control *sc);

#endif
