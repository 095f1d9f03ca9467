/* SPDX-License-Identifier: MIT */
/*
 * zspage.h - objects of 1 to 3072 bytes packed into pages by size class.
 *
 * A zspage is a run of one to sixteen single frames that need not be neighbours; objects of its class lie in it one
 * after the other, some across two frames. New objects go into the fullest zspage that has room; an empty one is freed
 * at once. Its bookkeeping lies in the descriptors of its frames and in its free objects, so it costs nothing extra.
 */
#ifndef SWAPDEV_ZSPAGE_H
#define SWAPDEV_ZSPAGE_H

#include "swapdev/frames.h"

#define ZSPAGE_STEP 64u
#define ZSPAGE_MAX_BYTES 3072u
#define ZSPAGE_SIZES (ZSPAGE_MAX_BYTES / ZSPAGE_STEP)
#define ZSPAGE_MAX_PAGES 16u
#define ZSPAGE_GROUPS 8u

/* One class. groups: zspages with room, by eighths in use; under lock. The rest is constant. */
struct size_class {
    struct lock lock;
    uint16_t size;                /* of an object, in bytes */
    uint16_t nr_objects;          /* in a zspage */
    uint8_t nr_pages;             /* of a zspage */
    uint32_t nr_zspages, nr_used; /* zspages there are, objects in use in them; under lock */
    struct page_list groups[ZSPAGE_GROUPS];
};

struct zspages {
    struct frames *frames; /* (C) */
    struct size_class classes[ZSPAGE_SIZES];
    uint8_t class_of[ZSPAGE_SIZES]; /* (C) sizes that pack equally well share the largest one's class */
};

/* Where an object lies: the first frame of its zspage, and which one it is in there. */
struct zs_object {
    uint32_t pfn;
    uint16_t index;
};

void zspages_init(struct zspages *zspages, struct frames *frames);
/* Room for len bytes. False: no pages could be had. No lock may be held that is not to be held for alloc_pages. */
bool zspages_alloc(struct zspages *zspages, size_t len, struct zs_object *ret_object);
/* len: the same as in zspages_alloc. May be called with machine->swap_lock held. */
void zspages_free(struct zspages *zspages, size_t len, struct zs_object object);
/*
 * Could pages be saved by moving this object, which is in use, elsewhere? That is: its zspage is no fuller than those
 * of its class are on average, and these have room for a zspage's objects.
 */
bool zspages_is_sparse(struct zspages *zspages, size_t len, struct zs_object object);
/* Pages that could be saved by moving objects. */
unsigned long zspages_waste(struct zspages *zspages);
/* Copy an object in and out. Its owner sees to it that nobody frees it meanwhile. */
void zspages_write(struct zspages *zspages, size_t len, struct zs_object object, const void *bytes);
void zspages_read(struct zspages *zspages, size_t len, struct zs_object object, void *bytes);
/* After fork, in the child: nobody holds a lock here. */
void zspages_after_fork(struct zspages *zspages);

#endif
