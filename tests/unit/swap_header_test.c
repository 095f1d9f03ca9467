/* SPDX-License-Identifier: MIT */
/* The first page of a swap area, and where its pages lie. */
#include "tests/unit/fake_platform.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mm/pcp.h"
#include "mm/swap_extent.h"
#include "mm/swap_header.h"

static _Alignas(4096) uint8_t page[PAGE_SIZE];

static void put_u32(unsigned at, uint32_t value) {
    memcpy(page + at, &value, sizeof(value));
}

/* An area of last_page + 1 pages, as mkswap would leave it. */
static void write_header(uint32_t last_page, uint32_t nr_bad, const uint32_t *bad) {
    struct swap_header header = {.last_page = last_page, .nr_bad = nr_bad, .bad = bad, .label = "scratch"};

    memset(header.uuid, 0x5a, sizeof(header.uuid));
    swap_header_write(&header, page);
}

static enum swap_refusal look(uint64_t nr_pages, bool is_regular) {
    struct swap_header header;

    return swap_header_read(page, nr_pages, is_regular, &header);
}

static void what_is_written_is_read_back(void **state) {
    const uint32_t bad[] = {3, 99};
    struct swap_header header;

    (void)state;
    write_header(100, 2, bad);
    assert_int_equal(swap_header_read(page, 101, false, &header), SWAP_ACCEPTED);
    assert_int_equal(header.last_page, 100);
    assert_int_equal(header.nr_bad, 2);
    assert_memory_equal(header.bad, bad, sizeof(bad));
    assert_string_equal(header.label, "scratch");
    assert_int_equal(header.uuid[15], 0x5a);
    assert_memory_equal(page + PAGE_SIZE - 10, "SWAPSPACE2", 10);
}

static void a_header_is_refused_for_each_reason(void **state) {
    const uint32_t bad[] = {5};

    (void)state;
    write_header(100, 0, NULL);
    assert_int_equal(look(100, true), SWAP_ACCEPTED);
    assert_int_equal(look(0, true), SWAP_ACCEPTED);
    assert_int_equal(look(99, true), SWAP_TOO_SHORT);
    put_u32(1024, 2);
    assert_int_equal(look(101, true), SWAP_BAD_VERSION);
    put_u32(1024, 1u << 24);
    assert_int_equal(look(101, true), SWAP_BAD_VERSION);
    memcpy(page + PAGE_SIZE - 10, "SWAP-SPACE", 10);
    assert_int_equal(look(101, true), SWAP_OLD_FORMAT);
    page[PAGE_SIZE - 1] = 'x';
    assert_int_equal(look(101, true), SWAP_NO_MAGIC);
    write_header(1, 0, NULL);
    assert_int_equal(look(101, true), SWAP_EMPTY);
    write_header(0, 0, NULL);
    assert_int_equal(look(101, true), SWAP_EMPTY);

    write_header(100, 1, bad);
    assert_int_equal(look(101, false), SWAP_ACCEPTED);
    assert_int_equal(look(101, true), SWAP_BAD_IN_FILE);
    put_u32(1024 + 8, SWAP_HEADER_BAD_MOST + 1);
    assert_int_equal(look(101, false), SWAP_TOO_MANY_BAD);
    write_header(100, 1, bad);
    put_u32(1536, 0);
    assert_int_equal(look(101, false), SWAP_BAD_MISPLACED);
    put_u32(1536, 100);
    assert_int_equal(look(101, false), SWAP_BAD_MISPLACED);
    put_u32(1536, 99);
    assert_int_equal(look(101, false), SWAP_ACCEPTED);
}

static void each_refusal_has_words_of_its_own(void **state) {
    (void)state;
    for (unsigned a = 0; a < SWAP_REFUSALS; a++) {
        assert_true(strlen(swap_refusal_text(a)) > 4);
        for (unsigned b = 0; b < a; b++)
            assert_string_not_equal(swap_refusal_text(a), swap_refusal_text(b));
    }
}

