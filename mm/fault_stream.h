/* SPDX-License-Identifier: MIT */
/*
 * fault_stream.h - guesses from past faults what the next ones will be.
 *
 * Each stream is a run of addresses that faults have walked through, up or down. A fault next to one continues it, with
 * twice its window; any other begins a new one. Where nearly all of the last of those lie whole multiples of one
 * distance apart, that is their stride.
 */
#ifndef MM_FAULT_STREAM_H
#define MM_FAULT_STREAM_H

#include "mm/memory.h"

#define FAULT_STREAMS 16u
#define FAULT_STEPS 8u

struct fault_stream {
    uintptr_t start, end; /* what the last window covered */
    uint32_t window;      /* pages; 0: unused */
    int32_t direction;    /* 1 up, -1 down, 0 not known yet */
    uint64_t last_used;
};

struct fault_streams {
    struct fault_stream streams[FAULT_STREAMS];
    uint64_t clock;
    uintptr_t last;              /* the last fault that continued no stream */
    intptr_t steps[FAULT_STEPS]; /* from one such fault to the next, in bytes; a ring */
    unsigned nr_steps;           /* ever */
    _Atomic uint32_t strided;    /* faults that had a stride */
};

struct fault_window {
    uintptr_t start, end; /* holds the fault's address; end exclusive */
    bool stream;          /* continues a stream */
    bool down;            /* it runs towards lower addresses */
    intptr_t stride;      /* no stream: by how many bytes the next fault is likely to be away; 0: unknown */
};

/*
 * Which pages a fault at addr (page-aligned) should bring in: the stream's window of at most max pages, or, where it
 * continues none, the aligned chunk of `fresh` pages around addr (a power of two). The caller cuts it to what is there.
 */
struct fault_window fault_stream_window(struct mm *mm, uintptr_t addr, unsigned fresh, unsigned max);

#endif
