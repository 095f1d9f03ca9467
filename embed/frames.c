/* SPDX-License-Identifier: MIT */
/* Frames: the calls of weir/mm.h that hand them out and name them. */
#include "embed/names.h"
#include "mm/buddy.h"
#include "mm/compound.h"
#include "mm/memory_hotplug.h"
#include "mm/page_alloc.h"
#include "mm/pcp.h"

struct weir_page *weir_alloc_pages(struct weir_machine *m, uint32_t gfp, unsigned order) {
    return public_page(alloc_pages(machine_of(m), gfp, order));
}

void weir_free_pages(struct weir_machine *m, struct weir_page *page, unsigned order) {
    __free_pages(machine_of(m), page_of(page), order);
}

void weir_split_page(struct weir_page *page, unsigned order) {
    split_page(page_of(page), order);
}

void weir_get_page(struct weir_page *page) {
    get_page(page_of(page));
}

void weir_put_page(struct weir_machine *m, struct weir_page *page) {
    put_page(machine_of(m), page_of(page));
}

uint32_t weir_page_pfn(const struct weir_machine *m, const struct weir_page *page) {
    return page_to_pfn(machine_of(m), page_of(page));
}

void *weir_page_address(const struct weir_machine *m, const struct weir_page *page) {
    return page_address(machine_of(m), page_of(page));
}

struct weir_page *weir_pfn_page(const struct weir_machine *m, uint32_t pfn) {
    return public_page(pfn_to_page(machine_of(m), pfn));
}

bool weir_pfn_valid(const struct weir_machine *m, uint32_t pfn) {
    return frame_exists(machine_of(m), pfn);
}

unsigned long weir_nr_free(const struct weir_machine *m, int node) {
    return node < 0 ? global_page_state(machine_of(m), NR_FREE_PAGES)
                    : node_page_state(machine_of(m), node, NR_FREE_PAGES);
}

void weir_drain_pages(struct weir_machine *m) {
    drain_all_local_pages(machine_of(m));
}

enum weir_status weir_memory_online(struct weir_machine *m, uint32_t start_pfn, uint32_t nr_pages) {
    return (enum weir_status)online_pages(machine_of(m), start_pfn, nr_pages);
}

enum weir_status weir_memory_offline(struct weir_machine *m, uint32_t start_pfn, uint32_t nr_pages) {
    return (enum weir_status)offline_pages(machine_of(m), start_pfn, nr_pages);
}
