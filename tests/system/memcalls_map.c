/* SPDX-License-Identifier: MIT */
/*
 * memcalls_map.c - mmap, munmap, mprotect and mremap.
 */
#include "memcalls.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)

static unsigned char *at(const struct region *region, size_t page) {
    return region->base + page * PAGE;
}

int case_errno(void) {
    struct region r = region_map(64, 1);
    const size_t huge = SIZE_MAX & ~(PAGE - 1);

    region_fill(&r, 0);
    EXPECT_ERRNO(mmap(NULL, 0, RW, ANON, -1, 0), EINVAL);
    EXPECT_ERRNO(mmap(NULL, SIZE_MAX, RW, ANON, -1, 0), ENOMEM);
    EXPECT_ERRNO(mmap(NULL, huge, PROT_NONE, ANON | MAP_NORESERVE, -1, 0), ENOMEM);
    EXPECT_ERRNO(mmap(NULL, PAGE, RW, ANON, -1, 100), EINVAL);
    EXPECT_ERRNO(mmap(at(&r, 1) + 1, PAGE, RW, ANON | MAP_FIXED, -1, 0), EINVAL);
    EXPECT_ERRNO(mmap(at(&r, 1), PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
    EXPECT_ERRNO(mmap(at(&r, 1), PAGE, RW, MAP_PRIVATE | MAP_FIXED, -1, 0), EBADF);

    EXPECT_ERRNO(munmap(at(&r, 1) + 1, PAGE), EINVAL);
    EXPECT_ERRNO(munmap(at(&r, 1), 0), EINVAL);
    EXPECT_ERRNO(munmap(at(&r, 1), huge), EINVAL);

    EXPECT_ERRNO(mprotect(at(&r, 1) + 1, PAGE, RW), EINVAL);
    EXPECT_ERRNO(mprotect(at(&r, 1), PAGE, 0x100), EINVAL);
    EXPECT(mprotect(at(&r, 1), 0, PROT_NONE) == 0);

    EXPECT_ERRNO(mremap(at(&r, 1) + 1, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EINVAL);
    EXPECT_ERRNO(mremap(at(&r, 1), PAGE, 0, MREMAP_MAYMOVE), EINVAL);
    EXPECT_ERRNO(mremap(at(&r, 1), 0, PAGE, MREMAP_MAYMOVE), EINVAL);
    EXPECT_ERRNO(mremap(at(&r, 1), PAGE, PAGE, MREMAP_FIXED, at(&r, 8)), EINVAL);
    EXPECT_ERRNO(mremap(at(&r, 1), 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at(&r, 3)), EINVAL);
    EXPECT_ERRNO(mremap(at(&r, 1), PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL), EINVAL);
    EXPECT_ERRNO(mremap(at(&r, 1), 2 * PAGE, 3 * PAGE, 0), ENOMEM);

    EXPECT_ERRNO(madvise(at(&r, 1) + 1, PAGE, MADV_DONTNEED), EINVAL);
    EXPECT_ERRNO(madvise(at(&r, 1), PAGE, 4711), EINVAL);
    EXPECT_ERRNO(madvise(at(&r, 1), huge, MADV_DONTNEED), EINVAL);
    EXPECT(madvise(at(&r, 1), 0, MADV_DONTNEED) == 0);
    EXPECT(posix_madvise(at(&r, 1), PAGE, POSIX_MADV_DONTNEED) == 0);
    EXPECT(posix_madvise(at(&r, 1) + 1, PAGE, POSIX_MADV_NORMAL) == EINVAL);

    /* With holes: mprotect stops at the first, mlock and mincore refuse. */
    EXPECT(munmap(at(&r, 32), PAGE) == 0);
    EXPECT_ERRNO(mprotect(at(&r, 31), 3 * PAGE, PROT_READ), ENOMEM);
    EXPECT(touch_signal(at(&r, 31), true) == SIGSEGV && touch_signal(at(&r, 33), false) == 0);
    EXPECT_ERRNO(mlock(at(&r, 31), 3 * PAGE), ENOMEM);
    EXPECT_ERRNO(mremap(at(&r, 30), 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE), EFAULT);
    EXPECT_ERRNO(mremap(at(&r, 32), PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
    EXPECT(touch_signal(at(&r, 32), false) == SIGSEGV);
    EXPECT(region_wrong_part(&r, 0, 0, 32) == 0 && region_wrong_part(&r, 0, 33, 31) == 0);
    /* Nothing mapped is no error to munmap. */
    EXPECT(munmap(at(&r, 32), PAGE) == 0);
    EXPECT(munmap(r.base, 64 * PAGE) == 0);
    return 0;
}

int case_fixed(void) {
    struct region r = filled_region(5000);
    size_t half = r.pages / 2;

    /* Over the middle: zeros there, the rest as it was. */
    EXPECT(mmap(at(&r, half), 700 * PAGE, RW, ANON | MAP_FIXED, -1, 0) == at(&r, half));
    EXPECT(pattern_not_zero(at(&r, half), 700 * PAGE) == 0);
    EXPECT(region_wrong_part(&r, 0, 0, half) == 0);
    EXPECT(region_wrong_part(&r, 0, half + 700, r.pages - half - 700) == 0);
    region_fill_part(&r, 0, half, 700);
    EXPECT(push_out() == 0);
    EXPECT(region_wrong(&r, 0) == 0);

    /* Into a hole: where it is asked for, by each of the three ways. */
    for (int way = 0; way < 3; way++) {
        int flags = way == 0 ? 0 : way == 1 ? MAP_FIXED : MAP_FIXED_NOREPLACE;

        EXPECT(munmap(at(&r, 1000), 100 * PAGE) == 0);
        EXPECT(touch_signal(at(&r, 1050), false) == SIGSEGV);
        EXPECT(mmap(at(&r, 1000), 100 * PAGE, RW, ANON | flags, -1, 0) == at(&r, 1000));
        EXPECT(pattern_not_zero(at(&r, 1000), 100 * PAGE) == 0);
        region_fill_part(&r, 0, 1000, 100);
    }
    /* A hint that is taken moves the mapping elsewhere and harms nobody. */
    unsigned char *other = mmap(at(&r, 2000), 100 * PAGE, RW, ANON, -1, 0);
    EXPECT(other != MAP_FAILED && (other + 100 * PAGE <= r.base || other >= at(&r, r.pages)));
    memset(other, 1, 100 * PAGE);
    EXPECT(push_out() == 0);
    EXPECT(region_wrong(&r, 0) == 0);
    return 0;
}

int case_foreign(void) {
    struct region r = filled_region(6000);
    struct region file = {at(&r, 3000), 500, 900};
    int fd = filled_file(500, 900);
    unsigned char page[PATTERN_PAGE];

    EXPECT(fd >= 0);
    for (int shared = 0; shared < 2; shared++) {
        EXPECT(mmap(file.base, 500 * PAGE, RW, MAP_FIXED | (shared ? MAP_SHARED : MAP_PRIVATE), fd, 0) == file.base);
        EXPECT(region_wrong(&file, 7) == 0);
        EXPECT(region_wrong_part(&r, 0, 0, 3000) == 0);
        EXPECT(region_wrong_part(&r, 0, 3500, r.pages - 3500) == 0);
        region_fill_part(&file, 8, 100, 1);
        EXPECT(pread(fd, page, PAGE, 100 * (off_t)PAGE) == (ssize_t)PAGE);
        EXPECT(pattern_wrong(page, 1000, shared ? 8 : 7) == 0);
        /* Linux's own calls on it, alone and together with its neighbours. */
        EXPECT(mprotect(at(&r, 2990), 520 * PAGE, PROT_READ) == 0);
        EXPECT(touch_signal(file.base, true) == SIGSEGV && touch_signal(at(&r, 2995), true) == SIGSEGV);
        EXPECT(mprotect(at(&r, 2990), 520 * PAGE, RW) == 0);
        EXPECT(madvise(at(&r, 3499), 2 * PAGE, MADV_WILLNEED) == 0);
        EXPECT(mlock(file.base, 10 * PAGE) == 0 && mlock(at(&r, 2990), 20 * PAGE) == 0);
        EXPECT(mlock2(at(&r, 2990), 20 * PAGE, MLOCK_ONFAULT) == 0 && munlock(at(&r, 2990), 20 * PAGE) == 0);
        /* Half of it goes, together with what lies before; anonymous memory comes in its place. */
        EXPECT(munmap(at(&r, 2900), 350 * PAGE) == 0);
        EXPECT(touch_signal(at(&r, 3100), false) == SIGSEGV && touch_signal(at(&r, 3250), false) == 0);
        EXPECT(mmap(at(&r, 2900), 350 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == at(&r, 2900));
        EXPECT(mmap(at(&r, 3250), 250 * PAGE, RW, ANON | MAP_FIXED, -1, 0) == at(&r, 3250));
        EXPECT(pattern_not_zero(at(&r, 2900), 600 * PAGE) == 0);
        region_fill_part(&r, 0, 2900, 600);
        EXPECT(push_out() == 0);
        EXPECT(region_wrong(&r, 0) == 0);
        region_fill_part(&file, 7, 100, 0);
    }
    /* A mapping that fails leaves what was there. */
    EXPECT_ERRNO(mmap(file.base, PAGE, RW, MAP_SHARED | MAP_FIXED, 12345, 0), EBADF);
    EXPECT(region_wrong(&r, 0) == 0);
    EXPECT(mmap(file.base, PAGE, RW, ANON | MAP_FIXED, -1, 0) == file.base);
    EXPECT(pattern_not_zero(file.base, PAGE) == 0);
    /* A file mapping that is moved away from within. */
    EXPECT(mmap(file.base, 4 * PAGE, PROT_READ, MAP_FIXED | MAP_PRIVATE, fd, 0) == file.base);
    unsigned char *moved = mremap(file.base, 4 * PAGE, 300 * PAGE, MREMAP_MAYMOVE);
    EXPECT(moved != MAP_FAILED && pattern_wrong(moved + 200 * PAGE, 1100, 7) == 0);
    EXPECT(touch_signal(file.base, false) == SIGSEGV);
    EXPECT(mmap(file.base, 4 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == file.base);
    region_fill_part(&r, 0, 3000, 4);
    EXPECT(region_wrong(&r, 0) == 0);
    return 0;
}

int case_exec(void) {
#ifdef __x86_64__
    struct region r = filled_region(7000);

    /* mov eax, page; ret - in every fifth page. */
    for (size_t page = 0; page < r.pages; page += 5) {
        unsigned char code[6] = {0xb8, (unsigned char)page, (unsigned char)(page >> 8), (unsigned char)(page >> 16), 0,
                                 0xc3};

        memcpy(at(&r, page), code, sizeof(code));
    }
    EXPECT(mprotect(r.base, r.pages * PAGE, PROT_READ | PROT_EXEC) == 0);
    EXPECT(push_out() == 0);
    for (int round = 0; round < 2; round++)
        for (size_t page = 0; page < r.pages; page += 5) {
            unsigned (*function)(void);
            void *code = at(&r, page);

            memcpy(&function, &code, sizeof(function));
            EXPECT(function() == page);
        }
    EXPECT(touch_signal(r.base, true) == SIGSEGV);
    for (size_t page = 0; page < r.pages; page++)
        if (page % 5)
            EXPECT(region_wrong_part(&r, 0, page, 1) == 0);
#endif
    return 0;
}

int case_reservation(void) {
    size_t reserved = (size_t)8 << 30, step = (size_t)61 << 20;
    unsigned char *base = mmap(NULL, reserved, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
    size_t part = case_pages / (reserved / step + 1), vast = (size_t)3 << 40;
    void *addresses = mmap(NULL, vast, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);

    EXPECT(base != MAP_FAILED);
    /* More than the managed range has. */
    EXPECT(addresses != MAP_FAILED && munmap(addresses, vast) == 0);
    EXPECT(touch_signal(base + step / 2, false) == SIGSEGV);
    for (size_t i = 0; (i + 1) * step <= reserved; i++) {
        struct region r = {base + i * step, part, i * 100000};

        EXPECT(mprotect(r.base, part * PAGE, RW) == 0);
        region_fill(&r, 0);
    }
    /* Closed and opened again, the bytes are there; closed memory is not to be touched, evicted or not. */
    for (size_t i = 0; (i + 1) * step <= reserved; i++) {
        struct region r = {base + i * step, part, i * 100000};

        EXPECT(touch_signal(r.base + part * PAGE, false) == SIGSEGV);
        EXPECT(mprotect(r.base, part * PAGE, PROT_NONE) == 0);
        EXPECT(touch_signal(r.base, false) == SIGSEGV);
    }
    EXPECT(push_out() == 0);
    for (size_t i = 0; (i + 1) * step <= reserved; i++) {
        struct region r = {base + i * step, part, i * 100000};

        EXPECT(mprotect(r.base, part * PAGE, PROT_READ) == 0);
        EXPECT(region_wrong(&r, 0) == 0);
        EXPECT(touch_signal(r.base, true) == SIGSEGV);
        EXPECT(madvise(r.base, part * PAGE, MADV_DONTNEED) == 0);
        EXPECT(pattern_not_zero(r.base, part * PAGE) == 0);
    }
    EXPECT(munmap(base, reserved) == 0);
    return 0;
}

int case_mremap_fixed(void) {
    struct region a = filled_region(10000), b = filled_region(90000);
    size_t n = a.pages / 4;
    unsigned char *grown;

    /* a's second quarter onto b's third. */
    EXPECT(mremap(at(&a, n), n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at(&b, 2 * n)) == at(&b, 2 * n));
    struct region moved = {at(&b, 2 * n), n, a.seed + n};
    EXPECT(region_wrong(&moved, 0) == 0);
    EXPECT(region_wrong_part(&b, 0, 0, 2 * n) == 0 && region_wrong_part(&b, 0, 3 * n, b.pages - 3 * n) == 0);
    EXPECT(region_wrong_part(&a, 0, 0, n) == 0 && region_wrong_part(&a, 0, 2 * n, a.pages - 2 * n) == 0);
    EXPECT(touch_signal(at(&a, n), false) == SIGSEGV && touch_signal(at(&a, 2 * n - 1), false) == SIGSEGV);

    /* What has been moved pages like anything else, and moves again. */
    region_fill(&moved, 1);
    EXPECT(push_out() == 0);
    EXPECT(region_wrong(&moved, 1) == 0);
    EXPECT(mremap(moved.base, n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at(&a, n)) == at(&a, n));
    moved.base = at(&a, n);
    EXPECT(region_wrong(&moved, 1) == 0);

    /* Left mapped, the old range reads as zeros and takes new bytes. */
    EXPECT(push_out() == 0);
    unsigned char *copy = mremap(moved.base, n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
    EXPECT(copy != MAP_FAILED && copy != moved.base);
    struct region second = {copy, n, moved.seed};
    EXPECT(pattern_not_zero(moved.base, n * PAGE) == 0);
    region_fill(&moved, 2);
    EXPECT(push_out() == 0);
    EXPECT(region_wrong(&second, 1) == 0 && region_wrong(&moved, 2) == 0);

    /* Grown after moving, in place or not; shrunk. */
    grown = mremap(second.base, n * PAGE, 2 * n * PAGE, MREMAP_MAYMOVE);
    EXPECT(grown != MAP_FAILED);
    second.base = grown;
    EXPECT(region_wrong(&second, 1) == 0 && pattern_not_zero(grown + n * PAGE, n * PAGE) == 0);
    grown = mremap(grown, 2 * n * PAGE, 3 * n * PAGE, MREMAP_MAYMOVE);
    EXPECT(grown != MAP_FAILED);
    second.base = grown;
    second.pages = 3 * n;
    region_fill(&second, 3);
    EXPECT(push_out() == 0);
    EXPECT(region_wrong(&second, 3) == 0);
    EXPECT(mremap(grown, 3 * n * PAGE, 5 * PAGE, 0) == grown);
    EXPECT(touch_signal(grown + 5 * PAGE, false) == SIGSEGV && region_wrong_part(&second, 3, 0, 5) == 0);
    EXPECT(munmap(grown, 5 * PAGE) == 0);

    /* A read-only mapping moves as it is. */
    EXPECT(mprotect(at(&a, 0), n * PAGE, PROT_READ) == 0);
    EXPECT(push_out() == 0);
    grown = mremap(a.base, n * PAGE, 3 * n * PAGE, MREMAP_MAYMOVE);
    struct region read_only = {grown, n, a.seed};
    EXPECT(grown != MAP_FAILED && region_wrong(&read_only, 0) == 0 && touch_signal(grown, true) == SIGSEGV);
    EXPECT(region_wrong_part(&a, 0, 2 * n, a.pages - 2 * n) == 0);
    return 0;
}

int case_mremap_out(void) {
    struct region r = filled_region(11000);
    int fd = filled_file(300, 1);
    size_t n = 250;
    unsigned char *outside = mmap(NULL, 300 * PAGE, RW, MAP_SHARED, fd, 0);
    struct region file = {outside, 300, 1}, moved = {outside, n, r.seed + 100};

    /* Anonymous memory onto what was a file's. */
    EXPECT(outside != MAP_FAILED);
    EXPECT(mremap(at(&r, 100), n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, outside) == outside);
    EXPECT(region_wrong(&moved, 0) == 0);
    EXPECT(region_wrong_part(&file, 7, n, 50) == 0);
    EXPECT(touch_signal(at(&r, 100), false) == SIGSEGV && touch_signal(at(&r, 99 + n), false) == SIGSEGV);

    /* And a file onto anonymous memory. */
    EXPECT(mremap(outside + n * PAGE, 50 * PAGE, 50 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at(&r, 2000)) ==
           at(&r, 2000));
    struct region inside = {at(&r, 2000), 50, 1 + n};
    EXPECT(region_wrong(&inside, 7) == 0);
    EXPECT(mmap(at(&r, 2000), 50 * PAGE, RW, ANON | MAP_FIXED, -1, 0) == at(&r, 2000));
    EXPECT(mmap(at(&r, 100), n * PAGE, RW, ANON | MAP_FIXED, -1, 0) == at(&r, 100));
    EXPECT(pattern_not_zero(at(&r, 100), n * PAGE) == 0);
    region_fill_part(&r, 0, 2000, 50);
    region_fill_part(&r, 0, 100, n);
    EXPECT(push_out() == 0);
    EXPECT(region_wrong(&r, 0) == 0 && region_wrong(&moved, 0) == 0);
    return 0;
}

int case_many(void) {
    enum { AREAS = 6000 };
    size_t pages = case_pages / AREAS + 2;
    unsigned char *base = mmap(NULL, AREAS * pages * PAGE, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);

    /* Areas of their own: open ones between closed ones. */
    EXPECT(base != MAP_FAILED);
    for (size_t i = 0; i < AREAS; i++) {
        struct region r = {base + i * pages * PAGE, pages - 1, i * 1000};

        EXPECT(mprotect(r.base, r.pages * PAGE, RW) == 0);
        region_fill(&r, 0);
    }
    EXPECT(push_out() == 0);
    for (size_t i = 0; i < AREAS; i++) {
        struct region r = {base + i * pages * PAGE, pages - 1, i * 1000};

        EXPECT(region_wrong(&r, 0) == 0);
        if (i % 3 == 0)
            EXPECT(munmap(r.base, pages * PAGE) == 0);
        if (i % 3 == 1)
            EXPECT(mprotect(r.base, r.pages * PAGE, PROT_READ) == 0);
    }
    for (size_t i = 0; i < AREAS; i++) {
        struct region r = {base + i * pages * PAGE, pages - 1, i * 1000};

        EXPECT(touch_signal(r.base, false) == (i % 3 == 0 ? SIGSEGV : 0));
        EXPECT(touch_signal(r.base + r.pages * PAGE, false) == SIGSEGV);
        if (i % 3 == 0) {
            EXPECT(mmap(r.base, r.pages * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == r.base);
            EXPECT(pattern_not_zero(r.base, r.pages * PAGE) == 0);
            region_fill(&r, 0);
        }
    }
    EXPECT(mprotect(base, AREAS * pages * PAGE - PAGE, RW) == -1 && errno == ENOMEM);
    for (size_t i = 0; i < AREAS; i++) {
        struct region r = {base + i * pages * PAGE, pages - 1, i * 1000};

        EXPECT(region_wrong(&r, 0) == 0);
    }
    EXPECT(munmap(base, AREAS * pages * PAGE) == 0);
    EXPECT(touch_signal(base + PAGE, false) == SIGSEGV);
    return 0;
}
