/* SPDX-License-Identifier: MIT */
/*
 * swapfile.h - swap areas, their slots and priorities. (specification, section 12.1)
 */
#ifndef MM_SWAPFILE_H
#define MM_SWAPFILE_H

#include "mm/machine.h"
#include "mm/swap_map.h"

#define SWAP_TYPE_SHIFT 27

static inline unsigned swp_type(swp_entry_t entry) {
    return entry.val >> SWAP_TYPE_SHIFT;
}
static inline uint32_t swp_offset(swp_entry_t entry) {
    return entry.val & ((1u << SWAP_TYPE_SHIFT) - 1);
}
static inline swp_entry_t swp_entry(unsigned type, uint32_t offset) {
    return (swp_entry_t){(uint32_t)type << SWAP_TYPE_SHIFT | offset};
}

enum swap_flags {
    SWP_USED = 1,
    SWP_WRITEOK = 2,
    SWP_EXCLUSIVE = 4, /* a page read back gives up its slot at once (a compressed pool: the copy costs RAM) */
    SWP_PARTITION = 8, /* a device, not a file */
};

/*
 * Adds an area of the host's own making, without a header: nr_pages slots (slot 0 is never used: usable 1..nr_pages-1).
 * prio: higher is used first. The slot map takes memory from the page allocator only where slots are in use. ret_type:
 * its number. The area does no I/O itself: that is platform->swap_write and swap_read, by type.
 */
enum mm_status swap_add(struct machine *m, uint32_t nr_pages, int prio, unsigned flags, unsigned *ret_type);
/* The area has grown: slots up to nr_pages-1 are usable now. */
void swap_extend(struct machine *m, unsigned type, uint32_t nr_pages);
/*
 * Up to how many slots the area can be extended, as far as its host knows: those that it does not have yet count as
 * free when it is asked whether slots are short. At first, and at least, those that it has.
 */
void swap_set_limit(struct machine *m, unsigned type, uint32_t nr_pages);
/* Takes away SWP_WRITEOK (no new slots, no slot written again; what is in it stays readable) or gives it back. */
void swap_set_writable(struct machine *m, unsigned type, bool writable);
/* Forgets an area with no slot in use. MM_BUSY if there is one. */
enum mm_status swap_remove(struct machine *m, unsigned type);
uint32_t swap_inuse(const struct machine *m, unsigned type);

struct swap_area_state {
    unsigned flags; /* enum swap_flags */
    uint32_t pages; /* usable slots */
    uint32_t inuse_pages;
    int prio;
};
/* False if there is no area of that number. */
bool swap_area_state(struct machine *m, unsigned type, struct swap_area_state *ret_state);

/* A free slot, its count 1, of the first area by priority that has room, or none (val 0). */
swp_entry_t get_swap_page(struct machine *m);
/* The same, but only of areas whose priority is lower than that of `above`: where a page goes that it rejected. */
swp_entry_t get_swap_page_below(struct machine *m, unsigned above);
enum mm_status swap_duplicate(struct machine *m, swp_entry_t entry); /* MM_INVAL: free or bad slot */
void swap_free(struct machine *m, swp_entry_t entry);
unsigned swap_count(struct machine *m, swp_entry_t entry);
/*
 * May the unmapped page that the swap cache has under entry be written there? Not if somebody beside the cache and the
 * page's one page-table entry counts on what the slot holds (a forked process), nor if its area takes no more writes.
 */
bool swap_slot_is_private(struct machine *m, swp_entry_t entry);

/* More than half full: copies of pages that are in memory anyway are given up. */
bool vm_swap_full(const struct machine *m);
/* Should a page just read back give up its slot? (An exclusive area, or swap or this area more than half full.) */
bool swap_gives_up_slot(const struct machine *m, swp_entry_t entry);

/* Calls fn for each slot in use of an area, ascending, under swap_lock: fn must not block. For a fork's freeze. */
void swap_for_each_used(struct machine *m, unsigned type, void (*fn)(uint32_t offset, void *arg), void *arg);

/* The first slot from `from` on that is in use in that area, or 0. */
uint32_t swap_next_used(struct machine *m, unsigned type, uint32_t from);

/* The first thing wrong with the areas, or NULL. No other task may be inside the core. */
const char *swap_check(struct machine *m);

#endif
