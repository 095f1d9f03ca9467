/* SPDX-License-Identifier: MIT */
/*
 * gfp.h - request masks and what each bit grants. (specification, section 5)
 */
#ifndef MM_GFP_H
#define MM_GFP_H

#include <stdint.h>

typedef uint32_t gfp_t;

#define __GFP_DMA 0x01u
#define __GFP_HIGHMEM 0x02u
#define __GFP_DMA32 0x04u
#define __GFP_WAIT 0x10u
#define __GFP_HIGH 0x20u
#define __GFP_IO 0x40u
#define __GFP_FS 0x80u
#define __GFP_COLD 0x100u
#define __GFP_NOWARN 0x200u
#define __GFP_REPEAT 0x400u
#define __GFP_NOFAIL 0x800u
#define __GFP_NORETRY 0x1000u
#define __GFP_COMP 0x4000u
#define __GFP_ZERO 0x8000u
#define __GFP_NOMEMALLOC 0x10000u
#define __GFP_HARDWALL 0x20000u
#define __GFP_THISNODE 0x40000u
#define __GFP_RECLAIMABLE 0x80000u
#define __GFP_MOVABLE 0x100000u

#define GFP_ATOMIC __GFP_HIGH
#define GFP_NOWAIT 0u
#define GFP_NOIO __GFP_WAIT
#define GFP_NOFS (__GFP_WAIT | __GFP_IO)
#define GFP_KERNEL (__GFP_WAIT | __GFP_IO | __GFP_FS)
#define GFP_TEMPORARY (GFP_KERNEL | __GFP_RECLAIMABLE)
#define GFP_USER (GFP_KERNEL | __GFP_HARDWALL)
#define GFP_HIGHUSER (GFP_USER | __GFP_HIGHMEM)
#define GFP_HIGHUSER_MOVABLE (GFP_HIGHUSER | __GFP_MOVABLE)
#define GFP_THISNODE (__GFP_THISNODE | __GFP_NOWARN | __GFP_NORETRY)

enum alloc_flags {
    ALLOC_NO_WATERMARKS = 0x01,
    ALLOC_WMARK_MIN = 0x02,
    ALLOC_WMARK_LOW = 0x04,
    ALLOC_WMARK_HIGH = 0x08,
    ALLOC_HARDER = 0x10,
    ALLOC_HIGH = 0x20,
    ALLOC_CPUSET = 0x40,
};

/* A mask's bits for zones and mobility, as an index into what follows from them. */
#define GFP_INDEXES 32u
static inline unsigned gfp_index(gfp_t gfp) {
    return (gfp & (__GFP_DMA | __GFP_HIGHMEM | __GFP_DMA32)) | (gfp / (__GFP_RECLAIMABLE >> 3) & 0x18u);
}

#endif
