/* SPDX-License-Identifier: MIT */
/* Files and the devices behind them. A page is where it was read to; the bytes of the file lie in file_disk. */
#include "embed_calls.h"
#include "embed_host.h"

#include <string.h>

static char file_disk[DISK_PAGES * PAGE];

struct file {
    struct weir_file file; /* first: the core hands it back */
    unsigned nr_written, nr_read;
};

static enum weir_status write_page(struct weir_file *file, struct weir_page *page) {
    uint32_t index;

    EXPECT(weir_page_file(page, &index) == file);
    memcpy(file_disk + index * PAGE, weir_page_address(m, page), PAGE);
    ((struct file *)file)->nr_written++;
    return WEIR_OK;
}

static const struct weir_file_operations operations = {.writepage = write_page};

/* The page, with a reference and locked. */
static struct weir_page *file_page(struct file *file, uint32_t index) {
    struct weir_page *page = weir_file_find(&file->file, index, true);

    if (!page) {
        page = weir_alloc_pages(m, WEIR_GFP_USER | WEIR_GFP_MOVABLE, 0);
        EXPECT(page && weir_file_add(&file->file, page, index, WEIR_GFP_KERNEL) == WEIR_OK);
        memcpy(weir_page_address(m, page), file_disk + index * PAGE, PAGE);
        weir_page_set_uptodate(page);
        file->nr_read++;
    }
    EXPECT(weir_page_is_uptodate(page));
    return page;
}

static void put_file_page(struct weir_page *page) {
    weir_page_accessed(m, page);
    weir_page_unlock(m, page);
    weir_put_page(m, page);
}

static void write_file(struct file *file, uint32_t index) {
    struct weir_page *page = file_page(file, index);

    *(unsigned *)weir_page_address(m, page) = index ^ 0xf11e;
    weir_page_dirty(m, page);
    put_file_page(page);
    weir_file_dirtied(&file->file, 1);
}

static unsigned read_file(struct file *file, uint32_t index) {
    struct weir_page *page = file_page(file, index);
    unsigned value = *(unsigned *)weir_page_address(m, page);

    put_file_page(page);
    return value;
}

void file_pages_are_written_dropped_and_read_again(void) {
    static struct weir_device device;
    static struct file file;

    weir_device_init(m, &device, 128);
    weir_file_init(m, &file.file, &operations, &device);
    for (uint32_t i = 0; i < FRAMES; i++)
        write_file(&file, i);
    EXPECT(file.nr_written > 0);
    weir_writeback(m, FRAMES);
    for (uint32_t i = 0; i < FRAMES; i++)
        EXPECT(read_file(&file, i) == (i ^ 0xf11e));
    EXPECT(file.nr_read > FRAMES);
    EXPECT(weir_file_find(&file.file, 0, false) == NULL);
    EXPECT(weir_file_invalidate(&file.file, FRAMES - 100, FRAMES - 100) == 1);
    weir_drop_caches(m, true, false);
    EXPECT(weir_file_find(&file.file, FRAMES - 101, false) == NULL);
    write_file(&file, 7);
    weir_free_more_memory(m);
    weir_file_truncate(&file.file, 0);
    EXPECT(weir_file_find(&file.file, 7, false) == NULL);
    weir_file_destroy(&file.file);
    weir_device_destroy(&device);
}

void a_device_is_congested_when_its_queue_is_nearly_full(void) {
    static struct weir_device device;
    bool left = false;

    weir_device_init(m, &device, 128);
    for (unsigned i = 0; i < 113; i++)
        weir_device_request_started(&device);
    for (unsigned i = 113; i-- > 102;) {
        EXPECT(!left);
        left = weir_device_request_finished(&device);
    }
    EXPECT(left);
    weir_device_destroy(&device);
}
