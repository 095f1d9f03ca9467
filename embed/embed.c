/* SPDX-License-Identifier: MIT */
/* The public calls (weir/mm.h) in terms of the core's own: names, and the locks that a host need not know of. */
#include <weir/mm.h>

#include "mm/buddy.h"
#include "mm/check.h"
#include "mm/memory.h"
#include "mm/mlock.h"
#include "mm/oom_kill.h"
#include "mm/oom_reaper.h"
#include "mm/page_alloc.h"
#include "mm/pcp.h"
#include "mm/psi.h"
#include "mm/swap_state.h"
#include "mm/swapon.h"
#include "mm/sysctl.h"
#include "mm/vmscan.h"

/* The structs are the same (same.c); only their names differ. */
static struct machine *machine_of(const struct weir_machine *m) {
    return (struct machine *)(uintptr_t)m;
}
static struct mm *mm_of(const struct weir_mm *mm) {
    return (struct mm *)(uintptr_t)mm;
}
static struct page *page_of(const struct weir_page *page) {
    return (struct page *)(uintptr_t)page;
}
static struct weir_page *public_page(struct page *page) {
    return (struct weir_page *)page;
}

/* -- a machine. -- */

/* What a host leaves out. */
static void do_nothing(void *host) {
    (void)host;
}
static bool say_no(void *host) {
    (void)host;
    return false;
}
static unsigned the_only_cpu(void *host) {
    (void)host;
    return 0;
}
static void wake_nobody(void *host, _Atomic uint32_t *word, bool all) {
    (void)host, (void)word, (void)all;
}
static bool is_never_clean(void *host, struct mm *mm, uintptr_t addr, swp_entry_t entry) {
    (void)host, (void)mm, (void)addr, (void)entry;
    return false;
}
static void forget_nothing(void *host, swp_entry_t entry) {
    (void)host, (void)entry;
}
static bool has_always_room(void *host, unsigned type) {
    (void)host, (void)type;
    return true;
}

static void fill_in(struct platform *p) {
    p->congestion_wait = p->congestion_wait ? p->congestion_wait : p->sleep;
    p->yield = p->yield ? p->yield : do_nothing;
    p->cpu = p->cpu ? p->cpu : the_only_cpu;
    p->in_interrupt = p->in_interrupt ? p->in_interrupt : say_no;
    p->lock_wake = p->lock_wake ? p->lock_wake : wake_nobody;
    p->parked_is_clean = p->parked_is_clean ? p->parked_is_clean : is_never_clean;
    p->swap_slot_free = p->swap_slot_free ? p->swap_slot_free : forget_nothing;
    p->swap_has_room = p->swap_has_room ? p->swap_has_room : has_always_room;
}

/* The platform, with what it left out filled in, lies behind the machine. */
size_t weir_boot_bytes(const struct weir_memory_map *map) {
    size_t bytes = machine_boot_bytes((const struct memory_map *)map);

    return bytes ? (bytes + sizeof(struct platform) + PAGE_SIZE - 1) & PAGE_MASK : 0;
}

struct weir_machine *weir_boot(const struct weir_platform *platform, const struct weir_memory_map *map, void *memory) {
    size_t bytes = machine_boot_bytes((const struct memory_map *)map);
    struct platform *own = (struct platform *)((char *)memory + bytes);

    if (bytes == 0)
        return NULL;
    __builtin_memcpy(own, platform, sizeof(*own));
    fill_in(own);
    return (struct weir_machine *)machine_boot(own, (const struct memory_map *)map, memory);
}

const char *weir_check(struct weir_machine *m) {
    const char *wrong = mm_check(machine_of(m));

    return wrong ? wrong : memory_check(machine_of(m));
}

/* -- frames. -- */

struct weir_page *weir_alloc_pages(struct weir_machine *m, uint32_t gfp, unsigned order) {
    return public_page(alloc_pages(machine_of(m), gfp, order));
}

void weir_free_pages(struct weir_machine *m, struct weir_page *page, unsigned order) {
    __free_pages(machine_of(m), page_of(page), order);
}

void weir_get_page(struct weir_page *page) {
    get_page(page_of(page));
}

