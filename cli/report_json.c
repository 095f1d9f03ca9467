/* SPDX-License-Identifier: MIT */
#include "cli/report.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "cli/counters.h"
#include "cli/latency.h"
#include "cli/statsfile.h"
#include "runtime/config.h"

static void set_number(json_t *object, const char *name, uint64_t value) {
    json_object_set_new(object, name, json_integer((json_int_t)value));
}

static json_t *text_json(const char *text, size_t max) {
    /* A name need not be UTF-8, which JSON demands; what is not becomes a question mark. */
    char ascii[512];
    size_t len = strnlen(text, max < sizeof ascii ? max : sizeof ascii - 1);
    json_t *json = json_stringn(text, len);

    if (json)
        return json;
    for (size_t i = 0; i < len; i++)
        ascii[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
    return json_stringn(ascii, len);
}

static json_t *config_json(const char *text) {
    struct weir_config config;
    json_t *json = json_object();

    if (!config_decode(text, &config))
        return json;
    set_number(json, "ram_bytes", config.ram_bytes);
    set_number(json, "swap_bytes", config.swap_bytes);
    json_object_set_new(json, "swap_directory", text_json(config.swap_dir, sizeof config.swap_dir));
    set_number(json, "zpool_percent", config.zpool_percent);
    set_number(json, "swappiness", config.swappiness);
    json_object_set_new(json, "tell_ram", json_boolean(config.tell_ram));
    json_object_set_new(json, "oom", json_string(config.oom_fail ? "fail" : "kill"));
    return json;
}

static json_t *end_json(const struct run_end *end) {
    json_t *json = json_object();
    json_t *command = json_array();

    for (char *const *word = end->argv; *word; word++)
        json_array_append_new(command, text_json(*word, strlen(*word)));
    json_object_set_new(json, "command", command);
    json_object_set_new(json, "seconds", json_real(end->seconds));
    if (WIFEXITED(end->wait_status))
        set_number(json, "status", (uint64_t)WEXITSTATUS(end->wait_status));
    else
        set_number(json, "signal", (uint64_t)WTERMSIG(end->wait_status));
    return json;
}

static json_t *faults_json(const struct weir_process_stats *record) {
    json_t *json = json_object();

    for (unsigned kind = 0; kind < WEIR_FAULT_KINDS; kind++) {
        const struct weir_latency *latency = &record->fault[kind];
        json_t *one = json_object();

        set_number(one, "count", latency->count);
        set_number(one, "total_ns", latency->total_ns);
        set_number(one, "median_ns", latency_quantile_ns(latency, 0.5));
        set_number(one, "p99_ns", latency_quantile_ns(latency, 0.99));
        set_number(one, "max_ns", latency->max_ns);
        json_object_set_new(json, fault_kind_names[kind], one);
    }
    return json;
}

/* As in /proc/pressure/memory. */
static json_t *pressure_json(const struct weir_process_stats *record) {
    json_t *json = json_object();

    for (unsigned kind = 0; kind < WEIR_PRESSURES; kind++) {
        json_t *one = json_object();
        char name[16];

        for (unsigned i = 0; i < WEIR_PRESSURE_WINDOWS; i++) {
            snprintf(name, sizeof name, "avg%u", pressure_seconds[i]);
            json_object_set_new(one, name, json_real(record->pressure[kind][i] / 100.0));
        }
        set_number(one, "total_us",
                   (kind == WEIR_PRESSURE_SOME ? record->pressure_some_ns : record->pressure_full_ns) / 1000);
        json_object_set_new(json, pressure_names[kind], one);
    }
    return json;
}

static json_t *process_json(const struct weir_process_stats *record) {
    static const char *const ends[] = {
        [WEIR_END_NONE] = "none", [WEIR_END_OOM] = "out of memory", [WEIR_END_FAILED] = "weir failed"};
    json_t *json = json_object();
    uint32_t end = record->end;

    set_number(json, "pid", record->pid);
    set_number(json, "parent_pid", record->parent_pid);
    json_object_set_new(json, "name", text_json(record->comm, sizeof record->comm));
    json_object_set_new(json, "end", json_string(end <= WEIR_END_FAILED ? ends[end] : "unknown"));
    for (size_t i = 0; i < nr_counters; i++)
        set_number(json, counters[i].name, counter_value(record, &counters[i]));
    json_object_set_new(json, "faults", faults_json(record));
    json_object_set_new(json, "pressure", pressure_json(record));
    if (end == WEIR_END_OOM) {
        json_t *oom = json_object();

        set_number(oom, "resident_pages", record->oom_resident_pages);
        set_number(oom, "swapped_pages", record->oom_swapped_pages);
        set_number(oom, "locked_pages", record->oom_locked_pages);
        set_number(oom, "order", record->oom_order);
        set_number(oom, "points", record->oom_points);
        json_object_set_new(json, "oom", oom);
    }
    return json;
}

int report_json(FILE *out, struct weir_stats_file *file, const struct run_end *end) {
    json_t *json = json_object(), *processes = json_array();
    int error = 0;

    json_object_set_new(json, "weir", json_string(WEIR_VERSION));
    json_object_set_new(json, "page_bytes", json_integer(4096));
    json_object_set_new(json, "supervisor_pid", json_integer(file->supervisor_pid));
    json_object_set_new(json, "program_pid", json_integer(file->program_pid));
    json_object_set_new(json, "config", config_json(file->config));
    if (end)
        json_object_set_new(json, "end", end_json(end));
    for (unsigned i = 0; i < statsfile_count(file); i++)
        json_array_append_new(processes, process_json(&file->process[i]));
    json_object_set_new(json, "processes", processes);
    if (json_dumpf(json, out, JSON_INDENT(2)) < 0 || fputc('\n', out) == EOF || fflush(out) == EOF)
        error = errno ? -errno : -EIO;
    json_decref(json);
    return error;
}
