/* SPDX-License-Identifier: MIT */
/*
 * names.h - the public names of the core's structs. What they hold is the same (same.c), or the host's storage for it,
 * so that only the names change.
 */
#ifndef EMBED_NAMES_H
#define EMBED_NAMES_H

#include <weir/mm.h>

#include "mm/machine.h"

static inline struct machine *machine_of(const struct weir_machine *m) {
    return (struct machine *)(uintptr_t)m;
}
static inline struct mm *mm_of(const struct weir_mm *mm) {
    return (struct mm *)(uintptr_t)mm;
}
static inline struct page *page_of(const struct weir_page *page) {
    return (struct page *)(uintptr_t)page;
}
static inline struct weir_page *public_page(struct page *page) {
    return (struct weir_page *)page;
}

/* The platform as the core has it, and what else of the host's embed/ itself calls. */
struct embed_platform {
    struct platform core; /* first: a machine leads to it */
    void (*set_page)(void *host, struct weir_mm *mm, uintptr_t addr, struct weir_page *page, enum weir_access access);
};
/* Fills in what a host has left out (defaults.c). */
void embed_fill_in(struct embed_platform *platform);

#endif
