/* SPDX-License-Identifier: MIT */
/*
 * alloc_fault.h - allocations that fail by chance.
 *
 * In a program linked with -Wl,--wrap=NAME for each of these names, the core's calls of NAME end here, and the linker
 * knows the core's own function as __real_NAME.
 */
#ifndef SIM_ALLOC_FAULT_H
#define SIM_ALLOC_FAULT_H

#include "mm/page_alloc.h"

struct page *__wrap_alloc_pages(struct machine *m, gfp_t gfp, unsigned order);
unsigned __wrap_alloc_pages_bulk(struct machine *m, gfp_t gfp, unsigned nr, struct page **ret_pages);
void *__wrap___get_free_pages(struct machine *m, gfp_t gfp, unsigned order);
void *__wrap_get_zeroed_page(struct machine *m, gfp_t gfp);

struct page *__real_alloc_pages(struct machine *m, gfp_t gfp, unsigned order);
unsigned __real_alloc_pages_bulk(struct machine *m, gfp_t gfp, unsigned nr, struct page **ret_pages);
void *__real___get_free_pages(struct machine *m, gfp_t gfp, unsigned order);
void *__real_get_zeroed_page(struct machine *m, gfp_t gfp);

#endif
