/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "runtime/runtime.h"
#include "runtime/survivors.h"
#include "runtime/sys.h"
#include "runtime/thread.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

struct line {
    char text[512];
    size_t len;
};

static void put(struct line *line, char c) {
    if (line->len < sizeof(line->text) - 1) /* room for the newline */
        line->text[line->len++] = c;
}

static void put_text(struct line *line, const char *text) {
    while (*text)
        put(line, *text++);
}

static void put_number(struct line *line, uint64_t value, unsigned base) {
    char digits[24];
    int n = 0;

    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (n)
        put(line, digits[--n]);
}

static uint64_t next_number(const char **format, va_list *args, char *ret_conversion) {
    int longs = 0;

    while (**format == 'l') {
        longs++;
        (*format)++;
    }
    *ret_conversion = **format;
    if (*ret_conversion == 'd') {
        int64_t value = longs == 0 ? va_arg(*args, int) : longs == 1 ? va_arg(*args, long) : va_arg(*args, long long);

        return (uint64_t)value;
    }
    if (longs == 0)
        return va_arg(*args, unsigned);
    return longs == 1 ? va_arg(*args, unsigned long) : va_arg(*args, unsigned long long);
}

static void format_line(struct line *line, const char *format, va_list *args) {
    for (; *format; format++) {
        if (*format != '%') {
            put(line, *format);
            continue;
        }
        format++;
        if (*format == 's') {
            put_text(line, va_arg(*args, const char *));
        } else {
            char conversion;
            uint64_t value = next_number(&format, args, &conversion);

            if (conversion == 'd' && (int64_t)value < 0) {
                put(line, '-');
                value = -value;
            }
            put_number(line, value, conversion == 'x' ? 16 : 10);
        }
    }
}

static long borrow_from(int tid, unsigned flags) {
    long pidfd = sys2(SYS_pidfd_open, tid, flags);
    long fd;

    if (pidfd < 0)
        return pidfd;
    fd = sys3(SYS_pidfd_getfd, pidfd, STDERR_FILENO, 0);
    sys1(SYS_close, pidfd);
    return fd;
}

/*
 * weir's threads have a descriptor table of their own, which holds no standard error: holding it would keep open what
 * the program has closed. So the program's is borrowed for the length of one write: the main thread's, or that of
 * another one when the main thread is gone.
 */
static int borrow_stderr(void) {
    long fd = borrow_from((int)sys0(SYS_getpid), 0);
    int survivor = fd == -ESRCH ? survivors_find() : 0;

    return (int)(survivor ? borrow_from(survivor, PIDFD_THREAD) : fd);
}

void weir_say(const char *format, ...) {
    struct line line = {.len = 0};
    va_list args;

    put_text(&line, "weir: ");
    va_start(args, format);
    format_line(&line, format, &args);
    va_end(args);
    line.text[line.len++] = '\n';

    if (weir_thread_self()) {
        int fd = borrow_stderr();

        if (fd >= 0) {
            sys3(SYS_write, fd, line.text, line.len);
            sys1(SYS_close, fd);
        }
    } else {
        sys3(SYS_write, STDERR_FILENO, line.text, line.len);
    }
}
