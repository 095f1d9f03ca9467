/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_platform.h"

#include "mm/lru.h"
#include "mm/page_alloc.h"

static struct page *new_page(struct fake *fake) {
    struct page *page = alloc_pages(fake->machine, GFP_HIGHUSER_MOVABLE, 0);

    assert_non_null(page);
    return page;
}

static unsigned long event(struct fake *fake, unsigned item) {
    unsigned long events[NR_VM_EVENT_ITEMS];

    all_vm_events(fake->machine, events);
    return events[item];
}

/* nr pages on a list, added oldest first. */
static void fill(struct fake *fake, struct page **pages, unsigned nr, bool active) {
    for (unsigned i = 0; i < nr; i++) {
        pages[i] = new_page(fake);
        if (active)
            lru_cache_add_active(fake->machine, pages[i]);
        else
            lru_cache_add(fake->machine, pages[i]);
    }
    lru_add_drain(fake->machine);
}

static void put_all(struct fake *fake, struct page **pages, unsigned nr) {
    release_pages(fake->machine, pages, nr, true);
    fake_check(fake);
    assert_true(page_list_empty(&fake_zone(fake, 0, ZONE_NORMAL)->active_list));
    assert_true(page_list_empty(&fake_zone(fake, 0, ZONE_NORMAL)->inactive_list));
}

static void the_14th_page_flushes_a_pagevec(void **state) {
    struct fake *fake = fake_boot(4096, 1);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct page *pages[14];

    (void)state;
    for (unsigned i = 0; i < 14; i++) {
        assert_int_equal(zone_page_state_exact(zone, NR_INACTIVE), 0);
        pages[i] = new_page(fake);
        lru_cache_add(fake->machine, pages[i]);
        if (i < 13)
            assert_int_equal(page_count(pages[i]), 2);
    }
    assert_int_equal(zone_page_state_exact(zone, NR_INACTIVE), 14);
    for (unsigned i = 0; i < 14; i++)
        assert_int_equal(page_count(pages[i]), 1);
    assert_ptr_equal(page_list_first(fake->machine, &zone->inactive_list), pages[13]);
    put_all(fake, pages, 14);
    fake_finish(fake);
}

static void draining_flushes_this_cpu_and_drain_all_every_cpu(void **state) {
    struct fake *fake = fake_boot(4096, 2);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct page *pages[2];

    (void)state;
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        fake_set_cpu(cpu);
        pages[cpu] = new_page(fake);
        lru_cache_add_active(fake->machine, pages[cpu]);
    }
    lru_add_drain(fake->machine);
    assert_int_equal(zone_page_state_exact(zone, NR_ACTIVE), 1);
    assert_true(page_test(pages[1], PG_lru) && !page_test(pages[0], PG_lru));
    lru_add_drain_all(fake->machine);
    assert_int_equal(zone_page_state_exact(zone, NR_ACTIVE), 2);
    fake_set_cpu(0);
    put_all(fake, pages, 2);
    fake_finish(fake);
}

static void a_page_freed_from_a_list_leaves_it(void **state) {
    struct fake *fake = fake_boot(4096, 1);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct page *pages[3];

    (void)state;
    fill(fake, pages, 3, true);
    put_page(fake->machine, pages[1]);
    assert_int_equal(zone_page_state_exact(zone, NR_ACTIVE), 2);
    assert_int_equal(page_count(pages[1]), 0);
    assert_ptr_equal(page_list_next(fake->machine, pages[2]), pages[0]);
    fake_check(fake);
    pages[1] = pages[2];
    put_all(fake, pages, 2);
    fake_finish(fake);
}

