/* SPDX-License-Identifier: MIT */
#include "runtime/reserve.h"

#include <errno.h>
#include <sys/mman.h>

#include "mm/machine.h"
#include "mm/memory.h"
#include "runtime/runtime.h"
#include "runtime/sys.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

_Static_assert(VM_READ == PROT_READ && VM_WRITE == PROT_WRITE && VM_EXEC == PROT_EXEC, "flags are Linux's protections");

/* Pieces of the managed range, and which of them would be dumped. They never stop being so. */
#define PIECE_BYTES ((uintptr_t)1 << 30)
#define MAX_PIECES 1024u

static uint64_t dumped[MAX_PIECES / 64]; /* under mm->mmap_lock */

void reserve_keep_undumped(void) {
    sys3(SYS_madvise, rt.region_start, 2 * (rt.region_end - rt.region_start), MADV_DONTDUMP);
}

/* A piece at a time: a mapping of Linux's has one answer to whether it is dumped, and smaller ones would be many. */
static void let_dump(uintptr_t start, uintptr_t end) {
    for (uintptr_t piece = (start - rt.region_start) / PIECE_BYTES; piece <= (end - 1 - rt.region_start) / PIECE_BYTES;
         piece++) {
        if (dumped[piece / 64] >> (piece % 64) & 1u)
            continue;
        dumped[piece / 64] |= UINT64_C(1) << (piece % 64);
        sys3(SYS_madvise, rt.region_start + piece * PIECE_BYTES, PIECE_BYTES, MADV_DODUMP);
    }
}

int reserve_protect(uintptr_t start, uintptr_t end, uint32_t flags) {
    if (flags & (VM_ACCESS | VM_FOREIGN))
        let_dump(start, end);
    return (int)sys3(SYS_mprotect, start, end - start, flags & VM_ACCESS);
}

void reserve_follow(uintptr_t start, uintptr_t end) {
    const struct vm_area *area = find_area_from(rt.mm, start);

    while (start < end) {
        uintptr_t to = !area ? end : area->start > start ? area->start : area->end;

        if (to > end)
            to = end;
        if (!area || area->start > start) {
            reserve_protect(start, to, 0);
        } else {
            if (!(area->flags & VM_FOREIGN))
                reserve_protect(start, to, area->flags);
            area = area_next(rt.mm, area);
        }
        start = to;
    }
}

int reserve_renew(uintptr_t start, uintptr_t end) {
    long result =
        sys6(SYS_mmap, start, end - start, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

    if (result < 0 && result > -4096)
        return (int)result;
    /* As the whole reservation: a huge page would take 2 MiB where one page was charged. */
    sys3(SYS_madvise, start, end - start, MADV_NOHUGEPAGE);
    return uffd_register(start, end - start);
}

/*
 * One mremap call works on one mapping of Linux's only, and where those begin and end is Linux's business: refused a
 * range, it gets the halves. Returns how many bytes have moved, from the start.
 */
static size_t move_some(uintptr_t from, uintptr_t to, size_t len, int *ret_error) {
    long result = sys5(SYS_mremap, from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to);

    if (result == (long)to)
        return len;
    if (result == -EFAULT && len > PAGE_SIZE) {
        size_t half = (len / 2 + PAGE_SIZE - 1) & PAGE_MASK;
        size_t done = move_some(from, to, half, ret_error);

        return done < half ? done : half + move_some(from + half, to + half, len - half, ret_error);
    }
    *ret_error = (int)result;
    return 0;
}

/*
 * What moves loses its registration, what stays keeps it. But if Linux joins what has come with a mapping beside it,
 * that loses it too, and what is swapped out there would read as zeros: so it comes with a mark that its new
 * neighbours do not have, until it is registered again.
 */
static int move_marked(uintptr_t from, uintptr_t to, size_t len, size_t *ret_done) {
    int error;

    /* Nor must a neighbour have had it from the beginning. */
    let_dump(from, from + len);
    let_dump(to > rt.region_start ? to - PAGE_SIZE : to, to + len < rt.region_end ? to + len + PAGE_SIZE : to + len);
    error = (int)sys3(SYS_madvise, from, len, MADV_DONTDUMP);
    *ret_done = 0;
    if (!error)
        *ret_done = move_some(from, to, len, &error);
    if (*ret_done && !error)
        error = uffd_register(to, *ret_done);
    if (*ret_done)
        sys3(SYS_madvise, to, *ret_done, MADV_DODUMP);
    sys3(SYS_madvise, from, len, MADV_DODUMP);
    return error;
}

int reserve_move(uintptr_t from, uintptr_t to, size_t len) {
    size_t done, back;
    int error = move_marked(from, to, len, &done);

    if (!error)
        return 0;
    if (done && (move_marked(to, from, done, &back) != 0 || back != done))
        rt.machine->platform->panic(rt.machine->platform->host, "Linux would not take back a mapping it had moved");
    if (done)
        reserve_renew(to, to + done);
    return error;
}
