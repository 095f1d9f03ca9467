/* SPDX-License-Identifier: MIT */
#include "embed_host.h"

#include <string.h>

struct pte {
    struct weir_page *page;
    bool accessible;
};

static _Alignas(4096) char disk[DISK_PAGES * PAGE], boot[1 << 19];
static struct pte table[SPACE_PAGES];

_Alignas(4096) char ram[(FRAMES + BLOCK) * PAGE];
struct weir_task program = {.comm = "program", .flags = WEIR_TASK_SYS_ADMIN};
struct weir_machine *m;
struct weir_mm *mm;
uint64_t clock_ns;
bool read_fails;

/* -- the platform. -- */

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

const struct weir_platform platform = {
    .now_ns = now_ns,
    .sleep = nap,
    .current = current_task,
    .set_page = set_page,
    .swap_block = swap_block,
    .kill = kill_task,
    .panic = panic,
};

/* -- the machine. -- */

void host_boot(void) {
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
}

void host_finish(void) {
    weir_mm_destroy(mm);
    EXPECT(weir_check(m) == NULL);
}

/* -- the program. -- */

enum weir_fault_result fault(unsigned page) {
    enum weir_fault_result result = WEIR_FAULT_MINOR;

    while (!table[page].accessible && result < WEIR_FAULT_SIGBUS)
        result = weir_mm_fault(mm, ADDRESS(page), true);
    return result;
}

unsigned *touch(unsigned page) {
    EXPECT(fault(page) < WEIR_FAULT_SIGBUS);
    return weir_page_address(m, table[page].page);
}

void fill(unsigned end) {
    for (unsigned page = 0; page < end; page++)
        *touch(page) = page ^ 0x5eed;
}

bool is_whole(unsigned end) {
    for (unsigned page = 0; page < end; page++)
        if (*touch(page) != (page ^ 0x5eed))
            return false;
    return true;
}

unsigned swap_on(void) {
    const struct weir_swap_source source = {.header = disk, .nr_pages = DISK_PAGES, .identity = 1};
    const char *why = "";
    unsigned area;

    weir_swap_header(DISK_PAGES, "disk", disk);
    EXPECT(weir_swapon(m, &source, 0, &area, &why) == WEIR_OK);
    return area;
}
