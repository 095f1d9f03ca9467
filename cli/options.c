/* SPDX-License-Identifier: MIT */
#include "cli/options.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/complain.h"
#include "cli/host.h"
#include "cli/size.h"
#include "cli/swapdir.h"

#define ZPOOL_DEFAULT 80
#define ZPOOL_MAX 80
#define SWAPPINESS_DEFAULT 60
#define SWAPPINESS_MAX 100
#define SWAP_DEFAULT_MAX_BYTES ((uint64_t)64 << 30)
/* A swap file grows by as much at least. */
#define SWAP_MIN_BYTES ((uint64_t)1 << 20)
/* As many slots as a swap entry can name. */
#define SWAP_MAX_BYTES ((uint64_t)512 << 30)

enum option_key {
    KEY_RAM = 256,
    KEY_SWAP,
    KEY_SWAP_SIZE,
    KEY_ZPOOL,
    KEY_SWAPPINESS,
    KEY_OOM,
    KEY_TELL_RAM,
    KEY_REPORT,
    KEY_STATS,
    KEY_PROGRESS,
};

static const struct argp_option option_table[] = {
    {"ram", KEY_RAM, "SIZE", 0,
     "RAM that the program may use: bytes, or with K, M, G, or a percentage of the machine's "
     "RAM (default: half of what is free)",
     0},
    {"swap", KEY_SWAP, "DIR", 0, "directory for swap files, or none (default: $TMPDIR, /tmp or /var/tmp)", 0},
    {"swap-size", KEY_SWAP_SIZE, "SIZE", 0,
     "how large the swap file may grow (default: half of the free disk, at most "
     "64G)",
     0},
    {"zpool", KEY_ZPOOL, "PERCENT", 0, "the most of the RAM that compressed pages may take, 0 to 80 (default: 80)", 0},
    {"swappiness", KEY_SWAPPINESS, "N", 0, "0 to 100: how readily mapped pages are reclaimed (default: 60)", 0},
    {"oom", KEY_OOM, "kill|fail", 0,
     "when memory and swap are used up, kill the program; or fail its requests for "
     "more than there is (default: kill)",
     0},
    {"tell-ram", KEY_TELL_RAM, NULL, 0,
     "answer the command's questions about the machine's RAM with the budget, for those that size heaps, caches or "
     "buffers by it",
     0},
    {"report", KEY_REPORT, NULL, 0, "print a table of what happened at the end", 0},
    {"stats", KEY_STATS, "FILE", 0, "write the same as JSON to FILE at the end", 0},
    {"progress", KEY_PROGRESS, NULL, 0, "show a line of figures while the program runs", 0},
    {"verbose", 'v', NULL, 0, "say what is chosen, and when further processes appear", 0},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct run_options *options = state->input;

    switch (key) {
    case KEY_RAM:
        options->ram = arg;
        return 0;
    case KEY_SWAP:
        options->swap = arg;
        return 0;
    case KEY_SWAP_SIZE:
        options->swap_size = arg;
        return 0;
    case KEY_ZPOOL:
        options->zpool = arg;
        return 0;
    case KEY_SWAPPINESS:
        options->swappiness = arg;
        return 0;
    case KEY_OOM:
        options->oom = arg;
        return 0;
    case KEY_TELL_RAM:
        options->tell_ram = true;
        return 0;
    case KEY_REPORT:
        options->report = true;
        return 0;
    case KEY_STATS:
        options->stats_path = arg;
        return 0;
    case KEY_PROGRESS:
        options->progress = true;
        return 0;
    case 'v':
        options->verbose = true;
        return 0;
    case ARGP_KEY_ARG:
        /* The command's own options are not ours, even without "--". */
        options->command = state->argv + state->next - 1;
        state->next = state->argc;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = option_table,
    .parser = parse_option,
    .args_doc = "-- COMMAND [ARGUMENT...]",
    .doc =
        "Run COMMAND in a budget of RAM; what does not fit is compressed, then written to a swap file.\v"
        "Standard input and output, signals and the exit status are the command's. Status 125: weir failed; 126: the "
        "command cannot be run under weir; 127: it was not found; 2: wrong usage.",
};

int options_parse(int argc, char **argv, struct run_options *ret_options) {
    memset(ret_options, 0, sizeof *ret_options);
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, ret_options) != 0)
        return EXIT_USAGE;
    if (!ret_options->command)
        return refuse(EXIT_USAGE, "no command given; write: weir run [OPTION...] -- COMMAND [ARGUMENT...]");
    return 0;
}

static int parse_number(const char *option, const char *text, unsigned fallback, unsigned max, unsigned *ret_value) {
    char *end;
    unsigned long value;

    *ret_value = fallback;
    if (!text)
        return 0;
    value = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || value > max)
        return refuse(EXIT_USAGE, "%s '%s' is out of range; it is a whole number from 0 to %u", option, text, max);
    *ret_value = (unsigned)value;
    return 0;
}

