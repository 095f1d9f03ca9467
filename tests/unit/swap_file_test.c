/* SPDX-License-Identifier: MIT */
/* Writing slots of a swap file and reading them. */
#include "swapdev/file.h"

#include <string.h>
#include <unistd.h>

#include "tests/unit/swap_file_fixture.h"

static void written_pages_come_back(void **state) {
    struct swap_file_fixture *f = *state;
    uint32_t offsets[256];

    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(write_slot(f, i, i + 1), MM_SUBMITTED);
    finish_writes(f);
    assert_int_equal(f->nr_failed, 0);
    for (uint32_t i = 0; i < 256; i++)
        offsets[i] = i * 3;
    assert_slots(f, offsets, 256);
    for (uint32_t i = 0; i < 256; i++)
        offsets[i] = 900 - i / 2 * 3 + i % 2;
    assert_slots(f, offsets, 256);
    assert_int_equal(stats_of(f).out_pages, 1000);
    assert_int_equal(stats_of(f).in_pages, 512);
    assert_int_equal(stats_of(f).write_errors + stats_of(f).read_errors, 0);
}

static void adjacent_slots_share_a_request_in_whatever_order_they_come(void **state) {
    struct swap_file_fixture *f = *state;
    uint32_t offsets[64];

    for (uint32_t i = 0; i < 64; i++)
        assert_int_equal(write_slot(f, 128 + (i * 37 & 63), i + 1), MM_SUBMITTED);
    finish_writes(f);
    assert_int_equal(stats_of(f).write_requests, 1);
    for (uint32_t i = 0; i < 64; i++)
        offsets[i] = 128 + i;
    assert_slots(f, offsets, 64);
    assert_int_equal(stats_of(f).read_requests, 1);
}

static void a_gathered_page_is_read_from_its_buffer(void **state) {
    struct swap_file_fixture *f = *state;
    uint32_t offsets[3] = {10, 11, 500};

    for (unsigned i = 0; i < 3; i++)
        write_slot(f, offsets[i], offsets[i]);
    assert_int_equal(stats_of(f).write_requests, 0);
    assert_slots(f, offsets, 3);
    assert_int_equal(stats_of(f).read_requests, 0);
    assert_int_equal(f->nr_reported, 0);
    finish_writes(f);
    assert_slots(f, offsets, 3);
    assert_int_equal(stats_of(f).read_requests, 2);
}

static void pages_in_flight_and_in_the_file_are_read_in_one_call(void **state) {
    struct swap_file_fixture *f = *state;
    uint32_t offsets[256];

    for (uint32_t i = 0; i < 128; i++)
        write_slot(f, i * 2, i + 1);
    finish_writes(f);
    for (uint32_t i = 0; i < 128; i++)
        write_slot(f, i * 2 + 1, i + 1000);
    swap_file_flush(f->file);
    for (uint32_t i = 0; i < 256; i++)
        offsets[i] = i;
    assert_slots(f, offsets, 256);
    finish_writes(f);
    assert_slots(f, offsets, 256);
}

static void a_slot_written_again_before_it_is_sent_is_written_once(void **state) {
    struct swap_file_fixture *f = *state;

    write_slot(f, 7, 1);
    write_slot(f, 7, 2);
    assert_int_equal(f->nr_reported, 1);
    assert_false(f->failed[7]);
    assert_slot(f, 7);
    finish_writes(f);
    assert_slot(f, 7);
    assert_int_equal(stats_of(f).out_pages, 1);
}

static void a_slot_written_again_in_flight_ends_with_the_newer_bytes(void **state) {
    struct swap_file_fixture *f = *state;

    for (uint64_t round = 0; round < 200; round++) {
        for (uint32_t i = 0; i < 64; i++)
            write_slot(f, i, round * 64 + i + 1);
        /* The cluster was full and is under way. */
        write_slot(f, 5, round + 1000000);
        assert_slot(f, 5);
        swap_file_flush(f->file);
    }
    finish_writes(f);
    for (uint32_t i = 0; i < 64; i++)
        assert_slot(f, i);
}

static void more_windows_than_buffers_are_all_written(void **state) {
    struct swap_file_fixture *f = *state;
    uint64_t random = 1;

    for (unsigned i = 0; i < 3000; i++)
        assert_int_equal(write_slot(f, (uint32_t)(swap_pages_random(&random) % NR_SLOTS), i + 1), MM_SUBMITTED);
    finish_writes(f);
    for (uint32_t i = 0; i < NR_SLOTS; i++)
        if (f->seeds[i])
            assert_slot(f, i);
}

static void waiting_reports_what_is_done_and_ends(void **state) {
    struct swap_file_fixture *f = *state;

    swap_file_wait(f->file, SECOND_NS);
    assert_false(swap_file_busy(f->file));
    write_slot(f, 1, 1);
    assert_true(swap_file_busy(f->file));
    finish_writes(f);
    assert_int_equal(f->nr_reported, 1);
}

