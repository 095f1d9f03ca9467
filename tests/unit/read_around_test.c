/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_platform.h"

#include "mm/page_alloc.h"
#include "mm/read_around.h"

static struct fake *fake;
static struct page *page;

static unsigned map_parked(void *host, struct mm *mm, uintptr_t addr, struct page *const *pages, unsigned nr) {
    (void)host;
    (void)mm;
    (void)addr;
    (void)pages;
    return nr;
}

static int setup(void **state) {
    (void)state;
    fake = fake_boot(16384, 1);
    fake->platform.map_parked = map_parked;
    fake->machine->tune.read_around_max = 16;
    page = alloc_pages(fake->machine, GFP_KERNEL, 0);
    return page ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    __free_pages(fake->machine, page, 0);
    fake_finish(fake);
    return 0;
}

/* As many judgements as it takes for the window to settle; of each hundred pages, hits are touched. */
static void settle(unsigned hits) {
    for (unsigned i = 0; i < 20 * 128; i++) {
        page_set(page, PG_readahead);
        if (i % 100 < hits)
            read_around_hit(fake->machine, page);
        else
            read_around_missed(fake->machine, page);
        assert_false(page_test(page, PG_readahead));
    }
}

static void pages_that_get_used_widen_the_window_to_its_most(void **state) {
    (void)state;
    settle(60);
    assert_int_equal(read_around_window(fake->machine), 16);
}

static void pages_that_nobody_uses_close_it_but_for_one_now_and_then(void **state) {
    unsigned probes = 0;

    (void)state;
    settle(0);
    for (unsigned i = 0; i < 160; i++)
        probes += read_around_window(fake->machine) == 2;
    assert_int_equal(probes, 10);
    assert_int_equal(read_around_window(fake->machine) + read_around_window(fake->machine), 3);
    settle(60);
    assert_int_equal(read_around_window(fake->machine), 16);
}

/* Pages that get used, until it has opened to 8. */
static void open_to_8(void) {
    for (unsigned i = 0; i < 1000 && read_around_window(fake->machine) != 8; i++) {
        page_set(page, PG_readahead);
        read_around_hit(fake->machine, page);
    }
    assert_int_equal(read_around_window(fake->machine), 8);
}

static void it_begins_closed_and_opens_after_few_pages(void **state) {
    unsigned pages = 0;

    (void)state;
    read_around_window(fake->machine); /* the first asks for a probe */
    assert_int_equal(read_around_window(fake->machine), 1);
    for (; pages < 1000 && read_around_window(fake->machine) < 4; pages++) {
        page_set(page, PG_readahead);
        read_around_hit(fake->machine, page);
    }
    assert_int_equal(pages, 64);
}

static void it_stays_where_it_is_in_between(void **state) {
    (void)state;
    open_to_8();
    for (unsigned i = 0; i < 20 * 128; i++) {
        page_set(page, PG_readahead);
        if (i % 100 % 7 < 3) /* 43 in each 100 */
            read_around_hit(fake->machine, page);
        else
            read_around_missed(fake->machine, page);
    }
    assert_int_equal(read_around_window(fake->machine), 8);
}

static void only_pages_that_were_read_along_count(void **state) {
    (void)state;
    open_to_8();
    for (unsigned i = 0; i < 1000; i++)
        read_around_missed(fake->machine, page);
    assert_int_equal(read_around_window(fake->machine), 8);
}

static void nothing_is_read_along_where_it_is_off_or_cannot_be_parked(void **state) {
    (void)state;
    fake->machine->tune.read_around_max = 0;
    assert_int_equal(read_around_window(fake->machine), 1);
    fake->machine->tune.read_around_max = 16;
    fake->platform.map_parked = NULL;
    assert_int_equal(read_around_window(fake->machine), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pages_that_get_used_widen_the_window_to_its_most, setup, teardown),
        cmocka_unit_test_setup_teardown(pages_that_nobody_uses_close_it_but_for_one_now_and_then, setup, teardown),
        cmocka_unit_test_setup_teardown(it_begins_closed_and_opens_after_few_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(it_stays_where_it_is_in_between, setup, teardown),
        cmocka_unit_test_setup_teardown(only_pages_that_were_read_along_count, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_read_along_where_it_is_off_or_cannot_be_parked, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
