/* SPDX-License-Identifier: MIT */
#include "swapdev/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/swap_pages.h"

#define MIB ((uint64_t)1 << 20)
#define MAX_BYTES (64 * MIB)
#define NR_SLOTS (MAX_BYTES / PAGE_SIZE)
#define SECOND_NS 1000000000u

struct fixture {
    unsigned flags;
    struct fake *fake; /* for its locks */
    char dir[32];
    bool mounted;
    void *memory;
    struct swap_file *file;
    char *pages;                 /* a buffer of 256 */
    uint64_t seeds[NR_SLOTS];    /* what was written last; 0: nothing */
    unsigned reported[NR_SLOTS]; /* by done(), of those written and not yet reported */
    unsigned nr_written, nr_reported, nr_failed;
    bool failed[NR_SLOTS];
};

static void *map_memory(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(memory, MAP_FAILED);
    return memory;
}

static void done(void *arg, uint32_t offset, void *cookie, enum mm_status status) {
    struct fixture *f = arg;

    assert_ptr_equal(cookie, &f->seeds[offset]);
    assert_true(f->reported[offset] > 0);
    f->reported[offset]--;
    f->nr_reported++;
    f->failed[offset] = status != MM_OK;
    f->nr_failed += status != MM_OK;
}

static void open_file(struct fixture *f, uint64_t max_bytes) {
    int error = 0;

    f->file = swap_file_open(&f->fake->platform, f->dir, max_bytes, f->flags, f->memory, done, f, &error);
    assert_int_equal(error, 0);
    assert_non_null(f->file);
}