void weir_put_page(struct weir_machine *m, struct weir_page *page) {
    put_page(machine_of(m), page_of(page));
}

uint32_t weir_page_pfn(const struct weir_machine *m, const struct weir_page *page) {
    return page_to_pfn(machine_of(m), page_of(page));
}

void *weir_page_address(const struct weir_machine *m, const struct weir_page *page) {
    return page_address(machine_of(m), page_of(page));
}

struct weir_page *weir_pfn_page(const struct weir_machine *m, uint32_t pfn) {
    return public_page(pfn_to_page(machine_of(m), pfn));
}

bool weir_pfn_valid(const struct weir_machine *m, uint32_t pfn) {
    return frame_exists(machine_of(m), pfn);
}

unsigned long weir_nr_free(const struct weir_machine *m, int node) {
    return node < 0 ? global_page_state(machine_of(m), NR_FREE_PAGES)
                    : node_page_state(machine_of(m), node, NR_FREE_PAGES);
}

void weir_drain_pages(struct weir_machine *m) {
    drain_all_local_pages(machine_of(m));
}

/* -- address spaces. -- */

static void write_locked(struct mm *mm) {
    write_lock(mm->machine->platform, &mm->mmap_lock);
}
static void write_unlocked(struct mm *mm) {
    write_unlock(mm->machine->platform, &mm->mmap_lock);
}
static void read_locked(struct mm *mm) {
    read_lock(mm->machine->platform, &mm->mmap_lock);
}
static void read_unlocked(struct mm *mm) {
    read_unlock(mm->machine->platform, &mm->mmap_lock);
}

/* Is [start, end) a range of whole pages of the address space? */
static bool is_range(const struct mm *mm, uintptr_t start, uintptr_t end) {
    return start < end && start >= mm->start && end <= mm->end && ((start | end) & (PAGE_SIZE - 1)) == 0;
}

struct weir_mm *weir_mm_create(struct weir_machine *m, uintptr_t start, uintptr_t end, struct weir_task *owner,
                               void *host_private) {
    struct mm *mm = mm_create(machine_of(m), start, end);

    if (mm) {
        mm->owner = (struct task *)owner;
        mm->host_private = host_private;
    }
    return (struct weir_mm *)mm;
}

void weir_mm_destroy(struct weir_mm *mm) {
    mm_destroy(mm_of(mm));
}

void *weir_mm_host_private(const struct weir_mm *mm) {
    return mm_of(mm)->host_private;
}

static unsigned long at_least_0(long n) {
    return n > 0 ? (unsigned long)n : 0;
}

unsigned long weir_mm_resident(const struct weir_mm *mm) {
    return at_least_0(atomic_load_explicit(&mm_of(mm)->nr_rss, memory_order_relaxed));
}

unsigned long weir_mm_swapped(const struct weir_mm *mm) {
    return at_least_0(atomic_load_explicit(&mm_of(mm)->nr_swapped, memory_order_relaxed));
}

/* Pages of the range that are mapped. */
static uint64_t mapped_pages(const struct mm *mm, uintptr_t start, uintptr_t end) {
    uint64_t bytes = 0;

    for (const struct vm_area *area = find_area_from(mm, start); area && area->start < end; area = area_next(mm, area))
        bytes += (area->end < end ? area->end : end) - (area->start > start ? area->start : start);
    return bytes >> PAGE_SHIFT;
}

/* The OOM killer reads it without the lock. */
static void set_total_vm(struct mm *mm, uint64_t pages) {
    __atomic_store_n(&mm->total_vm, pages, __ATOMIC_RELAXED);
}

enum weir_status weir_mm_map(struct weir_mm *public, uintptr_t start, uintptr_t end, unsigned flags) {
    struct mm *mm = mm_of(public);
    enum mm_status status;
    uint64_t before;

    if (!is_range(mm, start, end) || flags & ~(unsigned)(VM_ACCESS | VM_LOCKED))
        return WEIR_INVAL;
    write_locked(mm);
    before = mapped_pages(mm, start, end);
    status = area_set_range(mm, start, end, flags);
    if (status == MM_OK) {
        zap_page_range(mm, start, end);
        set_total_vm(mm, mm->total_vm + ((end - start) >> PAGE_SHIFT) - before);
    }
    write_unlocked(mm);
    return (enum weir_status)status;
}