static int resolve_ram(const char *text, uint64_t *ret_bytes) {
    uint64_t machine = host_ram_bytes(), bytes;
    char a[SIZE_TEXT_MAX], b[SIZE_TEXT_MAX];
    enum size_error error;

    if (!text) {
        bytes = host_ram_available_bytes() / 2;
        if (bytes < WEIR_RAM_MIN_BYTES)
            return refuse(EXIT_WEIR_FAILED,
                          "only %s of RAM are free, and weir takes half of that and needs %s; end "
                          "some programs, or give --ram",
                          size_text(bytes * 2, a), size_text(WEIR_RAM_MIN_BYTES, b));
    } else {
        error = size_parse(text, machine, &bytes);
        if (error != SIZE_OK)
            return refuse(EXIT_USAGE, "--ram '%s' %s", text, size_error_text(error));
        if (bytes < WEIR_RAM_MIN_BYTES)
            return refuse(EXIT_USAGE, "--ram '%s' is too little; the least that works is %lluM", text,
                          (unsigned long long)WEIR_RAM_MIN_BYTES >> 20);
        if (bytes > machine)
            return refuse(EXIT_USAGE, "--ram '%s' is more than this machine has, or may use here; give at most %lluM",
                          text, (unsigned long long)machine >> 20);
    }
    *ret_bytes = bytes - bytes % PAGE_BYTES;
    return 0;
}

static int resolve_swap(const struct run_options *options, struct weir_config *config) {
    uint64_t bytes;
    enum size_error error;
    int status;

    config->swap_bytes = 0;
    config->swap_dir[0] = '\0';
    if (options->swap && strcmp(options->swap, "none") == 0)
        return options->swap_size ? refuse(EXIT_USAGE, "--swap none and --swap-size contradict each other; give one")
                                  : 0;
    if (options->swap) {
        status = swapdir_check(options->swap, config->swap_dir, sizeof config->swap_dir);
        if (status != 0)
            return status;
    } else if (swapdir_choose(config->swap_dir, sizeof config->swap_dir) != 0) {
        return refuse(EXIT_USAGE,
                      "no directory on a disk was found for swap in TMPDIR, /tmp or /var/tmp; name one with "
                      "--swap DIRECTORY, or do without with --swap none");
    }
    if (options->swap_size) {
        /* A percentage is of the machine's RAM here, too. */
        error = size_parse(options->swap_size, host_ram_bytes(), &bytes);
        if (error != SIZE_OK)
            return refuse(EXIT_USAGE, "--swap-size '%s' %s", options->swap_size, size_error_text(error));
        if (bytes < SWAP_MIN_BYTES)
            return refuse(EXIT_USAGE, "--swap-size '%s' is too little; give at least %lluM, or --swap none",
                          options->swap_size, (unsigned long long)SWAP_MIN_BYTES >> 20);
        if (bytes > SWAP_MAX_BYTES)
            return refuse(EXIT_USAGE, "--swap-size '%s' is too much; a swap file has at most %lluG", options->swap_size,
                          (unsigned long long)SWAP_MAX_BYTES >> 30);
    } else {
        bytes = swapdir_free_bytes(config->swap_dir) / 2;
        if (bytes > SWAP_DEFAULT_MAX_BYTES)
            bytes = SWAP_DEFAULT_MAX_BYTES;
    }
    /* Slot 0 is never used, so the last page of the largest file has no number. */
    if (bytes == SWAP_MAX_BYTES)
        bytes -= PAGE_BYTES;
    config->swap_bytes = bytes - bytes % PAGE_BYTES;
    if (config->swap_bytes == 0)
        config->swap_dir[0] = '\0';
    return 0;
}

static bool is_set(const char *name) {
    const char *value = getenv(name);

    return value && strcmp(value, "1") == 0;
}

int options_resolve(const struct run_options *options, struct weir_config *ret_config) {
    struct weir_config config = {.verbose = options->verbose, .tell_ram = options->tell_ram};
    int status;

    if (options->oom && strcmp(options->oom, "fail") == 0)
        config.oom_fail = true;
    else if (options->oom && strcmp(options->oom, "kill") != 0)
        return refuse(EXIT_USAGE, "--oom '%s' is unknown; it is kill or fail", options->oom);
    status = parse_number("--swappiness", options->swappiness, SWAPPINESS_DEFAULT, SWAPPINESS_MAX, &config.swappiness);
    if (status == 0)
        status = resolve_ram(options->ram, &config.ram_bytes);
    if (status == 0)
        status = resolve_swap(options, &config);
    if (status == 0)
        status = parse_number("--zpool", options->zpool, ZPOOL_DEFAULT, ZPOOL_MAX, &config.zpool_percent);
    if (status != 0)
        return status;
    /* For tests: do without what this kernel or this user's rights could do. */
    config.no_move = is_set("WEIR_NO_MOVE");
    config.lose_moves = is_set("WEIR_LOSE_MOVES");
    config.no_fork_event = is_set("WEIR_NO_FORK_EVENT");
    *ret_config = config;
    return 0;
}
