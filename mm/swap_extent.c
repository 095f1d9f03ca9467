/* SPDX-License-Identifier: MIT */
#include "mm/swap_extent.h"

#include "mm/page_alloc.h"

#define PER_PAGE (uint32_t)(PAGE_SIZE / sizeof(struct swap_extent))
#define POINTERS (uint32_t)(PAGE_SIZE / sizeof(struct swap_extent *))

static struct swap_extent *extent_at(const struct swap_extents *extents, uint32_t i) {
    return &extents->pages[i / PER_PAGE][i % PER_PAGE];
}

static enum mm_status append(struct machine *m, struct swap_extents *extents, struct swap_extent run) {
    struct swap_extent *last = extents->nr ? extent_at(extents, extents->nr - 1) : NULL;
    struct swap_extent **page;

    if (last && last->start_block + last->nr_pages == run.start_block) {
        last->nr_pages += run.nr_pages;
        return MM_OK;
    }
    if (extents->nr == PER_PAGE * POINTERS)
        return MM_NOMEM;
    page = &extents->pages[extents->nr / PER_PAGE];
    if (!*page && !(*page = get_zeroed_page(m, GFP_KERNEL)))
        return MM_NOMEM;
    *extent_at(extents, extents->nr++) = run;
    return MM_OK;
}

enum mm_status swap_extents_init(struct machine *m, struct swap_extents *extents, const struct swap_extent *runs,
                                 uint32_t nr_runs, uint32_t max) {
    enum mm_status status = MM_OK;
    uint32_t covered = 0;

    *extents = (struct swap_extents){0};
    if (!runs)
        return MM_OK;
    extents->pages = get_zeroed_page(m, GFP_KERNEL);
    if (!extents->pages)
        return MM_NOMEM;
    for (uint32_t i = 0; i < nr_runs && covered < max && status == MM_OK; i++) {
        if (runs[i].start_page != covered || runs[i].nr_pages > UINT32_MAX - covered)
            status = MM_INVAL;
        else if (runs[i].nr_pages)
            status = append(m, extents, runs[i]);
        covered += runs[i].nr_pages;
    }
    if (status == MM_OK && covered < max)
        status = MM_INVAL;
    if (status != MM_OK)
        swap_extents_finish(m, extents);
    return status;
}

void swap_extents_finish(struct machine *m, struct swap_extents *extents) {
    for (uint32_t i = 0; extents->pages && i < POINTERS; i++)
        free_pages(m, extents->pages[i], 0);
    free_pages(m, extents->pages, 0);
    *extents = (struct swap_extents){0};
}

uint64_t swap_extents_block(const struct swap_extents *extents, uint32_t page) {
    uint32_t first = 0, end = extents->nr;

    if (!extents->pages)
        return page;
    /* The last run that begins at or before the page. */
    while (end - first > 1) {
        uint32_t middle = first + (end - first) / 2;

        if (extent_at(extents, middle)->start_page <= page)
            first = middle;
        else
            end = middle;
    }
    return extent_at(extents, first)->start_block + (page - extent_at(extents, first)->start_page);
}
