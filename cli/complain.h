/* SPDX-License-Identifier: MIT */
/*
 * complain.h - what the command says on standard error, and its exit statuses.
 */
#ifndef CLI_COMPLAIN_H
#define CLI_COMPLAIN_H

enum exit_status {
    EXIT_USAGE = 2,          /* bad options or values */
    EXIT_WEIR_FAILED = 125,  /* weir itself could not do its part */
    EXIT_NOT_RUNNABLE = 126, /* the command was found but cannot be run (under weir) */
    EXIT_NOT_FOUND = 127,
};

/* Prints one line "weir: ..." on standard error. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, and returns status: `return refuse(EXIT_USAGE, ...)`. */
int refuse(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
