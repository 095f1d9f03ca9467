/* SPDX-License-Identifier: MIT */
#include "mm/slowpath.h"

#include "mm/compaction.h"
#include "mm/oom_kill.h"
#include "mm/page_alloc.h"
#include "mm/pcp.h"
#include "mm/psi.h"
#include "mm/reclaim_retry.h"
#include "mm/vmscan.h"

/* One request on its way. alloc_flags: those of step 5. */
struct request {
    struct machine *m;
    const struct zonelist *zonelist;
    gfp_t gfp;
    unsigned order;
    unsigned alloc_flags;
    unsigned no_progress_loops; /* mm/reclaim_retry.h */
};

static struct page *try_freelist(const struct request *r, unsigned alloc_flags) {
    return get_page_from_freelist(r->m, r->gfp, r->order, r->zonelist, alloc_flags);
}

static uint32_t current_flags(const struct request *r) {
    return atomic_load_explicit(&mm_current(r->m)->flags, memory_order_relaxed);
}

static bool in_interrupt(const struct request *r) {
    return r->m->platform->in_interrupt(r->m->platform->host);
}

static void wait_for_writes(const struct request *r) {
    r->m->platform->congestion_wait(r->m->platform->host, WRITE_CONGESTION_WAIT_NS);
}

/* Step 5. */
static unsigned alloc_flags_of(const struct request *r) {
    unsigned flags = ALLOC_WMARK_MIN;

    if (!(r->gfp & __GFP_WAIT) || (current_flags(r) & TASK_REALTIME && !in_interrupt(r)))
        flags |= ALLOC_HARDER;
    if (r->gfp & __GFP_HIGH)
        flags |= ALLOC_HIGH;
    if (r->gfp & __GFP_WAIT)
        flags |= ALLOC_CPUSET;
    return flags;
}

/* Step 6: somebody who frees memory, or is about to die and so to free it, may have the last of it. */
static struct page *alloc_from_reserves(const struct request *r) {
    struct page *page;

    if (r->gfp & __GFP_NOMEMALLOC)
        return NULL;
    while (!(page = try_freelist(r, ALLOC_NO_WATERMARKS)) && r->gfp & __GFP_NOFAIL)
        wait_for_writes(r);
    return page;
}

static bool zone_seen_before(const struct zonelist *list, unsigned i) {
    for (unsigned j = 0; j < i; j++)
        if (list->zones[j]->node == list->zones[i]->node)
            return true;
    return false;
}

/*
 * With reclaim_scope NODE, try_to_free_pages() looks at the first zone's node only. Before the request counts as one
 * without progress, each further node of the list gets its turn.
 */
static unsigned long reclaim_further_nodes(const struct request *r) {
    const struct zonelist *all = r->zonelist;
    unsigned long progress = 0;

    for (unsigned i = 1; !progress && all->zones[i]; i++) {
        struct zonelist node_zones;
        unsigned nr = 0;

        if (zone_seen_before(all, i))
            continue;
        for (unsigned j = i; all->zones[j]; j++)
            if (all->zones[j]->node == all->zones[i]->node)
                node_zones.zones[nr++] = all->zones[j];
        node_zones.zones[nr] = NULL;
        progress = try_to_free_pages(r->m, &node_zones, r->order, r->gfp);
    }
    return progress;
}

/* Step 8. PF_MEMALLOC gives reclaim the reserves and keeps it from entering itself. */
static unsigned long reclaim(const struct request *r) {
    const struct platform *p = r->m->platform;
    struct task *task = mm_current(r->m);
    struct reclaim_state state = {0};
    uint64_t start = p->now_ns(p->host);
    bool stalls = psi_memstall_enter(r->m);
    unsigned long progress;

    p->yield(p->host);
    atomic_fetch_or_explicit(&task->flags, PF_MEMALLOC, memory_order_relaxed);
    task->reclaim_state = &state;
    progress = try_to_free_pages(r->m, r->zonelist, r->order, r->gfp);
    if (!progress && r->m->nr_nodes > 1 && r->m->tune.reclaim_scope == RECLAIM_NODE)
        progress = reclaim_further_nodes(r);
    task->reclaim_state = NULL;
    atomic_fetch_and_explicit(&task->flags, ~(uint32_t)PF_MEMALLOC, memory_order_relaxed);
    psi_memstall_leave(r->m, stalls);
    p->yield(p->host);
    atomic_fetch_add_explicit(&r->m->direct_reclaim_ns, p->now_ns(p->host) - start, memory_order_relaxed);
    return progress;
}

/* Where the request goes on after a step. */
enum next { NEXT_SERVED, NEXT_RESTART, NEXT_REBALANCE, NEXT_NOPAGE };

/* Step 11: nothing can be reclaimed. */
static enum next kill_somebody(const struct request *r, struct page **ret_page) {
    const struct platform *p = r->m->platform;

