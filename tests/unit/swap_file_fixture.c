/* SPDX-License-Identifier: MIT */
#include "tests/unit/swap_file_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

void *map_memory(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(memory, MAP_FAILED);
    return memory;
}

void swap_file_done(void *arg, uint32_t offset, void *cookie, enum mm_status status) {
    struct swap_file_fixture *f = arg;

    assert_ptr_equal(cookie, &f->seeds[offset]);
    assert_true(f->reported[offset] > 0);
    f->reported[offset]--;
    f->nr_reported++;
    f->failed[offset] = status != MM_OK;
    f->nr_failed += status != MM_OK;
}

void open_file(struct swap_file_fixture *f, uint64_t max_bytes) {
    int error = 0;

    f->file = swap_file_open(&f->fake->platform, f->dir, max_bytes, f->flags, f->memory, swap_file_done, f, &error);
    assert_int_equal(error, 0);
    assert_non_null(f->file);
}

int swap_file_setup_dir(void **state) {
    unsigned flags = (unsigned)(uintptr_t)*state;
    struct swap_file_fixture *f = test_calloc(1, sizeof(*f));

    f->flags = flags;
    f->fake = swap_pages_boot(1024, 1);
    /* Not under /tmp, which may be in memory: here O_DIRECT has a device below it. */
    strcpy(f->dir, "/var/tmp/weir-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->memory = map_memory(swap_file_memory(f->flags));
    f->pages = map_memory(256 * PAGE_SIZE);
    *state = f;
    return 0;
}

int swap_file_setup(void **state) {
    struct swap_file_fixture *f;

    swap_file_setup_dir(state);
    f = *state;
    open_file(f, MAX_BYTES);
    assert_true(swap_file_grow(f->file, 0, NR_SLOTS) == NR_SLOTS);
    return 0;
}

int swap_file_teardown(void **state) {
    struct swap_file_fixture *f = *state;

    if (f->file)
        swap_file_close(f->file);
    assert_int_equal(f->nr_reported, f->nr_written);
    munmap(f->memory, swap_file_memory(f->flags));
    munmap(f->pages, 256 * PAGE_SIZE);
    if (f->mounted)
        assert_int_equal(umount2(f->dir, MNT_DETACH), 0);
    /* Fails if anything is left in it. */
    assert_int_equal(rmdir(f->dir), 0);
    fake_finish(f->fake);
    test_free(f);
    return 0;
}

enum mm_status write_slot(struct swap_file_fixture *f, uint32_t offset, uint64_t seed) {
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

void finish_writes(struct swap_file_fixture *f) {
    while (swap_file_busy(f->file))
        swap_file_wait(f->file, SECOND_NS);
    assert_int_equal(f->nr_reported, f->nr_written);
}

void assert_page(const void *bytes, uint64_t seed) {
    char page[PAGE_SIZE];

    swap_pages_fill(page, seed, PAGE_SIZE);
    assert_memory_equal(bytes, page, PAGE_SIZE);
}

void assert_slots(struct swap_file_fixture *f, const uint32_t *offsets, unsigned nr) {
    enum mm_status status[256];

    memset(f->pages, 0, nr * PAGE_SIZE);
    swap_file_read(f->file, offsets, nr, f->pages, status, NULL);
    for (unsigned i = 0; i < nr; i++) {
        assert_int_equal(status[i], MM_OK);
        assert_page(f->pages + i * PAGE_SIZE, f->seeds[offsets[i]]);
    }
}

void assert_slot(struct swap_file_fixture *f, uint32_t offset) {
    assert_slots(f, &offset, 1);
}

struct swap_file_stats stats_of(struct swap_file_fixture *f) {
    struct swap_file_stats stats;

    swap_file_get_stats(f->file, &stats);
    return stats;
}