static void what_mkswap_writes_is_accepted_byte_for_byte(void **state) {
    char path[] = "/tmp/weir-mkswap-XXXXXX", command[128];
    static _Alignas(4096) uint8_t ours[PAGE_SIZE];
    struct swap_header header;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 64 * (off_t)PAGE_SIZE), 0);
    snprintf(command, sizeof(command), "PATH=$PATH:/sbin:/usr/sbin mkswap -L twelve %s >/dev/null 2>&1", path);
    if (system(command) != 0) {
        print_message("mkswap(8) is not there\n");
        close(fd);
        unlink(path);
        skip();
    }
    assert_int_equal(pread(fd, page, PAGE_SIZE, 0), PAGE_SIZE);
    close(fd);
    unlink(path);
    assert_int_equal(swap_header_read(page, 64, true, &header), SWAP_ACCEPTED);
    assert_int_equal(header.last_page, 63);
    assert_int_equal(header.nr_bad, 0);
    assert_string_equal(header.label, "twelve");
    swap_header_write(&header, ours);
    assert_memory_equal(page, ours, PAGE_SIZE);
}

static void runs_in_a_row_are_joined_and_found(void **state) {
    const struct swap_extent runs[] = {{0, 10, 1000}, {10, 6, 1010}, {16, 4, 50}, {20, 100, 54}, {120, 1, 7}};
    struct fake *fake = fake_boot(4096, 1);
    struct swap_extents extents;

    (void)state;
    assert_int_equal(swap_extents_init(fake->machine, &extents, runs, 5, 121), MM_OK);
    assert_int_equal(extents.nr, 3);
    assert_int_equal(swap_extents_block(&extents, 0), 1000);
    assert_int_equal(swap_extents_block(&extents, 15), 1015);
    assert_int_equal(swap_extents_block(&extents, 16), 50);
    assert_int_equal(swap_extents_block(&extents, 119), 153);
    assert_int_equal(swap_extents_block(&extents, 120), 7);
    swap_extents_finish(fake->machine, &extents);
    assert_int_equal(swap_extents_init(fake->machine, &extents, NULL, 0, 121), MM_OK);
    assert_int_equal(swap_extents_block(&extents, 77), 77);
    fake_check_and_finish(fake);
}

static void scattered_pages_take_many_runs(void **state) {
    enum { RUNS = 5000 };
    struct swap_extent *runs = calloc(RUNS, sizeof(*runs));
    struct fake *fake = fake_boot(4096, 1);
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);
    long before = zone_page_state_exact(zone, NR_FREE_PAGES) + (long)zone_pcp_pages(zone);
    struct swap_extents extents;

    (void)state;
    for (uint32_t i = 0; i < RUNS; i++)
        runs[i] = (struct swap_extent){i, 1, 3 * (RUNS - i)};
    assert_int_equal(swap_extents_init(fake->machine, &extents, runs, RUNS, RUNS), MM_OK);
    assert_int_equal(extents.nr, RUNS);
    for (uint32_t i = 0; i < RUNS; i++)
        assert_int_equal(swap_extents_block(&extents, i), 3 * (RUNS - i));
    swap_extents_finish(fake->machine, &extents);
    assert_int_equal(zone_page_state_exact(zone, NR_FREE_PAGES) + (long)zone_pcp_pages(zone), before);
    free(runs);
    fake_finish(fake);
}

static void a_page_in_no_run_or_in_two_is_refused(void **state) {
    const struct swap_extent hole[] = {{0, 10, 0}, {11, 10, 11}}, twice[] = {{0, 10, 0}, {9, 12, 100}};
    const struct swap_extent late[] = {{1, 20, 0}}, full[] = {{0, 10, 0}, {10, 11, 100}};
    struct fake *fake = fake_boot(4096, 1);
    struct swap_extents extents;

    (void)state;
    assert_int_equal(swap_extents_init(fake->machine, &extents, hole, 2, 21), MM_INVAL);
    assert_int_equal(swap_extents_init(fake->machine, &extents, hole, 2, 10), MM_OK);
    swap_extents_finish(fake->machine, &extents);
    assert_int_equal(swap_extents_init(fake->machine, &extents, twice, 2, 21), MM_INVAL);
    assert_int_equal(swap_extents_init(fake->machine, &extents, late, 1, 21), MM_INVAL);
    assert_int_equal(swap_extents_init(fake->machine, &extents, full, 2, 22), MM_INVAL);
    assert_int_equal(swap_extents_init(fake->machine, &extents, full, 2, 21), MM_OK);
    swap_extents_finish(fake->machine, &extents);
    fake_finish(fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_header_is_refused_for_each_reason),
        cmocka_unit_test(each_refusal_has_words_of_its_own),
        cmocka_unit_test(what_mkswap_writes_is_accepted_byte_for_byte),
        cmocka_unit_test(runs_in_a_row_are_joined_and_found),
        cmocka_unit_test(scattered_pages_take_many_runs),
        cmocka_unit_test(a_page_in_no_run_or_in_two_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
