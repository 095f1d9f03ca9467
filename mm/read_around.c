/* SPDX-License-Identifier: MIT */
#include "mm/read_around.h"

/* The window is judged after so many pages; a small one, of which few pages come, after fewer. */
#define JUDGED 128u
#define JUDGED_SMALL 32u
#define SMALL_WINDOW 2u
/*
 * In percent of the pages read along that get used. Where accesses are random, every page has some chance of being
 * touched, and one read along only takes the place of another: that must not count as success.
 */
#define GROW_PERCENT 50u
#define SHRINK_PERCENT 35u
/*
 * A window of 1, with which it begins, is opened by one page now and then: without any pages read along nobody would
 * see that they are worth it. That they are not shows late, when they are evicted: so what is read along before
 * anything is known has to be little.
 */
#define PROBE_INTERVAL 16u
#define WINDOW_START 1u

static unsigned current_window(const struct machine *m) {
    unsigned window = atomic_load_explicit(&m->around_window, memory_order_relaxed);

    if (window == 0)
        window = WINDOW_START;
    return window < m->tune.read_around_max ? window : m->tune.read_around_max;
}

unsigned read_around_window(struct machine *m) {
    unsigned window;

    if (m->tune.read_around_max == 0 || !m->platform->map_parked)
        return 1;
    window = current_window(m);
    if (window == 1 && atomic_fetch_add_explicit(&m->around_asked, 1, memory_order_relaxed) % PROBE_INTERVAL == 0)
        window = 2;
    return window;
}

/* Threads may judge at once: then it moves by two steps, which the next judgement mends. */
static void note(struct machine *m, struct page *page, bool hit) {
    uint32_t hits, seen;
    unsigned window;

    if (!page_test_and_clear(page, PG_readahead))
        return;
    hits = atomic_fetch_add_explicit(&m->around_hits, hit, memory_order_relaxed) + hit;
    seen = atomic_fetch_add_explicit(&m->around_seen, 1, memory_order_relaxed) + 1;
    window = current_window(m);
    if (seen < (window <= SMALL_WINDOW ? JUDGED_SMALL : JUDGED))
        return;
    if (hits * 100 >= seen * GROW_PERCENT && window < m->tune.read_around_max)
        window *= 2;
    else if (hits * 100 < seen * SHRINK_PERCENT && window > 1)
        window /= 2;
    atomic_store_explicit(&m->around_window, window, memory_order_relaxed);
    atomic_store_explicit(&m->around_hits, 0, memory_order_relaxed);
    atomic_store_explicit(&m->around_seen, 0, memory_order_relaxed);
}

void read_around_hit(struct machine *m, struct page *page) {
    note(m, page, true);
}

void read_around_missed(struct machine *m, struct page *page) {
    note(m, page, false);
}
