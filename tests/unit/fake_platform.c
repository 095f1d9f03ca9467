/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_platform.h"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mm/check.h"
#include "mm/page_alloc.h"

#define RANKS_HELD_MOST 16

static _Thread_local struct task *current_task;
static _Thread_local unsigned current_cpu;
static _Thread_local uint32_t ranks_held[RANKS_HELD_MOST];
static _Thread_local unsigned nr_ranks_held;

static uint64_t fake_now_ns(void *host) {
    struct fake *fake = host;

    return fake->now_ns;
}

static void fake_sleep(void *host, uint64_t timeout_ns) {
    struct fake *fake = host;

    fake->sleeps++;
    fake->now_ns += timeout_ns;
    fake->last_sleep_ns = timeout_ns;
    if (fake->on_sleep)
        fake->on_sleep(fake);
}

static void fake_congestion_wait(void *host, uint64_t timeout_ns) {
    struct fake *fake = host;

    fake->congestion_waits++;
    fake->now_ns += timeout_ns;
    fake->last_congestion_wait_ns = timeout_ns;
    if (fake->on_congestion_wait)
        fake->on_congestion_wait(fake);
}

static void fake_yield(void *host) {
    struct fake *fake = host;

    fake->yields++;
}

static struct task *fake_current(void *host) {
    struct fake *fake = host;

    return current_task ? current_task : &fake->init_task;
}

static unsigned fake_cpu(void *host) {
    (void)host;
    return current_cpu;
}

static bool fake_in_interrupt(void *host) {
    struct fake *fake = host;

    return fake->in_interrupt;
}

static void fake_for_each_task(void *host, bool (*fn)(struct task *task, void *arg), void *arg) {
    struct fake *fake = host;

    for (unsigned i = 0; i < fake->nr_tasks; i++)
        if (!fn(fake->tasks[i], arg))
            return;
}

static void fake_lock_wait(void *host, _Atomic uint32_t *word, uint32_t seen) {
    (void)host;
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void fake_lock_wake(void *host, _Atomic uint32_t *word, bool all) {
    (void)host;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, all ? INT32_MAX : 1, NULL, NULL, 0);
}

/* Who waits for a lock holds only lower ones. */
static void fake_lock_taken(void *host, uint32_t rank, bool may_wait) {
    (void)host;
    for (unsigned i = 0; may_wait && i < nr_ranks_held; i++)
        if (ranks_held[i] >= rank)
            fail_msg("a lock of rank %u is taken while one of rank %u is held", rank, ranks_held[i]);
    if (nr_ranks_held == RANKS_HELD_MOST)
        fail_msg("more locks are held than there are ranks");
    ranks_held[nr_ranks_held++] = rank;
}

static void fake_lock_dropped(void *host, uint32_t rank) {
    unsigned i = nr_ranks_held;

    (void)host;
    while (i > 0 && ranks_held[i - 1] != rank)
        i--;
    if (i == 0)
        fail_msg("a lock of rank %u is dropped that is not held", rank);
    memmove(&ranks_held[i - 1], &ranks_held[i], (nr_ranks_held - i) * sizeof(ranks_held[0]));
    nr_ranks_held--;
}

static void fake_wake_kswapd(void *host, int node) {
    struct fake *fake = host;

    (void)node;
    fake->kswapd_wakes++;
}

static void fake_alloc_failed(void *host, const struct task *task, unsigned order, uint32_t gfp) {
    struct fake *fake = host;

    (void)task, (void)order, (void)gfp;
    fake->failures++;
}

static unsigned long fake_oom_notify(void *host) {
    struct fake *fake = host;

    return fake->oom_notify_frees;
}

static void fake_kill(void *host, struct task *victim, unsigned long points, bool memdie) {
    struct fake *fake = host;

    if (fake->nr_kills < FAKE_TASKS)
        fake->kills[fake->nr_kills] = (struct fake_kill){victim, points, memdie};
    fake->nr_kills++;
}

static void fake_panic(void *host, const char *why) {
    struct fake *fake = host;

    fake->panics++;
    if (!fake->on_panic)
        fail_msg("panic: %s", why);
    else
        longjmp(*fake->on_panic, 1);
}

static void fake_assert_failed(void *host, const char *file, int line, const char *what) {
    struct fake *fake = host;

    fake->asserts++;
    if (!fake->on_panic)
        fail_msg("%s:%d: assertion failed: %s", file, line, what);
    else
        longjmp(*fake->on_panic, 1);
}

#ifdef __SANITIZE_THREAD__ /* which knows nothing of membarrier */
#define fake_barrier NULL
#else
static void fake_barrier(void *host) {
    (void)host;
    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}
