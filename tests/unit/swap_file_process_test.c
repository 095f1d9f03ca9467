/* SPDX-License-Identifier: MIT */
/* A swap file in another process: one that reads its parent's, and one that is refused io_uring. */
#include "swapdev/file.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/swap_file_fixture.h"

static void an_adopted_file_reads_and_does_not_write(void **state) {
    struct swap_file_fixture *f = *state;
    void *memory = map_memory(swap_file_memory(0));
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
    munmap(memory, swap_file_memory(0));
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
    struct swap_file_fixture *f = *state;
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
        swap_file_read(f->file, offsets, 4, f->pages, statuses, NULL);
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
static int write_and_read_without(struct swap_file_fixture *f, unsigned call) {
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
    swap_file_read(f->file, offsets, 200, f->pages, status, NULL);
    for (unsigned i = 0; i < 200; i++) {
        swap_pages_fill(page, f->seeds[offsets[i]], PAGE_SIZE);
        wrong += status[i] != MM_OK || memcmp(f->pages + i * PAGE_SIZE, page, PAGE_SIZE) != 0;
    }
    return wrong > 70 ? 70 : wrong;
}

/* before: slots that the child writes while it still may. */
static void in_a_child_without(struct swap_file_fixture *f, unsigned call, uint32_t before) {
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

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(an_adopted_file_reads_and_does_not_write),
        BOTH(a_forked_child_reads_through_the_memory_that_it_inherits),
        TEST_DIRECTORY(where_io_uring_is_refused_the_file_works_without, 0),
        TEST_DIRECTORY(a_ring_that_breaks_loses_nothing, 0),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
