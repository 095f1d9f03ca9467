/* SPDX-License-Identifier: MIT */
#include "cli/size.h"

#include <ctype.h>
#include <stdio.h>

#define SIZE_LIMIT ((uint64_t)INT64_MAX)

static enum size_error parse_digits(const char **text, uint64_t *ret_value) {
    const char *p = *text;
    uint64_t value = 0;

    if (!isdigit((unsigned char)*p))
        return SIZE_NOT_A_NUMBER;
    for (; isdigit((unsigned char)*p); p++) {
        uint64_t digit = (uint64_t)(*p - '0');

        if (value > (SIZE_LIMIT - digit) / 10)
            return SIZE_TOO_LARGE;
        value = value * 10 + digit;
    }
    *text = p;
    *ret_value = value;
    return SIZE_OK;
}

enum size_error size_parse(const char *text, uint64_t whole_bytes, uint64_t *ret_bytes) {
    uint64_t value;
    unsigned shift;
    enum size_error error = parse_digits(&text, &value);

    if (error != SIZE_OK)
        return error;
    if (text[0] == '%' && text[1] == '\0') {
        if (value > 100)
            return SIZE_OVER_100_PERCENT;
        /* In two parts, so that nothing overflows. */
        *ret_bytes = whole_bytes / 100 * value + whole_bytes % 100 * value / 100;
        return SIZE_OK;
    }
    if (text[0] != '\0' && text[1] != '\0')
        return SIZE_UNKNOWN_UNIT;
    switch (toupper((unsigned char)text[0])) {
    case '\0':
        shift = 0;
        break;
    case 'K':
        shift = 10;
        break;
    case 'M':
        shift = 20;
        break;
    case 'G':
        shift = 30;
        break;
    default:
        return SIZE_UNKNOWN_UNIT;
    }
    if (value > SIZE_LIMIT >> shift)
        return SIZE_TOO_LARGE;
    *ret_bytes = value << shift;
    return SIZE_OK;
}

const char *size_error_text(enum size_error error) {
    switch (error) {
    case SIZE_OK:
        break;
    case SIZE_NOT_A_NUMBER:
        return "is not a size; write bytes, or a number with K, M or G, or a percentage such as 25%";
    case SIZE_UNKNOWN_UNIT:
        return "has an unknown unit; write bytes, or a number with K, M or G, or a percentage such as 25%";
    case SIZE_TOO_LARGE:
        return "is larger than any machine; the number does not fit into 63 bits";
    case SIZE_OVER_100_PERCENT:
        return "is more than the whole; a percentage is at most 100%";
    }
    return "is a size";
}

const char *size_text(uint64_t bytes, char buf[static SIZE_TEXT_MAX]) {
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes / 1024;
    size_t unit = 0;

    if (bytes < 1024) {
        snprintf(buf, SIZE_TEXT_MAX, "%u B", (unsigned)bytes);
        return buf;
    }
    /* 1023.95 would be printed as 1024.0. */
    while (value >= 1023.95 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1024;
        unit++;
    }
    snprintf(buf, SIZE_TEXT_MAX, "%.1f %s", value, units[unit]);
    return buf;
}
