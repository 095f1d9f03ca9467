/* SPDX-License-Identifier: MIT */
#include "mm/migrate.h"

#include "mm/filemap.h"
#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/page_list.h"
#include "mm/page_table.h"
#include "mm/swap_state.h"

/* What a page says of its content, which goes with it. */
#define MOVED_FLAGS                                                                                                    \
    (1u << PG_error | 1u << PG_referenced | 1u << PG_uptodate | 1u << PG_active | 1u << PG_mappedtodisk |              \
     1u << PG_readahead | 1u << PG_probation)

static void move_flags(struct page *old, struct page *new) {
    uint32_t flags = atomic_load_explicit(&old->flags, memory_order_relaxed) & MOVED_FLAGS;

    atomic_fetch_or_explicit(&new->flags, flags, memory_order_relaxed);
    atomic_fetch_and_explicit(&old->flags, ~(uint32_t)MOVED_FLAGS, memory_order_relaxed);
}

/* The entry of a mapped page comes to name the other frame. */
static void move_entry(struct rmap_walk *walk, struct page *old, struct page *new) {
    struct block *block = walk->block;
    struct machine *m = block->mm->machine;
    pte_t pte = block_pte(block, walk->index);

    block->table->pte[walk->index] = pte_of_page(m, new, (unsigned)(pte & ((1u << PTE_PFN_SHIFT) - 1)));
    get_page(new);
    atomic_store_explicit(&new->mapcount, 0, memory_order_release);
    atomic_store_explicit(&old->mapcount, -1, memory_order_release);
    put_page_testzero(old);
    dec_zone_page_state(page_zone(m, old), NR_ANON_PAGES);
    inc_zone_page_state(page_zone(m, new), NR_ANON_PAGES);
}

/* An anonymous page with an owner: its bytes are where its address is, so that only words change. */
static enum mm_status move_owned(struct machine *m, struct page *old, struct page *new) {
    struct rmap_walk walk;
    enum mm_status status = MM_BUSY;
    pte_t pte;
    bool maps, cached = page_test(old, PG_swapcache);

    if (!rmap_walk_begin(m, old, &walk))
        return MM_BUSY;
    pte = block_pte(walk.block, walk.index);
    maps = pte & PTE_PRESENT && pte_page(m, pte) == old;
    /* Held pages are known to a device by their frame; those in a still range are being changed by the host. */
    if (!(maps && pte & PTE_HELD) && !block_is_still(walk.block, walk.addr) &&
        (cached ? replace_in_swap_cache(m, old, new, 2 + maps) : page_count(old) == 1 + maps)) {
        /* Also where the entry is a swap entry by now: until it is written, the page's bytes are still there. */
        if (m->platform->move_frame)
            m->platform->move_frame(m->platform->host, walk.mm, walk.addr, old, new);
        atomic_store_explicit(&new->owner, page_owner(old), memory_order_release);
        if (maps)
            move_entry(&walk, old, new);
        atomic_store_explicit(&old->owner, 0, memory_order_release);
        status = MM_OK;
    }
    rmap_walk_end(&walk);
    return status;
}

static enum mm_status move_file_page(struct page *old, struct page *new) {
    struct address_space *mapping = page_mapping(old);

    if (page_mapped(old) && (!mapping->ops->unmap || mapping->ops->unmap(mapping, old) != SWAP_SUCCESS))
        return MM_BUSY;
    if (page_test(old, PG_private) &&
        (!mapping->ops->releasepage || !mapping->ops->releasepage(mapping, old, GFP_KERNEL)))
        return MM_BUSY;
    return replace_page_cache_page(old, new) ? MM_OK : MM_BUSY;
}

static enum mm_status move_page(struct machine *m, struct page *old, struct page *new) {
    if (page_test(old, PG_writeback))
        return MM_BUSY;
    if (page_mapping(old))
        return move_file_page(old, new);
    if (page_owner(old))
        return move_owned(m, old, new);
    /* Read ahead: the bytes are at page_address(). Copied first, and for nothing if somebody else has found it. */
    if (page_test(old, PG_swapcache)) {
        __builtin_memcpy(page_address(m, new), page_address(m, old), PAGE_SIZE);
        page_note_arena(m, new);
        return replace_in_swap_cache(m, old, new, 2) ? MM_OK : MM_BUSY;
    }
    return MM_BUSY;
}

enum mm_status migrate_page(struct machine *m, struct page *old, struct page *new) {
    enum mm_status status;

    if (!trylock_page(old))
        return MM_BUSY;
    lock_page(m, new);
    status = move_page(m, old, new);
    if (status == MM_OK) {
        move_flags(old, new);
        atomic_fetch_add_explicit(&m->pages_migrated, 1, memory_order_relaxed);
    }
    unlock_page(m, new);
    unlock_page(m, old);
    return status;
}

unsigned long migrate_pages(struct machine *m, struct page_list *list, struct migrate_target *target) {
    struct page_list done;
    unsigned long moved = 0;

    page_list_init(&done);
    while (!page_list_empty(list)) {
        struct page *old = list_page(m, list->head), *new = target->take(target);

        if (!new)
            break;
        list_del(m, list, old);
        if (migrate_page(m, old, new) == MM_OK) {
            put_page(m, old);
            list_add_tail(m, &done, new);
            moved++;
        } else {
            target->give_back(target, new);
            list_add_tail(m, &done, old);
        }
    }
    putback_lru_pages(m, &done);
    putback_lru_pages(m, list);
    return moved;
}
