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
#define FRAMES (3 * NODE_PAGES)
#define DISK_PAGES 4096u
#define SPACE ((uintptr_t)1 << 40) /* where each program's memory begins */
#define SPACE_PAGES 8192u

static _Alignas(4096) char ram[FRAMES * PAGE], boot[1 << 20], disk[DISK_PAGES * PAGE];

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
static bool kswapd_wanted[2];
static uint64_t clock_ns;

/* -- Time and tasks. -- */
static void nap(void *host, uint64_t ns) {
    struct weir_task *sleeper = current;

    clock_ns += ns;
    current = &kswapd;
    for (int node = 0; node < 2 && sleeper != &kswapd; node++)
        while (kswapd_wanted[node])
            kswapd_wanted[node] = weir_kswapd_run(m, node);
    current = sleeper;
    /* A program that has been killed dies while another one sleeps; then its memory is free. */
    if (hog.killed && hog.task.mm && sleeper == &server.task) {
        weir_mm_destroy(hog.task.mm);
        hog.task.mm = NULL;
    }
    (void)host;
}
static uint64_t now_ns(void *host) {
    (void)host;
    return clock_ns += 1000;
}
static struct weir_task *current_task(void *host) {
    (void)host;
    return current;
}
static void for_each_task(void *host, bool (*fn)(struct weir_task *task, void *arg), void *arg) {
    (void)host;
    if (fn(&server.task, arg))
        fn(&hog.task, arg);
}
static void kill_task(void *host, struct weir_task *victim, unsigned long points, bool memdie) {
    ((struct program *)victim)->killed = true;
    printf("out of memory: %s killed, %lu points\n", victim->comm, points);
    (void)host, (void)memdie;
}
static void wake_kswapd(void *host, int node) {
    (void)host;
    kswapd_wanted[node] = true;
}
static void panic(void *host, const char *why) {
    (void)host;
    fprintf(stderr, "panic: %s\n", why);
    exit(1);
}
static void assert_failed(void *host, const char *file, int line, const char *what) {
    fprintf(stderr, "%s:%d: ", file, line);
    panic(host, what);
}
static void lock_wait(void *host, _Atomic uint32_t *word, uint32_t seen) {
    if (*word == seen)
        panic(host, "the only thread waits for itself");
}

/* -- Page tables. The bytes of a page lie in its frame. -- */
static struct pte *pte_of(const struct weir_mm *mm, uintptr_t addr) {
    return &((struct program *)weir_mm_host_private(mm))->table[(addr - SPACE) / PAGE];
}
static unsigned map_pages(void *host, struct weir_mm *mm, uintptr_t addr, struct weir_page *const *pages, unsigned nr,
                          unsigned flags) {
    for (unsigned i = 0; i < nr; i++)
        *pte_of(mm, addr + i * PAGE) = (struct pte){pages[i], true};
    (void)host, (void)flags;
    return nr;
}
static unsigned map_zero(void *host, struct weir_mm *mm, uintptr_t addr, struct weir_page *const *pages, unsigned nr) {
    for (unsigned i = 0; i < nr; i++)
        memset(weir_page_address(m, pages[i]), 0, PAGE);
    return map_pages(host, mm, addr, pages, nr, 0);
}
static void park(void *host, struct weir_mm *mm, uintptr_t block, uint64_t mask[8]) {
    for (unsigned i = 0; i < 512; i++)
        if (mask[i / 64] >> i % 64 & 1)
            pte_of(mm, block + i * PAGE)->accessible = false;
    (void)host;
}
static unsigned unpark(void *host, struct weir_mm *mm, uintptr_t addr, unsigned nr) {
    for (unsigned i = 0; i < nr; i++)
        pte_of(mm, addr + i * PAGE)->accessible = true;
    (void)host;
    return nr;
}
static void zap(void *host, struct weir_mm *mm, uintptr_t addr, unsigned nr) {
    memset(pte_of(mm, addr), 0, nr * sizeof(struct pte));
    (void)host;
}
static void discard(void *host, struct weir_mm *mm, uintptr_t addr) {
    zap(host, mm, addr, 1);
}
static void poison(void *host, struct weir_mm *mm, uintptr_t addr, struct weir_swap_entry entry) {
    (void)mm, (void)addr, (void)entry;
    panic(host, "a page is lost");
}