static void isolation_takes_the_oldest_with_a_reference_each(void **state) {
    struct fake *fake = fake_boot(4096, 1);
    struct machine *m = fake->machine;
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct page *pages[10];
    struct page_list list;
    unsigned long scanned;

    (void)state;
    fill(fake, pages, 10, false);
    page_list_init(&list);
    lock_acquire(m->platform, &zone->lru_lock);
    assert_int_equal(isolate_lru_pages(zone, false, 4, &list, &scanned), 4);
    lock_release(m->platform, &zone->lru_lock);
    assert_int_equal(scanned, 4);
    assert_int_equal(zone_page_state_exact(zone, NR_INACTIVE), 6);
    assert_ptr_equal(page_list_first(m, &list), pages[0]);
    assert_ptr_equal(page_list_last(m, &list), pages[3]);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(page_count(pages[i]), 2);
        assert_false(page_test(pages[i], PG_lru));
    }
    page_set(pages[2], PG_active);
    putback_lru_pages(m, &list);
    assert_true(page_list_empty(&list));
    assert_ptr_equal(page_list_first(m, &zone->active_list), pages[2]);
    assert_ptr_equal(page_list_first(m, &zone->inactive_list), pages[3]);
    assert_int_equal(page_count(pages[0]), 1);
    put_all(fake, pages, 10);
    fake_finish(fake);
}

static void isolation_passes_over_a_page_whose_last_reference_is_gone(void **state) {
    struct fake *fake = fake_boot(4096, 1);
    struct machine *m = fake->machine;
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct page *pages[2];
    struct page_list list;
    unsigned long scanned;

    (void)state;
    fill(fake, pages, 2, false);
    assert_true(put_page_testzero(pages[0])); /* and now its task is interrupted */
    page_list_init(&list);
    lock_acquire(m->platform, &zone->lru_lock);
    assert_int_equal(isolate_lru_pages(zone, false, 2, &list, &scanned), 1);
    lock_release(m->platform, &zone->lru_lock);
    assert_int_equal(scanned, 2);
    assert_ptr_equal(page_list_first(m, &list), pages[1]);
    assert_ptr_equal(page_list_first(m, &zone->inactive_list), pages[0]);
    assert_false(isolate_lru_page(m, pages[0]));
    putback_lru_pages(m, &list);
    lru_forget_page(m, pages[0]);
    free_hot_page(m, pages[0]);
    put_all(fake, pages + 1, 1);
    fake_finish(fake);
}

static void rotation_moves_an_inactive_page_to_the_tail(void **state) {
    struct fake *fake = fake_boot(4096, 1);
    struct machine *m = fake->machine;
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct page *pages[3];

    (void)state;
    fill(fake, pages, 3, false);
    rotate_reclaimable_page(m, pages[2]);
    assert_ptr_equal(page_list_last(m, &zone->inactive_list), pages[0]);
    lru_add_drain(m);
    assert_ptr_equal(page_list_last(m, &zone->inactive_list), pages[2]);
    assert_int_equal(event(fake, PGROTATED), 1);
    activate_page(m, pages[1]);
    rotate_reclaimable_page(m, pages[1]);
    lru_add_drain(m);
    assert_ptr_equal(page_list_last(m, &zone->inactive_list), pages[2]);
    assert_int_equal(event(fake, PGROTATED), 1);
    put_all(fake, pages, 3);
    fake_finish(fake);
}

static void the_check_finds_a_page_that_is_on_no_list(void **state) {
    struct fake *fake = fake_boot(4096, 1);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    struct page *pages[2];

    (void)state;
    fill(fake, pages, 2, false);
    assert_null(lru_check(zone));
    page_list_del(fake->machine, &zone->inactive_list, pages[0]);
    assert_non_null(lru_check(zone));
    page_list_add(fake->machine, &zone->inactive_list, pages[0]);
    page_set(pages[1], PG_active);
    assert_non_null(lru_check(zone));
    page_clear(pages[1], PG_active);
    put_all(fake, pages, 2);
    fake_finish(fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_14th_page_flushes_a_pagevec),
        cmocka_unit_test(draining_flushes_this_cpu_and_drain_all_every_cpu),
        cmocka_unit_test(a_page_freed_from_a_list_leaves_it),
        cmocka_unit_test(isolation_takes_the_oldest_with_a_reference_each),
        cmocka_unit_test(isolation_passes_over_a_page_whose_last_reference_is_gone),
        cmocka_unit_test(rotation_moves_an_inactive_page_to_the_tail),
        cmocka_unit_test(the_check_finds_a_page_that_is_on_no_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
