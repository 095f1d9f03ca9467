/* SPDX-License-Identifier: MIT */
/* Files on simulated disks, read, written and mapped through the core's page cache. */
#include <string.h>
#include <sys/mman.h>

#include "mm/lru.h"
#include "mm/page_alloc.h"
#include "mm/page_writeback.h"
#include "sim/internal.h"

/* What the one mapping of a file says of a page. */
struct sim_file_pte {
    bool mapped, accessed;
};

struct sim_file {
    struct address_space mapping; /* first */
    struct backing_dev_info bdi;
    struct sim *sim;
    struct sim_file *next;
    struct sim_file_config config;
    uint8_t *disk; /* [nr_pages] pages */
    struct sim_file_pte *ptes;
    struct sim_write writes[SIM_WRITES];
    struct sim_file_counts counts;
};

static uint8_t *disk_page(struct sim_file *file, uint32_t index) {
    return file->disk + ((size_t)index << PAGE_SHIFT);
}

/* -- what the core asks of the file. ---------------------------------------------------------------------------------
 */

static void submit(struct sim_file *file, struct page *page, enum mm_status status) {
    struct sim *sim = file->sim;
    struct sim_write *write = NULL;

    while (!write) {
        for (unsigned i = 0; i < SIM_WRITES && !write; i++)
            if (!file->writes[i].used)
                write = &file->writes[i];
        if (!write)
            sim_sleep(sim, file->config.latency_ns + 1);
    }
    *write = (struct sim_write){
        .used = true,
        .due = sim->clock + file->config.latency_ns / 2 + sim_random(sim, (uint32_t)(file->config.latency_ns / 2 + 1)),
        .slot = page_index(page),
        .page = page,
        .status = status,
    };
    memcpy(write->bytes, page_address(sim->machine, page), PAGE_SIZE);
    bdi_request_started(&file->bdi);
}

static enum mm_status writepage(struct address_space *mapping, struct page *page) {
    struct sim_file *file = (struct sim_file *)mapping;
    struct sim *sim = file->sim;
    bool failed = sim_chance(sim, file->config.write_error_permille);

    sim_point(sim);
    SIM_ASSERT(sim, page_test(page, PG_locked) && page_test(page, PG_writeback) && !page_test(page, PG_dirty));
    if (sim_chance(sim, file->config.reject_permille))
        return MM_REJECTED;
    file->counts.writes++;
    file->counts.write_errors += failed;
    if (file->config.latency_ns) {
        submit(file, page, failed ? MM_IO : MM_OK);
        return MM_SUBMITTED;
    }
    if (failed)
        return MM_IO;
    memcpy(disk_page(file, page_index(page)), page_address(sim->machine, page), PAGE_SIZE);
    return MM_OK;
}

static unsigned referenced(struct address_space *mapping, struct page *page) {
    struct sim_file *file = (struct sim_file *)mapping;
    struct sim_file_pte *pte = &file->ptes[page_index(page)];
    bool accessed = pte->mapped && pte->accessed;

    SIM_ASSERT(file->sim, page_test(page, PG_locked));
    pte->accessed = false;
    return accessed;
}

static enum unmap_result unmap(struct address_space *mapping, struct page *page) {
    struct sim_file *file = (struct sim_file *)mapping;
    struct sim_file_pte *pte = &file->ptes[page_index(page)];

    SIM_ASSERT(file->sim, page_test(page, PG_locked) && pte->mapped);
    if (pte->accessed)
        return SWAP_FAIL;
    pte->mapped = false;
    page_remove_file_rmap(file->sim->machine, page);
    return SWAP_SUCCESS;
}

static const struct address_space_operations file_ops = {
    .writepage = writepage,
    .referenced = referenced,
    .unmap = unmap,
};

static void complete(struct sim_file *file, struct sim_write *write) {
    struct page *page = write->page;
    enum mm_status status = write->status;

    if (status == MM_OK)
        memcpy(disk_page(file, write->slot), write->bytes, PAGE_SIZE);
    write->used = false;
    file->sim->io_count++;
    bdi_request_finished(&file->bdi);
    end_page_writeback(file->sim->machine, page, status);
}

uint64_t sim_files_next_io(struct sim *sim) {
    uint64_t next = UINT64_MAX;

    for (struct sim_file *file = sim->files; file; file = file->next)
        for (unsigned i = 0; i < SIM_WRITES; i++)
            if (file->writes[i].used && file->writes[i].due < next)
                next = file->writes[i].due;
    return next;
}

void sim_files_complete(struct sim *sim) {
    for (struct sim_file *file = sim->files; file; file = file->next)
        for (unsigned i = 0; i < SIM_WRITES; i++)
            if (file->writes[i].used && file->writes[i].due <= sim->clock)
                complete(file, &file->writes[i]);
}

/* -- the flusher. ----------------------------------------------------------------------------------------------------
 */

void sim_flusher_task(struct sim *sim, void *arg) {
    (void)arg;
    for (;;) {
        sim_wait_flag(sim, &sim->flusher_wanted);
        sim->flusher_wanted = false;
        sim->flusher_runs = true;
        background_writeout(sim->machine, sim->flusher_pages);
        sim->flusher_runs = false;
    }
}

static void call_wake_flusher(void *host, unsigned long nr_pages) {
    struct sim *sim = host;

    sim->flusher_pages = nr_pages ? nr_pages : global_page_state(sim->machine, NR_FILE_DIRTY);
    sim->flusher_wanted = true;
}

void sim_file_calls(struct platform *platform) {
    platform->wake_flusher = call_wake_flusher;
}

