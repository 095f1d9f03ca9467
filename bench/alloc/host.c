/* SPDX-License-Identifier: MIT */
#include "bench/alloc/host.h"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

_Thread_local struct task host_this_task;
static _Thread_local uint32_t this_cpu;

static struct task *host_current(void *host) {
    (void)host;
    return &host_this_task;
}

static unsigned host_cpu(void *host) {
    (void)host;
    return this_cpu;
}

static bool host_in_interrupt(void *host) {
    (void)host;
    return false;
}

static void host_lock_wait(void *host, _Atomic uint32_t *word, uint32_t seen) {
    (void)host;
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void host_lock_wake(void *host, _Atomic uint32_t *word, bool all) {
    (void)host;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, all ? INT32_MAX : 1, NULL, NULL, 0);
}

static void host_yield(void *host) {
    (void)host;
}

static void host_wait(void *host, uint64_t timeout_ns) {
    (void)host, (void)timeout_ns;
}

static void host_wake_kswapd(void *host, int node) {
    (void)host, (void)node;
}

static void host_assert_failed(void *host, const char *file, int line, const char *what) {
    (void)host;
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    abort();
}

static void host_barrier(void *host) {
    (void)host;
    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

static const struct platform calls = {
    .barrier = host_barrier,
    .current = host_current,
    .cpu = host_cpu,
    .in_interrupt = host_in_interrupt,
    .lock_wait = host_lock_wait,
    .lock_wake = host_lock_wake,
    .yield = host_yield,
    .sleep = host_wait,
    .congestion_wait = host_wait,
    .wake_kswapd = host_wake_kswapd,
    .assert_failed = host_assert_failed,
};

static void *reserve(size_t bytes) {
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return p;
}

struct machine *host_boot(uint32_t nr_frames, unsigned nr_cpus, size_t *ret_boot_bytes) {
    struct memory_range range = {.nr_pages = nr_frames, .zone_type = ZONE_NORMAL};
    struct memory_map map = {.ranges = &range, .nr_ranges = 1, .nr_cpus = nr_cpus, .nr_nodes = 1};
    size_t bytes = machine_boot_bytes(&map);
    void *boot;

    /* Nobody looks at the bytes of a frame, so that there need be none. */
    map.arena = (void *)PAGE_SIZE;
    *ret_boot_bytes = bytes;
    boot = reserve(bytes);
    /* As a kernel maps its descriptors. */
    madvise(boot, bytes, MADV_HUGEPAGE);
    return machine_boot(&calls, &map, boot);
}

void host_finish(struct machine *m, size_t boot_bytes) {
    munmap(m, boot_bytes);
}

void host_thread(unsigned cpu, bool reserves) {
    this_cpu = cpu;
    host_this_task.cpu = &this_cpu;
    syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
    host_this_task.comm = "bench";
    atomic_store(&host_this_task.flags, reserves ? PF_MEMALLOC : 0);
}
