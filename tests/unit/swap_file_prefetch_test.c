/* SPDX-License-Identifier: MIT */
/* Slots of a swap file that are read ahead. */
#include "swapdev/file.h"

#include <string.h>
#include <unistd.h>

#include "tests/unit/swap_file_fixture.h"

static void write_slots(struct swap_file_fixture *f, uint32_t nr) {
    for (uint32_t i = 0; i < nr; i++)
        write_slot(f, i, i + 1);
    finish_writes(f);
}

static void prefetch_from(struct swap_file_fixture *f, uint32_t first, unsigned nr) {
    uint32_t offsets[SWAP_FILE_PREFETCH];

    for (unsigned i = 0; i < nr; i++)
        offsets[i] = first + i;
    swap_file_prefetch(f->file, offsets, nr);
}

static void read_from(struct swap_file_fixture *f, uint32_t first, unsigned nr) {
    uint32_t offsets[256];

    for (unsigned i = 0; i < nr; i++)
        offsets[i] = first + i;
    assert_slots(f, offsets, nr);
}

static bool has_ring(const struct swap_file_fixture *f) {
    return !(f->flags & SWAP_FILE_NO_URING);
}

static void what_was_read_ahead_is_not_read_again(void **state) {
    struct swap_file_fixture *f = *state;
    uint64_t requests;

    write_slots(f, 300);
    prefetch_from(f, 64, 100);
    requests = stats_of(f).read_requests;
    assert_int_equal(requests, has_ring(f) ? 1 : 0);
    read_from(f, 64, 64);
    read_from(f, 128, 36);
    assert_int_equal(stats_of(f).read_requests - requests, has_ring(f) ? 0 : 2);
    assert_int_equal(stats_of(f).in_pages, 100);
    /* It is used up. */
    read_from(f, 64, 64);
    assert_int_equal(stats_of(f).read_requests - requests, has_ring(f) ? 1 : 3);
}

static void slots_come_in_any_order(void **state) {
    struct swap_file_fixture *f = *state;
    uint32_t offsets[6] = {200, 199, 7, 250, 8, 9};
    uint32_t wanted[8] = {9, 8, 7, 201, 250, 199, 0, 200};
    uint64_t requests;

    write_slots(f, 300);
    swap_file_prefetch(f->file, offsets, 6);
    requests = stats_of(f).read_requests;
    assert_slots(f, wanted, 8);
    /* 201 and 0 had not been asked for. */
    assert_int_equal(stats_of(f).read_requests - requests, has_ring(f) ? 2 : 8);
}

static void a_slot_written_after_it_was_read_ahead_is_new(void **state) {
    struct swap_file_fixture *f = *state;

    write_slots(f, 256);
    for (unsigned i = 0; i < 200; i++) {
        prefetch_from(f, 0, 128);
        /* In flight, come, or never to come. */
        if (i % 3 == 0)
            read_from(f, 100, 1);
        write_slot(f, i % 100, 1000 + i);
        if (i % 2)
            finish_writes(f);
        read_from(f, 0, 128);
        assert_int_equal(f->seeds[i % 100], 1000 + i);
    }
}

static void a_slot_told_twice_is_read_ahead_once(void **state) {
    struct swap_file_fixture *f = *state;
    const uint32_t twice[] = {3, 4, 3};

    write_slots(f, 256);
    swap_file_prefetch(f->file, twice, 3);
    write_slot(f, 3, 77);
    finish_writes(f);
    read_from(f, 3, 2);
    assert_int_equal(f->seeds[3], 77);
}

static void a_slot_whose_write_waits_is_left_to_its_cluster(void **state) {
    struct swap_file_fixture *f = *state;

    write_slots(f, 256);
    write_slot(f, 3, 77);
    prefetch_from(f, 0, 8);
    finish_writes(f);
    read_from(f, 0, 8);
    assert_int_equal(f->seeds[3], 77);
}

