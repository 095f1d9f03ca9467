/* SPDX-License-Identifier: MIT */
/*
 * page.h - the page descriptor, its flags, and lists of pages.
 *
 * One descriptor of 32 bytes stands for each frame; pfn, page and address convert into each other. Lists link pages
 * by pfn, so that a link takes four bytes. (specification, section 1.4)
 */
#ifndef MM_PAGE_H
#define MM_PAGE_H

#include <stdatomic.h>

#include "mm/platform.h"

#define PFN_NONE UINT32_MAX

/* Bit numbers within page->flags; zone and node sit above them. */
enum page_flag {
    PG_locked = 0,
    PG_error = 1,
    PG_referenced = 2,
    PG_uptodate = 3,
    PG_dirty = 4,
    PG_lru = 5,
    PG_active = 6,
    PG_slab = 7,
    PG_waiters = 8, /* somebody sleeps on PG_locked or PG_writeback */
    PG_reserved = 10,
    PG_private = 11,
    PG_writeback = 12,
    PG_pcp = 13, /* on a per-CPU list */
    PG_compound = 14,
    PG_swapcache = 15,
    PG_mappedtodisk = 16,
    PG_reclaim = 17,
    PG_readahead = 18,
    PG_probation = 19,  /* back from swap, and not yet asked whether it is in use (mm/probation.h) */
    PG_tail = 20,       /* of a compound page, not its first */
    PG_ZONE_SHIFT = 24, /* 3 bits: the zone's type and one; 0 where the descriptor has not been initialised */
    PG_NODE_SHIFT = 27, /* 5 bits */
};

/*
 * private, by state: migrate type while below a per-CPU list's array; swap entry if PG_swapcache; pfn of the head in a
 * compound page's others; the owner's otherwise. owner: who maps it, as mapping id (24 bits, 0 none) << 40 | index in
 * pages (40 bits).
 */
struct page {
    union {
        struct {
            _Atomic uint32_t flags; /* (A) */
            _Atomic int32_t count;  /* (A) references; 0 is free */
        };
        _Atomic uint64_t flags_and_count; /* both at once, as page_pair() makes it */
    };
    union {
        struct {
            _Atomic int32_t mapcount; /* (A) mappings less one; -1 is unmapped */
            uint32_t private;         /* by state, under that state's lock */
        };
        _Atomic uint64_t mapcount_and_private;
    };
    uint32_t lru_next; /* pfn; under the lock of the list it is on */
    uint32_t lru_prev;
    _Atomic uint64_t owner; /* (A) changes under the page-table lock */
};
_Static_assert(sizeof(struct page) <= 32, "a descriptor takes at most 32 bytes");

/* Two neighbouring fields of 32 bits as one word. */
static inline uint64_t page_pair(uint32_t first, uint32_t second) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return (uint64_t)second << 32 | first;
#else
    return (uint64_t)first << 32 | second;
#endif
}
static inline uint32_t page_pair_first(uint64_t pair) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return (uint32_t)pair;
#else
    return (uint32_t)(pair >> 32);
#endif
}

/* A doubly linked list of pages; whoever owns it says which lock guards it. */
struct page_list {
    uint32_t head; /* pfn of the newest, or PFN_NONE */
    uint32_t tail;
};

/* The bits above the flags: which zone the frame belongs to. They never change. */
#define PAGE_ZONE_MASK (~UINT32_C(0) << PG_ZONE_SHIFT)
/* What a frame keeps while it is free: facts about the frame, not about the page that was in it. */
#define PAGE_KEPT_MASK (PAGE_ZONE_MASK | UINT32_C(1) << PG_reserved)

static inline bool page_test(const struct page *page, enum page_flag bit) {
    return (atomic_load_explicit(&page->flags, memory_order_acquire) >> bit) & 1u;
}
static inline void page_set(struct page *page, enum page_flag bit) {
    atomic_fetch_or_explicit(&page->flags, 1u << bit, memory_order_acq_rel);
}
static inline void page_clear(struct page *page, enum page_flag bit) {
    atomic_fetch_and_explicit(&page->flags, ~(1u << bit), memory_order_acq_rel);
}
/* Both return the bit's old state. */
static inline bool page_test_and_set(struct page *page, enum page_flag bit) {
    return (atomic_fetch_or_explicit(&page->flags, 1u << bit, memory_order_acq_rel) >> bit) & 1u;
}
static inline bool page_test_and_clear(struct page *page, enum page_flag bit) {
    return (atomic_fetch_and_explicit(&page->flags, ~(1u << bit), memory_order_acq_rel) >> bit) & 1u;
}

static inline unsigned page_zone_type(const struct page *page) {
    return ((atomic_load_explicit(&page->flags, memory_order_relaxed) >> PG_ZONE_SHIFT) & 7u) - 1;
}
static inline unsigned page_node(const struct page *page) {
    return (atomic_load_explicit(&page->flags, memory_order_relaxed) >> PG_NODE_SHIFT) & 31u;
}

static inline int page_count(const struct page *page) {
    return atomic_load_explicit(&page->count, memory_order_acquire);
}
static inline void get_page(struct page *page) {
    atomic_fetch_add_explicit(&page->count, 1, memory_order_relaxed);
}
/* Takes a reference unless the page is free. */
bool get_page_unless_zero(struct page *page);
/* Drops a reference; true if it was the last: the caller then frees the page. */
static inline bool put_page_testzero(struct page *page) {
    return atomic_fetch_sub_explicit(&page->count, 1, memory_order_acq_rel) == 1;
}
static inline bool page_mapped(const struct page *page) {
    return atomic_load_explicit(&page->mapcount, memory_order_acquire) >= 0;
}

/* Sleeping page lock (PG_locked) and waiting for writeback. They wait on page->flags through the platform. */
bool trylock_page(struct page *page);
void lock_page(struct machine *m, struct page *page);
void unlock_page(struct machine *m, struct page *page);
void wait_on_page_writeback(struct machine *m, struct page *page);
/* Clears PG_writeback and wakes whoever waits for it. */
void page_writeback_done(struct machine *m, struct page *page);

static inline void page_list_init(struct page_list *list) {
    list->head = list->tail = PFN_NONE;
}
static inline bool page_list_empty(const struct page_list *list) {
    return list->head == PFN_NONE;
}
void page_list_add(struct machine *m, struct page_list *list, struct page *page); /* at the head */
void page_list_add_tail(struct machine *m, struct page_list *list, struct page *page);
void page_list_del(struct machine *m, struct page_list *list, struct page *page);
struct page *page_list_first(struct machine *m, const struct page_list *list); /* NULL if empty */
struct page *page_list_last(struct machine *m, const struct page_list *list);
/* Towards the tail / the head; NULL at the end. */
struct page *page_list_next(struct machine *m, const struct page *page);
struct page *page_list_prev(struct machine *m, const struct page *page);

#endif
