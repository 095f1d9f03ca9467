/* SPDX-License-Identifier: MIT */
/*
 * embed_calls.c - a host of the memory manager for what examples/embed_mm.c leaves out: file pages, caches, reserves,
 * frames that come and go, errors. Its argument is the name of a fact to try (facts[]); it prints what is wrong.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/mm.h>

#define PAGE WEIR_PAGE_SIZE
#define BLOCK 512u /* frames of a pageblock */
#define FRAMES (8 * BLOCK)
#define DISK_PAGES 4096u
#define SPACE ((uintptr_t)1 << 40)
#define SPACE_PAGES 4096u
#define ADDRESS(page) (SPACE + (page) * (uintptr_t)PAGE)

#define EXPECT(what)                                                                                                   \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            printf("line %d: not so: %s\n", __LINE__, #what);                                                          \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

struct pte {
    struct weir_page *page;
    bool accessible;
};

static _Alignas(4096) char ram[(FRAMES + BLOCK) * PAGE], disk[DISK_PAGES * PAGE], file_disk[DISK_PAGES * PAGE];
static _Alignas(4096) char boot[1 << 19];
static struct pte table[SPACE_PAGES];
static struct weir_task program = {.comm = "program", .flags = WEIR_TASK_SYS_ADMIN};
static struct weir_machine *m;
static struct weir_mm *mm;
static uint64_t clock_ns;
static bool read_fails;

static uint64_t now_ns(void *host) {
    (void)host;
    return clock_ns += 1000;
}
static void nap(void *host, uint64_t ns) {
    (void)host;
    clock_ns += ns;
}
static struct weir_task *current_task(void *host) {
    (void)host;
    return &program;
}
static void set_page(void *host, struct weir_mm *of, uintptr_t addr, struct weir_page *page, enum weir_access access) {
    struct pte *pte = &table[(addr - SPACE) / PAGE];

    (void)host, (void)of;
    if (page || access == WEIR_ABSENT)
        pte->page = page;
    pte->accessible = access == WEIR_MAPPED;
}
static enum weir_status swap_block(void *host, unsigned area, uint64_t block, void *bytes, bool write) {
    (void)host, (void)area;
    if (!write && read_fails)
        return WEIR_IO;
    memcpy(write ? disk + block * PAGE : bytes, write ? bytes : disk + block * PAGE, PAGE);
    return WEIR_OK;
}
static void kill_task(void *host, struct weir_task *victim, unsigned long points, bool memdie) {
    (void)host, (void)memdie, (void)points;
    printf("%s is killed\n", victim->comm);
    exit(1);
}
static void panic(void *host, const char *why) {
    (void)host;
    printf("panic: %s\n", why);
    exit(1);
}
static const struct weir_platform platform = {
    .now_ns = now_ns,
    .sleep = nap,
    .current = current_task,
    .set_page = set_page,
    .swap_block = swap_block,
    .kill = kill_task,
    .panic = panic,
};

static enum weir_fault_result fault(unsigned page) {
    enum weir_fault_result result = WEIR_FAULT_MINOR;

    while (!table[page].accessible && result < WEIR_FAULT_SIGBUS)
        result = weir_mm_fault(mm, ADDRESS(page), true);
    return result;
}
static unsigned *touch(unsigned page) {
    EXPECT(fault(page) < WEIR_FAULT_SIGBUS);
    return weir_page_address(m, table[page].page);
}
static void fill(unsigned end) {
    for (unsigned page = 0; page < end; page++)
        *touch(page) = page ^ 0x5eed;
}
static bool is_whole(unsigned end) {
    for (unsigned page = 0; page < end; page++)
        if (*touch(page) != (page ^ 0x5eed))
            return false;
    return true;
}
static unsigned swap_on(void) {
    const struct weir_swap_source source = {.header = disk, .nr_pages = DISK_PAGES, .identity = 1};
    const char *why = "";
    unsigned area;

    weir_swap_header(DISK_PAGES, "disk", disk);
    EXPECT(weir_swapon(m, &source, 0, &area, &why) == WEIR_OK);
    return area;
}

/* -- A file: its page is where it was read to, its bytes lie in file_disk. -- */

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