static void what_is_not_wanted_any_more_makes_room(void **state) {
    struct swap_file_fixture *f = *state;
    uint64_t requests;

    write_slots(f, 1024);
    prefetch_from(f, 0, SWAP_FILE_PREFETCH);
    read_from(f, 127, 1);
    prefetch_from(f, 512, SWAP_FILE_PREFETCH);
    read_from(f, 512, 100);
    prefetch_from(f, 600, SWAP_FILE_PREFETCH);
    requests = stats_of(f).read_requests;
    read_from(f, 612, 100);
    assert_int_equal(stats_of(f).read_requests - requests, has_ring(f) ? 0 : 1);
    read_from(f, 0, 100);
    assert_int_equal(stats_of(f).read_requests - requests, has_ring(f) ? 1 : 2);
}

static void where_memory_is_short_less_is_read_ahead(void **state) {
    struct swap_file_fixture *f = *state;
    uint64_t requests;

    assert_true(swap_file_memory(SWAP_FILE_SMALL) + ((size_t)1 << 20) < swap_file_memory(0));
    write_slots(f, 256);
    prefetch_from(f, 0, 100);
    requests = stats_of(f).read_requests;
    read_from(f, 0, 32);
    assert_int_equal(stats_of(f).read_requests - requests, 0);
    read_from(f, 32, 32);
    assert_int_equal(stats_of(f).read_requests - requests, 1);
}

static void nothing_is_left_after_a_drop(void **state) {
    struct swap_file_fixture *f = *state;
    uint64_t requests;

    write_slots(f, 256);
    prefetch_from(f, 0, 100);
    swap_file_prefetch_drop(f->file);
    requests = stats_of(f).read_requests;
    read_from(f, 0, 100);
    assert_int_equal(stats_of(f).read_requests - requests, 1);
    swap_file_prefetch_drop(f->file);
    prefetch_from(f, 0, 100); /* closing waits for it */
}

static void what_cannot_be_read_ahead_fails_when_it_is_wanted(void **state) {
    struct swap_file_fixture *f = *state;
    uint32_t offsets[2] = {63, 64};
    enum mm_status status[2];

    write_slots(f, 256);
    assert_int_equal(ftruncate(swap_file_fd(f->file), 64 * 4096), 0);
    prefetch_from(f, 0, 128);
    read_from(f, 0, 60);
    swap_file_read(f->file, offsets, 2, f->pages, status, NULL);
    assert_int_equal(status[0], MM_OK);
    assert_page(f->pages, 64);
    assert_int_equal(status[1], MM_IO);
}

static void any_sequence_of_writes_and_reads_gives_what_was_written_last(void **state) {
    struct swap_file_fixture *f = *state;
    uint64_t random = 1;

    write_slots(f, 512);
    for (unsigned i = 0; i < 5000; i++) {
        uint32_t first = (uint32_t)(swap_pages_random(&random) % 384);
        unsigned nr = (unsigned)(1 + swap_pages_random(&random) % 128);

        switch (swap_pages_random(&random) % 4) {
        case 0:
            prefetch_from(f, first, nr);
            break;
        case 1:
            write_slot(f, first, swap_pages_random(&random) | 1);
            break;
        case 2:
            swap_file_wait(f->file, 0);
            break;
        default:
            read_from(f, first, nr % 16 + 1);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(what_was_read_ahead_is_not_read_again),
        BOTH(slots_come_in_any_order),
        BOTH(a_slot_written_after_it_was_read_ahead_is_new),
        BOTH(a_slot_told_twice_is_read_ahead_once),
        BOTH(a_slot_whose_write_waits_is_left_to_its_cluster),
        BOTH(what_is_not_wanted_any_more_makes_room),
        TEST(where_memory_is_short_less_is_read_ahead, SWAP_FILE_SMALL),
        BOTH(nothing_is_left_after_a_drop),
        TEST(nothing_is_left_after_a_drop, SWAP_FILE_SMALL),
        BOTH(what_cannot_be_read_ahead_fails_when_it_is_wanted),
        BOTH(any_sequence_of_writes_and_reads_gives_what_was_written_last),
        TEST(any_sequence_of_writes_and_reads_gives_what_was_written_last, SWAP_FILE_SMALL),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
