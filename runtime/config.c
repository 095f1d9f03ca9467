/* SPDX-License-Identifier: MIT */
#include "runtime/config.h"

#include <stdio.h>
#include <string.h>

/* The directory comes last and takes the rest of the text, so that it may hold any character. */
#define DIR_KEY "dir="

size_t config_encode(const struct weir_config *config, char *buf, size_t size) {
    int len = snprintf(
        buf, size,
        "ram=%llu,swap=%llu,zpool=%u,swappiness=%u,oom_fail=%u,verbose=%u,tell_ram=%u,no_move=%u,lose_moves=%u,no_"
        "fork_event=%u," DIR_KEY "%s",
        (unsigned long long)config->ram_bytes, (unsigned long long)config->swap_bytes, config->zpool_percent,
        config->swappiness, config->oom_fail, config->verbose, config->tell_ram, config->no_move, config->lose_moves,
        config->no_fork_event, config->swap_dir);

    return (size_t)len;
}

/*
 * Reads "key=NUMBER," at *text and steps over it. The key must be next, the number decimal and at most max: what
 * weir wrote itself is in this form, and nothing else is believed.
 */
static bool take_number(const char **text, const char *key, uint64_t max, uint64_t *ret_value) {
    size_t key_len = strlen(key);
    const char *p = *text;
    uint64_t value = 0;

    if (strncmp(p, key, key_len) != 0 || p[key_len] != '=')
        return false;
    p += key_len + 1;
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');

        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (*p != ',' || value > max)
        return false;
    *text = p + 1;
    *ret_value = value;
    return true;
}

bool config_decode(const char *text, struct weir_config *ret_config) {
    uint64_t ram, swap, zpool, swappiness, oom_fail, verbose, tell_ram, no_move, lose_moves, no_fork_event;
    size_t dir_len;

    if (!take_number(&text, "ram", UINT64_MAX, &ram) || !take_number(&text, "swap", UINT64_MAX, &swap) ||
        !take_number(&text, "zpool", 80, &zpool) || !take_number(&text, "swappiness", 100, &swappiness) ||
        !take_number(&text, "oom_fail", 1, &oom_fail) || !take_number(&text, "verbose", 1, &verbose) ||
        !take_number(&text, "tell_ram", 1, &tell_ram) || !take_number(&text, "no_move", 1, &no_move) ||
        !take_number(&text, "lose_moves", 1, &lose_moves) || !take_number(&text, "no_fork_event", 1, &no_fork_event))
        return false;
    if (ram < WEIR_RAM_MIN_BYTES || ram % 4096 != 0)
        return false;
    if (strncmp(text, DIR_KEY, strlen(DIR_KEY)) != 0)
        return false;
    text += strlen(DIR_KEY);
    dir_len = strlen(text);
    if (dir_len >= WEIR_SWAP_DIR_MAX || (swap ? text[0] != '/' : dir_len != 0))
        return false;

    ret_config->ram_bytes = ram;
    ret_config->swap_bytes = swap;
    ret_config->zpool_percent = (unsigned)zpool;
    ret_config->swappiness = (unsigned)swappiness;
    ret_config->oom_fail = oom_fail;
    ret_config->verbose = verbose;
    ret_config->tell_ram = tell_ram;
    ret_config->no_move = no_move;
    ret_config->lose_moves = lose_moves;
    ret_config->no_fork_event = no_fork_event;
    memcpy(ret_config->swap_dir, text, dir_len + 1);
    return true;
}