static void closing_writes_and_reports_what_is_left(void **state) {
    struct swap_file_fixture *f = *state;

    for (uint32_t i = 0; i < 300; i++)
        write_slot(f, i * 2, 1);
    swap_file_close(f->file);
    f->file = NULL;
    assert_int_equal(f->nr_reported, 300);
    assert_int_equal(f->nr_failed, 0);
}

static void reading_beyond_the_end_of_a_truncated_file_is_an_error(void **state) {
    struct swap_file_fixture *f = *state;
    uint32_t offsets[6] = {4, 5, 6, 7, 20, 2};
    enum mm_status status[6];

    for (uint32_t i = 0; i < 64; i++)
        write_slot(f, i, i + 1);
    finish_writes(f);
    assert_int_equal(ftruncate(swap_file_fd(f->file), 6 * 4096), 0);
    swap_file_read(f->file, offsets, 6, f->pages, status, NULL);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(status[i], offsets[i] < 6 ? MM_OK : MM_IO);
    for (unsigned i = 0; i < 6; i++)
        if (offsets[i] < 6)
            assert_page(f->pages + i * PAGE_SIZE, offsets[i] + 1);
    swap_file_read(f->file, &offsets[4], 1, f->pages, status, NULL);
    assert_int_equal(status[0], MM_IO);
    assert_int_equal(stats_of(f).read_errors, 4);
}

static unsigned nr_called, nr_wanted;
static struct swap_file_fixture *writes_meanwhile;

static bool meanwhile(void) {
    nr_called++;
    if (writes_meanwhile)
        write_slot(writes_meanwhile, 1000 + nr_called, nr_called + 1);
    return nr_called < nr_wanted;
}

/* Slots that the device has, and one of which is to be read. */
static void write_a_window(struct swap_file_fixture *f) {
    for (uint32_t i = 0; i < 64; i++)
        write_slot(f, i, i + 1);
    finish_writes(f);
}

static bool for_ever(void) {
    nr_called++;
    return true;
}

static void work_without_end_does_not_keep_a_read_from_its_end(void **state) {
    struct swap_file_fixture *f = *state;
    uint32_t offset = 7;
    enum mm_status status;

    write_a_window(f);
    swap_file_read(f->file, &offset, 1, f->pages, &status, for_ever);
    assert_int_equal(status, MM_OK);
    assert_page(f->pages, offset + 1);
}

/* Without a ring there is no meanwhile: the read itself waits. */
static void work_is_done_while_the_device_reads(void **state) {
    struct swap_file_fixture *f = *state;
    uint32_t offset = 7;
    enum mm_status status;

    write_a_window(f);
    nr_called = 0;
    nr_wanted = 3;
    writes_meanwhile = f;
    for (unsigned reads = 0; reads < 100; reads++) {
        memset(f->pages, 0, PAGE_SIZE);
        swap_file_read(f->file, &offset, 1, f->pages, &status, meanwhile);
        assert_int_equal(status, MM_OK);
        assert_page(f->pages, offset + 1);
    }
    /* Once it says that there is no more it is not called again in that read. */
    if (f->flags & SWAP_FILE_NO_URING)
        assert_int_equal(nr_called, 0);
    else
        assert_in_range(nr_called, 1, 102);
    finish_writes(f);
    for (uint32_t i = 1; i <= nr_called; i++)
        assert_slot(f, 1000 + i);
}

static void half_a_page_at_the_end_is_an_error(void **state) {
    struct swap_file_fixture *f = *state;
    uint32_t offsets[3] = {4, 5, 0};
    enum mm_status status[3];

    for (uint32_t i = 0; i < 64; i++)
        write_slot(f, i, i + 1);
    finish_writes(f);
    assert_int_equal(ftruncate(swap_file_fd(f->file), 5 * 4096 + 2048), 0);
    swap_file_read(f->file, offsets, 3, f->pages, status, NULL);
    assert_int_equal(status[0], MM_OK);
    assert_int_equal(status[1], MM_IO);
    assert_int_equal(status[2], MM_OK);
}

static void slots_beyond_the_size_are_refused(void **state) {
    struct swap_file_fixture *f = *state;
    char page[PAGE_SIZE] = {0};

    assert_int_equal(swap_file_write(f->file, NR_SLOTS, page, NULL), MM_INVAL);
    assert_false(swap_file_busy(f->file));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ALL(written_pages_come_back),
        BOTH(adjacent_slots_share_a_request_in_whatever_order_they_come),
        BOTH(a_gathered_page_is_read_from_its_buffer),
        ALL(pages_in_flight_and_in_the_file_are_read_in_one_call),
        BOTH(a_slot_written_again_before_it_is_sent_is_written_once),
        ALL(a_slot_written_again_in_flight_ends_with_the_newer_bytes),
        ALL(more_windows_than_buffers_are_all_written),
        BOTH(waiting_reports_what_is_done_and_ends),
        BOTH(closing_writes_and_reports_what_is_left),
        ALL(reading_beyond_the_end_of_a_truncated_file_is_an_error),
        BOTH(work_without_end_does_not_keep_a_read_from_its_end),
        BOTH(work_is_done_while_the_device_reads),
        ALL(half_a_page_at_the_end_is_an_error),
        BOTH(slots_beyond_the_size_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
