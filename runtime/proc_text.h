/* SPDX-License-Identifier: MIT */
/*
 * proc_text.h - reads the files of /proc, by characters, and writes numbers into their paths. No malloc, no stdio: for
 * weir's own threads, and for a signal handler of the program's.
 */
#ifndef RUNTIME_PROC_TEXT_H
#define RUNTIME_PROC_TEXT_H

#include <stdbool.h>
#include <stdint.h>

struct text {
    long fd, len, at;
    char buf[4096];
};

/* False: there is no such file, or it may not be read. */
bool text_open(struct text *text, const char *path);
void text_close(struct text *text);
/* The next character, '\0' at the end. */
char text_peek(struct text *text);
void text_next(struct text *text);
void text_skip_blanks(struct text *text);
/* To the beginning of the next line. */
void text_skip_line(struct text *text);
/* Is there a number next, or this word? It is passed if so. */
bool text_number(struct text *text, uint64_t *ret_value);
bool text_word(struct text *text, const char *word);

#define TEXT_NUMBER_MAX 21 /* bytes that a number takes at most, its '\0' included */
/* Writes value, in decimal digits, and a '\0', to at. Returns where the '\0' is. */
char *text_put_number(char *at, uint64_t value);

#endif
