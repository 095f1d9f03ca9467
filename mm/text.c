/* SPDX-License-Identifier: MIT */
#include "mm/text.h"

static void put(struct text *text, char c) {
    if (text->len < text->size)
        text->buf[text->len] = c;
    text->len++;
}

void text_str(struct text *text, const char *s, int width) {
    int len = 0;

    while (s[len])
        len++;
    for (int i = len; i < width; i++)
        put(text, ' ');
    for (int i = 0; i < len; i++)
        put(text, s[i]);
    for (int i = len; i < -width; i++)
        put(text, ' ');
}

static void put_number(struct text *text, unsigned long n, bool negative, int width) {
    char digits[24];
    char *p = digits + sizeof(digits);

    *--p = '\0';
    do {
        *--p = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    if (negative)
        *--p = '-';
    text_str(text, p, width);
}

void text_unsigned(struct text *text, unsigned long n, int width) {
    put_number(text, n, false, width);
}

void text_signed(struct text *text, long n, int width) {
    put_number(text, n < 0 ? -(unsigned long)n : (unsigned long)n, n < 0, width);
}

size_t text_end(struct text *text) {
    if (text->size)
        text->buf[text->len < text->size ? text->len : text->size - 1] = '\0';
    return text->len;
}
