/* SPDX-License-Identifier: MIT */
/* A swap file that grows, and a disk that has no more room for it. */
#include "swapdev/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "tests/unit/swap_file_fixture.h"

/* A file system of its own for a test that needs a full disk; skips where that is not allowed. */
static void mount_tmpfs(struct swap_file_fixture *f, const char *size) {
    char options[32];

    snprintf(options, sizeof(options), "size=%s", size);
    if (mount("weir-test", f->dir, "tmpfs", 0, options)) {
        print_message("skipped: mounting a tmpfs needs root (%s)\n", strerror(errno));
        skip();
    }
    f->mounted = true;
}

static void the_file_grows_in_steps_and_never_past_its_maximum(void **state) {
    struct swap_file_fixture *f = *state;
    uint32_t max = (uint32_t)((200 * MIB + 8192) / PAGE_SIZE), nr;

    open_file(f, 200 * MIB + 8192 + 100);
    nr = swap_file_grow(f->file, 0, 1);
    assert_int_equal(nr, 64 * MIB / PAGE_SIZE);
    assert_int_equal(swap_file_grow(f->file, 100, nr - 100), nr);
    assert_int_equal(swap_file_grow(f->file, 101, nr - 100), 2 * nr);
    assert_int_equal(swap_file_grow(f->file, 0, UINT32_MAX), max);
    assert_int_equal(swap_file_grow(f->file, max, 1), max);
    assert_int_equal(write_slot(f, NR_SLOTS - 1, 5), MM_SUBMITTED);
    finish_writes(f);
    assert_slot(f, NR_SLOTS - 1);
}

static void a_full_disk_stops_growth_and_keeps_some_free(void **state) {
    struct swap_file_fixture *f = *state;
    enum { DISK_PAGES = 10 * 256 };
    uint32_t nr;

    mount_tmpfs(f, "10m");
    open_file(f, MAX_BYTES);
    nr = swap_file_grow(f->file, 0, NR_SLOTS);
    assert_true(nr >= DISK_PAGES * 8 / 10 && nr < DISK_PAGES);
    assert_int_equal(swap_file_grow(f->file, nr, 1), nr);
    for (uint32_t i = 0; i < nr; i++)
        assert_int_equal(write_slot(f, i, i + 1), MM_SUBMITTED);
    finish_writes(f);
    assert_int_equal(f->nr_failed, 0);
    for (uint32_t i = 0; i < nr; i++)
        assert_slot(f, i);
}

/* Somebody else takes the disk's last bytes. */
static int fill_disk(struct swap_file_fixture *f, unsigned leave_pages) {
    char path[64];
    int fd;

    snprintf(path, sizeof(path), "%s/other", f->dir);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    unlink(path);
    memset(f->pages, 1, 4096);
    while (write(fd, f->pages, 4096) == 4096)
        continue;
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_CUR) - leave_pages * 4096), 0);
    return fd;
}

static void pages_that_the_disk_has_no_room_for_are_reported_each(void **state) {
    struct swap_file_fixture *f = *state;
    uint32_t nr;
    int fd;

    f->flags |= SWAP_FILE_NO_FALLOCATE;
    mount_tmpfs(f, "8m");
    open_file(f, MAX_BYTES);
    nr = swap_file_grow(f->file, 0, 1000);
    assert_true(nr >= 1000);
    fd = fill_disk(f, 100);
    for (uint32_t i = 0; i < 128; i++)
        assert_int_equal(write_slot(f, i, i + 1), MM_SUBMITTED);
    finish_writes(f);
    assert_true(f->nr_failed >= 20 && f->nr_failed <= 60);
    assert_int_equal(stats_of(f).write_errors, f->nr_failed);
    for (uint32_t i = 0; i < 128; i++)
        if (!f->failed[i])
            assert_slot(f, i);
    close(fd);
}

static void a_device_that_refuses_everything_is_told_at_once_until_it_recovers(void **state) {
    struct swap_file_fixture *f = *state;
    unsigned refused = 0, taken = 0;
    int fd;

    f->flags |= SWAP_FILE_NO_FALLOCATE;
    mount_tmpfs(f, "8m");
    open_file(f, MAX_BYTES);
    assert_true(swap_file_grow(f->file, 0, 1000) >= 1000);
    fd = fill_disk(f, 0);
    for (uint32_t i = 0; i < 15; i++) {
        write_slot(f, i * 64, 1);
        finish_writes(f);
    }
    assert_int_equal(f->nr_failed, 8);
    assert_int_equal(write_slot(f, 1, 1), MM_IO);
    close(fd);
    /* There is room again: one write in so many finds out, and from then on all are taken. */
    for (uint32_t i = 0; i < 600; i++) {
        if (write_slot(f, i, i + 1) == MM_SUBMITTED)
            taken++;
        else
            refused++;
        finish_writes(f);
    }
    assert_true(refused < 257 && taken > 340);
    assert_int_equal(f->nr_failed, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_DIRECTORY(the_file_grows_in_steps_and_never_past_its_maximum, 0),
        TEST_DIRECTORY(the_file_grows_in_steps_and_never_past_its_maximum, SWAP_FILE_NO_FALLOCATE),
        BOTH_DIRECTORY(a_full_disk_stops_growth_and_keeps_some_free),
        TEST_DIRECTORY(a_full_disk_stops_growth_and_keeps_some_free, SWAP_FILE_NO_FALLOCATE),
        BOTH_DIRECTORY(pages_that_the_disk_has_no_room_for_are_reported_each),
        BOTH_DIRECTORY(a_device_that_refuses_everything_is_told_at_once_until_it_recovers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
