/* SPDX-License-Identifier: MIT */
/* What a host leaves out of its platform. */
#include "embed/names.h"
#include "mm/page_table.h"

static void do_nothing(void *host) {
    (void)host;
}
static bool say_no(void *host) {
    (void)host;
    return false;
}
static unsigned the_only_cpu(void *host) {
    (void)host;
    return 0;
}
static void wait_busily(void *host, _Atomic uint32_t *word, uint32_t seen) {
    (void)host, (void)word, (void)seen;
}
static void wake_nobody(void *host, _Atomic uint32_t *word, bool all) {
    (void)host, (void)word, (void)all;
}
static bool is_never_clean(void *host, struct mm *mm, uintptr_t addr, swp_entry_t entry) {
    (void)host, (void)mm, (void)addr, (void)entry;
    return false;
}
static void forget_nothing(void *host, swp_entry_t entry) {
    (void)host, (void)entry;
}
static bool has_always_room(void *host, unsigned type) {
    (void)host, (void)type;
    return true;
}
static void leave_asleep(void *host, int node) {
    (void)host, (void)node;
}
static void stop(void *host, const char *why) {
    (void)host, (void)why;
    __builtin_trap();
}
static void stop_at(void *host, const char *file, int line, const char *what) {
    (void)host, (void)file, (void)line, (void)what;
    __builtin_trap();
}

/* -- The calls of an address space, by set_page alone: the bytes of a page lie at page_address(). -- */

static void set_page(struct mm *mm, uintptr_t addr, struct page *page, enum weir_access access) {
    const struct embed_platform *p = (const struct embed_platform *)mm->machine->platform;

    p->set_page(p->core.host, (struct weir_mm *)mm, addr, public_page(page), access);
}

static unsigned set_pages(struct mm *mm, uintptr_t addr, struct page *const *pages, unsigned nr,
                          enum weir_access access) {
    for (unsigned i = 0; i < nr; i++)
        set_page(mm, addr + i * PAGE_SIZE, pages ? pages[i] : NULL, access);
    return nr;
}

static unsigned map_zero(void *host, struct mm *mm, uintptr_t addr, struct page *const *pages, unsigned nr) {
    (void)host;
    for (unsigned i = 0; i < nr; i++)
        __builtin_memset(page_address(mm->machine, pages[i]), 0, PAGE_SIZE);
    return set_pages(mm, addr, pages, nr, WEIR_MAPPED);
}
static unsigned map_pages(void *host, struct mm *mm, uintptr_t addr, struct page *const *pages, unsigned nr,
                          unsigned map_flags) {
    (void)host, (void)map_flags;
    return set_pages(mm, addr, pages, nr, WEIR_MAPPED);
}
static unsigned map_parked(void *host, struct mm *mm, uintptr_t addr, struct page *const *pages, unsigned nr) {
    (void)host;
    return set_pages(mm, addr, pages, nr, WEIR_PARKED);
}
static void park(void *host, struct mm *mm, uintptr_t block, uint64_t mask[8]) {
    (void)host;
    for (unsigned i = 0; i < PTRS_PER_TABLE; i++)
        if (mask[i / 64] >> i % 64 & 1)
            set_page(mm, block + i * PAGE_SIZE, NULL, WEIR_PARKED);
}
static unsigned unpark(void *host, struct mm *mm, uintptr_t addr, unsigned nr) {
    (void)host;
    return set_pages(mm, addr, NULL, nr, WEIR_MAPPED);
}
static void zap(void *host, struct mm *mm, uintptr_t addr, unsigned nr) {
    (void)host;
    set_pages(mm, addr, NULL, nr, WEIR_ABSENT);
}
static void discard(void *host, struct mm *mm, uintptr_t addr) {
    (void)host;
    set_page(mm, addr, NULL, WEIR_ABSENT);
}
/* The next touch faults, and weir_mm_fault() says WEIR_FAULT_SIGBUS. */
static void poison(void *host, struct mm *mm, uintptr_t addr, swp_entry_t entry) {
    (void)host, (void)entry;
    set_page(mm, addr, NULL, WEIR_ABSENT);
}
static void move_frame(void *host, struct mm *mm, uintptr_t addr, struct page *from, struct page *to) {
    const struct block *block = find_block(mm, addr);
    bool accessible = pte_is_accessible(block_pte(block, pte_index(addr)));

    (void)host;
    /* Nobody may write to the old frame while it is copied. */
    if (accessible)
        set_page(mm, addr, NULL, WEIR_PARKED);
    __builtin_memcpy(page_address(mm->machine, to), page_address(mm->machine, from), PAGE_SIZE);
    set_page(mm, addr, to, accessible ? WEIR_MAPPED : WEIR_PARKED);
}

#define FILL(p, call, with) (p)->call = (p)->call ? (p)->call : (with)

static void fill_in_pages(struct platform *p) {
    FILL(p, map_zero, map_zero);
    FILL(p, map_pages, map_pages);
    FILL(p, map_parked, map_parked);
    FILL(p, park, park);
    FILL(p, unpark, unpark);
    FILL(p, zap, zap);
    FILL(p, discard, discard);
    FILL(p, poison, poison);
    FILL(p, move_frame, move_frame);
}

void embed_fill_in(struct embed_platform *platform) {
    struct platform *p = &platform->core;

    if (platform->set_page)
        fill_in_pages(p);
    FILL(p, congestion_wait, p->sleep);
    FILL(p, yield, do_nothing);
    FILL(p, cpu, the_only_cpu);
    FILL(p, in_interrupt, say_no);
    FILL(p, lock_wait, wait_busily);
    FILL(p, lock_wake, wake_nobody);
    FILL(p, parked_is_clean, is_never_clean);
    FILL(p, swap_slot_free, forget_nothing);
    FILL(p, swap_has_room, has_always_room);
    FILL(p, wake_kswapd, leave_asleep);
    FILL(p, panic, stop);
    FILL(p, assert_failed, stop_at);
}
