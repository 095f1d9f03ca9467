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
    return (struct fault_window){stream->start, stream->end, true, direction < 0, 0};
}

/* A step to be made out among the others: of pages that are there, a walk misses some, and so leaps further. */
#define FURTHEST_LEAP 16
/* Of FAULT_STEPS, so many have to agree. */
#define AGREEING_STEPS 7u

/* Is step so many whole strides in the same direction? */
static bool agrees(intptr_t step, intptr_t stride) {
    return (step > 0) == (stride > 0) && step % stride == 0 && step / stride <= FURTHEST_LEAP;
}

/* Notes a fault that continues no stream. Returns the stride that is in such faults, or 0. */
static intptr_t note_step(struct fault_streams *streams, uintptr_t addr) {
    intptr_t step = (intptr_t)(addr - streams->last), stride = step;
    unsigned agreeing = 0;

    streams->last = addr;
    streams->steps[streams->nr_steps++ % FAULT_STEPS] = step;
    for (unsigned i = 0; i < FAULT_STEPS; i++) {
        intptr_t other = streams->steps[i];

        if ((other > 0) == (stride > 0) && other && (other > 0 ? other < stride : other > stride))
            stride = other;
    }
    /* Of neighbours a stream is made. */
    if (stride < 2 * (intptr_t)PAGE_SIZE && stride > -2 * (intptr_t)PAGE_SIZE)
        return 0;
    for (unsigned i = 0; i < FAULT_STEPS; i++)
        agreeing += streams->steps[i] && agrees(streams->steps[i], stride);
    return agreeing >= AGREEING_STEPS ? stride : 0;
}

struct fault_window fault_stream_window(struct mm *mm, uintptr_t addr, unsigned fresh, unsigned max) {
    struct fault_window window = {addr, addr + PAGE_SIZE, false, false, 0};
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
        window.stride = note_step(streams, addr);
    }
    stream->last_used = ++streams->clock;
    lock_release(p, &mm->lock);
    return window;
}
