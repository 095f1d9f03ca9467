/* SPDX-License-Identifier: MIT */
/*
 * evicted_maps.c - system calls that change the mapping of evicted memory.
 */
#include "evicted.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static sigjmp_buf fault_return;

static void on_fault(int signo) {
    siglongjmp(fault_return, signo);
}

/* The signal that a touch of this byte raises; 0 if it goes through. */
static int touch_signal(unsigned char *byte, bool write) {
    struct sigaction action = {.sa_handler = on_fault}, old_segv, old_bus;
    int signo;

    sigaction(SIGSEGV, &action, &old_segv);
    sigaction(SIGBUS, &action, &old_bus);
    signo = sigsetjmp(fault_return, 1);
    if (signo == 0) {
        if (write)
            *(volatile unsigned char *)byte = 1;
        else
            (void)*(volatile unsigned char *)byte;
    }
    sigaction(SIGSEGV, &old_segv, NULL);
    sigaction(SIGBUS, &old_bus, NULL);
    return signo;
}

static unsigned char *page_at(const struct evicted *e, size_t page) {
    return e->region.base + page * PATTERN_PAGE;
}

/* Every twentieth block of 7 pages from page 5 on, in the cases below. */
static bool in_piece(size_t page) {
    return page >= 5 && (page - 5) % 140 < 7;
}

static size_t piece_first(size_t piece) {
    return 5 + piece * 140;
}

static size_t nr_pieces(const struct evicted *e) {
    return (e->region.pages - 12) / 140;
}

int case_dontneed(struct evicted *e) {
    size_t end = piece_first(nr_pieces(e));

    for (size_t i = 0; i < nr_pieces(e); i++)
        EXPECT(madvise(page_at(e, piece_first(i)), 7 * PATTERN_PAGE, MADV_DONTNEED) == 0);
    for (size_t page = 0; page < end; page++) {
        if (in_piece(page))
            EXPECT(pattern_not_zero(page_at(e, page), PATTERN_PAGE) == 0);
        else
            EXPECT(region_wrong_part(&e->region, 0, page, 1) == 0);
    }
    region_fill(&e->region, 1);
    EXPECT(region_wrong(&e->region, 1) == 0);
    /* All at once, and again while it is empty. */
    EXPECT(madvise(e->region.base, e->region.pages * PATTERN_PAGE, MADV_DONTNEED) == 0);
    EXPECT(madvise(e->region.base, e->region.pages * PATTERN_PAGE, MADV_DONTNEED) == 0);
    EXPECT(pattern_not_zero(e->region.base, e->region.pages * PATTERN_PAGE) == 0);
    region_fill(&e->region, 2);
    EXPECT(region_wrong(&e->region, 2) == 0);
    return 0;
}

int case_madv_free(struct evicted *e) {
    size_t end = piece_first(nr_pieces(e));

    for (size_t i = 0; i < nr_pieces(e); i++) {
        EXPECT(madvise(page_at(e, piece_first(i)), 7 * PATTERN_PAGE, MADV_FREE) == 0);
        /* What is written after the advice stays. */
        region_fill_part(&e->region, 1, piece_first(i), 2);
    }
    EXPECT(evicted_push_out(e) == 0);
    for (size_t page = 0; page < end; page++) {
        unsigned char *bytes = page_at(e, page);

        if (!in_piece(page))
            EXPECT(region_wrong_part(&e->region, 0, page, 1) == 0);
        else if ((page - 5) % 140 < 2)
            EXPECT(region_wrong_part(&e->region, 1, page, 1) == 0);
        else /* a page is kept or gone, never something between */
            EXPECT(pattern_not_zero(bytes, PATTERN_PAGE) == 0 || pattern_wrong(bytes, e->region.seed + page, 0) == 0);
    }
    region_fill(&e->region, 2);
    EXPECT(region_wrong(&e->region, 2) == 0);
    return 0;
}

