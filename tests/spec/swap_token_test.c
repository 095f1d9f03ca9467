/* SPDX-License-Identifier: MIT */
/* The swap token, sections 9, 10.3 and 12.2. */
#include "tests/unit/fake_platform.h"

#include "mm/lru.h"
#include "mm/mmap.h"
#include "mm/page_alloc.h"
#include "mm/rmap.h"
#include "mm/swap_token.h"
#include "mm/vmscan.h"
#include "sim/sim.h"

#define BASE ((uintptr_t)0x100000000000)

static struct mm *new_mm(struct fake *fake) {
    struct mm *mm = mm_create(fake->machine, BASE, BASE + BLOCK_SIZE);

    assert_non_null(mm);
    return mm;
}

static void the_first_that_asks_has_it_until_it_goes(void **state) {
    struct fake *fake = fake_boot(4096, 1);
    struct mm *a = new_mm(fake), *b = new_mm(fake);

    (void)state;
    assert_false(has_swap_token(a));
    grab_swap_token(a);
    assert_true(has_swap_token(a));
    assert_int_equal(a->token_priority, 2);
    grab_swap_token(a);
    assert_int_equal(a->token_priority, 4);
    put_swap_token(b);
    assert_true(has_swap_token(a));
    mm_destroy(a);
    grab_swap_token(b);
    assert_true(has_swap_token(b));
    disable_swap_token(fake->machine);
    assert_false(has_swap_token(b));
    mm_destroy(b);
    fake_finish(fake);
}

/* Each challenge that comes sooner than the one before counts 1, any other takes 1 away. */
static void a_challenger_that_faults_ever_sooner_takes_it_over(void **state) {
    struct fake *fake = fake_boot(4096, 1);
    struct mm *a = new_mm(fake), *b = new_mm(fake);

    (void)state;
    grab_swap_token(a); /* fault 1; priority 2 */
    b->token_stamp = 0;
    b->token_interval = 10;
    grab_swap_token(b); /* 2 faults since its last, before that 10 */
    assert_int_equal(b->token_priority, 1);
    assert_int_equal(b->token_interval, 2);
    grab_swap_token(b); /* 1 < 2 */
    assert_int_equal(b->token_priority, 2);
    assert_true(has_swap_token(a)); /* not for as much: for more */
    grab_swap_token(b);             /* 1 is not less than 1 */
    assert_int_equal(b->token_priority, 1);
    grab_swap_token(b);
    grab_swap_token(b);
    assert_int_equal(b->token_priority, 0);
    b->token_priority = 2;
    b->token_interval = 10;
    grab_swap_token(b);
    assert_true(has_swap_token(b));
    assert_int_equal(b->token_priority, 3 + 2);
    mm_destroy(a);
    mm_destroy(b);
    fake_finish(fake);
}

static void switched_off_nobody_has_it(void **state) {
    struct fake *fake = fake_boot(4096, 1);
    struct mm *a = new_mm(fake);

    (void)state;
    fake->machine->tune.swap_token = 0;
    grab_swap_token(a);
    assert_false(has_swap_token(a));
    mm_destroy(a);
    fake_finish(fake);
}

static struct sim *swapped(void) {
    const struct sim_config config = {
        .seed = 1, .ram_pages = 2048, .region_pages = 512, .devices = {{.nr_slots = 1024}}};
    struct sim *sim = sim_create(&config);
    uint32_t value = 7;

    sim_allow_kswapd(sim, false);
    sim_map(sim, 0, 512, VM_READ | VM_WRITE);
    for (uint32_t page = 0; page < 64; page++)
        assert_int_equal(sim_write(sim, page, 0, &value, sizeof(value)), SIM_OK);
    sim_cool(sim, 0, 1, true);
    assert_false(has_swap_token(sim_mm(sim)));
    assert_int_equal(sim_read(sim, 0, 0, &value, sizeof(value)), SIM_OK);
    return sim;
}

/* Section 9: only for others, and only while a fault of its holder is under way. */
static void the_holders_pages_count_as_referenced_once_more(void **state) {
    struct sim *sim = swapped();
    struct machine *m = sim_machine(sim);
    struct mm *mm = sim_mm(sim);
    struct page *page;

    (void)state;
    assert_true(has_swap_token(mm));
    sim_cool(sim, 5, 1, false);
    page = sim_page(sim, 5);
    page_clear(page, PG_referenced);
    assert_int_equal(page_referenced(m, page), 0);
    read_lock(m->platform, &mm->mmap_lock);
    assert_int_equal(page_referenced(m, page), 0);
    sim_current(sim)->mm = NULL;
    assert_int_equal(page_referenced(m, page), 1);
    m->tune.swap_token = 0;
    assert_int_equal(page_referenced(m, page), 0);
    m->tune.swap_token = 1;
    read_unlock(m->platform, &mm->mmap_lock);
    assert_int_equal(page_referenced(m, page), 0);
    sim_current(sim)->mm = mm;
    sim_destroy(sim);
}

/* Section 10.3 */
static void reclaim_at_priority_0_takes_it_away(void **state) {
    struct sim *sim = swapped();
    struct machine *m = sim_machine(sim);

    (void)state;
    assert_int_equal(sim_mlock(sim, 0, 512), MM_OK);
    assert_true(has_swap_token(sim_mm(sim)));
    try_to_free_pages(m, gfp_zonelist(m, GFP_KERNEL), 0, GFP_KERNEL);
    assert_false(has_swap_token(sim_mm(sim)));
    sim_munlock(sim, 0, 512);
    sim_destroy(sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_that_asks_has_it_until_it_goes),
        cmocka_unit_test(a_challenger_that_faults_ever_sooner_takes_it_over),
        cmocka_unit_test(switched_off_nobody_has_it),
        cmocka_unit_test(the_holders_pages_count_as_referenced_once_more),
        cmocka_unit_test(reclaim_at_priority_0_takes_it_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
