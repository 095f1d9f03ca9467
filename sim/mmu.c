/* SPDX-License-Identifier: MIT */
/* The simulated MMU: where each page's bytes are, and every call that moves them. */
#include <string.h>

#include "mm/lock.h"
#include "sim/internal.h"

uintptr_t sim_address(uint32_t page) {
    return SIM_BASE + ((uintptr_t)page << PAGE_SHIFT);
}

uint32_t sim_page_number(struct sim *sim, uintptr_t addr) {
    SIM_ASSERT(sim, addr >= SIM_BASE && !(addr & (PAGE_SIZE - 1)));
    SIM_ASSERT(sim, (addr - SIM_BASE) >> PAGE_SHIFT < sim->nr_region);
    return (uint32_t)((addr - SIM_BASE) >> PAGE_SHIFT);
}

static uint8_t *mapped_bytes(struct sim *sim, uint32_t n) {
    return sim->mapped + ((size_t)n << PAGE_SHIFT);
}

static uint8_t *parked_bytes(struct sim *sim, uint32_t n) {
    return sim->parked + ((size_t)n << PAGE_SHIFT);
}

/* A run lies in one block, whose page-table lock the core holds. Returns its first page's number. */
static uint32_t check_run(struct sim *sim, struct mm *mm, uintptr_t addr, unsigned nr) {
    struct block *block = find_block(mm, addr);
    uint32_t n = sim_page_number(sim, addr);

    sim_point(sim); /* such a call takes its time */
    SIM_ASSERT(sim, mm == sim->mm && block != NULL);
    SIM_ASSERT(sim, lock_is_held(&block->ptl));
    SIM_ASSERT(sim, nr > 0 && pte_index(addr) + nr <= PTRS_PER_TABLE);
    return n;
}

/* How much of a run the host happens to do. */
static unsigned cut_short(struct sim *sim, unsigned nr) {
    return sim_chance(sim, sim->config.short_permille) ? sim_random(sim, nr) : nr;
}

/* The place is free: a mapping there would overwrite or be refused. */
static void check_free(struct sim *sim, uint32_t n) {
    SIM_ASSERT(sim, sim->mmu[n].state == SIM_HOLE);
    SIM_ASSERT(sim, !sim->mmu[n].parked);
}

static unsigned call_map_zero(void *host, struct mm *mm, uintptr_t addr, struct page *const *pages, unsigned nr) {
    struct sim *sim = host;
    uint32_t n = check_run(sim, mm, addr, nr);
    unsigned done = cut_short(sim, nr);

    for (unsigned i = 0; i < done; i++) {
        check_free(sim, n + i);
        SIM_ASSERT(sim, page_count(pages[i]) > 0 && !page_mapped(pages[i]));
        memset(mapped_bytes(sim, n + i), 0, PAGE_SIZE);
        sim->mmu[n + i].state = SIM_MAPPED;
    }
    return done;
}

/* Brings pages in from where they have been read to: accessible, or parked. */
static unsigned bring_in(struct sim *sim, uint32_t n, struct page *const *pages, unsigned nr, bool parked, bool clean) {
    unsigned done = cut_short(sim, nr);

    for (unsigned i = 0; i < done; i++) {
        uint8_t *arena = page_address(sim->machine, pages[i]);

        check_free(sim, n + i);
        SIM_ASSERT(sim, page_test(pages[i], PG_locked));
        memcpy(parked ? parked_bytes(sim, n + i) : mapped_bytes(sim, n + i), arena, PAGE_SIZE);
        memset(arena, 0xdb, PAGE_SIZE); /* whoever looks there now is wrong */
        sim->mmu[n + i].parked = parked;
        sim->mmu[n + i].state = parked ? SIM_HOLE : SIM_MAPPED;
        sim->mmu[n + i].clean = clean && sim->config.tracks_writes;
    }
    return done;
}

static unsigned call_map_pages(void *host, struct mm *mm, uintptr_t addr, struct page *const *pages, unsigned nr,
                               unsigned map_flags) {
    return bring_in(host, check_run(host, mm, addr, nr), pages, nr, false, map_flags & MAP_CLEAN);
}

static unsigned call_map_parked(void *host, struct mm *mm, uintptr_t addr, struct page *const *pages, unsigned nr) {
    return bring_in(host, check_run(host, mm, addr, nr), pages, nr, true, true);
}