int case_mremap(struct evicted *e) {
    size_t pages = e->region.pages, more = pages / 4, bytes = pages * PATTERN_PAGE, middle = pages / 3, nr = pages / 5;
    struct region grown = {.pages = pages, .seed = e->region.seed}, part = {.pages = nr};
    unsigned char *room;

    /* Cannot grow where it is with a page of another's behind it, so it moves. */
    EXPECT(mmap(e->region.base + bytes, PATTERN_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
                0) != MAP_FAILED ||
           errno == EEXIST);
    grown.base = mremap(e->region.base, bytes, bytes + more * PATTERN_PAGE, MREMAP_MAYMOVE);
    EXPECT(grown.base != MAP_FAILED && grown.base != e->region.base);
    EXPECT(region_wrong(&grown, 0) == 0);
    EXPECT(pattern_not_zero(grown.base + bytes, more * PATTERN_PAGE) == 0);
    EXPECT(touch_signal(e->region.base, false) == SIGSEGV);
    grown.pages += more;
    region_fill_part(&grown, 0, pages, more);

    /* A piece out of the middle to a place of our choice. */
    room = mmap(NULL, nr * PATTERN_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT(room != MAP_FAILED);
    memset(room, 0x5a, nr * PATTERN_PAGE);
    part.base = mremap(grown.base + middle * PATTERN_PAGE, nr * PATTERN_PAGE, nr * PATTERN_PAGE,
                       MREMAP_MAYMOVE | MREMAP_FIXED, room);
    part.seed = grown.seed + middle;
    EXPECT(part.base == room);
    EXPECT(region_wrong(&part, 0) == 0);
    EXPECT(region_wrong_part(&grown, 0, 0, middle) == 0);
    EXPECT(region_wrong_part(&grown, 0, middle + nr, grown.pages - middle - nr) == 0);
    EXPECT(touch_signal(grown.base + middle * PATTERN_PAGE, false) == SIGSEGV);
    EXPECT(touch_signal(grown.base + (middle + nr - 1) * PATTERN_PAGE, true) == SIGSEGV);

    /* Shrunk, where it is. */
    EXPECT(mremap(part.base, nr * PATTERN_PAGE, nr / 2 * PATTERN_PAGE, 0) == part.base);
    part.pages = nr / 2;
    EXPECT(region_wrong(&part, 0) == 0);
    EXPECT(touch_signal(part.base + part.pages * PATTERN_PAGE, false) == SIGSEGV);

    /* Moved without unmapping: what is left behind reads as zero. */
    room = mremap(part.base, part.pages * PATTERN_PAGE, part.pages * PATTERN_PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP,
                  NULL);
    EXPECT(room != MAP_FAILED && room != part.base);
    EXPECT(pattern_not_zero(part.base, part.pages * PATTERN_PAGE) == 0);
    part.base = room;
    EXPECT(region_wrong(&part, 0) == 0);
    region_fill(&part, 1);
    EXPECT(region_wrong(&part, 1) == 0);
    EXPECT(region_wrong_part(&grown, 0, 0, middle) == 0);
    return 0;
}

int case_mprotect(struct evicted *e) {
    size_t pages = e->region.pages, third = pages / 3;
    unsigned char *middle = page_at(e, third);
    struct region reserved = {.pages = third, .seed = 99};

    /* Read-only and back. */
    EXPECT(mprotect(middle, third * PATTERN_PAGE, PROT_READ) == 0);
    EXPECT(touch_signal(middle, true) == SIGSEGV);
    EXPECT(touch_signal(middle + (third - 1) * PATTERN_PAGE, true) == SIGSEGV);
    EXPECT(region_wrong(&e->region, 0) == 0);
    EXPECT(evicted_push_out(e) == 0);
    EXPECT(region_wrong(&e->region, 0) == 0);
    EXPECT(touch_signal(middle + 10 * PATTERN_PAGE, true) == SIGSEGV);
    EXPECT(mprotect(middle, third * PATTERN_PAGE, PROT_READ | PROT_WRITE) == 0);
    EXPECT(region_wrong(&e->region, 0) == 0);
    region_fill(&e->region, 1);
    EXPECT(region_wrong(&e->region, 1) == 0);

    /* Out of reach and back, evicted meanwhile; the neighbours stay as they are. */
    EXPECT(mprotect(middle, third * PATTERN_PAGE, PROT_NONE) == 0);
    EXPECT(touch_signal(middle, false) == SIGSEGV);
    EXPECT(touch_signal(middle - PATTERN_PAGE, false) == 0);
    EXPECT(evicted_push_out(e) == 0);
    EXPECT(touch_signal(middle + PATTERN_PAGE, false) == SIGSEGV);
    EXPECT(mprotect(middle, third * PATTERN_PAGE, PROT_READ | PROT_WRITE) == 0);
    EXPECT(region_wrong(&e->region, 1) == 0);

    /* Reserved first, opened piece by piece. */
    reserved.base = mmap(NULL, third * PATTERN_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    EXPECT(reserved.base != MAP_FAILED);
    EXPECT(touch_signal(reserved.base, false) == SIGSEGV);
    for (size_t i = 0; i < third; i++) {
        EXPECT(mprotect(reserved.base + i * PATTERN_PAGE, PATTERN_PAGE, PROT_READ | PROT_WRITE) == 0);
        region_fill_part(&reserved, 0, i, 1);
    }
    EXPECT(region_wrong(&reserved, 0) == 0);

#if defined(__x86_64__)
    { /* Written, closed to writing, evicted, run: mov $42, %eax; ret. */
        static const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3};
        int (*function)(void);

        memcpy(&function, &reserved.base, sizeof(function));
        memcpy(reserved.base, code, sizeof(code));
        EXPECT(mprotect(reserved.base, PATTERN_PAGE, PROT_READ | PROT_EXEC) == 0);
        EXPECT(function() == 42);
        EXPECT(evicted_push_out(e) == 0);
        EXPECT(function() == 42);
        EXPECT(touch_signal(reserved.base, true) == SIGSEGV);
    }
#endif
    return 0;
}

int case_mlock(struct evicted *e) {
    size_t first = e->region.pages / 2, nr = 512;
    unsigned char *locked = page_at(e, first);

    if (mlock(locked, nr * PATTERN_PAGE) != 0) {
        printf("mlock of 2 MiB: %m\n");
        return errno == EPERM || errno == ENOMEM ? CASE_SKIPPED : 1;
    }
    for (int round = 0; round < 3; round++) {
        unsigned char vec[512];

        EXPECT(mincore(locked, nr * PATTERN_PAGE, vec) == 0);
        for (size_t i = 0; i < nr; i++) {
            EXPECT(evicted_is_resident(locked + i * PATTERN_PAGE));
            EXPECT(vec[i] & 1);
        }
        EXPECT(region_wrong_part(&e->region, 0, first, nr) == 0);
        EXPECT(evicted_push_out(e) == 0);
    }
    /* A lock dies with its mapping. */
    EXPECT(munmap(locked, nr * PATTERN_PAGE) == 0);
    EXPECT(region_wrong_part(&e->region, 0, 0, first) == 0);
    EXPECT(region_wrong_part(&e->region, 0, first + nr, e->region.pages - first - nr) == 0);
    return 0;
}

int case_munlock(struct evicted *e) {
    size_t nr = 512;

    /* Pieces in turn: all of them together would be more than there is. */
    for (size_t first = 0; first + nr <= e->region.pages; first += nr) {
        if (mlock(page_at(e, first), nr * PATTERN_PAGE) != 0) {
            printf("mlock of 2 MiB: %m\n");
            return errno == EPERM || errno == ENOMEM ? CASE_SKIPPED : 1;
        }
        EXPECT(evicted_is_resident(page_at(e, first)));
        region_fill_part(&e->region, 1, first, nr / 2);
        EXPECT(munlock(page_at(e, first), nr * PATTERN_PAGE) == 0);
    }
    EXPECT(evicted_push_out(e) == 0);
    for (size_t first = 0; first + nr <= e->region.pages; first += nr) {
        EXPECT(region_wrong_part(&e->region, 1, first, nr / 2) == 0);
        EXPECT(region_wrong_part(&e->region, 0, first + nr / 2, nr / 2) == 0);
    }
    return 0;
}

int case_munmap_middle(struct evicted *e) {
    size_t end = piece_first(nr_pieces(e));

    for (size_t i = 0; i < nr_pieces(e); i++)
        EXPECT(munmap(page_at(e, piece_first(i)), 7 * PATTERN_PAGE) == 0);
    for (size_t page = 0; page < end; page++) {
        if (in_piece(page))
            EXPECT(touch_signal(page_at(e, page), page & 1) == SIGSEGV);
        else
            EXPECT(region_wrong_part(&e->region, 0, page, 1) == 0);
    }
    /* Mapped anew it is new. */
    for (size_t i = 0; i < nr_pieces(e); i++) {
        unsigned char *piece = page_at(e, piece_first(i));

        EXPECT(mmap(piece, 7 * PATTERN_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
               piece);
        EXPECT(pattern_not_zero(piece, 7 * PATTERN_PAGE) == 0);
    }
    region_fill(&e->region, 1);
    EXPECT(region_wrong(&e->region, 1) == 0);
    /* Over what is there, without unmapping it first. */
    EXPECT(mmap(page_at(e, 50), 300 * PATTERN_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                0) == page_at(e, 50));
    EXPECT(pattern_not_zero(page_at(e, 50), 300 * PATTERN_PAGE) == 0);
    EXPECT(region_wrong_part(&e->region, 1, 0, 50) == 0);
    EXPECT(region_wrong_part(&e->region, 1, 350, e->region.pages - 350) == 0);
    return 0;
}

/* Pages that have been marked cold are touched again, one here and one there, and none twice. */
int case_cold(struct evicted *e) {
    for (int turn = 0; turn < 3; turn++) {
        EXPECT(madvise(e->region.base, e->region.pages * PATTERN_PAGE, MADV_COLD) == 0);
        for (size_t i = 0, page = 0; i < e->region.pages; i++) {
            page = (page + 7919) % e->region.pages;
            EXPECT(region_wrong_part(&e->region, 0, page, 1) == 0);
        }
        usleep(200000);
    }
    return 0;
}
