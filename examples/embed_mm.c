/* SPDX-License-Identifier: MIT */
/*
 * embed_mm.c - a host for the memory manager: two nodes with a hole between them, a RAM disk to swap to, two programs.
 *
 * One thread plays it all: whoever sleeps lets the others run (nap), and a touch goes through page tables of our own
 * (struct pte), as a CPU would. Build: cc embed_mm.c $(pkg-config --cflags --libs weir-mm)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/mm.h>

#define PAGE WEIR_PAGE_SIZE
#define NODE_PAGES 2048u /* 8 MiB */
#define DISK_PAGES 4096u
#define SPACE ((uintptr_t)1 << 40) /* where each program's memory begins */
#define SPACE_PAGES 8192u

static _Alignas(4096) char ram[3 * NODE_PAGES * PAGE], disk[DISK_PAGES * PAGE];

struct pte {
    struct weir_page *page;
    bool accessible;
};
struct program {
    struct weir_task task; /* first: the core hands it back */
    struct pte table[SPACE_PAGES];
    bool killed;
};
static struct program server = {.task = {.comm = "server"}}, hog = {.task = {.comm = "hog"}};
static struct weir_task kernel = {.flags = WEIR_TASK_SYS_ADMIN}, *current = &kernel;
static struct weir_task kswapd = {.flags = WEIR_PF_MEMALLOC | WEIR_PF_SWAPWRITE | WEIR_PF_KSWAPD};
static struct weir_machine *m;
static uint64_t clock_ns;

/* -- What the core asks of us. -- */

static uint64_t now_ns(void *host) {
    (void)host;
    return clock_ns += 1000;
}
static struct weir_task *current_task(void *host) {
    (void)host;
    return current;
}
/* Time passes: kswapd has its turn, and who has been killed goes. */
static void nap(void *host, uint64_t ns) {
    struct weir_task *sleeper = current;

    (void)host;
    clock_ns += ns;
    current = &kswapd;
    for (int node = 0; node < 2 && sleeper != &kswapd; node++)
        while (weir_kswapd_run(m, node))
            ;
    current = sleeper;
    if (hog.killed && hog.task.mm && sleeper != &hog.task && sleeper != &kswapd) {
        weir_mm_destroy(hog.task.mm);
        hog.task.mm = NULL;
    }
}
static void set_page(void *host, struct weir_mm *mm, uintptr_t addr, struct weir_page *page, enum weir_access access) {
    struct pte *pte = &((struct program *)weir_mm_host_private(mm))->table[(addr - SPACE) / PAGE];

    (void)host;
    if (page || access == WEIR_ABSENT)
        pte->page = page;
    pte->accessible = access == WEIR_MAPPED;
}
static enum weir_status swap_block(void *host, unsigned area, uint64_t block, void *bytes, bool write) {
    (void)host, (void)area;
    memcpy(write ? disk + block * PAGE : bytes, write ? bytes : disk + block * PAGE, PAGE);
    return WEIR_OK;
}
static void kill_task(void *host, struct weir_task *victim, unsigned long points, bool memdie) {
    (void)host, (void)memdie;
    ((struct program *)victim)->killed = true;
    printf("out of memory: %s killed, %lu points\n", victim->comm, points);
}
static void panic(void *host, const char *why) {
    (void)host;
    fprintf(stderr, "panic: %s\n", why);
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

/* -- What a CPU does: the page table, and a fault where that says no. NULL: the program is dead. -- */

static unsigned *touch(struct program *program, unsigned page) {
    current = &program->task;
    while (!program->killed && !program->table[page].accessible)
        if (weir_mm_fault(program->task.mm, SPACE + page * (uintptr_t)PAGE, true) >= WEIR_FAULT_SIGBUS)
            program->killed = true;
    current = &kernel;
    return program->killed ? NULL : weir_page_address(m, program->table[page].page);
}
/* Returns how many pages it has written its numbers to, or, the second, found them in. */
static unsigned fill(struct program *program, unsigned first, unsigned end) {
    unsigned *bytes, page = first;

    for (; page < end && (bytes = touch(program, page)) != NULL; page++)
        *bytes = page ^ 0x5eed;
    return page - first;
}
static unsigned verify(struct program *program, unsigned end) {
    unsigned *bytes, good = 0;

    for (unsigned page = 0; page < end && (bytes = touch(program, page)) != NULL; page++)
        good += *bytes == (page ^ 0x5eed);
    return good;
}
static void start(struct program *program, unsigned nr_pages) {
    program->task.mm = weir_mm_create(m, SPACE, SPACE + SPACE_PAGES * (uintptr_t)PAGE, &program->task, program);
    weir_mm_map(program->task.mm, SPACE, SPACE + nr_pages * (uintptr_t)PAGE, WEIR_READ | WEIR_WRITE);
}

int main(void) {
    struct weir_memory_range ranges[] = {{0, NODE_PAGES, 0, WEIR_ZONE_NORMAL},
                                         {2 * NODE_PAGES, NODE_PAGES, 1, WEIR_ZONE_NORMAL}};
    const struct weir_memory_map map = {.ranges = ranges, .nr_ranges = 2, .nr_cpus = 1, .nr_nodes = 2, .arena = ram};
    const struct weir_swap_source source = {.header = disk, .nr_pages = DISK_PAGES, .identity = 1};
    const char *why = "the memory map makes no sense";
    struct weir_page *block;
    unsigned area;

    if (!(m = weir_boot(&platform, &map, weir_boot_memory(&map, ranges))))
        panic(NULL, why);
    block = weir_alloc_pages(m, WEIR_GFP_KERNEL, 3);
    printf("8 frames in a row, from %u on\n", weir_page_pfn(m, block));
    weir_free_pages(m, block, 3);

    weir_swap_header(DISK_PAGES, "ramdisk", disk);
    if (weir_swapon(m, &source, 0, &area, &why) != WEIR_OK)
        panic(NULL, why);
    start(&server, 4000);
    start(&hog, 6000);
    printf("%u pages of the server's\n", fill(&server, 0, 1500));
    printf("%u pages of the hog's\n", fill(&hog, 0, 5000));
    printf("server: %lu pages in memory, %lu in swap\n", weir_mm_resident(server.task.mm),
           weir_mm_swapped(server.task.mm));
    printf("%u of the server's 1500 pages are as they were\n", verify(&server, 1500));
    printf("%u more of the server's\n", fill(&server, 1500, 4000));
    printf("%u of the server's 4000 pages are as they were\n", verify(&server, 4000));
    weir_mm_unmap(server.task.mm, SPACE + 3000 * (uintptr_t)PAGE, SPACE + 4000 * (uintptr_t)PAGE);
    if (weir_swapoff(m, area) != WEIR_OK)
        panic(NULL, "swapoff failed");
    printf("swap is off; %u of the server's 3000 pages are as they were\n", verify(&server, 3000));
    weir_mm_destroy(server.task.mm);
    weir_drain_pages(m);
    printf("%lu and %lu pages free\n", weir_nr_free(m, 0), weir_nr_free(m, 1));
    why = weir_check(m);
    puts(why ? why : "all is well");
    return why != NULL;
}
