/* SPDX-License-Identifier: MIT */
#include "runtime/proc_text.h"

#include <fcntl.h>

#include "runtime/sys.h"

bool text_open(struct text *text, const char *path) {
    text->fd = sys4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    text->len = text->at = 0;
    return text->fd >= 0;
}

char text_peek(struct text *text) {
    if (text->at == text->len) {
        text->at = 0;
        text->len = sys3(SYS_read, text->fd, text->buf, sizeof(text->buf));
        if (text->len <= 0)
            text->len = 0;
    }
    return text->len ? text->buf[text->at] : '\0';
}

void text_next(struct text *text) {
    text->at += text->at < text->len;
}

void text_skip_blanks(struct text *text) {
    while (text_peek(text) == ' ')
        text_next(text);
}

void text_skip_line(struct text *text) {
    while (text_peek(text) != '\n' && text_peek(text) != '\0')
        text_next(text);
    text_next(text);
}

bool text_number(struct text *text, uint64_t *value) {
    char c = text_peek(text);

    if (c < '0' || c > '9')
        return false;
    for (*value = 0; (c = text_peek(text)) >= '0' && c <= '9'; text_next(text))
        *value = *value * 10 + (uint64_t)(c - '0');
    return true;
}

bool text_word(struct text *text, const char *word) {
    for (; *word && text_peek(text) == *word; word++)
        text_next(text);
    return *word == '\0';
}

void text_close(struct text *text) {
    sys1(SYS_close, text->fd);
}

char *text_put_number(char *at, uint64_t value) {
    char digits[TEXT_NUMBER_MAX];
    unsigned nr = 0;

    do
        digits[nr++] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    while (nr)
        *at++ = digits[--nr];
    *at = '\0';
    return at;
}
