/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>

#include "runtime/runtime.h"
#include "runtime/sys.h"

#define USERFAULTFD_IOC_NEW_ _IO(0xAA, 0x00)

struct move_request {
    uint64_t to, from, len, mode;
    int64_t moved;
};
#define UFFDIO_MOVE_ _IOWR(UFFDIO, 0x05, struct move_request)
#define MOVE_DONTWAKE 1u
#define MOVE_ALLOW_SRC_HOLES 2u

struct poison_request {
    uint64_t start, len, mode;
    int64_t updated;
};
#define UFFDIO_POISON_ _IOWR(UFFDIO, 0x08, struct poison_request)

static int pagemap_fd = -1;

void uffd_open_pagemap(void) {
    pagemap_fd = (int)sys4(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0);
    if (pagemap_fd < 0)
        rt.have_move = false;
}

int uffd_open(int dev_fd, int *ret_dev) {
    long fd;

    *ret_dev = dev_fd >= 0 ? dev_fd : (int)sys4(SYS_openat, AT_FDCWD, "/dev/userfaultfd", O_RDWR | O_CLOEXEC, 0);
    if (*ret_dev >= 0) {
        fd = sys3(SYS_ioctl, *ret_dev, USERFAULTFD_IOC_NEW_, O_CLOEXEC);
        if (fd >= 0)
            return (int)fd;
    }
    return (int)sys1(SYS_userfaultfd, O_CLOEXEC);
}

static long handshake_with(uint64_t features) {
    struct uffdio_api api = {.api = UFFD_API, .features = features};

    return sys3(SYS_ioctl, rt.uffd, UFFDIO_API, &api);
}

int uffd_handshake(void) {
    uint64_t wanted = UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_THREAD_ID;
    uint64_t move = rt.config.no_move || pagemap_fd < 0 ? 0 : UFFD_FEATURE_MOVE;
    uint64_t fork = rt.config.no_fork_event ? 0 : UFFD_FEATURE_EVENT_FORK;
    /* The kernel takes a wish list whole or not at all: from the best down to what weir cannot do without. */
    uint64_t lists[] = {
        wanted | move | fork | UFFD_FEATURE_POISON,
        wanted | move | UFFD_FEATURE_POISON,
        wanted | fork | UFFD_FEATURE_POISON,
        wanted | UFFD_FEATURE_POISON,
        wanted | fork,
        wanted,
    };
    long result = -EINVAL;

    for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        result = handshake_with(lists[i]);
        if (result == 0) {
            rt.uffd_features = lists[i];
            rt.have_move = lists[i] & UFFD_FEATURE_MOVE;
            rt.have_poison = lists[i] & UFFD_FEATURE_POISON;
            rt.have_fork_event = lists[i] & UFFD_FEATURE_EVENT_FORK;
            break;
        }
    }
    return (int)result;
}

void uffd_set_blocking(int fd, bool blocking) {
    sys3(SYS_fcntl, fd, F_SETFL, blocking ? 0 : O_NONBLOCK);
}

static int register_mode(uintptr_t start, size_t len, uint64_t mode) {
    struct uffdio_register request = {.range = {.start = start, .len = len}, .mode = mode};

    return (int)sys3(SYS_ioctl, rt.uffd, UFFDIO_REGISTER, &request);
}

int uffd_register(uintptr_t start, size_t len) {
    return register_mode(start, len, UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP);
}

int uffd_register_shadow(uintptr_t start, size_t len) {
    return register_mode(start, len, UFFDIO_REGISTER_MODE_WP);
}

int uffd_wake(uintptr_t start, size_t len) {
    struct uffdio_range range = {.start = start, .len = len};

    return (int)sys3(SYS_ioctl, rt.uffd, UFFDIO_WAKE, &range);
}

/* The kernel answers EAGAIN while the address space changes under it (a fork, until its event has been read). */
long uffd_copy(int fd, uintptr_t to, const void *from, size_t len, bool wake) {
    struct uffdio_copy request = {
        .dst = to, .src = (uintptr_t)from, .len = len, .mode = wake ? 0 : UFFDIO_COPY_MODE_DONTWAKE};
    long result = sys3(SYS_ioctl, fd, UFFDIO_COPY, &request);

    if (result == 0)
        return (long)len;
    return request.copy > 0 ? (long)request.copy : result;
}