static void file_pages_are_written_dropped_and_read_again(void) {
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

static void a_device_is_congested_when_its_queue_is_nearly_full(void) {
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

static unsigned nr_objects = 4000;
static long shrink(struct weir_shrinker *shrinker, long nr, uint32_t gfp) {
    (void)shrinker, (void)gfp;
    nr_objects -= (unsigned)nr < nr_objects ? (unsigned)nr : nr_objects;
    weir_shrinker_freed(m, 0);
    return nr_objects;
}
static void reclaim_shakes_the_caches(void) {
    static struct weir_shrinker shrinker = {.shrink = shrink, .seeks = 2};
    unsigned before;

    weir_shrinker_add(m, &shrinker);
    swap_on();
    fill(SPACE_PAGES);
    EXPECT(nr_objects < 4000);
    before = nr_objects;
    weir_drop_caches(m, false, true);
    EXPECT(before < 128 || nr_objects < before);
    weir_shrinker_remove(m, &shrinker);
    EXPECT(weir_shrinker_pressure(m, 1000) == 1000);
}

static unsigned elements_left = 3;
static void *make(uint32_t gfp, void *data) {
    (void)gfp;
    return elements_left ? (elements_left--, data) : NULL;
}
static void unmake(void *element, void *data) {
    EXPECT(element == data);
    elements_left++;
}
static void a_pool_has_something_when_its_allocator_has_not(void) {
    static struct weir_pool pool;
    int element;

    EXPECT(weir_pool_init(m, &pool, 4, make, unmake, &element) == WEIR_NOMEM);
    EXPECT(weir_pool_init(m, &pool, 2, make, unmake, &element) == WEIR_OK);
    for (unsigned i = 0; i < 3; i++)
        EXPECT(weir_pool_alloc(&pool, WEIR_GFP_ATOMIC) == &element);
    EXPECT(weir_pool_alloc(&pool, WEIR_GFP_ATOMIC) == NULL);
    EXPECT(weir_pool_destroy(&pool) == WEIR_BUSY);
    for (unsigned i = 0; i < 3; i++)
        weir_pool_free(&pool, &element);
    EXPECT(weir_pool_resize(&pool, 1, WEIR_GFP_KERNEL) == WEIR_OK);
    EXPECT(elements_left == 2);
    EXPECT(weir_pool_destroy(&pool) == WEIR_OK && elements_left == 3);
}

static unsigned long nr_free(void) {
    weir_drain_pages(m);
    weir_vmstat_update(m, 0);
    return weir_nr_free(m, 0);
}
static void frames_come_and_go_under_a_program(void) {
    unsigned long before = nr_free();
    unsigned gone = 0;

    EXPECT(weir_memory_online(m, FRAMES, BLOCK) == WEIR_OK);
    EXPECT(weir_memory_online(m, FRAMES, BLOCK) == WEIR_INVAL);
    EXPECT(nr_free() == before + BLOCK);
    fill(FRAMES / 2);
    for (unsigned block = 0; block < FRAMES + BLOCK; block += BLOCK)
        gone += weir_memory_offline(m, block, BLOCK) == WEIR_OK;
    EXPECT(gone > 2);
    EXPECT(is_whole(FRAMES / 2));
}

static void what_cannot_be_read_back_is_an_error_never_data(void) {
    swap_on();
    fill(8);
    weir_mm_evict(mm, ADDRESS(0), ADDRESS(8));
    EXPECT(weir_mm_resident(mm) == 0 && weir_mm_swapped(mm) == 8);
    read_fails = true;
    EXPECT(fault(0) == WEIR_FAULT_SIGBUS && fault(0) == WEIR_FAULT_SIGBUS);
    read_fails = false;
    EXPECT(*touch(1) == (1 ^ 0x5eed));
}

static void a_locked_range_stays(void) {
    swap_on();
    fill(8);
    EXPECT(weir_mm_lock(mm, ADDRESS(0), ADDRESS(4)) == WEIR_OK);
    weir_mm_evict(mm, ADDRESS(0), ADDRESS(8));
    EXPECT(weir_mm_resident(mm) == 4 && is_whole(8));
    EXPECT(weir_mm_unlock(mm, ADDRESS(0), ADDRESS(4)) == WEIR_OK);
    weir_mm_discard(mm, ADDRESS(0), ADDRESS(4));
    EXPECT(*touch(0) == 0);
    EXPECT(weir_mm_populate(mm, ADDRESS(0), ADDRESS(8)) == WEIR_OK && weir_mm_resident(mm) == 8);
}

static void a_held_page_keeps_its_frame_and_a_protected_one_its_bytes(void) {
    unsigned char vec[4];
    unsigned flags;

    swap_on();
    fill(4);
    EXPECT(weir_mm_hold(mm, ADDRESS(2)) == WEIR_OK);
    EXPECT(weir_mm_hold(mm, ADDRESS(2) + 1) == WEIR_INVAL);
    weir_mm_evict(mm, ADDRESS(0), ADDRESS(4));
    weir_mm_mincore(mm, ADDRESS(0), ADDRESS(4), vec);
    EXPECT(!(vec[0] & 1) && !(vec[1] & 1) && vec[2] & 1 && !(vec[3] & 1));
    weir_mm_release(mm, ADDRESS(2));
    weir_mm_evict(mm, ADDRESS(0), ADDRESS(4));
    EXPECT(weir_mm_resident(mm) == 0);
    EXPECT(weir_mm_protect(mm, ADDRESS(0), ADDRESS(4), WEIR_READ) == WEIR_OK);
    EXPECT(weir_mm_area(mm, ADDRESS(3), &flags) && flags == WEIR_READ);
    EXPECT(weir_mm_area(mm, ADDRESS(4), &flags) && flags == (WEIR_READ | WEIR_WRITE));
    EXPECT(weir_mm_fault(mm, ADDRESS(3), false) == WEIR_FAULT_MAJOR && is_whole(4));
    EXPECT(weir_mm_unmap(mm, ADDRESS(4), ADDRESS(8)) == WEIR_OK);
    EXPECT(weir_mm_protect(mm, ADDRESS(3), ADDRESS(5), WEIR_READ) == WEIR_FAULT);
    EXPECT(weir_mm_find_free(mm, SPACE, 4 * PAGE, PAGE) == ADDRESS(4));
}

static void stalls_and_slabs_show_in_the_texts(void) {
    struct weir_page *page = weir_alloc_pages(m, WEIR_GFP_KERNEL, 0);
    static char text[8192];
    bool begun;

    EXPECT(!weir_stall_begin(m));
    EXPECT(weir_sysctl_write(m, "psi", "1") == WEIR_OK);
    begun = weir_stall_begin(m);
    EXPECT(begun && !weir_stall_begin(m));
    clock_ns += 5000000000;
    weir_stall_end(m, begun);
    weir_psi_set_running(m, 1);
    EXPECT(weir_pressure_text(m, text, sizeof(text)) < sizeof(text) && strstr(text, "some avg10=") &&
           strstr(text, "=5000"));
    weir_count_slab(m, page, true, 1);
    weir_vmstat_update(m, 0);
    EXPECT(weir_vmstat_text(m, text, sizeof(text)) < sizeof(text) && strstr(text, "nr_slab_reclaimable 1\n"));
    weir_count_slab(m, page, true, -1);
    weir_put_page(m, page);
}

static void swapon_says_why_it_refuses(void) {
    static char page[PAGE];
    const struct weir_swap_source source = {.header = page, .nr_pages = DISK_PAGES, .identity = 1};
    const char *why = "";
    unsigned area;

    EXPECT(weir_swapon(m, &source, 0, &area, &why) == WEIR_INVAL && strstr(why, "SWAPSPACE2"));
    weir_swap_header(DISK_PAGES + 2, NULL, page);
    EXPECT(weir_swapon(m, &source, 0, &area, &why) == WEIR_INVAL && strstr(why, "shorter"));
    program.flags = 0;
    EXPECT(weir_swapon(m, &source, 0, &area, &why) == WEIR_PERM && strstr(why, "administrator"));
}

static void tunables_have_ranges_and_texts(void) {
    static char text[8192];
    unsigned values[5], nr;

    EXPECT(weir_sysctl_write(m, "swappiness", "101") == WEIR_INVAL);
    EXPECT(weir_sysctl_write(m, "swappiness", "10\n") == WEIR_OK);
    EXPECT(weir_sysctl_read(m, "swappiness", values, &nr) == WEIR_OK && nr == 1 && values[0] == 10);
    EXPECT(weir_sysctl_write(m, "compaction", "1") == WEIR_OK && !weir_kcompactd_run(m, 0));
    EXPECT(weir_sysctl_write(m, "no_such", "1") == WEIR_INVAL);
    EXPECT(weir_sysctl_text(m, text, sizeof(text)) < sizeof(text) && strstr(text, "vm.swappiness = 10\n"));
    EXPECT(weir_buddyinfo_text(m, text, sizeof(text)) < sizeof(text) && strncmp(text, "Node 0, zone ", 13) == 0);
    EXPECT(weir_zoneinfo_text(m, text, sizeof(text)) < sizeof(text) && strstr(text, "\n  pages free "));
    EXPECT(weir_vmstat_text(m, text, sizeof(text)) < sizeof(text) && strncmp(text, "nr_free_pages ", 14) == 0);
    EXPECT(weir_swaps_text(m, text, 10) > 10 && strlen(text) == 9);
}

/* A machine of its own, of four kinds of memory. */
static void a_request_gets_the_kind_of_memory_it_asks_for(void) {
    static const struct weir_memory_range ranges[] = {{0, BLOCK, 0, WEIR_ZONE_DMA},
                                                      {BLOCK, BLOCK, 0, WEIR_ZONE_NORMAL},
                                                      {2 * BLOCK, BLOCK, 0, WEIR_ZONE_HIGHMEM},
                                                      {3 * BLOCK, BLOCK, 0, WEIR_ZONE_MOVABLE}};
    static const uint32_t masks[] = {WEIR_GFP_DMA, WEIR_GFP_KERNEL, WEIR_GFP_HIGHUSER, WEIR_GFP_HIGHUSER_MOVABLE};
    static _Alignas(4096) char other_boot[1 << 19];
    const struct weir_memory_map map = {.ranges = ranges, .nr_ranges = 4, .nr_cpus = 1, .nr_nodes = 1, .arena = ram};
    struct weir_machine *other;
    struct weir_page *block;
    uint32_t pfn;

    EXPECT(weir_boot_bytes(&map) <= sizeof(other_boot));
    other = weir_boot(&platform, &map, other_boot);
    for (unsigned i = 0; i < 4; i++) {
        struct weir_page *page = weir_alloc_pages(other, masks[i], 0);

        EXPECT(page && weir_page_pfn(other, page) / BLOCK == i);
        weir_put_page(other, page);
    }
    block = weir_alloc_pages(other, WEIR_GFP_KERNEL, 2);
    pfn = weir_page_pfn(other, block);
    weir_split_page(block, 2);
    for (unsigned i = 0; i < 4; i++)
        weir_put_page(other, weir_pfn_page(other, pfn + i));
    EXPECT(weir_check(other) == NULL);
}

static const struct {
    const char *name;
    void (*run)(void);
} facts[] = {
#define FACT(name)                                                                                                     \
    { #name, name }
    FACT(file_pages_are_written_dropped_and_read_again),
    FACT(a_device_is_congested_when_its_queue_is_nearly_full),
    FACT(reclaim_shakes_the_caches),
    FACT(a_pool_has_something_when_its_allocator_has_not),
    FACT(frames_come_and_go_under_a_program),
    FACT(what_cannot_be_read_back_is_an_error_never_data),
    FACT(a_locked_range_stays),
    FACT(a_held_page_keeps_its_frame_and_a_protected_one_its_bytes),
    FACT(stalls_and_slabs_show_in_the_texts),
    FACT(swapon_says_why_it_refuses),
    FACT(a_request_gets_the_kind_of_memory_it_asks_for),
    FACT(tunables_have_ranges_and_texts),
};
#define NR_FACTS (sizeof(facts) / sizeof(facts[0]))

static void try_fact(unsigned i) {
    static const struct weir_memory_range ranges[] = {{0, FRAMES, 0, WEIR_ZONE_NORMAL},
                                                      {FRAMES, BLOCK, 0, WEIR_ZONE_NORMAL}};
    static const bool offline[] = {false, true};
    const struct weir_memory_map map = {
        .ranges = ranges, .nr_ranges = 2, .nr_cpus = 1, .nr_nodes = 1, .range_offline = offline, .arena = ram};

    EXPECT(weir_boot_bytes(&map) <= sizeof(boot));
    m = weir_boot(&platform, &map, boot);
    mm = weir_mm_create(m, SPACE, ADDRESS(SPACE_PAGES), &program, NULL);
    program.mm = mm;
    EXPECT(weir_mm_map(mm, SPACE, ADDRESS(SPACE_PAGES), WEIR_READ | WEIR_WRITE) == WEIR_OK);
    facts[i].run();
    weir_mm_destroy(mm);
    EXPECT(weir_check(m) == NULL);
}

int main(int argc, char **argv) {
    for (unsigned i = 0; i < NR_FACTS; i++)
        if (argc < 2)
            puts(facts[i].name);
        else if (strcmp(argv[1], facts[i].name) == 0)
            try_fact(i);
    return 0;
}
