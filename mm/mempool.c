/* SPDX-License-Identifier: MIT */
#include "mm/mempool.h"

#include "mm/page_alloc.h"

#define MEMPOOL_WAIT_NS (UINT64_C(5) * 1000000000)

static unsigned array_order(unsigned min_nr) {
    unsigned order = 0;

    while ((PAGE_SIZE << order) / sizeof(void *) < min_nr && order < MAX_ORDER)
        order++;
    return order;
}

static void pool_lock(struct mempool *pool) {
    lock_acquire(pool->machine->platform, &pool->lock);
}

static void pool_unlock(struct mempool *pool) {
    lock_release(pool->machine->platform, &pool->lock);
}

/* Takes an element from the reserve, down to `left` of them. */
static void *take_element(struct mempool *pool, unsigned left) {
    void *element = NULL;

    pool_lock(pool);
    if (pool->nr > left)
        element = pool->elements[--pool->nr];
    pool_unlock(pool);
    return element;
}

/* False: the reserve is full. */
static bool keep_element(struct mempool *pool, void *element) {
    bool kept;

    pool_lock(pool);
    kept = pool->nr < pool->min_nr;
    if (kept)
        pool->elements[pool->nr++] = element;
    pool_unlock(pool);
    return kept;
}

/* Fills the reserve as far as gfp gets elements. True: full. */
static bool fill(struct mempool *pool, gfp_t gfp) {
    for (;;) {
        void *element;

        if (__atomic_load_n(&pool->nr, __ATOMIC_RELAXED) >= __atomic_load_n(&pool->min_nr, __ATOMIC_RELAXED))
            return true;
        element = pool->alloc(gfp, pool->data);
        if (!element)
            return false;
        if (!keep_element(pool, element)) {
            pool->free(element, pool->data);
            return true;
        }
    }
}

enum mm_status mempool_init(struct machine *m, struct mempool *pool, unsigned min_nr, mempool_alloc_fn *alloc,
                            mempool_free_fn *free, void *data) {
    unsigned order = array_order(min_nr);

    if (min_nr == 0)
        return MM_INVAL;
    *pool = (struct mempool){.machine = m, .alloc = alloc, .free = free, .data = data, .min_nr = min_nr};
    lock_init(&pool->lock, RANK_MEMPOOL);
    pool->elements = __get_free_pages(m, GFP_KERNEL, order);
    if (!pool->elements)
        return MM_NOMEM;
    pool->room = (unsigned)((PAGE_SIZE << order) / sizeof(void *));
    if (fill(pool, GFP_KERNEL))
        return MM_OK;
    mempool_destroy(pool);
    return MM_NOMEM;
}

enum mm_status mempool_destroy(struct mempool *pool) {
    void *element;

    if (atomic_load_explicit(&pool->nr_out, memory_order_acquire) != 0)
        return MM_BUSY;
    while ((element = take_element(pool, 0)) != NULL)
        pool->free(element, pool->data);
    free_pages(pool->machine, pool->elements, array_order(pool->room));
    pool->elements = NULL;
    return MM_OK;
}

/* Until an element has come back since `seen`, five seconds at most: the allocator may have something by then. */
static void wait_for_element(struct mempool *pool, uint32_t seen) {
    const struct platform *p = pool->machine->platform;
    uint64_t end = p->now_ns(p->host) + MEMPOOL_WAIT_NS;

    if (p->wait_timeout) {
        p->wait_timeout(p->host, &pool->freed, seen, MEMPOOL_WAIT_NS);
        return;
    }
    while (atomic_load_explicit(&pool->freed, memory_order_acquire) == seen && p->now_ns(p->host) < end)
        p->sleep(p->host, TICK_NS);
}

void *mempool_alloc(struct mempool *pool, gfp_t gfp) {
    /* The emergency reserves are not for somebody who has a reserve of his own, nor is reclaim as a first try. */
    gfp_t now = gfp | __GFP_NOMEMALLOC | __GFP_NORETRY | __GFP_NOWARN;
    gfp_t mask = now & ~(__GFP_WAIT | __GFP_IO);

    for (;;) {
        uint32_t seen = atomic_load_explicit(&pool->freed, memory_order_acquire);
        void *element = pool->alloc(mask, pool->data);

        if (!element)
            element = take_element(pool, 0);
        if (element) {
            atomic_fetch_add_explicit(&pool->nr_out, 1, memory_order_relaxed);
            return element;
        }
        if (!(gfp & __GFP_WAIT))
            return NULL;
        if (mask == now)
            wait_for_element(pool, seen);
        mask = now;
    }
}

void mempool_free(struct mempool *pool, void *element) {
    const struct platform *p = pool->machine->platform;

    if (!element)
        return;
    if (keep_element(pool, element)) {
        atomic_fetch_add_explicit(&pool->freed, 1, memory_order_release);
        p->lock_wake(p->host, &pool->freed, true);
    } else {
        pool->free(element, pool->data);
    }
    atomic_fetch_sub_explicit(&pool->nr_out, 1, memory_order_release);
}

/* A longer array takes the place of the one there is. */
static enum mm_status grow_array(struct mempool *pool, unsigned min_nr, gfp_t gfp) {
    unsigned order = array_order(min_nr), old_order = array_order(pool->room);
    void **longer = __get_free_pages(pool->machine, gfp, order), **old;

    if (!longer)
        return MM_NOMEM;
    pool_lock(pool);
    old = pool->elements;
    __builtin_memcpy(longer, old, pool->nr * sizeof(void *));
    pool->elements = longer;
    pool->room = (unsigned)((PAGE_SIZE << order) / sizeof(void *));
    pool_unlock(pool);
    free_pages(pool->machine, old, old_order);
    return MM_OK;
}

enum mm_status mempool_resize(struct mempool *pool, unsigned min_nr, gfp_t gfp) {
    void *element;

    if (min_nr == 0)
        return MM_INVAL;
    if (min_nr > pool->room && grow_array(pool, min_nr, gfp) != MM_OK)
        return MM_NOMEM;
    pool_lock(pool);
    pool->min_nr = min_nr;
    pool_unlock(pool);
    while ((element = take_element(pool, min_nr)) != NULL)
        pool->free(element, pool->data);
    fill(pool, gfp);
    return MM_OK;
}

void *mempool_alloc_pages(gfp_t gfp, void *data) {
    const struct mempool_pages *pages = data;

    return alloc_pages(pages->machine, gfp, pages->order);
}

void mempool_free_pages(void *element, void *data) {
    const struct mempool_pages *pages = data;

    __free_pages(pages->machine, element, pages->order);
}
