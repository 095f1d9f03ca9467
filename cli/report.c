/* SPDX-License-Identifier: MIT */
#include "cli/report.h"

#include <string.h>
#include <sys/wait.h>

#include "cli/complain.h"
#include "cli/latency.h"
#include "cli/size.h"
#include "cli/statsfile.h"

static const char *pages_text(uint64_t pages, char buf[static SIZE_TEXT_MAX]) {
    return size_text(pages * PAGE_BYTES, buf);
}

#define TIME_TEXT_MAX 24
static const char *time_text(uint64_t ns, char buf[static TIME_TEXT_MAX]) {
    double value = (double)ns;

    if (ns < 1000)
        snprintf(buf, TIME_TEXT_MAX, "%.0f ns", value);
    else if (value < 999.95e3)
        snprintf(buf, TIME_TEXT_MAX, "%.1f us", value / 1e3);
    else if (value < 999.95e6)
        snprintf(buf, TIME_TEXT_MAX, "%.1f ms", value / 1e6);
    else
        snprintf(buf, TIME_TEXT_MAX, "%.2f s", value / 1e9);
    return buf;
}

static void print_end(FILE *out, const struct weir_process_stats *record, const struct run_end *end) {
    char name[17] = "";

    if (record)
        memcpy(name, record->comm, 16);
    fprintf(out, "weir: %s (process %d) ", record ? name : end->argv[0], (int)end->program);
    if (WIFEXITED(end->wait_status))
        fprintf(out, "exited with status %d", WEXITSTATUS(end->wait_status));
    else
        fprintf(out, "was ended by signal %d (%s)", WTERMSIG(end->wait_status), strsignal(WTERMSIG(end->wait_status)));
    fprintf(out, " after %.1f s%s\n", end->seconds,
            record && record->end == WEIR_END_OOM      ? ": out of memory"
            : record && record->end == WEIR_END_FAILED ? ": weir could not go on"
                                                       : "");
}

static void print_memory(FILE *out, const struct weir_process_stats *r) {
    char a[SIZE_TEXT_MAX], b[SIZE_TEXT_MAX], c[SIZE_TEXT_MAX];

    fprintf(out, "  RAM, at most         %11s of %s; %s of the program's pages\n", pages_text(r->used_peak_pages, a),
            pages_text(r->ram_pages, b), pages_text(r->resident_peak_pages, c));
    fprintf(out, "  swapped out          %11s, %s brought back, %s dropped without writing\n",
            pages_text(r->swapped_out_pages, a), pages_text(r->swapped_in_pages, b),
            pages_text(r->dropped_clean_pages, c));
    fprintf(out, "  compressed           %11s", pages_text(r->pool_out_pages, a));
    if (r->pool_out_bytes)
        fprintf(out, " to %s, ratio %.1f; the pool took %s of RAM at most", size_text(r->pool_out_bytes, b),
                (double)(r->pool_out_pages * PAGE_BYTES) / (double)r->pool_out_bytes,
                pages_text(r->pool_peak_pages, c));
    fprintf(out, "\n  swap file, at most   %11s of %s; %s written", pages_text(r->file_peak_pages, a),
            pages_text(r->file_limit_pages, b), pages_text(r->file_out_pages, c));
    if (r->written_back_pages)
        fprintf(out, " (%s of it from the pool)", pages_text(r->written_back_pages, a));
    fprintf(out, ", %s read\n", pages_text(r->file_in_pages, a));
}

static void print_faults(FILE *out, const struct weir_process_stats *r) {
    static const char *const titles[WEIR_FAULT_KINDS] = {
        [WEIR_FAULT_FRESH] = "first touch",
        [WEIR_FAULT_SOFT] = "parked, still here",
        [WEIR_FAULT_POOL] = "decompressed",
        [WEIR_FAULT_FILE] = "read from file",
    };
    char median[TIME_TEXT_MAX], p99[TIME_TEXT_MAX], longest[TIME_TEXT_MAX];

    fprintf(out, "  faults                     count      median        99 %%     longest\n");
    for (unsigned kind = 0; kind < WEIR_FAULT_KINDS; kind++) {
        const struct weir_latency *latency = &r->fault[kind];

        fprintf(out, "    %-18s %9llu", titles[kind], (unsigned long long)latency->count);
        if (latency->count)
            fprintf(out, " %11s %11s %11s", time_text(latency_quantile_ns(latency, 0.5), median),
                    time_text(latency_quantile_ns(latency, 0.99), p99), time_text(latency->max_ns, longest));
        fputc('\n', out);
    }
}

