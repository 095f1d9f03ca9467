/* SPDX-License-Identifier: MIT */
/*
 * memory.c - mmap(2) and its relatives: private anonymous memory goes to weir, everything else to Linux, a range that
 * is partly one and partly the other to both, piece by piece.
 */
#undef _FILE_OFFSET_BITS /* with 64, mmap is but another name of mmap64, and here are both */
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include "interpose/interpose.h"
#include "runtime/runtime.h"
#include "runtime/service.h"
#include "runtime/space.h"
#include "runtime/sys.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

struct range {
    uintptr_t start, end;
};

/* The part of [addr, addr+len) that lies in the managed range; addr+len must not overflow. */
static struct range managed_part(uintptr_t addr, size_t len) {
    struct range part = {addr, addr + ((len + PAGE_SIZE - 1) & PAGE_MASK)};

    if (part.start < rt.region_start)
        part.start = rt.region_start;
    if (part.end > rt.region_end)
        part.end = rt.region_end;
    return part;
}

static bool within(uintptr_t addr, size_t len) {
    return addr >= rt.region_start && addr < rt.region_end && len <= rt.region_end - addr;
}

/* One call on [addr, addr+len): system call nr outside the managed range, op within, a and b handed through. */
static long over_range(long nr, enum weir_op op, uintptr_t addr, size_t len, uintptr_t a, uintptr_t b) {
    struct range part;
    uintptr_t end;
    long result = 0;

    if (!weir_manages(addr, len))
        return sys4(nr, addr, len, a, b);
    if (within(addr, len))
        return weir_call(op, addr, len, a, b, 0);
    if (addr + len < addr || addr + len > PAGE_MASK)
        return sys4(nr, addr, len, a, b); /* only to be refused */
    part = managed_part(addr, len);
    end = addr + len;
    if (addr < part.start)
        result = sys4(nr, addr, part.start - addr, a, b);
    if (!result)
        result = weir_call(op, part.start, part.end - part.start, a, b, 0);
    if (!result && end > part.end)
        result = sys4(nr, part.end, end - part.end, a, b);
    return result;
}

/* -- mmap, munmap ------------------------------------------------------------------------------------------------- */

static bool is_for_weir(int flags) {
    /* These are promises about addresses or pages that only Linux can keep. */
    const int linux_only = MAP_GROWSDOWN | MAP_32BIT | MAP_HUGETLB;

    return (flags & MAP_TYPE) == MAP_PRIVATE && flags & MAP_ANONYMOUS && !(flags & linux_only);
}

/*
 * A mapping of Linux's at a fixed address that reaches into the managed range: weir makes way for it. It is made
 * elsewhere first and then moved, so that one that Linux refuses does no harm to what lies there.
 */
static long map_over_managed(uintptr_t addr, size_t len, int prot, int flags, int fd, off_t offset) {
    struct range part;
    long trial, result;

    if (addr % PAGE_SIZE || len == 0 || addr + len < addr || addr + len > PAGE_MASK)
        return sys6(SYS_mmap, addr, len, prot, flags, fd, offset); /* only to be refused */
    if (flags & MAP_FIXED_NOREPLACE && !within(addr, len))
        return -EEXIST; /* the reservation itself is in the way of its neighbours */
    len = (len + PAGE_SIZE - 1) & PAGE_MASK;
    part = managed_part(addr, len);
    trial = sys6(SYS_mmap, 0, len, prot, flags & ~(MAP_FIXED | MAP_FIXED_NOREPLACE), fd, offset);
    if (trial < 0 && trial > -4096)
        return trial;
    result = weir_call(OP_FOREIGN, part.start, part.end - part.start, (flags & MAP_FIXED_NOREPLACE) != 0, 0, 0);
    if (result == 0) {
        result = sys5(SYS_mremap, trial, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, addr);
        if (result != (long)addr)
            weir_call(OP_MUNMAP, part.start, part.end - part.start, 0, 0, 0);
    }
    if (result != (long)addr)
        sys2(SYS_munmap, trial, len);
    return result;
}

