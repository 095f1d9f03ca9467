/* SPDX-License-Identifier: MIT */
/* Where a swap file lies: its folder, and what it is called there. */
#include "swapdev/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/swap_file_fixture.h"

static void what_is_no_directory_is_refused_and_left_as_it_was(void **state) {
    struct swap_file_fixture *f = *state;
    char path[64], bytes[8] = {0};
    int error = 0, fd;

    snprintf(path, sizeof(path), "%s/file", f->dir);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    assert_int_equal(write(fd, "precious", 8), 8);
    assert_null(swap_file_open(&f->fake->platform, path, MAX_BYTES, f->flags, f->memory, swap_file_done, f, &error));
    assert_int_equal(error, -ENOTDIR);
    assert_int_equal(pread(fd, bytes, 8, 0), 8);
    assert_memory_equal(bytes, "precious", 8);
    close(fd);
    unlink(path);
    assert_null(swap_file_open(&f->fake->platform, path, MAX_BYTES, f->flags, f->memory, swap_file_done, f, &error));
    assert_int_equal(error, -ENOENT);
}

static void a_directory_once_opened_may_be_renamed_or_removed(void **state) {
    struct swap_file_fixture *f = *state;
    char path[64], other[64];
    struct stat made, there;
    int dir, fd;

    snprintf(path, sizeof(path), "%s/moved", f->dir);
    snprintf(other, sizeof(other), "%s/there", f->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    dir = swap_file_dir(path);
    assert_true(dir >= 0);
    assert_int_equal(rename(path, other), 0);
    for (int step = 0; step < 2; step++) {
        fd = swap_file_make(dir, f->flags);
        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &made), 0);
        assert_int_equal(stat(f->dir, &there), 0);
        assert_int_equal(made.st_nlink, 0);
        assert_int_equal(made.st_dev, there.st_dev);
        close(fd);
        assert_int_equal(rmdir(other), step ? -1 : 0);
    }
    close(dir);
    assert_int_equal(swap_file_dir(path), -ENOENT);
}

static void the_file_has_no_name(void **state) {
    struct swap_file_fixture *f = *state;
    DIR *dir = opendir(f->dir);
    struct dirent *entry;
    struct stat stat;

    while ((entry = readdir(dir)))
        assert_true(entry->d_name[0] == '.' && (!entry->d_name[1] || entry->d_name[1] == '.'));
    closedir(dir);
    assert_int_equal(fstat(swap_file_fd(f->file), &stat), 0);
    assert_int_equal(stat.st_nlink, 0);
    assert_int_equal(stat.st_mode & 0777, 0600);
    assert_true(fcntl(swap_file_fd(f->file), F_GETFD) & FD_CLOEXEC);
}

static void two_files_with_names_do_not_meet(void **state) {
    struct swap_file_fixture *f = *state;
    void *memory = map_memory(swap_file_memory(0));
    char path[64], name[32] = ".weir-swap-";
    struct swap_file *other;
    int error = 0, fd;

    /* The first name that this process would take is taken. */
    snprintf(name + strlen(name), sizeof(name) - strlen(name), "%016llx", (unsigned long long)getpid() << 32);
    snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    other =
        swap_file_open(&f->fake->platform, f->dir, MAX_BYTES, SWAP_FILE_NO_TMPFILE, memory, swap_file_done, f, &error);
    assert_non_null(other);
    assert_int_equal(swap_file_grow(other, 0, 1), NR_SLOTS);
    assert_int_equal(lseek(fd, 0, SEEK_END), 0);
    swap_file_close(other);
    munmap(memory, swap_file_memory(0));
    close(fd);
    assert_int_equal(unlink(path), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_DIRECTORY(what_is_no_directory_is_refused_and_left_as_it_was, 0),
        TEST(a_directory_once_opened_may_be_renamed_or_removed, 0),
        TEST(the_file_has_no_name, 0),
        TEST(the_file_has_no_name, SWAP_FILE_NO_TMPFILE),
        TEST_DIRECTORY(two_files_with_names_do_not_meet, 0),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