static void print_reclaim(FILE *out, const struct weir_process_stats *r) {
    char time[TIME_TEXT_MAX];

    fprintf(out, "  stalled on faults    %11s, all threads together\n", time_text(r->stalled_ns, time));
    fprintf(out, "  memory pressure      %11s with a thread waiting", time_text(r->pressure_some_ns, time));
    fprintf(out, ", %s of it with none running\n", time_text(r->pressure_full_ns, time));
    fprintf(out, "  reclaimed by kswapd  %11llu pages of %llu looked at\n",
            (unsigned long long)r->reclaimed_kswapd_pages, (unsigned long long)r->scanned_kswapd_pages);
    fprintf(out, "  reclaimed directly   %11llu pages of %llu looked at, in %llu stalls of %s in all\n",
            (unsigned long long)r->reclaimed_direct_pages, (unsigned long long)r->scanned_direct_pages,
            (unsigned long long)r->direct_stalls, time_text(r->direct_stall_ns, time));
}

static void print_troubles(FILE *out, const struct weir_process_stats *r) {
    char a[SIZE_TEXT_MAX], b[SIZE_TEXT_MAX], c[SIZE_TEXT_MAX];

    if (r->outside_bytes)
        fprintf(out, "  outside weir         %11s of anonymous memory at most: thread stacks, raw mappings\n",
                size_text(r->outside_bytes, a));
    if (r->write_errors || r->read_errors)
        fprintf(out, "  swap errors          %11llu pages could not be written, %llu not be read back\n",
                (unsigned long long)r->write_errors, (unsigned long long)r->read_errors);
    if (r->end == WEIR_END_OOM)
        fprintf(out, "  out of memory        %11s resident, %s swapped, %s pinned\n",
                pages_text(r->oom_resident_pages, a), pages_text(r->oom_swapped_pages, b),
                pages_text(r->oom_locked_pages, c));
}

/* Other processes of the tree, and what the program was before it executed another file. */
static void print_other(FILE *out, const struct weir_process_stats *r) {
    char a[SIZE_TEXT_MAX], b[SIZE_TEXT_MAX];
    unsigned long long faults = 0;

    for (unsigned kind = 0; kind < WEIR_FAULT_KINDS; kind++)
        faults += r->fault[kind].count;
    fprintf(out, "  process %-7u %-16.16s RAM at most %s, swapped out %s, %llu faults%s\n", r->pid, r->comm,
            pages_text(r->used_peak_pages, a), pages_text(r->swapped_out_pages, b), faults,
            r->end == WEIR_END_OOM ? "; out of memory" : "");
}

void report_table(FILE *out, struct weir_stats_file *file, const struct run_end *end) {
    const struct weir_process_stats *record = statsfile_record(file, end->program);

    print_end(out, record, end);
    if (!record) {
        fprintf(out, "  no figures: the program did not run under weir's library\n");
    } else {
        print_memory(out, record);
        print_faults(out, record);
        print_reclaim(out, record);
        print_troubles(out, record);
    }
    for (unsigned i = 0; i < statsfile_count(file); i++)
        if (&file->process[i] != record)
            print_other(out, &file->process[i]);
}

void report_measured(const struct weir_process_stats *record) {
    unsigned long ram = record->ram_pages ? record->ram_pages : 1;
    uint64_t out_bytes = record->pool_out_pages * PAGE_BYTES;

    if (record->file_read_ns)
        complain("measured: the swap file takes %.1f us for a page", (double)record->file_read_ns / 1000);
    if (out_bytes)
        complain("measured: pages compress to %.0f %%; the pool took %.0f %% of RAM at most, and was to take %.0f %% "
                 "at last",
                 (double)record->pool_out_bytes * 100 / (double)out_bytes,
                 (double)record->pool_peak_pages * 100 / (double)ram,
                 (double)record->pool_target_pages * 100 / (double)ram);
}
