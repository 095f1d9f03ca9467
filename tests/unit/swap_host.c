/* SPDX-License-Identifier: MIT */
#include "tests/unit/swap_host.h"

#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "mm/page_alloc.h"
#include "mm/pcp.h"

static _Atomic unsigned nr_threads;
static _Thread_local struct task task = {.flags = PF_MEMALLOC};
static _Thread_local unsigned thread_number; /* from 1 */

static uint64_t now_ns(void *host) {
    struct timespec now;

    (void)host;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void sleep_ns(void *host, uint64_t timeout_ns) {
    (void)host;
    nanosleep(&(struct timespec){.tv_nsec = (long)(timeout_ns % 1000000000u)}, NULL);
}

static void yield(void *host) {
    (void)host;
    sched_yield();
}

static struct task *current(void *host) {
    (void)host;
    return &task;
}

static unsigned cpu(void *host) {
    struct swap_host *swap_host = host;

    if (!thread_number)
        thread_number = atomic_fetch_add(&nr_threads, 1) + 1;
    return thread_number % swap_host->machine->nr_cpus;
}

static bool in_interrupt(void *host) {
    (void)host;
    return false;
}

static void lock_wait(void *host, _Atomic uint32_t *word, uint32_t seen) {
    (void)host;
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void lock_wake(void *host, _Atomic uint32_t *word, bool all) {
    (void)host;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, all ? 1 << 30 : 1, NULL, NULL, 0);
}

static void wake_kswapd(void *host, int node) {
    (void)host, (void)node;
}

static void assert_failed(void *host, const char *file, int line, const char *what) {
    (void)host;
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    abort();
}

void swap_host_platform(struct platform *ret_platform) {
    *ret_platform = (struct platform){
        .now_ns = now_ns,
        .sleep = sleep_ns,
        .congestion_wait = sleep_ns,
        .yield = yield,
        .current = current,
        .cpu = cpu,
        .in_interrupt = in_interrupt,
        .lock_wait = lock_wait,
        .lock_wake = lock_wake,
        .wake_kswapd = wake_kswapd,
        .assert_failed = assert_failed,
    };
}

static void *map_memory(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED) {
        perror("mmap");
        abort();
    }
    return memory;
}

void swap_host_boot(struct swap_host *host, uint32_t nr_pages, unsigned nr_cpus) {
    struct memory_range range = {.start_pfn = 0, .nr_pages = nr_pages, .node = 0, .zone_type = ZONE_NORMAL};
    struct memory_map map = {.ranges = &range, .nr_ranges = 1, .nr_cpus = nr_cpus, .nr_nodes = 1};

    memset(host, 0, sizeof(*host));
    swap_host_platform(&host->platform);
    host->platform.host = host;
    host->arena_bytes = nr_pages * PAGE_SIZE;
    host->arena = map.arena = map_memory(host->arena_bytes);
    host->boot_bytes = machine_boot_bytes(&map);
    host->boot = map_memory(host->boot_bytes);
    host->machine = machine_boot(&host->platform, &map, host->boot);
    if (!host->machine)
        abort();
}

void swap_host_finish(struct swap_host *host) {
    munmap(host->arena, host->arena_bytes);
    munmap(host->boot, host->boot_bytes);
}

unsigned long swap_host_free_pages(struct swap_host *host) {
    drain_all_local_pages(host->machine);
    refresh_vm_stats(host->machine);
    return global_page_state(host->machine, NR_FREE_PAGES);
}

uint64_t swap_host_random(uint64_t *state) {
    uint64_t x = *state += 0x9e3779b97f4a7c15u;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

void swap_host_fill(void *page, uint64_t seed, unsigned noise) {
    uint64_t state = seed, word;

    memset(page, (int)(seed & 0xff), PAGE_SIZE);
    for (unsigned i = 0; i < noise; i += (unsigned)sizeof(word)) {
        word = swap_host_random(&state);
        memcpy((char *)page + i, &word, noise - i < sizeof(word) ? noise - i : sizeof(word));
    }
}