enum weir_status weir_mm_unmap(struct weir_mm *public, uintptr_t start, uintptr_t end) {
    struct mm *mm = mm_of(public);
    enum mm_status status;
    uint64_t before;

    if (!is_range(mm, start, end))
        return WEIR_INVAL;
    write_locked(mm);
    before = mapped_pages(mm, start, end);
    status = area_clear_range(mm, start, end);
    if (status == MM_OK) {
        zap_page_range(mm, start, end);
        set_total_vm(mm, mm->total_vm - before);
    }
    write_unlocked(mm);
    return (enum weir_status)status;
}

bool weir_mm_area(struct weir_mm *public, uintptr_t addr, unsigned *ret_flags) {
    struct mm *mm = mm_of(public);
    const struct vm_area *area;

    read_locked(mm);
    area = find_area(mm, addr);
    if (area)
        *ret_flags = area->flags & (VM_ACCESS | VM_LOCKED);
    read_unlocked(mm);
    return area;
}

enum weir_fault_result weir_mm_fault(struct weir_mm *public, uintptr_t addr, bool write) {
    struct mm *mm = mm_of(public);
    enum fault_result result;

    read_locked(mm);
    result = handle_mm_fault(mm, addr, write, NULL, NULL);
    read_unlocked(mm);
    return (enum weir_fault_result)result;
}

enum weir_status weir_mm_populate(struct weir_mm *public, uintptr_t start, uintptr_t end) {
    struct mm *mm = mm_of(public);
    enum mm_status status;

    if (!is_range(mm, start, end))
        return WEIR_INVAL;
    read_locked(mm);
    status = populate_range(mm, start, end);
    read_unlocked(mm);
    return (enum weir_status)status;
}

void weir_mm_discard(struct weir_mm *public, uintptr_t start, uintptr_t end) {
    struct mm *mm = mm_of(public);

    if (!is_range(mm, start, end))
        return;
    read_locked(mm);
    zap_page_range(mm, start, end);
    read_unlocked(mm);
}

static void cool(struct mm *mm, uintptr_t start, uintptr_t end, bool evict) {
    if (!is_range(mm, start, end))
        return;
    read_locked(mm);
    cool_range(mm, start, end, evict);
    read_unlocked(mm);
}

void weir_mm_cool(struct weir_mm *mm, uintptr_t start, uintptr_t end) {
    cool(mm_of(mm), start, end, false);
}

void weir_mm_evict(struct weir_mm *mm, uintptr_t start, uintptr_t end) {
    cool(mm_of(mm), start, end, true);
}

/* The areas say so first, so that what faults meanwhile is locked as it comes. */
static enum mm_status change_locked(struct mm *mm, uintptr_t start, uintptr_t end, bool locked) {
    enum mm_status status;

    write_locked(mm);
    status = range_is_mapped(mm, start, end) ? area_change_range(mm, start, end, VM_LOCKED, locked ? VM_LOCKED : 0)
                                             : MM_FAULT;
    write_unlocked(mm);
    return status;
}

enum weir_status weir_mm_lock(struct weir_mm *public, uintptr_t start, uintptr_t end) {
    struct mm *mm = mm_of(public);
    enum mm_status status;

    if (!is_range(mm, start, end))
        return WEIR_INVAL;
    status = change_locked(mm, start, end, true);
    if (status != MM_OK)
        return (enum weir_status)status;
    read_locked(mm);
    status = mlock_range(mm, start, end);
    read_unlocked(mm);
    if (status != MM_OK)
        weir_mm_unlock(public, start, end);
    return (enum weir_status)status;
}

enum weir_status weir_mm_unlock(struct weir_mm *public, uintptr_t start, uintptr_t end) {
    struct mm *mm = mm_of(public);
    enum mm_status status;

    if (!is_range(mm, start, end))
        return WEIR_INVAL;
    status = change_locked(mm, start, end, false);
    if (status == MM_OK) {
        read_locked(mm);
        munlock_range(mm, start, end);
        read_unlocked(mm);
    }
    return (enum weir_status)status;
}

