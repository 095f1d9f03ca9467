/* SPDX-License-Identifier: MIT */
#include "mm/fault_stream.h"

#include "mm/machine.h"

static uintptr_t pages(uint32_t nr) {
    return (uintptr_t)nr << PAGE_SHIFT;
}

/* addr - by, but not below 0. */
static uintptr_t minus(uintptr_t addr, uintptr_t by) {
    return addr > by ? addr - by : 0;
}

/* The direction in which addr continues the stream, 0 if it does not. A stream may leap over pages that are there. */
static int stream_hit(const struct fault_stream *stream, uintptr_t addr) {
    uintptr_t slack = pages(stream->window);

    if (stream->window == 0)
        return 0;
    if (addr >= stream->end && addr - stream->end < slack)
        return 1;
    if (addr < stream->start && stream->start - addr <= slack)
        return -1;
    if (addr >= stream->start && addr < stream->end)
        return stream->direction;
    return 0;
}

static struct fault_stream *oldest(struct fault_streams *streams) {
    struct fault_stream *found = &streams->streams[0];

    for (unsigned i = 1; i < FAULT_STREAMS; i++)
        if (streams->streams[i].last_used < found->last_used)
            found = &streams->streams[i];
    return found;
}

static struct fault_window continue_stream(struct fault_stream *stream, uintptr_t addr, int direction, unsigned max) {
    bool inside = addr >= stream->start && addr < stream->end;

    /* A fault inside the last window only shows that the window was cut short. */
    if (stream->direction == -direction)
        stream->window = 1;
    else if (!inside)
        stream->window *= 2;
    if (stream->window > max)
        stream->window = max;
    stream->direction = direction;
    if (direction > 0) {
        stream->start = addr;
        stream->end = addr + pages(stream->window);
    } else {
        stream->end = addr + PAGE_SIZE;
        stream->start = minus(stream->end, pages(stream->window));
    }
    return (struct fault_window){stream->start, stream->end, true, direction < 0};
}

struct fault_window fault_stream_window(struct mm *mm, uintptr_t addr, unsigned fresh, unsigned max) {
    struct fault_window window = {addr, addr + PAGE_SIZE, false, false};
    const struct platform *p = mm->machine->platform;
    struct fault_streams *streams = mm->streams;
    struct fault_stream *stream = NULL;
    int direction = 0;

    if (fresh > 1) {
        window.start = addr & ~(pages(fresh) - 1);
        window.end = window.start + pages(fresh);
    }
    if (max == 0)
        return window;
    lock_acquire(p, &mm->lock);
    for (unsigned i = 0; i < FAULT_STREAMS && !direction; i++) {
        stream = &streams->streams[i];
        direction = stream_hit(stream, addr);
    }
    if (direction) {
        window = continue_stream(stream, addr, direction, max);
    } else {
        stream = oldest(streams);
        stream->start = window.start;
        stream->end = window.end;
        stream->window = fresh > 1 ? fresh : 1;
        stream->direction = 0;
    }
    stream->last_used = ++streams->clock;
    lock_release(p, &mm->lock);
    return window;
}
