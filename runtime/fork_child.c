/* SPDX-License-Identifier: MIT */
/*
 * fork_child.c - a fork as the child's service thread sees it: it takes over what the parent's threads have done for
 * the child, and starts the others.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/boot.h"
#include "runtime/bytes.h"
#include "runtime/bell.h"
#include "runtime/devices.h"
#include "runtime/fork.h"
#include "runtime/fork_channel.h"
#include "runtime/handler.h"
#include "runtime/runtime.h"
#include "runtime/space.h"
#include "runtime/sys.h"
#include "runtime/uffd.h"

static int channel; /* the child's end, in its service thread's table */

static bool will_be_tried_again;

void fork_child_take_channel(int fd) {
    channel = fd;
    will_be_tried_again = false;
}

bool fork_child_has_better_chance(void) {
    return will_be_tried_again;
}

static bool open_in_child(bool event, int device) {
    unsigned nr = 0;
    char word;
    int fd = -1, unused;

    rt.uffd_device = device;
    if (event) {
        if (receive_message(channel, &word, 1, &fd, &nr) != 1 || nr != 1)
            return false;
        rt.uffd = fd;
        return true;
    }
    rt.uffd = uffd_open(device, &unused);
    return rt.uffd >= 0 && uffd_handshake() == 0;
}

/* Everything but what is the host's. */
static bool register_all(void) {
    uintptr_t at = rt.region_start;
    const struct vm_area *area;

    for (area = find_area_from(rt.mm, at); area; area = area_next(rt.mm, area)) {
        if (!(area->flags & VM_FOREIGN))
            continue;
        if (area->start > at && uffd_register(at, area->start - at) < 0)
            return false;
        at = area->end;
    }
    return (at == rt.region_end || uffd_register(at, rt.region_end - at) == 0) &&
           uffd_register_shadow(rt.region_end, rt.region_end - rt.region_start) == 0 && bell_register() == 0;
}

/* A page is there, at addr: put there by Linux, when nobody answered its fault? */
static bool is_impostor(uintptr_t addr, pte_t entry) {
    const struct vm_area *area = entry == 0 ? find_area(rt.mm, addr) : NULL;

    return (entry & (PTE_SWAP | PTE_PARKED)) || (area && !(area->flags & VM_FOREIGN));
}

static void find_impostors(struct block *block, void *arg) {
    unsigned char resident[PTRS_PER_TABLE];
    struct fork_pages *ret_found = arg;

    if (sys3(SYS_mincore, block->start, BLOCK_SIZE, resident) < 0)
        return;
    for (unsigned i = 0; i < PTRS_PER_TABLE; i++) {
        uintptr_t addr = block->start + i * PAGE_SIZE;

        if ((resident[i] & 1) && is_impostor(addr, block->table ? block->table->pte[i] : 0) &&
            ret_found->nr < MAX_SERVED)
            ret_found->pages[ret_found->nr++] = addr;
    }
}

/* The page is there, put there by the parent and perhaps written since, but the tables do not know. */
static bool adopt_page(uintptr_t addr) {
    static char saved[PAGE_SIZE];
    enum fault_result result;

    memcpy(saved, (const void *)addr, PAGE_SIZE);
    sys3(SYS_madvise, addr, PAGE_SIZE, MADV_DONTNEED);
    read_lock(rt.machine->platform, &rt.mm->mmap_lock);
    result = handle_mm_fault(rt.mm, addr, true, NULL, NULL);
    read_unlock(rt.machine->platform, &rt.mm->mmap_lock);
    if (result == FAULT_SIGBUS || result == FAULT_OOM)
        return false;
    if (memcmp((const void *)addr, saved, PAGE_SIZE) != 0)
        memcpy((void *)addr, saved, PAGE_SIZE);
    return true;
}

static bool take_over(void) {
    struct fork_pages served, impostors = {.nr = 0};

    if (send_message(channel, "t", 1, NULL, 0) != 1 ||
        receive_message(channel, &served, sizeof(served), NULL, NULL) != (long)sizeof(served))
        return false;
    uffd_set_blocking(rt.uffd, true);
    if (!rt.have_fork_event) {
        for_each_block(rt.mm, rt.mm->start, rt.mm->end, find_impostors, &impostors);
        if (impostors.nr) {
            will_be_tried_again = send_message(channel, &impostors, sizeof(impostors), NULL, 0) > 0;
            return false;
        }
    }
    for (unsigned i = 0; i < served.nr; i++)
        if (!adopt_page(served.pages[i]))
            return false;
    return true;
}

/* The child's service thread: a copy of the program's descriptor table, of which only the socket is kept. */
bool fork_child_prepare(void) {
    struct greeting greeting;
    int fds[MAX_FDS];
    unsigned nr = 0, used = 0;

    if (channel < 0)
        return false;
    if (channel > 0)
        sys3(SYS_close_range, 0, channel - 1, 0);
    sys3(SYS_close_range, channel + 1, ~0u, 0);
    handler_keep_room();
    if (!fork_open())
        return false;
    if (receive_message(channel, &greeting, sizeof(greeting), fds, &nr) != (long)sizeof(greeting))
        return false;
    for (unsigned i = 0; i < greeting.inheritance.nr; i++) {
        if (greeting.inheritance.areas[i].hold_fd < 0)
            continue;
        if (used + 2 > nr)
            return false;
        greeting.inheritance.areas[i].file_fd = fds[used++];
        greeting.inheritance.areas[i].hold_fd = fds[used++];
    }
    if (greeting.inheritance.dir_fd >= 0)
        greeting.inheritance.dir_fd = used < nr ? fds[used++] : -EBADF;
    if (greeting.inheritance.own_fd >= 0)
        greeting.inheritance.own_fd = used < nr ? fds[used++] : -EBADF;
    for (unsigned i = 0; i < greeting.inheritance.nr_spare; i++)
        greeting.inheritance.spare_fds[i] = used < nr ? fds[used++] : -EBADF;
    if (!open_in_child(greeting.event, used < nr ? fds[used] : -1))
        return false;
    bytes_open();
    if (!greeting.event && !register_all())
        return false;
    if (space_after_fork() < 0)
        return false;
    for (unsigned node = 0; node < rt.machine->nr_nodes; node++)
        atomic_store(&rt.machine->nodes[node]->kswapd_awake, 0);
    if (!devices_inherit(&greeting.inheritance) || !take_over() || !boot_start_threads())
        return false;
    fork_release_stack();
    return send_message(channel, "r", 1, NULL, 0) == 1;
}
