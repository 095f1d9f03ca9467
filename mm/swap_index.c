/* SPDX-License-Identifier: MIT */
#include "mm/swap_index.h"

#include "mm/page_alloc.h"
#include "mm/swapfile.h"

#define LEAF_BITS 10u /* 1024 frame numbers */
#define NODE_BITS 9u  /* 512 leaves */
#define AREA_BITS (SWAP_TYPE_SHIFT - LEAF_BITS - NODE_BITS)
_Static_assert((sizeof(uint32_t) << LEAF_BITS) == PAGE_SIZE, "a leaf takes one page");
_Static_assert((sizeof(void *) << NODE_BITS) == PAGE_SIZE, "a node takes one page");
_Static_assert((sizeof(void *) << AREA_BITS) <= PAGE_SIZE, "an area's node takes one page");

/* Empty leaves that stay, so that a cache that holds a page now and then does not allocate one each time. */
#define EMPTY_LEAVES_KEPT 8u

static void **node_slot(const struct swap_index *index, swp_entry_t entry) {
    void **area = index->areas[swp_type(entry)];

    return area ? &area[swp_offset(entry) >> (LEAF_BITS + NODE_BITS)] : NULL;
}

static void **leaf_slot(const struct swap_index *index, swp_entry_t entry) {
    void **slot = node_slot(index, entry);
    void **node = slot ? *slot : NULL;

    return node ? &node[swp_offset(entry) >> LEAF_BITS & ((1u << NODE_BITS) - 1)] : NULL;
}

/* Entries hold frame number + 1, so that a zeroed page is an empty leaf. */
static uint32_t *leaf_entry(const struct swap_index *index, swp_entry_t entry) {
    void **slot = leaf_slot(index, entry);
    uint32_t *leaf = slot ? *slot : NULL;

    return leaf ? &leaf[swp_offset(entry) & ((1u << LEAF_BITS) - 1)] : NULL;
}

uint32_t swap_index_find(const struct swap_index *index, swp_entry_t entry) {
    const uint32_t *where = leaf_entry(index, entry);

    return where ? *where - 1 : PFN_NONE;
}

static void *take_spare(void **spare) {
    void *page = *spare;

    *spare = NULL;
    return page;
}

enum mm_status swap_index_insert(struct machine *m, struct swap_index *index, swp_entry_t entry, uint32_t pfn,
                                 void **spare) {
    uint32_t *where = leaf_entry(index, entry);
    struct page *leaf;

    if (!where) {
        void **slot = leaf_slot(index, entry);

        if (*spare == NULL)
            return MM_NOMEM;
        if (slot) {
            *slot = take_spare(spare);
            index->nr_leaves++;
            index->nr_empty_leaves++;
        } else if ((slot = node_slot(index, entry)) != NULL) {
            *slot = take_spare(spare);
        } else {
            index->areas[swp_type(entry)] = take_spare(spare);
        }
        where = leaf_entry(index, entry);
        if (!where)
            return MM_NOMEM;
    }
    if (*where)
        return MM_BUSY;
    *where = pfn + 1;
    leaf = virt_to_page(m, *leaf_slot(index, entry));
    if (leaf->private ++ == 0)
        index->nr_empty_leaves--;
    return MM_OK;
}

void swap_index_remove(struct machine *m, struct swap_index *index, swp_entry_t entry) {
    void **slot = leaf_slot(index, entry);
    struct page *leaf = virt_to_page(m, *slot);

    *leaf_entry(index, entry) = 0;
    if (--leaf->private != 0)
        return;
    if (++index->nr_empty_leaves > EMPTY_LEAVES_KEPT) {
        index->nr_empty_leaves--;
        index->nr_leaves--;
        free_pages(m, *slot, 0);
        *slot = NULL;
    }
}

void swap_index_replace(struct swap_index *index, swp_entry_t entry, uint32_t pfn) {
    *leaf_entry(index, entry) = pfn + 1;
}

/* The entry after the subtree of 2^bits entries that holds it, or 0 past the last. */
static swp_entry_t skip(swp_entry_t entry, unsigned bits) {
    return (swp_entry_t){((entry.val >> bits) + 1) << bits};
}

uint32_t swap_index_next(const struct swap_index *index, swp_entry_t *at) {
    swp_entry_t entry = *at;

    do {
        void **node = index->areas[swp_type(entry)], **leaf;
        uint32_t *where;

        if (!node) {
            entry = swp_type(entry) == MAX_SWAPFILES - 1 ? (swp_entry_t){0} : skip(entry, SWAP_TYPE_SHIFT);
        } else if (!*node_slot(index, entry)) {
            entry = skip(entry, LEAF_BITS + NODE_BITS);
        } else if (leaf = leaf_slot(index, entry), !*leaf) {
            entry = skip(entry, LEAF_BITS);
        } else if (where = leaf_entry(index, entry), *where == 0) {
            entry.val++;
        } else {
            *at = entry;
            return *where - 1;
        }
    } while (entry.val != 0);
    return PFN_NONE;
}

void swap_index_clear(struct machine *m, struct swap_index *index) {
    for (unsigned type = 0; type < MAX_SWAPFILES; type++) {
        void **area = index->areas[type];

        for (unsigned i = 0; area && i < 1u << AREA_BITS; i++) {
            void **node = area[i];

            for (unsigned k = 0; node && k < 1u << NODE_BITS; k++)
                free_pages(m, node[k], 0);
            free_pages(m, node, 0);
        }
        free_pages(m, area, 0);
        index->areas[type] = NULL;
    }
    index->nr_leaves = index->nr_empty_leaves = 0;
}