    if (!try_set_zone_oom(r->m, r->zonelist)) {
        /* Somebody else is killing on behalf of these zones; what that frees will do for us too. */
        p->sleep(p->host, TICK_NS);
        return NEXT_RESTART;
    }
    /* A kill that went on meanwhile may have freed memory. The high mark: only if it freed plenty. */
    *ret_page =
        get_page_from_freelist(r->m, r->gfp | __GFP_HARDWALL, r->order, r->zonelist, ALLOC_WMARK_HIGH | ALLOC_CPUSET);
    if (*ret_page) {
        clear_zonelist_oom(r->m, r->zonelist);
        return NEXT_SERVED;
    }
    /* A kill frees pages, not large blocks. */
    if (r->order > PAGE_ALLOC_COSTLY_ORDER) {
        clear_zonelist_oom(r->m, r->zonelist);
        return NEXT_NOPAGE;
    }
    out_of_memory(r->m, r->zonelist, r->gfp, r->order);
    clear_zonelist_oom(r->m, r->zonelist);
    return NEXT_RESTART;
}

/* Step 12. */
static bool should_retry(const struct request *r) {
    if (r->gfp & __GFP_NORETRY)
        return false;
    return r->order <= PAGE_ALLOC_COSTLY_ORDER || r->gfp & (__GFP_REPEAT | __GFP_NOFAIL);
}

/* A block made by moving pages, where that is wanted and can be: tune.compaction. */
static struct page *compact(const struct request *r) {
    if (!try_to_compact_pages(r->m, r->zonelist, r->order, r->gfp))
        return NULL;
    return try_freelist(r, r->alloc_flags);
}

/* Steps 6 to 12, once. */
static enum next rebalance(struct request *r, struct page **ret_page) {
    unsigned long did_some_progress;

    if (current_flags(r) & (PF_MEMALLOC | TIF_MEMDIE) && !in_interrupt(r)) {
        *ret_page = alloc_from_reserves(r);
        return *ret_page ? NEXT_SERVED : NEXT_NOPAGE;
    }
    if (!(r->gfp & __GFP_WAIT))
        return NEXT_NOPAGE;

    *ret_page = compact(r);
    if (*ret_page)
        return NEXT_SERVED;
    did_some_progress = reclaim(r);
    if (r->order != 0)
        drain_all_local_pages(r->m);
    if (did_some_progress) {
        *ret_page = try_freelist(r, r->alloc_flags);
        if (!*ret_page)
            *ret_page = compact(r);
        if (*ret_page)
            return NEXT_SERVED;
    }
    if (r->m->tune.reclaim_retries)
        did_some_progress =
            should_reclaim_retry(r->m, r->zonelist, r->order, r->alloc_flags, did_some_progress, &r->no_progress_loops);
    if (!did_some_progress && r->gfp & __GFP_FS && !(r->gfp & __GFP_NORETRY)) {
        r->no_progress_loops = 0;
        if (r->m->tune.oom_waits_for_writes && writes_are_under_way(r->zonelist)) {
            wait_for_writes(r);
            return NEXT_REBALANCE;
        }
        return kill_somebody(r, ret_page);
    }
    if (!should_retry(r))
        return NEXT_NOPAGE;
    wait_for_writes(r);
    return NEXT_REBALANCE;
}

static struct page *no_page(const struct request *r) {
    const struct platform *p = r->m->platform;

    if (!(r->gfp & __GFP_NOWARN) && p->alloc_failed)
        p->alloc_failed(p->host, mm_current(r->m), r->order, r->gfp);
    return NULL;
}

struct page *alloc_pages_slowpath(struct machine *m, gfp_t gfp, unsigned order, const struct zonelist *zonelist) {
    struct request r = {.m = m, .zonelist = zonelist, .gfp = gfp, .order = order};
    struct page *page = NULL;
    enum next next;

    for (;;) {
        /* A request for one node only has somewhere else to go, and says so by failing at once. */
        if (m->nr_nodes > 1 && (gfp & GFP_THISNODE) == GFP_THISNODE)
            return no_page(&r);
        for (unsigned i = 0; zonelist->zones[i]; i++)
            wakeup_kswapd(zonelist->zones[i], order);
        r.alloc_flags = alloc_flags_of(&r);
        page = try_freelist(&r, r.alloc_flags);
        if (page)
            return page;

        do
            next = rebalance(&r, &page);
        while (next == NEXT_REBALANCE);
        if (next == NEXT_SERVED)
            return page;
        if (next == NEXT_NOPAGE)
            return no_page(&r);

        page = get_page_from_freelist(m, gfp | __GFP_HARDWALL, order, zonelist, ALLOC_WMARK_LOW | ALLOC_CPUSET);
        if (page)
            return page;
    }
}