/* -- threads and timers. -- */

bool weir_kswapd_run(struct weir_machine *m, int node) {
    return kswapd_run(machine_of(m), node);
}

uint64_t weir_vmstat_update(struct weir_machine *m, unsigned cpu) {
    return vmstat_update(machine_of(m), cpu);
}

uint64_t weir_oom_reaper_run(struct weir_machine *m) {
    return oom_reaper_run(machine_of(m));
}

void weir_psi_set_running(struct weir_machine *m, unsigned nr_running) {
    psi_set_running(machine_of(m), nr_running);
}

/* -- swap. -- */

enum weir_status weir_swap_add(struct weir_machine *m, uint32_t nr_pages, int prio, unsigned *ret_type) {
    return (enum weir_status)swap_add(machine_of(m), nr_pages, prio, 0, ret_type);
}

enum weir_status weir_swapon(struct weir_machine *m, const struct weir_swap_source *source, unsigned prio_flags,
                             unsigned *ret_type, const char **ret_why) {
    enum swap_refusal why = SWAP_ACCEPTED;
    enum mm_status status = swapon(machine_of(m), (const struct swap_source *)source, prio_flags, ret_type, &why);

    if (status != MM_OK)
        *ret_why = swap_refusal_text(why);
    return (enum weir_status)status;
}

enum weir_status weir_swapoff(struct weir_machine *m, unsigned type) {
    return (enum weir_status)swapoff(machine_of(m), type);
}

uint64_t weir_swap_block(const struct weir_machine *m, struct weir_swap_entry entry) {
    return map_swap_page(machine_of(m), (swp_entry_t){entry.val});
}

void weir_swap_header(uint32_t nr_pages, const char *label, void *ret_page) {
    struct swap_header header = {.last_page = nr_pages - 1};

    for (unsigned i = 0; label && label[i] && i < SWAP_LABEL_BYTES; i++)
        header.label[i] = label[i];
    swap_header_write(&header, ret_page);
}

void weir_swap_write_done(struct weir_machine *m, struct weir_page *page, enum weir_status status) {
    end_swap_write(machine_of(m), page_of(page), (enum mm_status)status);
}

/* -- tunables and text. -- */

enum weir_status weir_sysctl_write(struct weir_machine *m, const char *name, const char *text) {
    return (enum weir_status)sysctl_write(machine_of(m), name, text);
}

enum weir_status weir_sysctl_read(const struct weir_machine *m, const char *name, unsigned *ret_values,
                                  unsigned *ret_nr) {
    return (enum weir_status)sysctl_get(machine_of(m), name, ret_values, ret_nr);
}

enum weir_status weir_oom_set_adj(struct weir_machine *m, struct weir_task *task, int adj) {
    return (enum weir_status)oom_set_adj(machine_of(m), (struct task *)task, adj);
}

enum weir_status weir_oom_set_score_adj(struct weir_machine *m, struct weir_task *task, int adj) {
    return (enum weir_status)oom_set_score_adj(machine_of(m), (struct task *)task, adj);
}

size_t weir_buddyinfo_text(struct weir_machine *m, char *buf, size_t size) {
    return buddyinfo_text(machine_of(m), buf, size);
}
size_t weir_pagetypeinfo_text(struct weir_machine *m, char *buf, size_t size) {
    return pagetypeinfo_text(machine_of(m), buf, size);
}
size_t weir_zoneinfo_text(struct weir_machine *m, char *buf, size_t size) {
    return zoneinfo_text(machine_of(m), buf, size);
}
size_t weir_vmstat_text(struct weir_machine *m, char *buf, size_t size) {
    return vmstat_text(machine_of(m), buf, size);
}
size_t weir_swaps_text(struct weir_machine *m, char *buf, size_t size) {
    return swaps_text(machine_of(m), buf, size);
}
size_t weir_pressure_text(struct weir_machine *m, char *buf, size_t size) {
    return psi_text(machine_of(m), buf, size);
}
size_t weir_sysctl_text(const struct weir_machine *m, char *buf, size_t size) {
    return sysctl_text(machine_of(m), buf, size);
}
