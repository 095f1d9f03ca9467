/* SPDX-License-Identifier: MIT */
#include "tests/spec/dirty_pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/page_writeback.h"

struct page *add_dirty_page(struct address_space *mapping, uint32_t index) {
    struct machine *m = mapping->machine;
    struct page *page = alloc_pages(m, GFP_HIGHUSER_MOVABLE, 0);

    lock_page(m, page);
    assert_int_equal(add_to_page_cache_lru(mapping, page, index, GFP_KERNEL), MM_OK);
    assert_true(set_page_dirty(m, page));
    assert_false(set_page_dirty(m, page));
    unlock_page(m, page);
    put_page(m, page);
    return page;
}

void add_dirty_pages(struct address_space *mapping, uint32_t first, uint32_t nr) {
    for (uint32_t index = first; index < first + nr; index++)
        add_dirty_page(mapping, index);
    lru_add_drain_all(mapping->machine);
    refresh_vm_stats(mapping->machine);
}
