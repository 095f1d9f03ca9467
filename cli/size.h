/* SPDX-License-Identifier: MIT */
/*
 * size.h - sizes as people type and read them.
 */
#ifndef CLI_SIZE_H
#define CLI_SIZE_H

#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES 4096ull

enum size_error {
    SIZE_OK,
    SIZE_NOT_A_NUMBER,
    SIZE_UNKNOWN_UNIT,
    SIZE_TOO_LARGE, /* does not fit into 63 bits */
    SIZE_OVER_100_PERCENT,
};

/*
 * Reads "4096", "512K", "256M", "2G" (either case; powers of 1024) or "25%" of whole_bytes. On an error *ret_bytes
 * keeps its value.
 */
enum size_error size_parse(const char *text, uint64_t whole_bytes, uint64_t *ret_bytes);
/* What is wrong and what would be right, to follow "'TEXT' ". */
const char *size_error_text(enum size_error error);

/* Writes bytes as "12.3 MiB" and returns buf. */
#define SIZE_TEXT_MAX 24
const char *size_text(uint64_t bytes, char buf[static SIZE_TEXT_MAX]);

#endif