static long map(uintptr_t addr, size_t len, int prot, int flags, int fd, off_t offset, bool allocator) {
    bool fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
    bool managed = weir_manages(addr, len);
    long result;

    if (!rt.up)
        return sys6(SYS_mmap, addr, len, prot, flags, fd, offset);
    if (fixed && managed && (!is_for_weir(flags) || !within(addr, len)))
        return map_over_managed(addr, len, prot, flags, fd, offset);
    if (!is_for_weir(flags) || (fixed && !managed))
        return sys6(SYS_mmap, addr, len, prot, flags, fd, offset);
    if ((size_t)offset % PAGE_SIZE)
        return -EINVAL;
    result = weir_call(OP_MMAP, addr, len, (uintptr_t)(unsigned)prot,
                       (uintptr_t)(unsigned)(flags | (allocator ? SPACE_MAP_COUNTED : 0)), 0);
    /* Addresses to have in reserve: there may be more of those than the managed range has. */
    if (result == -ENOMEM && prot == PROT_NONE && !fixed)
        result = sys6(SYS_mmap, addr, len, prot, flags, fd, offset);
    return result;
}

WEIR_EXPORT void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset) {
    bool allocator = allocator_holds(__builtin_return_address(0));

    return (void *)as_libc(map((uintptr_t)addr, len, prot, flags, fd, offset, allocator));
}

WEIR_EXPORT void *mmap64(void *addr, size_t len, int prot, int flags, int fd, __off64_t offset) {
    bool allocator = allocator_holds(__builtin_return_address(0));

    return (void *)as_libc(map((uintptr_t)addr, len, prot, flags, fd, offset, allocator));
}

WEIR_EXPORT int munmap(void *addr, size_t len) {
    return (int)as_libc(over_range(SYS_munmap, OP_MUNMAP, (uintptr_t)addr, len, 0, 0));
}

/* -- mremap ------------------------------------------------------------------------------------------------------- */

/* From outside the managed range to an address within it. */
static long move_into_managed(uintptr_t addr, size_t old_len, size_t new_len, int flags, uintptr_t to) {
    struct range part;
    long result;

    if (to % PAGE_SIZE || to + new_len < to || to + new_len > PAGE_MASK)
        return -EINVAL;
    part = managed_part(to, new_len);
    result = weir_call(OP_FOREIGN, part.start, part.end - part.start, 0, 0, 0);
    if (result)
        return result;
    result = sys5(SYS_mremap, addr, old_len, new_len, flags, to);
    if (result < 0 && result > -4096)
        weir_call(OP_MUNMAP, part.start, part.end - part.start, 0, 0, 0);
    return result;
}

static long remap(uintptr_t addr, size_t old_len, size_t new_len, int flags, uintptr_t to) {
    bool to_managed = flags & MREMAP_FIXED && weir_manages(to, new_len);

    /* A length of 0 asks for a second view of shared memory; its address still tells whose it is. */
    if (weir_manages(addr, old_len ? old_len : 1)) {
        if (!within(addr, old_len))
            return -EFAULT;
        if (to_managed && !within(to, new_len))
            return -EINVAL;
        return weir_call(OP_MREMAP, addr, old_len, new_len, (uintptr_t)(unsigned)flags, to);
    }
    if (to_managed)
        return move_into_managed(addr, old_len, new_len, flags, to);
    return sys5(SYS_mremap, addr, old_len, new_len, flags, to);
}

WEIR_EXPORT void *mremap(void *addr, size_t old_len, size_t new_len, int flags, ...) {
    uintptr_t to = 0;

    if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) {
        va_list args;

        va_start(args, flags);
        to = (uintptr_t)va_arg(args, void *);
        va_end(args);
    }
    return (void *)as_libc(remap((uintptr_t)addr, old_len, new_len, flags, to));
}

/* -- the rest ----------------------------------------------------------------------------------------------------- */

