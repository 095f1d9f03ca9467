/* SPDX-License-Identifier: MIT */
/*
 * swap_area.h - one swap area, as the files that own areas, slots and headers share it. (specification, section 12.1)
 *
 * Everything here is guarded by machine->swap_lock, extents aside: they never change while the area is in use.
 */
#ifndef MM_SWAP_AREA_H
#define MM_SWAP_AREA_H

#include "mm/swap_extent.h"
#include "mm/swap_header.h"
#include "mm/swap_map.h"
#include "mm/swapfile.h"

/* One area. */
struct swap_info {
    unsigned flags; /* enum swap_flags */
    int prio;
    int next;        /* area of the next lower or equal priority, -1 none */
    uint32_t max;    /* slots, the never used slot 0 included */
    uint32_t limit;  /* what max may become by extension; of no meaning where it is less */
    uint32_t nr_bad; /* slots that the area's header calls bad */
    uint32_t inuse_pages;
    uint32_t lowest_bit, highest_bit; /* no free slot lies outside; lowest > highest: none is free */
    uint32_t cluster_next, cluster_nr;
    struct swap_map map;
    struct swap_extents extents;
    uint64_t identity; /* of the file or device, the host's; 0: none */
};
_Static_assert(sizeof(struct swap_info) * MAX_SWAPFILES <= PAGE_SIZE, "the table of areas takes one page");

/* Slots that can be used. */
static inline uint32_t area_pages(const struct swap_info *area) {
    return area->max - 1 - area->nr_bad;
}

/* Slots that the area may still be extended by. */
static inline uint32_t area_growth(const struct swap_info *area) {
    return area->limit > area->max ? area->limit - area->max : 0;
}

/* NULL if there is no area of that number. */
struct swap_info *swap_area_of(struct machine *m, unsigned type);

/* First use of swap: makes the table of areas and the swap cache. MM_NOMEM. May sleep. */
enum mm_status swap_areas_create(struct machine *m);
/* SWAP_NO_AREA_LEFT, or SWAP_ACTIVE if an area of that identity is in use. */
enum swap_refusal swap_area_would_fit(struct machine *m, uint64_t identity);
/*
 * Takes an area into use whose tables are complete: flags, prio (least: lower than every one before), max, nr_bad, map,
 * extents and identity are the caller's. Refuses as swap_area_would_fit.
 */
enum swap_refusal swap_area_publish(struct machine *m, const struct swap_info *area, bool least, unsigned *ret_type);
/* Frees the tables of an area that is not in use. */
void swap_area_finish(struct machine *m, struct swap_info *area);

/* Takes away SWP_WRITEOK, for whoever is about to empty the area. False: it has none, or there is no such area. */
bool swap_area_drain(struct machine *m, unsigned type);

/* The list of writable areas, by descending priority; an area enters before those of equal priority. */
void swap_list_insert(struct machine *m, unsigned type);
void swap_list_remove(struct machine *m, unsigned type);

#endif