/* Of /proc/self/pagemap. */
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define PAGEMAP_SWAPPED (UINT64_C(1) << 62) /* by Linux */

/* What it says of so many pages from addr on. */
static void read_pagemap(uintptr_t addr, unsigned nr, uint64_t *ret_entries) {
    size_t len = nr * sizeof(*ret_entries);

    MM_ASSERT(rt.machine, sys4(SYS_pread64, pagemap_fd, ret_entries, len,
                               (addr >> PAGE_SHIFT) * sizeof(*ret_entries)) == (long)len);
}

/*
 * Linux 6.18 forgets pages that it has moved, where it had to try them twice (somebody touched them meanwhile, or moved
 * others of the same mapping): it comes across its own work, and says that something is there already. How many pages
 * have gone from the one place and are in the other?
 */
static size_t moved_unsaid(uintptr_t to, uintptr_t from, size_t len) {
    uint64_t there[PTRS_PER_TABLE], here[PTRS_PER_TABLE];
    unsigned nr = (unsigned)(len / PAGE_SIZE), done = 0;

    if (nr > PTRS_PER_TABLE)
        nr = PTRS_PER_TABLE;
    read_pagemap(to, nr, there);
    read_pagemap(from, nr, here);
    while (done < nr && there[done] & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED) &&
           !(here[done] & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED)))
        done++;
    return done * PAGE_SIZE;
}

static long move(struct move_request *request) {
    long result = sys3(SYS_ioctl, rt.uffd, UFFDIO_MOVE_, request);

    if (result == 0)
        return (long)request->len;
    return request->moved > 0 ? (long)request->moved : result;
}

/* As such a kernel, for tests: now and then only the first half is told, or nothing. */
static long move_unsaid(struct move_request *request) {
    static _Atomic uint32_t calls;
    uint32_t call = atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    struct move_request rest = *request;
    size_t half = call % 2 ? request->len / 2 & PAGE_MASK : 0;
    long told = 0;

    if (call % 5 == 0) {
        if (half) {
            request->len = half;
            told = move(request);
        }
        if (told != (long)half)
            return told;
        rest.to += half;
        rest.from += half;
        rest.len -= half;
        rest.mode |= MOVE_DONTWAKE;
        move(&rest);
    }
    return told ? told : move(request);
}

long uffd_move(uintptr_t to, uintptr_t from, size_t len, bool allow_holes, bool wake) {
    struct move_request request = {.to = to,
                                   .from = from,
                                   .len = len,
                                   .mode = (allow_holes ? MOVE_ALLOW_SRC_HOLES : 0) | (wake ? 0 : MOVE_DONTWAKE)};
    long result = rt.config.lose_moves ? move_unsaid(&request) : move(&request);
    size_t told = result > 0 ? (size_t)result : 0, unsaid;

    /* Why it has stopped short only the next call would say. */
    if (told == len || (result < 0 && result != -EEXIST))
        return result;
    unsaid = moved_unsaid(to + told, from + told, len - told);
    if (unsaid && wake)
        uffd_wake(to + told, unsaid);
    return told + unsaid ? (long)(told + unsaid) : result;
}

int uffd_protect(uintptr_t start, size_t len) {
    struct uffdio_writeprotect request = {.range = {.start = start, .len = len}, .mode = UFFDIO_WRITEPROTECT_MODE_WP};

    return (int)sys3(SYS_ioctl, rt.uffd, UFFDIO_WRITEPROTECT, &request);
}

int uffd_poison(int fd, uintptr_t start, size_t len) {
    struct poison_request request = {.start = start, .len = len, .mode = 0};

    return (int)sys3(SYS_ioctl, fd, UFFDIO_POISON_, &request);
}

int uffd_unprotect(uintptr_t start, size_t len) {
    struct uffdio_writeprotect request = {.range = {.start = start, .len = len}, .mode = 0};

    return (int)sys3(SYS_ioctl, rt.uffd, UFFDIO_WRITEPROTECT, &request);
}