static int setup_dir(void **state) {
    unsigned flags = (unsigned)(uintptr_t)*state;
    struct fixture *f = test_calloc(1, sizeof(*f));

    f->flags = flags;
    f->fake = swap_pages_boot(1024, 1);
    /* Not under /tmp, which may be in memory: here O_DIRECT has a device below it. */
    strcpy(f->dir, "/var/tmp/weir-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->memory = map_memory(swap_file_memory());
    f->pages = map_memory(256 * PAGE_SIZE);
    *state = f;
    return 0;
}

static int setup(void **state) {
    struct fixture *f;

    setup_dir(state);
    f = *state;
    open_file(f, MAX_BYTES);
    assert_true(swap_file_grow(f->file, 0, NR_SLOTS) == NR_SLOTS);
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;

    if (f->file)
        swap_file_close(f->file);
    assert_int_equal(f->nr_reported, f->nr_written);
    munmap(f->memory, swap_file_memory());
    munmap(f->pages, 256 * PAGE_SIZE);
    if (f->mounted)
        assert_int_equal(umount2(f->dir, MNT_DETACH), 0);
    /* Fails if anything is left in it. */
    assert_int_equal(rmdir(f->dir), 0);
    fake_finish(f->fake);
    test_free(f);
    return 0;
}

static enum mm_status write_slot(struct fixture *f, uint32_t offset, uint64_t seed) {
    enum mm_status status;
    char page[PAGE_SIZE];

    swap_pages_fill(page, seed, PAGE_SIZE);
    f->seeds[offset] = seed;
    f->reported[offset]++;
    f->nr_written++;
    status = swap_file_write(f->file, offset, page, &f->seeds[offset]);
    if (status != MM_SUBMITTED) {
        f->reported[offset]--;
        f->nr_written--;
    }
    return status;
}

static void finish_writes(struct fixture *f) {
    while (swap_file_busy(f->file))
        swap_file_wait(f->file, SECOND_NS);
    assert_int_equal(f->nr_reported, f->nr_written);
}

static void assert_page(const void *bytes, uint64_t seed) {
    char page[PAGE_SIZE];

    swap_pages_fill(page, seed, PAGE_SIZE);
    assert_memory_equal(bytes, page, PAGE_SIZE);
}

/* Reads the slots in one call and compares them. */
static void assert_slots(struct fixture *f, const uint32_t *offsets, unsigned nr) {
    enum mm_status status[256];

    memset(f->pages, 0, nr * PAGE_SIZE);
    swap_file_read(f->file, offsets, nr, f->pages, status);
    for (unsigned i = 0; i < nr; i++) {
        assert_int_equal(status[i], MM_OK);
        assert_page(f->pages + i * PAGE_SIZE, f->seeds[offsets[i]]);
    }
}

static void assert_slot(struct fixture *f, uint32_t offset) {
    assert_slots(f, &offset, 1);
}

static struct swap_file_stats stats_of(struct fixture *f) {
    struct swap_file_stats stats;

    swap_file_get_stats(f->file, &stats);
    return stats;
}

/* A file system of its own for a test that needs a full disk; skips where that is not allowed. */
static void mount_tmpfs(struct fixture *f, const char *size) {
    char options[32];

    snprintf(options, sizeof(options), "size=%s", size);
    if (mount("weir-test", f->dir, "tmpfs", 0, options)) {
        print_message("skipped: mounting a tmpfs needs root (%s)\n", strerror(errno));
        skip();
    }
    f->mounted = true;
}

static void written_pages_come_back(void **state) {
    struct fixture *f = *state;
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
    struct fixture *f = *state;
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
    struct fixture *f = *state;
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
    struct fixture *f = *state;
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
    struct fixture *f = *state;

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
    struct fixture *f = *state;

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
    struct fixture *f = *state;
    uint64_t random = 1;

    for (unsigned i = 0; i < 3000; i++)
        assert_int_equal(write_slot(f, (uint32_t)(swap_pages_random(&random) % NR_SLOTS), i + 1), MM_SUBMITTED);
    finish_writes(f);
    for (uint32_t i = 0; i < NR_SLOTS; i++)
        if (f->seeds[i])
            assert_slot(f, i);
}

static void waiting_reports_what_is_done_and_ends(void **state) {
    struct fixture *f = *state;

    swap_file_wait(f->file, SECOND_NS);
    assert_false(swap_file_busy(f->file));
    write_slot(f, 1, 1);
    assert_true(swap_file_busy(f->file));
    finish_writes(f);
    assert_int_equal(f->nr_reported, 1);
}

static void closing_writes_and_reports_what_is_left(void **state) {
    struct fixture *f = *state;

    for (uint32_t i = 0; i < 300; i++)
        write_slot(f, i * 2, 1);
    swap_file_close(f->file);
    f->file = NULL;
    assert_int_equal(f->nr_reported, 300);
    assert_int_equal(f->nr_failed, 0);
}

static void reading_beyond_the_end_of_a_truncated_file_is_an_error(void **state) {
    struct fixture *f = *state;
    uint32_t offsets[6] = {4, 5, 6, 7, 20, 2};
    enum mm_status status[6];

    for (uint32_t i = 0; i < 64; i++)
        write_slot(f, i, i + 1);
    finish_writes(f);
    assert_int_equal(ftruncate(swap_file_fd(f->file), 6 * 4096), 0);
    swap_file_read(f->file, offsets, 6, f->pages, status);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(status[i], offsets[i] < 6 ? MM_OK : MM_IO);
    for (unsigned i = 0; i < 6; i++)
        if (offsets[i] < 6)
            assert_page(f->pages + i * PAGE_SIZE, offsets[i] + 1);
    swap_file_read(f->file, &offsets[4], 1, f->pages, status);
    assert_int_equal(status[0], MM_IO);
    assert_int_equal(stats_of(f).read_errors, 4);
}

static void half_a_page_at_the_end_is_an_error(void **state) {
    struct fixture *f = *state;
    uint32_t offsets[3] = {4, 5, 0};
    enum mm_status status[3];

    for (uint32_t i = 0; i < 64; i++)
        write_slot(f, i, i + 1);
    finish_writes(f);
    assert_int_equal(ftruncate(swap_file_fd(f->file), 5 * 4096 + 2048), 0);
    swap_file_read(f->file, offsets, 3, f->pages, status);
    assert_int_equal(status[0], MM_OK);
    assert_int_equal(status[1], MM_IO);
    assert_int_equal(status[2], MM_OK);
}

static void slots_beyond_the_size_are_refused(void **state) {
    struct fixture *f = *state;
    char page[PAGE_SIZE] = {0};

    assert_int_equal(swap_file_write(f->file, NR_SLOTS, page, NULL), MM_INVAL);
    assert_false(swap_file_busy(f->file));
}

static void the_file_grows_in_steps_and_never_past_its_maximum(void **state) {
    struct fixture *f = *state;
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
    struct fixture *f = *state;
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
static int fill_disk(struct fixture *f, unsigned leave_pages) {
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
    struct fixture *f = *state;
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
    struct fixture *f = *state;
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

static void an_adopted_file_reads_and_does_not_write(void **state) {
    struct fixture *f = *state;
    void *memory = map_memory(swap_file_memory());
    struct swap_file *parents = f->file;
    char page[PAGE_SIZE] = {0};
    uint32_t offsets[4] = {1, 2, 9, 100};
    int error = 0;

    for (unsigned i = 0; i < 4; i++)
        write_slot(f, offsets[i], offsets[i]);
    finish_writes(f);
    f->file = swap_file_adopt(&f->fake->platform, dup(swap_file_fd(parents)), f->flags, memory, &error);
    assert_non_null(f->file);
    assert_slots(f, offsets, 4);
    assert_int_equal(swap_file_write(f->file, 1, page, NULL), MM_INVAL);
    assert_int_equal(swap_file_grow(f->file, 0, 10), 0);
    swap_file_close(f->file);
    f->file = parents;
    munmap(memory, swap_file_memory());
    assert_null(swap_file_adopt(&f->fake->platform, -1, f->flags, memory, &error));
    assert_int_equal(error, -EBADF);
}

/* Does this process have a ring's memory? */
static bool maps_a_ring(void) {
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    bool found = false;

    while (maps && fgets(line, sizeof(line), maps))
        found |= strstr(line, "io_uring") != NULL;
    if (maps)
        fclose(maps);
    return found;
}

static void a_forked_child_reads_through_the_memory_that_it_inherits(void **state) {
    struct fixture *f = *state;
    uint32_t offsets[4] = {1, 2, 9, 100};
    int status, error = 0;
    pid_t child;

    for (unsigned i = 0; i < 4; i++)
        write_slot(f, offsets[i], offsets[i]);
    finish_writes(f);
    assert_slots(f, offsets, 4); /* The parent has a ring for reading as well. */
    assert_int_equal(maps_a_ring(), !(f->flags & SWAP_FILE_NO_URING));
    child = fork();
    if (child == 0) {
        enum mm_status statuses[4];
        char page[PAGE_SIZE];
        int wrong = maps_a_ring();

        f->file = swap_file_adopt(&f->fake->platform, swap_file_fd(f->file), f->flags, f->memory, &error);
        swap_file_read(f->file, offsets, 4, f->pages, statuses);
        for (unsigned i = 0; i < 4; i++) {
            swap_pages_fill(page, offsets[i], PAGE_SIZE);
            wrong += statuses[i] != MM_OK || memcmp(f->pages + i * PAGE_SIZE, page, PAGE_SIZE) != 0;
        }
        _exit(wrong);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    write_slot(f, 3, 3);
    finish_writes(f);
    assert_slot(f, 3);
}

/* From now on this process may not make a certain system call. */
static bool forbid(unsigned call) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* In a child: writes slots, some of them again, and reads all of them in one call. Returns how many were wrong. */
static int write_and_read_without(struct fixture *f, unsigned call) {
    enum mm_status status[200];
    uint32_t offsets[200];
    char page[PAGE_SIZE];
    int wrong = 0;

    if (!forbid(call))
        return 77;
    for (uint32_t i = 0; i < 300; i++)
        wrong += write_slot(f, i % 200 * 3, i + 1000) != MM_SUBMITTED;
    while (swap_file_busy(f->file))
        swap_file_wait(f->file, SECOND_NS);
    wrong += f->nr_reported != f->nr_written || f->nr_failed;
    for (uint32_t i = 0; i < 200; i++)
        offsets[i] = i * 3;
    swap_file_read(f->file, offsets, 200, f->pages, status);
    for (unsigned i = 0; i < 200; i++) {
        swap_pages_fill(page, f->seeds[offsets[i]], PAGE_SIZE);
        wrong += status[i] != MM_OK || memcmp(f->pages + i * PAGE_SIZE, page, PAGE_SIZE) != 0;
    }
    return wrong > 70 ? 70 : wrong;
}

/* before: slots that the child writes while it still may. */
static void in_a_child_without(struct fixture *f, unsigned call, uint32_t before) {
    pid_t child = fork();
    int status;

    if (child == 0) {
        open_file(f, MAX_BYTES);
        swap_file_grow(f->file, 0, NR_SLOTS);
        for (uint32_t i = 0; i < before; i++)
            write_slot(f, i * 5, i + 1);
        swap_file_flush(f->file);
        _exit(write_and_read_without(f, call));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        print_message("skipped: seccomp is refused\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void where_io_uring_is_refused_the_file_works_without(void **state) {
    in_a_child_without(*state, SYS_io_uring_setup, 0);
}

static void a_ring_that_breaks_loses_nothing(void **state) {
    in_a_child_without(*state, SYS_io_uring_enter, 150);
}

static void what_is_no_directory_is_refused_and_left_as_it_was(void **state) {
    struct fixture *f = *state;
    char path[64], bytes[8] = {0};
    int error = 0, fd;

    snprintf(path, sizeof(path), "%s/file", f->dir);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    assert_int_equal(write(fd, "precious", 8), 8);
    assert_null(swap_file_open(&f->fake->platform, path, MAX_BYTES, f->flags, f->memory, done, f, &error));
    assert_int_equal(error, -ENOTDIR);
    assert_int_equal(pread(fd, bytes, 8, 0), 8);
    assert_memory_equal(bytes, "precious", 8);
    close(fd);
    unlink(path);
    assert_null(swap_file_open(&f->fake->platform, path, MAX_BYTES, f->flags, f->memory, done, f, &error));
    assert_int_equal(error, -ENOENT);
}

static void a_directory_once_opened_may_be_renamed_or_removed(void **state) {
    struct fixture *f = *state;
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
    struct fixture *f = *state;
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
    struct fixture *f = *state;
    void *memory = map_memory(swap_file_memory());
    char path[64], name[32] = ".weir-swap-";
    struct swap_file *other;
    int error = 0, fd;

    /* The first name that this process would take is taken. */
    snprintf(name + strlen(name), sizeof(name) - strlen(name), "%016llx", (unsigned long long)getpid() << 32);
    snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    other = swap_file_open(&f->fake->platform, f->dir, MAX_BYTES, SWAP_FILE_NO_TMPFILE, memory, done, f, &error);
    assert_non_null(other);
    assert_int_equal(swap_file_grow(other, 0, 1), NR_SLOTS);
    assert_int_equal(lseek(fd, 0, SEEK_END), 0);
    swap_file_close(other);
    munmap(memory, swap_file_memory());
    close(fd);
    assert_int_equal(unlink(path), 0);
}

#define TEST(name, setup, flags)                                                                                       \
    { #name " [" #flags "]", name, setup, teardown, (void *)(uintptr_t)(flags) }
#define BOTH(name) TEST(name, setup, 0), TEST(name, setup, SWAP_FILE_NO_URING)
#define ALL(name) BOTH(name), TEST(name, setup, SWAP_FILE_NO_DIRECT | SWAP_FILE_NO_TMPFILE | SWAP_FILE_NO_FALLOCATE)
#define DIRECTORY(name) TEST(name, setup_dir, 0), TEST(name, setup_dir, SWAP_FILE_NO_URING)

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
        ALL(half_a_page_at_the_end_is_an_error),
        BOTH(slots_beyond_the_size_are_refused),
        TEST(the_file_grows_in_steps_and_never_past_its_maximum, setup_dir, 0),
        TEST(the_file_grows_in_steps_and_never_past_its_maximum, setup_dir, SWAP_FILE_NO_FALLOCATE),
        DIRECTORY(a_full_disk_stops_growth_and_keeps_some_free),
        TEST(a_full_disk_stops_growth_and_keeps_some_free, setup_dir, SWAP_FILE_NO_FALLOCATE),
        DIRECTORY(pages_that_the_disk_has_no_room_for_are_reported_each),
        DIRECTORY(a_device_that_refuses_everything_is_told_at_once_until_it_recovers),
        BOTH(an_adopted_file_reads_and_does_not_write),
        BOTH(a_forked_child_reads_through_the_memory_that_it_inherits),
        TEST(where_io_uring_is_refused_the_file_works_without, setup_dir, 0),
        TEST(a_ring_that_breaks_loses_nothing, setup_dir, 0),
        TEST(what_is_no_directory_is_refused_and_left_as_it_was, setup_dir, 0),
        TEST(a_directory_once_opened_may_be_renamed_or_removed, setup, 0),
        TEST(the_file_has_no_name, setup, 0),
        TEST(the_file_has_no_name, setup, SWAP_FILE_NO_TMPFILE),
        TEST(two_files_with_names_do_not_meet, setup_dir, 0),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
