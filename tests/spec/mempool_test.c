/* SPDX-License-Identifier: MIT */
/* The specification's assertion A40, first half, and section 16 on mempools. */
#include "tests/unit/fake_platform.h"

#include "mm/mempool.h"
#include "mm/page_alloc.h"

static struct fake *fake;
static struct mempool pool;
static unsigned available, nr_freed;
static gfp_t masks[8];
static unsigned nr_masks;
static char elements[64];
static void *comes_back_meanwhile; /* during the next call of the allocator */

static void *alloc_element(gfp_t gfp, void *data) {
    assert_ptr_equal(data, &available);
    if (comes_back_meanwhile)
        mempool_free(&pool, comes_back_meanwhile), comes_back_meanwhile = NULL;
    if (nr_masks < 8)
        masks[nr_masks++] = gfp;
    return available ? &elements[--available] : NULL;
}

static void free_element(void *element, void *data) {
    assert_ptr_equal(data, &available);
    assert_non_null(element);
    nr_freed++;
}

static int boot(void **state) {
    (void)state;
    fake = fake_boot(4096, 1);
    available = 4;
    nr_freed = 0;
    assert_int_equal(mempool_init(fake->machine, &pool, 4, alloc_element, free_element, &available), MM_OK);
    nr_masks = 0;
    return 0;
}

static int finish(void **state) {
    (void)state;
    assert_int_equal(mempool_destroy(&pool), MM_OK);
    fake_check_and_finish(fake);
    return 0;
}

static void creation_fails_unless_the_reserve_can_be_filled(void **state) {
    struct mempool other;
    unsigned long free_pages = zone_page_state(fake_zone(fake, 0, ZONE_NORMAL), NR_FREE_PAGES);

    (void)state;
    available = 3;
    assert_int_equal(mempool_init(fake->machine, &other, 4, alloc_element, free_element, &available), MM_NOMEM);
    assert_int_equal(nr_freed, 3);
    assert_int_equal(mempool_init(fake->machine, &other, 0, alloc_element, free_element, &available), MM_INVAL);
    assert_int_equal(zone_page_state(fake_zone(fake, 0, ZONE_NORMAL), NR_FREE_PAGES), free_pages);
}

static void the_allocator_comes_first_without_wait_and_io_and_then_the_reserve(void **state) {
    const gfp_t added = __GFP_NOMEMALLOC | __GFP_NORETRY | __GFP_NOWARN;
    void *first, *second;

    (void)state;
    available = 1;
    first = mempool_alloc(&pool, GFP_KERNEL);
    assert_ptr_equal(first, &elements[0]);
    assert_int_equal(pool.nr, 4);
    second = mempool_alloc(&pool, GFP_KERNEL);
    assert_non_null(second);
    assert_int_equal(pool.nr, 3);
    assert_int_equal(nr_masks, 2);
    assert_int_equal(masks[0], (GFP_KERNEL | added) & ~(__GFP_WAIT | __GFP_IO));
    assert_int_equal(masks[1], masks[0]);
    assert_int_equal(mempool_destroy(&pool), MM_BUSY);
    mempool_free(&pool, first);
    assert_int_equal(pool.nr, 4);
    mempool_free(&pool, second);
    assert_int_equal(nr_freed, 1);
    mempool_free(&pool, NULL);
}

static void without_wait_an_empty_reserve_is_null(void **state) {
    void *taken[4];

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        taken[i] = mempool_alloc(&pool, GFP_NOWAIT);
    assert_null(mempool_alloc(&pool, GFP_ATOMIC));
    assert_int_equal(fake->sleeps, 0);
    for (unsigned i = 0; i < 4; i++)
        mempool_free(&pool, taken[i]);
}

static void *taken[4];

static void give_one_back(struct fake *of) {
    if (of->sleeps == 3)
        mempool_free(&pool, taken[0]);
}

/* SPEC A40 */
static void with_wait_it_sleeps_until_an_element_comes_back_and_is_never_null(void **state) {
    const gfp_t added = __GFP_NOMEMALLOC | __GFP_NORETRY | __GFP_NOWARN;

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        taken[i] = mempool_alloc(&pool, GFP_NOIO);
    nr_masks = 0;
    fake->on_sleep = give_one_back;
    taken[0] = mempool_alloc(&pool, GFP_KERNEL);
    assert_non_null(taken[0]);
    assert_int_equal(fake->sleeps, 3);
    /* Once cautiously, once with all that the caller allows, and after the wait again. */
    assert_int_equal(nr_masks, 3);
    assert_int_equal(masks[1], GFP_KERNEL | added);
    assert_int_equal(masks[2], GFP_KERNEL | added);
    for (unsigned i = 0; i < 4; i++)
        mempool_free(&pool, taken[i]);
}