/* -- The RAM disk. -- */
static char *slot(struct weir_swap_entry entry) {
    return disk + weir_swap_block(m, entry) * PAGE;
}
static enum weir_status swap_write(void *host, struct weir_swap_entry entry, struct weir_page *page, struct weir_mm *mm,
                                   uintptr_t addr) {
    memcpy(slot(entry), weir_page_address(m, page), PAGE);
    (void)host, (void)mm, (void)addr;
    return WEIR_OK;
}
static void swap_read(void *host, const struct weir_swap_entry *entries, struct weir_page *const *pages, unsigned nr,
                      enum weir_status *status) {
    for (unsigned i = 0; i < nr; i++) {
        memcpy(weir_page_address(m, pages[i]), slot(entries[i]), PAGE);
        status[i] = WEIR_OK;
    }
    (void)host;
}

static const struct weir_platform platform = {
    .now_ns = now_ns,
    .sleep = nap,
    .current = current_task,
    .for_each_task = for_each_task,
    .lock_wait = lock_wait,
    .map_zero = map_zero,
    .map_pages = map_pages,
    .park = park,
    .unpark = unpark,
    .zap = zap,
    .discard = discard,
    .poison = poison,
    .swap_write = swap_write,
    .swap_read = swap_read,
    .wake_kswapd = wake_kswapd,
    .kill = kill_task,
    .panic = panic,
    .assert_failed = assert_failed,
};

/* -- What a CPU does: the page table, and a fault where that says no. NULL: the program is dead. -- */
static unsigned *touch(struct program *program, unsigned page) {
    struct pte *pte = &program->table[page];

    current = &program->task;
    while (!program->killed && !pte->accessible)
        if (weir_mm_fault(program->task.mm, SPACE + page * (uintptr_t)PAGE, true) >= WEIR_FAULT_SIGBUS)
            program->killed = true;
    current = &kernel;
    return program->killed ? NULL : weir_page_address(m, pte->page);
}

/* Both count the pages with which it worked. */
static unsigned fill(struct program *program, unsigned first, unsigned end) {
    unsigned *bytes, good = 0;

    for (unsigned page = first; page < end && (bytes = touch(program, page)) != NULL; good++, page++)
        *bytes = page ^ 0x5eed;
    return good;
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
static void show(const char *when) {
    printf("%s: %lu and %lu pages free\n", when, weir_nr_free(m, 0), weir_nr_free(m, 1));
    for (const struct program *p = &server; p; p = p == &server ? &hog : NULL)
        if (p->task.mm)
            printf("  %s: %lu pages in memory, %lu in swap\n", p->task.comm, weir_mm_resident(p->task.mm),
                   weir_mm_swapped(p->task.mm));
}

int main(void) {
    static const struct weir_memory_range ranges[] = {{0, NODE_PAGES, 0, WEIR_ZONE_NORMAL},
                                                      {2 * NODE_PAGES, NODE_PAGES, 1, WEIR_ZONE_NORMAL}};
    const struct weir_memory_map map = {.ranges = ranges, .nr_ranges = 2, .nr_cpus = 1, .nr_nodes = 2, .arena = ram};
    const struct weir_swap_source source = {.header = disk, .nr_pages = DISK_PAGES, .identity = 1};
    const char *why = "the memory map makes no sense";
    struct weir_page *block;
    unsigned area;

    if (weir_boot_bytes(&map) > sizeof(boot) || !(m = weir_boot(&platform, &map, boot)))
        panic(NULL, why);
    show("booted");
    block = weir_alloc_pages(m, WEIR_GFP_KERNEL, 3);
    printf("8 frames in a row, from %u on\n", weir_page_pfn(m, block));
    weir_free_pages(m, block, 3);

    weir_swap_header(DISK_PAGES, "ramdisk", disk);
    if (weir_swapon(m, &source, 0, &area, &why) != WEIR_OK)
        panic(NULL, why);
    start(&server, 4000);
    start(&hog, 6000);
    printf("%u pages of the server's, %u of the hog's\n", fill(&server, 0, 1500), fill(&hog, 0, 5000));
    show("swapping");
    printf("%u of the server's 1500 pages are as they were\n", verify(&server, 1500));
    printf("%u more of the server's\n", fill(&server, 1500, 4000));
    show("after the kill");
    printf("%u of the server's 4000 pages are as they were\n", verify(&server, 4000));
    weir_mm_unmap(server.task.mm, SPACE + 3000 * (uintptr_t)PAGE, SPACE + 4000 * (uintptr_t)PAGE);
    if (weir_swapoff(m, area) != WEIR_OK)
        panic(NULL, "swapoff failed");
    printf("swap is off; %u of the server's 3000 pages are as they were\n", verify(&server, 3000));
    weir_mm_destroy(server.task.mm);
    server.task.mm = NULL;
    weir_drain_pages(m);
    show("the end");
    why = weir_check(m);
    puts(why ? why : "all is well");
    return why != NULL;
}
