/* SPDX-License-Identifier: MIT */
/*
 * vmstat.h - counters per zone with per-CPU deltas, event counters per CPU, and the kernel's text files.
 * (specification, sections 14 and 15)
 */
#ifndef MM_VMSTAT_H
#define MM_VMSTAT_H

#include <stddef.h>
#include <stdint.h>

struct machine;
struct zone;

enum zone_stat_item {
    NR_FREE_PAGES,
    NR_INACTIVE,
    NR_ACTIVE,
    NR_ANON_PAGES,
    NR_FILE_MAPPED,
    NR_FILE_PAGES,
    NR_FILE_DIRTY,
    NR_WRITEBACK,
    NR_SLAB_RECLAIMABLE,
    NR_SLAB_UNRECLAIMABLE,
    NR_PAGETABLE,
    NR_UNSTABLE_NFS,
    NR_BOUNCE,
    NR_VMSCAN_WRITE,
    NUMA_HIT,
    NUMA_MISS,
    NUMA_FOREIGN,
    NUMA_INTERLEAVE_HIT,
    NUMA_LOCAL,
    NUMA_OTHER,
    NR_VM_ZONE_STAT_ITEMS
};

/* Per-zone events come in blocks of MAX_NR_ZONES (5): add the zone type. */
enum vm_event_item {
    PGPGIN,
    PGPGOUT,
    PSWPIN,
    PSWPOUT,
    PGALLOC,
    PGALLOC_LAST = PGALLOC + 4,
    PGFREE,
    PGACTIVATE,
    PGDEACTIVATE,
    PGFAULT,
    PGMAJFAULT,
    PGREFILL,
    PGREFILL_LAST = PGREFILL + 4,
    PGSTEAL,
    PGSTEAL_LAST = PGSTEAL + 4,
    PGSCAN_KSWAPD,
    PGSCAN_KSWAPD_LAST = PGSCAN_KSWAPD + 4,
    PGSCAN_DIRECT,
    PGSCAN_DIRECT_LAST = PGSCAN_DIRECT + 4,
    PGINODESTEAL,
    SLABS_SCANNED,
    KSWAPD_STEAL,
    KSWAPD_INODESTEAL,
    PAGEOUTRUN,
    ALLOCSTALL,
    PGROTATED,
    NR_VM_EVENT_ITEMS
};

/* Boot: counters at zero, thresholds by the zone's size. */
void vmstat_init(struct zone *zone);
/* How far a per-CPU delta may go before it is published (section 14). */
int vmstat_threshold(unsigned nr_cpus, unsigned long present_pages);

/* Folded values (per-CPU deltas not yet published are not in them); never negative. Any thread. */
/* zone_page_state(): mm/zone.h. */
unsigned long global_page_state(const struct machine *m, enum zone_stat_item item);
unsigned long node_page_state(const struct machine *m, int node, enum zone_stat_item item);

/* Changes a counter through this CPU's delta, publishing it past the threshold. Any thread. */
void mod_zone_page_state(struct zone *zone, enum zone_stat_item item, int delta);
void inc_zone_page_state(struct zone *zone, enum zone_stat_item item);
void dec_zone_page_state(struct zone *zone, enum zone_stat_item item);
/* Publishes at once: zone and global counter. */
void zone_page_state_add(long delta, struct zone *zone, enum zone_stat_item item);

void count_vm_events(struct machine *m, unsigned item, unsigned long n);
static inline void count_vm_event(struct machine *m, unsigned item) {
    count_vm_events(m, item, 1);
}
/* Sums all CPUs into ret_events[NR_VM_EVENT_ITEMS]. */
void all_vm_events(const struct machine *m, unsigned long *ret_events);

/* The counter with all deltas added, as they are at some moment: what refresh_vm_stats() would make it. */
long zone_page_state_exact(const struct zone *zone, enum zone_stat_item item);

/*
 * Publishes the CPU's deltas (section 14, fold). On NUMA each of this CPU's lists of a zone on another node gives up to
 * a batch back once the zone has seen nothing of the CPU for 3 foldings.
 */
void refresh_cpu_vm_stats(struct machine *m, unsigned cpu);
/* Publishes the deltas of all CPUs. */
void refresh_vm_stats(struct machine *m);
/*
 * What a host's timer calls on each CPU once a stat_interval: folds that CPU's deltas. Returns in how many nanoseconds
 * to call it again.
 */
uint64_t vmstat_update(struct machine *m, unsigned cpu);

/*
 * Text in the kernel's formats (section 15). They write at most size bytes, NUL included, and return the length that
 * the whole text has, as snprintf does.
 */
size_t buddyinfo_text(struct machine *m, char *buf, size_t size);
size_t pagetypeinfo_text(struct machine *m, char *buf, size_t size);
size_t zoneinfo_text(struct machine *m, char *buf, size_t size);
size_t vmstat_text(struct machine *m, char *buf, size_t size);
size_t swaps_text(struct machine *m, char *buf, size_t size);

#endif