/* -- what a program does. --------------------------------------------------------------------------------------------
 */

static void *take_memory(struct sim *sim, size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    SIM_ASSERT(sim, memory != MAP_FAILED);
    return memory;
}

struct sim_file *sim_file_create(struct sim *sim, const struct sim_file_config *config) {
    struct sim_file *file = take_memory(sim, sizeof(*file));

    file->sim = sim;
    file->config = *config;
    file->disk = take_memory(sim, (size_t)config->nr_pages << PAGE_SHIFT);
    file->ptes = take_memory(sim, config->nr_pages * sizeof(*file->ptes));
    bdi_init(sim->machine, &file->bdi, config->queue ? config->queue : 128);
    address_space_init(sim->machine, &file->mapping, &file_ops, &file->bdi);
    file->next = sim->files;
    sim->files = file;
    return file;
}

void sim_file_destroy(struct sim_file *file) {
    struct sim *sim = file->sim;
    struct sim_file **link = &sim->files;

    sim_file_unmap(file);
    while (sim->flusher_runs)
        sim_sleep(sim, 1000000);
    address_space_destroy(&file->mapping);
    bdi_destroy(&file->bdi);
    while (*link != file)
        link = &(*link)->next;
    *link = file->next;
    munmap(file->disk, (size_t)file->config.nr_pages << PAGE_SHIFT);
    munmap(file->ptes, file->config.nr_pages * sizeof(*file->ptes));
    munmap(file, sizeof(*file));
}

struct address_space *sim_file_mapping(struct sim_file *file) {
    return &file->mapping;
}

struct sim_file_counts sim_file_counts(const struct sim_file *file) {
    return file->counts;
}

/* The page, read in if need be, locked and with a reference; NULL: no memory. */
static struct page *lock_file_page(struct sim_file *file, uint32_t index) {
    struct machine *m = file->sim->machine;
    enum mm_status status;
    struct page *page;

    while (!(page = find_lock_page(&file->mapping, index))) {
        page = alloc_pages(m, GFP_HIGHUSER_MOVABLE, 0);
        if (!page)
            return NULL;
        lock_page(m, page);
        status = add_to_page_cache_lru(&file->mapping, page, index, GFP_KERNEL);
        if (status == MM_OK) {
            if (file->config.latency_ns)
                sim_sleep(file->sim, file->config.latency_ns);
            file->counts.reads++;
            memcpy(page_address(m, page), disk_page(file, index), PAGE_SIZE);
            page_set(page, PG_uptodate);
            return page;
        }
        unlock_page(m, page);
        put_page(m, page);
        if (status == MM_NOMEM)
            return NULL;
    }
    return page;
}

static void access_bytes(struct sim_file *file, struct page *page, unsigned offset, void *bytes, unsigned len,
                         bool write) {
    uint8_t *at = (uint8_t *)page_address(file->sim->machine, page) + offset;

    if (write) {
        memcpy(at, bytes, len);
        set_page_dirty(file->sim->machine, page);
    } else {
        memcpy(bytes, at, len);
    }
}

static enum sim_result access_file(struct sim_file *file, uint32_t index, unsigned offset, void *bytes, unsigned len,
                                   bool write, bool mapped) {
    struct machine *m = file->sim->machine;
    struct page *page;

    do
        page = lock_file_page(file, index);
    while (sim_do_again(file->sim, page ? MM_OK : MM_NOMEM));
    if (!page)
        return SIM_KILLED;
    access_bytes(file, page, offset, bytes, len, write);
    if (mapped && !file->ptes[index].mapped) {
        page_add_file_rmap(m, page);
        file->ptes[index].mapped = true;
    }
    if (mapped)
        file->ptes[index].accessed = true;
    else
        mark_page_accessed(m, page);
    unlock_page(m, page);
    put_page(m, page);
    if (write)
        balance_dirty_pages_ratelimited(&file->mapping, 1);
    return SIM_OK;
}

enum sim_result sim_file_read(struct sim_file *file, uint32_t index, unsigned offset, void *bytes, unsigned len) {
    return access_file(file, index, offset, bytes, len, false, false);
}

enum sim_result sim_file_write(struct sim_file *file, uint32_t index, unsigned offset, const void *bytes,
                               unsigned len) {
    return access_file(file, index, offset, (void *)(uintptr_t)bytes, len, true, false);
}

enum sim_result sim_file_touch(struct sim_file *file, uint32_t index, unsigned offset, void *bytes, unsigned len,
                               bool write) {
    atomic_store(&file->mapping.nr_mmaps, 1);
    return access_file(file, index, offset, bytes, len, write, true);
}

void sim_file_unmap(struct sim_file *file) {
    for (uint32_t index = 0; index < file->config.nr_pages; index++) {
        struct page *page;

        if (!file->ptes[index].mapped)
            continue;
        page = find_lock_page(&file->mapping, index);
        if (file->ptes[index].mapped)
            page_remove_file_rmap(file->sim->machine, page);
        file->ptes[index] = (struct sim_file_pte){false, false};
        unlock_page(file->sim->machine, page);
        put_page(file->sim->machine, page);
    }
    atomic_store(&file->mapping.nr_mmaps, 0);
}

void sim_file_clear_accessed(struct sim_file *file) {
    for (uint32_t index = 0; index < file->config.nr_pages; index++)
        file->ptes[index].accessed = false;
}

const uint8_t *sim_file_disk(struct sim_file *file, uint32_t index) {
    return disk_page(file, index);
}
