/* SPDX-License-Identifier: MIT */
#include "cli/openmetrics.h"

#include <stdio.h>

#include "cli/counters.h"
#include "cli/latency.h"

/* A label's value: backslash, quote and newline are escaped. */
static void print_label(const char *text, size_t max) {
    for (size_t i = 0; i < max && text[i]; i++) {
        if (text[i] == '\n')
            fputs("\\n", stdout);
        else if (text[i] == '"' || text[i] == '\\')
            printf("\\%c", text[i]);
        else
            putchar(text[i]);
    }
}

static void print_labels(const struct weir_process_stats *record) {
    printf("pid=\"%u\",name=\"", record->pid);
    print_label(record->comm, sizeof record->comm);
    putchar('"');
}

static void print_latencies(const struct statsfile *s, unsigned nr_processes) {
    printf("# TYPE weir_fault_seconds summary\n# HELP weir_fault_seconds How long faults took, by kind.\n");
    for (unsigned i = 0; i < nr_processes; i++) {
        const struct weir_process_stats *record = &s->file->process[i];

        for (unsigned kind = 0; kind < WEIR_FAULT_KINDS; kind++) {
            static const double shares[] = {0.5, 0.99};
            const struct weir_latency *latency = &record->fault[kind];

            for (size_t q = 0; q < sizeof shares / sizeof shares[0]; q++) {
                printf("weir_fault_seconds{");
                print_labels(record);
                printf(",kind=\"%s\",quantile=\"%g\"} %.9f\n", fault_kind_names[kind], shares[q],
                       (double)latency_quantile_ns(latency, shares[q]) / 1e9);
            }
            printf("weir_fault_seconds_count{");
            print_labels(record);
            printf(",kind=\"%s\"} %llu\nweir_fault_seconds_sum{", fault_kind_names[kind],
                   (unsigned long long)latency->count);
            print_labels(record);
            printf(",kind=\"%s\"} %.9f\n", fault_kind_names[kind], (double)latency->total_ns / 1e9);
        }
    }
}

static void print_pressure(const struct statsfile *s, unsigned nr_processes) {
    printf("# TYPE weir_pressure_percent gauge\n"
           "# HELP weir_pressure_percent Time lost to want of memory, by kind and window in seconds.\n");
    for (unsigned i = 0; i < nr_processes; i++)
        for (unsigned kind = 0; kind < WEIR_PRESSURES; kind++)
            for (unsigned window = 0; window < WEIR_PRESSURE_WINDOWS; window++) {
                unsigned hundredths = s->file->process[i].pressure[kind][window];

                printf("weir_pressure_percent{");
                print_labels(&s->file->process[i]);
                printf(",kind=\"%s\",window=\"%u\"} %u.%02u\n", pressure_names[kind], pressure_seconds[window],
                       hundredths / 100, hundredths % 100);
            }
}

void openmetrics_print(const struct statsfile *s) {
    unsigned nr_processes = statsfile_count(s->file);

    for (size_t c = 0; c < nr_counters; c++) {
        const struct counter *counter = &counters[c];

        printf("# TYPE weir_%s %s\n# HELP weir_%s %s\n", counter->name, counter->gauge ? "gauge" : "counter",
               counter->name, counter->help);
        for (unsigned i = 0; i < nr_processes; i++) {
            printf("weir_%s%s{", counter->name, counter->gauge ? "" : "_total");
            print_labels(&s->file->process[i]);
            printf("} %llu\n", (unsigned long long)counter_value(&s->file->process[i], counter));
        }
    }
    print_pressure(s, nr_processes);
    print_latencies(s, nr_processes);
    printf("# EOF\n");
}
