/* SPDX-License-Identifier: MIT */
/*
 * dirty_pages.h - dirty pages of a file that has no bytes but those in memory.
 */
#ifndef TESTS_DIRTY_PAGES_H
#define TESTS_DIRTY_PAGES_H

#include "mm/filemap.h"

/* A page of its own for index, dirty and on the inactive list; the cache's reference keeps it. */
struct page *add_dirty_page(struct address_space *mapping, uint32_t index);
/* The same for nr pages, after which all are on the lists and counted. */
void add_dirty_pages(struct address_space *mapping, uint32_t first, uint32_t nr);

#endif