static void call_park(void *host, struct mm *mm, uintptr_t block, uint64_t mask[8]) {
    struct sim *sim = host;
    uint32_t n = check_run(sim, mm, block, 1);

    SIM_ASSERT(sim, !(block & (BLOCK_SIZE - 1)));
    for (unsigned i = 0; i < PTRS_PER_TABLE; i++) {
        if (!(mask[i / 64] >> (i % 64) & 1))
            continue;
        SIM_ASSERT(sim, sim->mmu[n + i].state == SIM_MAPPED && !sim->mmu[n + i].parked);
        if (sim_chance(sim, sim->config.pin_permille)) {
            mask[i / 64] &= ~(UINT64_C(1) << (i % 64));
            continue;
        }
        memcpy(parked_bytes(sim, n + i), mapped_bytes(sim, n + i), PAGE_SIZE);
        sim->mmu[n + i].state = SIM_HOLE;
        sim->mmu[n + i].parked = true;
        sim->counts.parked++;
    }
}

static unsigned call_unpark(void *host, struct mm *mm, uintptr_t addr, unsigned nr) {
    struct sim *sim = host;
    uint32_t n = check_run(sim, mm, addr, nr);
    unsigned done = cut_short(sim, nr);

    for (unsigned i = 0; i < done; i++) {
        SIM_ASSERT(sim, sim->mmu[n + i].state == SIM_HOLE && sim->mmu[n + i].parked);
        memcpy(mapped_bytes(sim, n + i), parked_bytes(sim, n + i), PAGE_SIZE);
        sim->mmu[n + i].state = SIM_MAPPED;
        sim->mmu[n + i].parked = false;
    }
    return done;
}

static bool call_parked_is_clean(void *host, struct mm *mm, uintptr_t addr, swp_entry_t entry) {
    struct sim *sim = host;
    uint32_t n = check_run(sim, mm, addr, 1);
    bool same = sim_slot_holds(sim, entry, parked_bytes(sim, n));
    bool clean = sim->config.tracks_writes ? sim->mmu[n].clean : same && sim_slot_detects_clean(sim, entry);

    SIM_ASSERT(sim, sim->mmu[n].parked);
    SIM_ASSERT(sim, !clean || same);
    sim->counts.clean += clean;
    return clean;
}

static void call_zap(void *host, struct mm *mm, uintptr_t addr, unsigned nr) {
    struct sim *sim = host;
    uint32_t n = check_run(sim, mm, addr, nr);

    for (unsigned i = 0; i < nr; i++) {
        sim->mmu[n + i] = (struct sim_mmu_page){SIM_HOLE, false, false};
        memset(parked_bytes(sim, n + i), 0xda, PAGE_SIZE);
    }
}

static void call_discard(void *host, struct mm *mm, uintptr_t addr) {
    struct sim *sim = host;
    uint32_t n = check_run(sim, mm, addr, 1);

    SIM_ASSERT(sim, sim->mmu[n].parked && sim->mmu[n].state == SIM_HOLE);
    sim->mmu[n].parked = sim->mmu[n].clean = false;
    memset(parked_bytes(sim, n), 0xdd, PAGE_SIZE);
    sim->counts.discarded++;
}

static void call_poison(void *host, struct mm *mm, uintptr_t addr, swp_entry_t entry) {
    struct sim *sim = host;
    uint32_t n = check_run(sim, mm, addr, 1);

    (void)entry;
    SIM_ASSERT(sim, sim->mmu[n].state != SIM_MAPPED && !sim->mmu[n].parked);
    sim->mmu[n].state = SIM_POISONED;
}

/* What the core had there is of no more use, and whoever still looks is wrong. */
static void call_frame_to_user(void *host, uint32_t pfn) {
    struct sim *sim = host;

    memset(page_address(sim->machine, pfn_to_page(sim->machine, pfn)), 0xdc, PAGE_SIZE);
}

void sim_mmu_note_write(struct sim *sim, uint32_t n) {
    sim->mmu[n].clean = sim->config.tracks_writes && sim->mmu[n].parked;
}

void sim_mmu_make_writable(struct sim *sim, uint32_t n) {
    if (sim->mmu[n].state != SIM_MAPPED || !sim->mmu[n].clean)
        return;
    sim->mmu[n].clean = false;
    sim->counts.write_faults++;
}

void sim_mmu_calls(struct platform *platform) {
    platform->map_zero = call_map_zero;
    platform->map_pages = call_map_pages;
    platform->map_parked = call_map_parked;
    platform->park = call_park;
    platform->unpark = call_unpark;
    platform->parked_is_clean = call_parked_is_clean;
    platform->zap = call_zap;
    platform->discard = call_discard;
    platform->poison = call_poison;
    platform->frame_to_user = call_frame_to_user;
}