#endif

static const struct platform fake_calls = {
    .now_ns = fake_now_ns,
    .sleep = fake_sleep,
    .congestion_wait = fake_congestion_wait,
    .yield = fake_yield,
    .current = fake_current,
    .cpu = fake_cpu,
    .in_interrupt = fake_in_interrupt,
    .for_each_task = fake_for_each_task,
    .lock_wait = fake_lock_wait,
    .lock_wake = fake_lock_wake,
    .barrier = fake_barrier,
    .lock_taken = fake_lock_taken,
    .lock_dropped = fake_lock_dropped,
    .wake_kswapd = fake_wake_kswapd,
    .alloc_failed = fake_alloc_failed,
    .oom_notify = fake_oom_notify,
    .kill = fake_kill,
    .panic = fake_panic,
    .assert_failed = fake_assert_failed,
};

struct fake *fake_boot_map(const struct memory_map *map) {
    struct fake *fake = calloc(1, sizeof(*fake));
    const struct memory_range *last = &map->ranges[map->nr_ranges - 1];
    size_t boot_bytes = machine_boot_bytes(map);

    assert_non_null(fake);
    assert_true(map->nr_ranges <= sizeof(fake->ranges) / sizeof(fake->ranges[0]));
    memcpy(fake->ranges, map->ranges, map->nr_ranges * sizeof(fake->ranges[0]));
    fake->map = *map;
    fake->map.ranges = fake->ranges;
    fake->platform = fake_calls;
    fake->platform.host = fake;
    syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
    fake->init_task.comm = "init_task";
    fake->arena_bytes = ((size_t)last->start_pfn + last->nr_pages) << PAGE_SHIFT;
    fake->map.arena =
        mmap(NULL, fake->arena_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(fake->map.arena, MAP_FAILED);
    fake->boot = aligned_alloc(PAGE_SIZE, boot_bytes);
    assert_non_null(fake->boot);
    memset(fake->boot, 0, boot_bytes);
    current_task = NULL;
    current_cpu = 0;
    nr_ranks_held = 0;
    fake->machine = machine_boot(&fake->platform, &fake->map, fake->boot);
    assert_non_null(fake->machine);
    return fake;
}

struct fake *fake_boot(uint32_t nr_pages, unsigned nr_cpus) {
    struct memory_range range = {.start_pfn = 0, .nr_pages = nr_pages, .node = 0, .zone_type = ZONE_NORMAL};
    struct memory_map map = {.ranges = &range, .nr_ranges = 1, .nr_cpus = nr_cpus, .nr_nodes = 1};

    return fake_boot_map(&map);
}

struct fake *fake_boot_two_nodes(uint32_t nr_pages, unsigned nr_cpus) {
    static const uint8_t cpu_node[] = {0, 1};
    const struct memory_range ranges[] = {{0, nr_pages, 0, ZONE_NORMAL}, {nr_pages, nr_pages, 1, ZONE_NORMAL}};
    const struct memory_map map = {
        .ranges = ranges, .nr_ranges = 2, .nr_cpus = nr_cpus, .nr_nodes = 2, .cpu_node = cpu_node};

    assert_true(nr_cpus <= 2);
    return fake_boot_map(&map);
}

void fake_finish(struct fake *fake) {
    munmap(fake->map.arena, fake->arena_bytes);
    free(fake->boot);
    free(fake);
}

void fake_check_and_finish(struct fake *fake) {
    fake_set_current(NULL);
    fake_check(fake);
    fake_finish(fake);
}

void fake_set_current(struct task *task) {
    current_task = task;
}

void fake_set_cpu(unsigned cpu) {
    current_cpu = cpu;
}

void fake_add_task(struct fake *fake, struct task *task) {
    assert_true(fake->nr_tasks < FAKE_TASKS);
    fake->tasks[fake->nr_tasks++] = task;
}

struct zone *fake_zone(struct fake *fake, unsigned node, enum zone_type type) {
    return &fake->machine->nodes[node]->node_zones[type];
}

void fake_fill_zone(struct fake *fake, struct zone *zone, unsigned long left) {
    struct zonelist only = {.zones = {zone, NULL}};

    while (zone_page_state(zone, NR_FREE_PAGES) > left)
        assert_non_null(get_page_from_freelist(fake->machine, GFP_KERNEL, 0, &only, ALLOC_NO_WATERMARKS));
    refresh_vm_stats(fake->machine);
}

void fake_check(struct fake *fake) {
    const char *wrong = mm_check(fake->machine);

    if (wrong)
        fail_msg("%s", wrong);
}
