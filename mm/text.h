/* SPDX-License-Identifier: MIT */
/*
 * text.h - text into a buffer of limited size, as far as it goes: what vmstat's files need of printf.
 */
#ifndef MM_TEXT_H
#define MM_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text {
    char *buf;
    size_t size; /* of buf; 0 if there is none */
    size_t len;  /* of the whole text, whether it fits or not */
};

/* %s, %*s (width > 0: right-aligned) and %-*s (width < 0). */
void text_str(struct text *text, const char *s, int width);
/* %*lu and %*ld, right-aligned. */
void text_unsigned(struct text *text, unsigned long n, int width);
void text_signed(struct text *text, long n, int width);
struct zone;
/* "Node 0, zone   Normal" */
void text_zone(struct text *text, const struct zone *zone);
/* Ends the text with a NUL within the buffer. Returns its whole length. */
size_t text_end(struct text *text);

#endif