WEIR_EXPORT int mprotect(void *addr, size_t len, int prot) {
    return (int)as_libc(
        over_range(SYS_mprotect, OP_MPROTECT, (uintptr_t)addr, len, (uintptr_t)(unsigned)prot, (uintptr_t)-1));
}

WEIR_EXPORT int pkey_mprotect(void *addr, size_t len, int prot, int pkey) {
    if (pkey == -1)
        return mprotect(addr, len, prot);
    return (int)as_libc(over_range(SYS_pkey_mprotect, OP_MPROTECT, (uintptr_t)addr, len, (uintptr_t)(unsigned)prot,
                                   (uintptr_t)(unsigned)pkey));
}

WEIR_EXPORT int madvise(void *addr, size_t len, int advice) {
    return (int)as_libc(over_range(SYS_madvise, OP_MADVISE, (uintptr_t)addr, len, (uintptr_t)(unsigned)advice, 0));
}

WEIR_EXPORT int posix_madvise(void *addr, size_t len, int advice) {
    long result;

    /* As libc: Linux's MADV_DONTNEED destroys data, which this call must not. */
    if (advice == POSIX_MADV_DONTNEED)
        return 0;
    result = over_range(SYS_madvise, OP_MADVISE, (uintptr_t)addr, len, (uintptr_t)(unsigned)advice, 0);
    return (int)-result;
}

WEIR_EXPORT int mlock(const void *addr, size_t len) {
    return (int)as_libc(over_range(SYS_mlock, OP_MLOCK, (uintptr_t)addr, len, 0, 0));
}

WEIR_EXPORT int mlock2(const void *addr, size_t len, unsigned flags) {
    return (int)as_libc(over_range(SYS_mlock2, OP_MLOCK, (uintptr_t)addr, len, flags, 0));
}

WEIR_EXPORT int munlock(const void *addr, size_t len) {
    return (int)as_libc(over_range(SYS_munlock, OP_MUNLOCK, (uintptr_t)addr, len, 0, 0));
}

/* The answer comes by way of memory that weir does not page: the service thread must not touch any other. */
static long mincore_managed(uintptr_t addr, size_t len, unsigned char *vec) {
    long buffer = sys6(SYS_mmap, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long result = 0;

    if (buffer < 0 && buffer > -4096)
        return -EAGAIN;
    for (size_t done = 0; done < len && !result; done += PAGE_SIZE * PAGE_SIZE) {
        size_t chunk = len - done < PAGE_SIZE * PAGE_SIZE ? len - done : PAGE_SIZE * PAGE_SIZE;

        result = weir_call(OP_MINCORE, addr + done, chunk, (uintptr_t)buffer, 0, 0);
        if (!result)
            __builtin_memcpy(vec + done / PAGE_SIZE, (void *)buffer, (chunk + PAGE_SIZE - 1) / PAGE_SIZE);
    }
    sys2(SYS_munmap, buffer, PAGE_SIZE);
    return result;
}

WEIR_EXPORT int mincore(void *start, size_t len, unsigned char *vec) {
    uintptr_t addr = (uintptr_t)start, end = addr + len;
    struct range part;
    long result = 0;

    if (!weir_manages(addr, len) || addr % PAGE_SIZE || end < addr || end > PAGE_MASK)
        return (int)as_libc(sys3(SYS_mincore, addr, len, vec));
    part = managed_part(addr, len);
    if (addr < part.start)
        result = sys3(SYS_mincore, addr, part.start - addr, vec);
    if (!result)
        result = mincore_managed(part.start, part.end - part.start, vec + (part.start - addr) / PAGE_SIZE);
    if (!result && end > part.end)
        result = sys3(SYS_mincore, part.end, end - part.end, vec + (part.end - addr) / PAGE_SIZE);
    return (int)as_libc(result);
}

/* An allocator that is refused memory turns to the data segment next, which weir does not page: refused as well. */
WEIR_EXPORT void *sbrk(intptr_t increment) {
    if (increment > 0 && rt.up && allocator_holds(__builtin_return_address(0)))
        return (void *)as_libc(-ENOMEM);
    return REAL(sbrk)(increment);
}