static void the_allocator_recovers(struct fake *of) {
    (void)of;
    if (fake->now_ns >= UINT64_C(12000000000))
        available = 1;
}

static void it_asks_the_allocator_again_every_five_seconds(void **state) {
    void *element;

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        taken[i] = mempool_alloc(&pool, GFP_NOIO);
    fake->now_ns = 0;
    fake->on_sleep = the_allocator_recovers;
    element = mempool_alloc(&pool, GFP_KERNEL);
    assert_non_null(element);
    assert_true(fake->now_ns >= UINT64_C(15000000000) && fake->now_ns < UINT64_C(15100000000));
    for (unsigned i = 0; i < 4; i++)
        mempool_free(&pool, taken[i]);
    mempool_free(&pool, element);
}

static uint64_t waited_ns;

static void wait_timeout(void *host, _Atomic uint32_t *word, uint32_t seen, uint64_t timeout_ns) {
    (void)host;
    assert_int_equal(atomic_load(word), seen);
    waited_ns = timeout_ns;
    mempool_free(&pool, taken[0]);
    assert_int_not_equal(atomic_load(word), seen);
}

static void a_host_that_can_wait_for_a_word_is_asked_to(void **state) {
    (void)state;
    fake->platform.wait_timeout = wait_timeout;
    for (unsigned i = 0; i < 4; i++)
        taken[i] = mempool_alloc(&pool, GFP_NOIO);
    taken[0] = mempool_alloc(&pool, GFP_KERNEL);
    assert_non_null(taken[0]);
    assert_int_equal(waited_ns, UINT64_C(5000000000));
    assert_int_equal(fake->sleeps, 0);
    for (unsigned i = 0; i < 4; i++)
        mempool_free(&pool, taken[i]);
}

static void a_resize_shrinks_at_once_and_grows_as_elements_come_back(void **state) {
    void *first;

    (void)state;
    assert_int_equal(mempool_resize(&pool, 2, GFP_KERNEL), MM_OK);
    assert_int_equal(nr_freed, 2);
    assert_int_equal(pool.nr, 2);
    first = mempool_alloc(&pool, GFP_KERNEL);
    available = 1;
    assert_int_equal(mempool_resize(&pool, 1000, GFP_KERNEL), MM_OK);
    assert_int_equal(pool.nr, 2);
    mempool_free(&pool, first);
    assert_int_equal(pool.nr, 3);
    assert_int_equal(nr_freed, 2);
    assert_int_equal(mempool_resize(&pool, 0, GFP_KERNEL), MM_INVAL);
}

static void an_element_too_many_goes_back_to_the_allocator(void **state) {
    (void)state;
    available = 0;
    comes_back_meanwhile = mempool_alloc(&pool, GFP_KERNEL);
    assert_int_equal(pool.nr, 3);
    available = 1;
    /* One is missing; when it has been had, it is missing no more. */
    assert_int_equal(mempool_resize(&pool, 4, GFP_KERNEL), MM_OK);
    assert_int_equal(pool.nr, 4);
    assert_int_equal(nr_freed, 1);
}

static void a_pool_of_frames_keeps_them_through_exhaustion(void **state) {
    struct mempool_pages pages = {fake->machine, 2};
    struct mempool frames;
    struct page *block;

    (void)state;
    assert_int_equal(mempool_init(fake->machine, &frames, 3, mempool_alloc_pages, mempool_free_pages, &pages), MM_OK);
    while (get_page_from_freelist(fake->machine, GFP_NOWAIT, 0, gfp_zonelist(fake->machine, GFP_KERNEL),
                                  ALLOC_NO_WATERMARKS))
        ;
    block = mempool_alloc(&frames, GFP_NOWAIT);
    assert_non_null(block);
    assert_int_equal(page_count(block), 1);
    mempool_free(&frames, block);
    assert_int_equal(mempool_destroy(&frames), MM_OK);
    assert_int_equal(zone_page_state_exact(fake_zone(fake, 0, ZONE_NORMAL), NR_FREE_PAGES), 13);
}

#define POOL(test) cmocka_unit_test_setup_teardown(test, boot, finish)

int main(void) {
    const struct CMUnitTest tests[] = {
        POOL(creation_fails_unless_the_reserve_can_be_filled),
        POOL(the_allocator_comes_first_without_wait_and_io_and_then_the_reserve),
        POOL(without_wait_an_empty_reserve_is_null),
        POOL(with_wait_it_sleeps_until_an_element_comes_back_and_is_never_null),
        POOL(it_asks_the_allocator_again_every_five_seconds),
        POOL(a_host_that_can_wait_for_a_word_is_asked_to),
        POOL(a_resize_shrinks_at_once_and_grows_as_elements_come_back),
        POOL(an_element_too_many_goes_back_to_the_allocator),
        POOL(a_pool_of_frames_keeps_them_through_exhaustion),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
