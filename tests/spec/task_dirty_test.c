/* SPDX-License-Identifier: MIT */
/* Shares of what may be dirty, task by task: section 18, behind the tunable dirty_task_share. */
#include "tests/unit/fake_platform.h"

#include <string.h>

#include "mm/page_alloc.h"
#include "mm/page_writeback.h"
#include "mm/task_dirty.h"
#include "tests/spec/dirty_pages.h"

#define PERIOD 1024u

static struct fake *fake;
static struct machine *m;
static struct task heavy, light;
static struct address_space mapping;
static struct backing_dev_info bdi;
static unsigned writes;

static enum mm_status writepage(struct address_space *of, struct page *page) {
    (void)of, (void)page;
    writes++;
    return MM_OK;
}

static const struct address_space_operations ops = {.writepage = writepage};

static int boot(void **state) {
    (void)state;
    fake = fake_boot(16384, 1);
    m = fake->machine;
    m->tune.dirty_task_share = 1;
    memset(&heavy, 0, sizeof(heavy));
    memset(&light, 0, sizeof(light));
    mapping = (struct address_space){0};
    bdi = (struct backing_dev_info){0};
    writes = 0;
    bdi_init(m, &bdi, 128);
    address_space_init(m, &mapping, &ops, &bdi);
    return 0;
}

static int finish(void **state) {
    (void)state;
    address_space_destroy(&mapping);
    bdi_destroy(&bdi);
    fake_check_and_finish(fake);
    return 0;
}

static void dirty(struct task *task, unsigned nr) {
    fake_set_current(task);
    for (unsigned i = 0; i < nr; i++)
        task_dirty_inc(m, PERIOD);
}

static unsigned long limit_of(struct task *task) {
    fake_set_current(task);
    return task_dirty_limit(m, 8000);
}

static void off_the_limit_is_the_same_for_all(void **state) {
    (void)state;
    m->tune.dirty_task_share = 0;
    dirty(&heavy, 100);
    assert_int_equal(limit_of(&heavy), 8000);
    assert_int_equal(limit_of(&light), 8000);
}

static void on_an_eighth_of_the_limit_goes_by_who_dirtied_what(void **state) {
    (void)state;
    assert_int_equal(limit_of(&heavy), 8000);
    dirty(&heavy, 300);
    assert_int_equal(limit_of(&heavy), 7000);
    dirty(&light, 100);
    assert_int_equal(limit_of(&heavy), 7250);
    assert_int_equal(limit_of(&light), 7750);
}

static void what_was_dirtied_a_period_ago_counts_half(void **state) {
    (void)state;
    dirty(&heavy, PERIOD);
    /* The period has just ended: half of it counts, and all of that is his. */
    assert_int_equal(limit_of(&heavy), 7000);
    dirty(&light, PERIOD / 2);
    /* 512 of 1024 are the other's, and both have been halved. */
    assert_int_equal(limit_of(&heavy), 7500);
    assert_int_equal(limit_of(&light), 7500);
    dirty(&light, 64 * PERIOD);
    assert_int_equal(limit_of(&heavy), 8000);
    assert_in_range(limit_of(&light), 7000, 7005);
}

static void make_dirty(struct task *task, uint32_t first, uint32_t nr) {
    fake_set_current(task);
    add_dirty_pages(&mapping, first, nr);
}

static unsigned writes_of(struct task *task) {
    unsigned before = writes;

    fake_set_current(task);
    balance_dirty_pages_ratelimited(&mapping, ratelimit_pages(m));
    return writes - before;
}

static void who_writes_much_writes_out_and_who_writes_little_goes_on(void **state) {
    unsigned long limit;

    (void)state;
    fake_set_current(&light);
    limit = get_dirty_limits(m).dirty;
    make_dirty(&light, 0, 10);
    /* Between seven eighths of the limit and all of it. */
    make_dirty(&heavy, 10, (uint32_t)(limit - limit / 16) - 10);
    assert_int_equal(writes_of(&light), 0);
    assert_true(writes_of(&heavy) > 0);
}

static void a_page_that_could_not_be_written_is_dirtied_by_nobody(void **state) {
    static const struct address_space_operations none = {0};
    struct page *page;

    (void)state;
    make_dirty(&heavy, 0, 8);
    fake_set_current(&light);
    mapping.ops = &none;
    page = find_lock_page(&mapping, 0);
    assert_true(clear_page_dirty_for_io(m, page));
    assert_int_equal(write_page(m, page), MM_INVAL);
    assert_true(page_test(page, PG_dirty));
    unlock_page(m, page);
    put_page(m, page);
    assert_int_equal(light.dirtied, 0);
    assert_int_equal(atomic_load(&m->dirtied), 8);
}

#define FACT(test) cmocka_unit_test_setup_teardown(test, boot, finish)

int main(void) {
    const struct CMUnitTest tests[] = {
        FACT(off_the_limit_is_the_same_for_all),
        FACT(on_an_eighth_of_the_limit_goes_by_who_dirtied_what),
        FACT(what_was_dirtied_a_period_ago_counts_half),
        FACT(who_writes_much_writes_out_and_who_writes_little_goes_on),
        FACT(a_page_that_could_not_be_written_is_dirtied_by_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
