/* SPDX-License-Identifier: MIT */
#include "cli/complain.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static void complain_args(const char *format, va_list args) {
    char text[2048];
    int len = vsnprintf(text, sizeof text, format, args);

    if (len < 0)
        return;
    /* One write, so that the line stays whole beside what the program writes. */
    dprintf(STDERR_FILENO, "weir: %s\n", text);
}

void complain(const char *format, ...) {
    va_list args;

    va_start(args, format);
    complain_args(format, args);
    va_end(args);
}

int refuse(int status, const char *format, ...) {
    va_list args;

    va_start(args, format);
    complain_args(format, args);
    va_end(args);
    return status;
}
