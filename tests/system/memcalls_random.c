/* SPDX-License-Identifier: MIT */
/*
 * memcalls_random.c - random calls on a window of memory, against a model that knows for each page whether it is
 * mapped, what may be done to it, and which bytes it has.
 */
#include "memcalls.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define WINDOW 4096u
#define STEPS 12000
#define RW (PROT_READ | PROT_WRITE)

/* bytes: 0 zeros, else the index that pattern_fill was given. */
struct page_model {
    bool mapped;
    int prot;
    uint64_t bytes;
};

static struct page_model model[WINDOW];
static unsigned char *window;
static uint64_t random_state, next_bytes = 1;

static size_t below(size_t limit) {
    return (size_t)(pattern_next(&random_state) % limit);
}

static void *at(size_t page) {
    return window + page * PAGE;
}

static int check_page(size_t page) {
    const struct page_model *p = &model[page];

    if (!p->mapped || p->prot == PROT_NONE) {
        EXPECT(touch_signal(at(page), false) == SIGSEGV);
        return 0;
    }
    if (p->bytes ? pattern_wrong(at(page), p->bytes, 0) : pattern_not_zero(at(page), PAGE)) {
        fprintf(stderr, "page %zu of the window has not the bytes of index %llu\n", page, (unsigned long long)p->bytes);
        return 1;
    }
    return 0;
}

static int check_all(void) {
    for (size_t page = 0; page < WINDOW; page++)
        if (check_page(page) != 0)
            return 1;
    return 0;
}

static void model_set(size_t from, size_t nr, struct page_model value) {
    for (size_t page = from; page < from + nr; page++)
        model[page] = value;
}

static bool all_mapped(size_t from, size_t nr) {
    for (size_t page = from; page < from + nr; page++)
        if (!model[page].mapped)
            return false;
    return true;
}

/* Of one mapping only, which is all that mremap has to take. */
static bool all_alike(size_t from, size_t nr) {
    for (size_t page = from; page < from + nr; page++)
        if (!model[page].mapped || model[page].prot != model[from].prot)
            return false;
    return true;
}

static int step_write(size_t from, size_t nr) {
    for (size_t page = from; page < from + nr; page++) {
        if (!model[page].mapped || model[page].prot != RW)
            continue;
        model[page].bytes = next_bytes++;
        pattern_fill(at(page), model[page].bytes, 0);
    }
    return 0;
}

static int step_map(size_t from, size_t nr) {
    static const int prots[] = {RW, RW, RW, PROT_READ, PROT_NONE};
    int prot = prots[below(5)];
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | (below(8) == 0 ? MAP_POPULATE : 0);

    EXPECT(mmap(at(from), nr * PAGE, prot, flags, -1, 0) == at(from));
    model_set(from, nr, (struct page_model){true, prot, 0});
    return 0;
}

static int step_unmap(size_t from, size_t nr) {
    EXPECT(munmap(at(from), nr * PAGE) == 0);
    model_set(from, nr, (struct page_model){false, 0, 0});
    return 0;
}

static int step_protect(size_t from, size_t nr) {
    static const int prots[] = {RW, RW, PROT_READ, PROT_NONE};
    int prot = prots[below(4)];

    if (!all_mapped(from, nr))
        return 0;
    EXPECT(mprotect(at(from), nr * PAGE, prot) == 0);
    for (size_t page = from; page < from + nr; page++)
        model[page].prot = prot;
    return 0;
}

static int step_forget(size_t from, size_t nr) {
    if (!all_mapped(from, nr))
        return 0;
    EXPECT(madvise(at(from), nr * PAGE, MADV_DONTNEED) == 0);
    for (size_t page = from; page < from + nr; page++)
        model[page].bytes = 0;
    return 0;
}

static int step_advise(size_t from, size_t nr) {
    static const int advice[] = {MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED, MADV_SEQUENTIAL, MADV_NORMAL};

    if (all_mapped(from, nr))
        EXPECT(madvise(at(from), nr * PAGE, advice[below(5)]) == 0);
    return 0;
}

/* Moves within the window. */
static int step_move(size_t from, size_t nr) {
    size_t to = below(WINDOW - nr);
    bool keep = below(3) == 0;
    int flags = MREMAP_MAYMOVE | MREMAP_FIXED | (keep ? MREMAP_DONTUNMAP : 0);

    if (!all_alike(from, nr) || (to < from + nr && from < to + nr))
        return 0;
    if (mremap(at(from), nr * PAGE, nr * PAGE, flags, at(to)) != at(to)) {
        /* To Linux, what has come about in several calls can be several mappings: refused, with the target unmapped. */
        EXPECT(errno == EFAULT || errno == EINVAL);
        return errno == EFAULT ? step_unmap(to, nr) : 0;
    }
    for (size_t i = 0; i < nr; i++) {
        model[to + i] = model[from + i];
        model[from + i] = (struct page_model){keep, keep ? model[from + i].prot : 0, 0};
    }
    return 0;
}

int case_random(void) {
    static int (*const steps[])(size_t, size_t) = {step_write,   step_write,  step_write,  step_map, step_unmap,
                                                   step_protect, step_forget, step_advise, step_move};
    const char *seed = getenv("WEIR_TEST_SEED");
    struct region pressure;

    random_state = seed ? (uint64_t)atoll(seed) : 42;
    window = mmap(NULL, WINDOW * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    EXPECT(window != MAP_FAILED);
    model_set(0, WINDOW, (struct page_model){true, PROT_NONE, 0});
    pressure = region_map(case_pages, 77);
    for (int i = 0; i < STEPS; i++) {
        size_t nr = 1 + below(below(4) == 0 ? 1000 : 30), from = below(WINDOW - nr);
        size_t part = case_pages / 64;

        if (steps[below(sizeof(steps) / sizeof(*steps))](from, nr) != 0 || check_page(below(WINDOW)) != 0) {
            fprintf(stderr, "step %d\n", i);
            return 1;
        }
        /* Something to evict for, so that the window is never all resident. */
        region_fill_part(&pressure, 0, below(64) * part, part / 8);
        if (i % 400 == 399 && check_all() != 0) {
            fprintf(stderr, "after step %d\n", i);
            return 1;
        }
    }
    return check_all();
}
