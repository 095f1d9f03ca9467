/* SPDX-License-Identifier: MIT */
/*
 * config.h - what a user asked for, handed from the command to the library in one environment variable.
 */
#ifndef RUNTIME_CONFIG_H
#define RUNTIME_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR_CONFIG_ENV "WEIR_CONFIG"
#define WEIR_STATS_ENV "WEIR_STATS" /* path of the statistics file (weir/stats.h) */
#define WEIR_SWAP_DIR_MAX 512

#define WEIR_RAM_MIN_BYTES ((uint64_t)16 << 20) /* the least budget that works */

struct weir_config {
    uint64_t ram_bytes;     /* a multiple of 4096, >= WEIR_RAM_MIN_BYTES */
    uint64_t swap_bytes;    /* 0: no swap file */
    unsigned zpool_percent; /* 0..80: share of RAM the compressed pool may take; 0: no pool */
    unsigned swappiness;    /* 0..100 */
    bool oom_fail;          /* refuse memory that could not be backed, instead of killing later */
    bool verbose;
    bool tell_ram;                    /* the program takes the budget for the machine's RAM, where it asks for that */
    bool lose_moves;                  /* have UFFDIO_MOVE do more than it says, as Linux 6.18 may (tests) */
    bool no_move;                     /* do without UFFDIO_MOVE even where the kernel has it (tests) */
    bool no_fork_event;               /* do without UFFD_FEATURE_EVENT_FORK (tests; no CAP_SYS_PTRACE) */
    char swap_dir[WEIR_SWAP_DIR_MAX]; /* absolute; "" with swap_bytes 0 */
};

/* Writes the config as text: "ram=...,swap=...,...". Returns the length as snprintf does. */
size_t config_encode(const struct weir_config *config, char *buf, size_t size);
/* Reads it back. False: malformed or out of range, *ret_config untouched. No malloc, no stdio. */
bool config_decode(const char *text, struct weir_config *ret_config);

#endif
