/* SPDX-License-Identifier: MIT */
/* Pages between memory and a device that knows blocks only. */
#include "tests/unit/fake_platform.h"

#include "mm/page_alloc.h"
#include "mm/page_io.h"
#include "mm/swapfile.h"
#include "mm/swapon.h"

static struct fake *fake;
static unsigned area;
static uint64_t failing_block;
static unsigned char device[64];

static enum mm_status move_block(void *host, unsigned type, uint64_t block, void *bytes, bool write) {
    assert_ptr_equal(host, fake);
    assert_int_equal(type, area);
    assert_true(block < sizeof(device));
    if (block == failing_block)
        return MM_IO;
    *(write ? &device[block] : (unsigned char *)bytes) = *(write ? (unsigned char *)bytes : &device[block]);
    return MM_OK;
}

static int setup(void **state) {
    unsigned other;

    (void)state;
    fake = fake_boot(4096, 1);
    fake->platform.swap_block = move_block;
    assert_int_equal(swap_add(fake->machine, 64, 5, 0, &other), MM_OK);
    assert_int_equal(swap_add(fake->machine, 64, 5, 0, &area), MM_OK);
    assert_int_equal(area, 1);
    failing_block = 0;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_check_and_finish(fake);
    return 0;
}

static void a_page_goes_to_the_block_of_its_slot_and_comes_back(void **state) {
    struct machine *m = fake->machine;
    struct page *page = alloc_pages(m, GFP_KERNEL, 0);
    unsigned char *byte = page_address(m, page);
    swp_entry_t entry = swp_entry(area, 7);
    enum mm_status status = MM_BUSY;

    (void)state;
    *byte = 42;
    assert_int_equal(swap_page_write(m, entry, page, NULL, 0), MM_OK);
    assert_int_equal(device[7], 42);
    *byte = 0;
    swap_pages_read(m, &entry, &page, 1, &status);
    assert_int_equal(status, MM_OK);
    assert_int_equal(*byte, 42);
    __free_pages(m, page, 0);
}

static void each_page_of_a_read_has_its_own_status(void **state) {
    struct machine *m = fake->machine;
    struct page *pages[3];
    const swp_entry_t entries[3] = {swp_entry(area, 1), swp_entry(area, 2), swp_entry(area, 3)};
    enum mm_status status[3] = {MM_BUSY, MM_BUSY, MM_BUSY};

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        pages[i] = alloc_pages(m, GFP_KERNEL, 0);
    failing_block = 2;
    swap_pages_read(m, entries, pages, 3, status);
    assert_int_equal(status[0], MM_OK);
    assert_int_equal(status[1], MM_IO);
    assert_int_equal(status[2], MM_OK);
    assert_int_equal(swap_page_write(m, entries[1], pages[1], NULL, 0), MM_IO);
    for (unsigned i = 0; i < 3; i++)
        __free_pages(m, pages[i], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_page_goes_to_the_block_of_its_slot_and_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(each_page_of_a_read_has_its_own_status, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
