/* SPDX-License-Identifier: MIT */
#include "sim/alloc_fault.h"

#include "sim/internal.h"

/* Has somebody asked for this very one to fail? */
static bool is_chosen(struct sim *sim) {
    if (sim->alloc_fail_nr == 0)
        return false;
    if (sim->alloc_fail_after) {
        sim->alloc_fail_after--;
        return false;
    }
    sim->alloc_fail_nr--;
    return true;
}

static bool fails(struct machine *m, gfp_t gfp) {
    struct sim *sim = m->platform->host;

    if (gfp & __GFP_NOFAIL || sim->current->spared)
        return false;
    if (!is_chosen(sim) && !sim_chance(sim, sim->config.alloc_fail_permille))
        return false;
    sim->counts.alloc_failures++;
    return true;
}

struct page *__wrap_alloc_pages(struct machine *m, gfp_t gfp, unsigned order) {
    return fails(m, gfp) ? NULL : __real_alloc_pages(m, gfp, order);
}

unsigned __wrap_alloc_pages_bulk(struct machine *m, gfp_t gfp, unsigned nr, struct page **ret_pages) {
    /* None, or fewer than there would be. */
    if (fails(m, gfp))
        nr = nr ? sim_random(m->platform->host, nr) : 0;
    return nr ? __real_alloc_pages_bulk(m, gfp, nr, ret_pages) : 0;
}

void *__wrap___get_free_pages(struct machine *m, gfp_t gfp, unsigned order) {
    return fails(m, gfp) ? NULL : __real___get_free_pages(m, gfp, order);
}

void *__wrap_get_zeroed_page(struct machine *m, gfp_t gfp) {
    return fails(m, gfp) ? NULL : __real_get_zeroed_page(m, gfp);
}
