/* SPDX-License-Identifier: MIT */
/*
 * lockall.c - mlockall(2) and munlockall(2).
 *
 * Linux's own call would lock the whole reservation, the shadow and the arena, which is to say bring in terabytes. So
 * weir locks what it manages, and Linux is asked for each of the program's other mappings.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "interpose/interpose.h"
#include "runtime/bell.h"
#include "runtime/runtime.h"
#include "runtime/service.h"
#include "runtime/sys.h"

static bool is_weirs(uintptr_t start, uintptr_t end) {
    uintptr_t shadow = rt.region_start + (uintptr_t)rt.shadow_offset;
    uintptr_t shadow_end = rt.region_end + (uintptr_t)rt.shadow_offset;
    uintptr_t arena = (uintptr_t)rt.arena, arena_end = arena + rt.config.ram_bytes;

    return (start < rt.region_end && end > rt.region_start) || (start < shadow_end && end > shadow) ||
           (start < arena_end && end > arena) || bell_is_in(start, end);
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads "START-END rwxp ..." one character at a time; true at the end of each line that names an accessible range. */
struct maps_parser {
    uintptr_t start, end;
    unsigned field;
    bool accessible;
};

static bool parse_maps(struct maps_parser *p, char c) {
    bool done = c == '\n' && p->accessible;

    if (c == '\n') {
        p->field = 0;
        return done;
    }
    if (p->field == 0 && hex_digit(c) >= 0) {
        p->start = p->start << 4 | (uintptr_t)hex_digit(c);
        p->end = 0;
    } else if (p->field == 1 && hex_digit(c) >= 0) {
        p->end = p->end << 4 | (uintptr_t)hex_digit(c);
    } else if (p->field <= 1) {
        p->field++;
        p->accessible = false;
    } else if (p->field == 2) {
        p->accessible |= c == 'r' || c == 'w' || c == 'x';
        p->field = c == ' ' ? 3 : 2;
    }
    return false;
}

static void lock_others(void) {
    long fd = sys4(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
    struct maps_parser parser = {0};
    char text[1024];
    long got;

    while (fd >= 0 && (got = sys3(SYS_read, fd, text, sizeof(text))) > 0) {
        for (long i = 0; i < got; i++) {
            if (parse_maps(&parser, text[i]) && !is_weirs(parser.start, parser.end))
                sys2(SYS_mlock, parser.start, parser.end - parser.start);
            if (text[i] == '\n')
                parser.start = 0;
        }
    }
    if (fd >= 0)
        sys1(SYS_close, fd);
}

WEIR_EXPORT int mlockall(int flags) {
    long result;

    if (!rt.up)
        return (int)as_libc(sys1(SYS_mlockall, flags));
    result = weir_call(OP_MLOCKALL, (uintptr_t)(unsigned)flags, 0, 0, 0, 0);
    if (!result && flags & MCL_CURRENT && !(flags & MCL_ONFAULT))
        lock_others();
    return (int)as_libc(result);
}

WEIR_EXPORT int munlockall(void) {
    if (rt.up)
        weir_call(OP_MUNLOCKALL, 0, 0, 0, 0, 0);
    return (int)as_libc(sys0(SYS_munlockall));
}
