/* SPDX-License-Identifier: MIT */
#include "cli/counters.h"

#define GAUGE(field, help)                                                                                             \
    { #field, help, offsetof(struct weir_process_stats, field), true }
#define COUNT(field, help)                                                                                             \
    { #field, help, offsetof(struct weir_process_stats, field), false }

const struct counter counters[] = {
    GAUGE(ram_pages, "The budget."),
    GAUGE(overhead_pages, "Of the budget: descriptors and buffers of weir's own."),
    GAUGE(free_pages, "Free frames."),
    GAUGE(resident_pages, "The program's pages in RAM, parked ones too."),
    GAUGE(resident_peak_pages, "The most pages of the program in RAM at one time."),
    GAUGE(used_peak_pages, "The most frames in use at one time."),
    GAUGE(parked_pages, "Resident pages that are unmapped to see whether they are used."),
    GAUGE(locked_pages, "Pages that must stay in RAM."),
    GAUGE(table_pages, "Page tables."),
    GAUGE(active_pages, "Pages on the active lists."),
    GAUGE(inactive_pages, "Pages on the inactive lists."),
    GAUGE(committed_pages, "Writable private memory that the program may come to use."),
    GAUGE(mapped_bytes, "Address space that the program has mapped."),
    GAUGE(pool_pages, "RAM that the compressed pool takes."),
    GAUGE(pool_peak_pages, "The most RAM that the compressed pool took at one time."),
    GAUGE(pool_target_pages, "RAM that the compressed pool is to take."),
    GAUGE(pool_stored_pages, "Pages kept in the compressed pool."),
    GAUGE(pool_bytes, "Compressed size of what the pool keeps."),
    GAUGE(pool_same_pages, "Pages of one repeated word, which take no storage."),
    GAUGE(file_pages, "Pages in the swap file."),
    GAUGE(file_peak_pages, "The most pages in the swap file at one time."),
    GAUGE(file_limit_pages, "Slots that the swap file may grow to."),
    GAUGE(file_read_ns, "Time that a page from the swap file takes, on average."),
    COUNT(swapped_out_pages, "Pages that left RAM."),
    COUNT(swapped_in_pages, "Pages that came back."),
    COUNT(pool_out_pages, "Pages stored in the compressed pool."),
    COUNT(pool_in_pages, "Pages decompressed from the pool."),
    COUNT(pool_out_bytes, "Compressed size of all pages stored in the pool."),
    COUNT(file_out_pages, "Pages written to the swap file."),
    COUNT(written_back_pages, "Of those, pages that the compressed pool had kept until then."),
    COUNT(file_in_pages, "Pages read from the swap file."),
    COUNT(dropped_clean_pages, "Pages evicted without writing, their copy in swap being good."),
    COUNT(parked_total_pages, "Pages parked."),
    COUNT(reclaimed_kswapd_pages, "Pages reclaimed by kswapd."),
    COUNT(reclaimed_direct_pages, "Pages reclaimed by allocations themselves."),
    COUNT(scanned_kswapd_pages, "Pages looked at by kswapd."),
    COUNT(scanned_direct_pages, "Pages looked at by allocations themselves."),
    COUNT(direct_stalls, "Allocations that had to reclaim for themselves."),
    COUNT(direct_stall_ns, "Time that they took for it."),
    COUNT(write_errors, "Pages that could not be written to swap."),
    COUNT(read_errors, "Pages that could not be read back."),
    GAUGE(outside_bytes, "The most anonymous memory seen that weir does not manage."),
    COUNT(stalled_ns, "Time that threads waited for faults, summed."),
    COUNT(pressure_some_ns, "Time in which at least one thread waited for memory."),
    COUNT(pressure_full_ns, "Time in which threads waited for memory and none ran."),
};
const size_t nr_counters = sizeof counters / sizeof counters[0];

const char *const pressure_names[WEIR_PRESSURES] = {[WEIR_PRESSURE_SOME] = "some", [WEIR_PRESSURE_FULL] = "full"};
const unsigned pressure_seconds[WEIR_PRESSURE_WINDOWS] = {10, 60, 300};

const char *const fault_kind_names[WEIR_FAULT_KINDS] = {
    [WEIR_FAULT_FRESH] = "fresh",
    [WEIR_FAULT_SOFT] = "soft",
    [WEIR_FAULT_POOL] = "pool",
    [WEIR_FAULT_FILE] = "file",
};
