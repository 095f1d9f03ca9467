/* SPDX-License-Identifier: MIT */
/*
 * The set of areas against a naive model, one word of flags per page, and against a page allocator that fails.
 */
#include "mm/mmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mm/machine.h"
#include "mm/memory.h"
#include "mm/page_alloc.h"

#define BASE ((uintptr_t)0x100000000000)
#define PAGES 4096u
#define MAX_FRAMES 1024u
#define HOLE UINT32_MAX

/* -- a page allocator with MAX_FRAMES frames, which fails when told to -------------------------------------------- */

static _Alignas(4096) char arena[MAX_FRAMES * 4096];
static struct page frames[MAX_FRAMES];
static bool taken[MAX_FRAMES];
static unsigned nr_taken, allow_frames;

struct page *alloc_pages(struct machine *m, gfp_t gfp, unsigned order) {
    (void)m;
    (void)gfp;
    assert_int_equal(order, 0);
    if (allow_frames == 0)
        return NULL;
    for (unsigned i = 0; i < MAX_FRAMES; i++) {
        if (!taken[i]) {
            taken[i] = true;
            nr_taken++;
            allow_frames--;
            memset(arena + (size_t)i * 4096, 0xa5, 4096);
            return &frames[i];
        }
    }
    return NULL;
}

void free_pages(struct machine *m, void *address, unsigned order) {
    size_t i = (size_t)((char *)address - arena) / 4096;

    (void)m;
    assert_int_equal(order, 0);
    assert_true(taken[i]);
    taken[i] = false;
    nr_taken--;
    memset(address, 0x5a, 4096);
}

static struct machine machine;
static struct mm mm;
static uint32_t model[PAGES];

static uintptr_t at(unsigned page) {
    return BASE + (uintptr_t)page * PAGE_SIZE;
}

static int setup(void **state) {
    (void)state;
    memset(&machine, 0, sizeof machine);
    memset(&mm, 0, sizeof mm);
    memset(taken, 0, sizeof taken);
    memset(model, 0xff, sizeof model);
    nr_taken = 0;
    allow_frames = UINT32_MAX;
    machine.mem_map_origin = (uintptr_t)frames;
    machine.map.arena = arena;
    mm.machine = &machine;
    mm.start = BASE;
    mm.end = at(PAGES);
    return areas_init(&mm) == MM_OK ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    areas_finish(&mm);
    assert_int_equal(nr_taken, 0);
    return 0;
}

/* -- the model ---------------------------------------------------------------------------------------------------- */

/* The set holds what the model holds, in order, and no two areas that could be one. */
static void assert_same_as_model(void) {
    const struct vm_area *area = find_area_from(&mm, 0), *before = NULL;
    unsigned page = 0;

    for (; area; before = area, area = area_next(&mm, area)) {
        unsigned first = (unsigned)((area->start - BASE) >> PAGE_SHIFT);
        unsigned last = (unsigned)((area->end - BASE) >> PAGE_SHIFT);

        assert_true(first < last && last <= PAGES);
        for (; page < first; page++)
            assert_int_equal(model[page], HOLE);
        assert_int_equal(page, first);
        for (; page < last; page++)
            assert_int_equal(model[page], area->flags);
        if (before && before->end == area->start && !(area->flags & VM_APART))
            assert_int_not_equal(before->flags, area->flags);
    }
    for (; page < PAGES; page++)
        assert_int_equal(model[page], HOLE);
}

static uintptr_t model_find_free(unsigned from, unsigned nr, unsigned align) {
    for (unsigned page = (from + align - 1) / align * align; page + nr <= PAGES; page += align) {
        unsigned i = 0;

        while (i < nr && model[page + i] == HOLE)
            i++;
        if (i == nr)
            return at(page);
    }
    return 0;
}

static void assert_questions_agree(unsigned from, unsigned to) {
    static const unsigned aligns[] = {1, 2, 16, 64};
    unsigned align = aligns[(unsigned)rand() % 4], nr = 1 + (unsigned)rand() % 40;
    const struct vm_area *area = find_area(&mm, at(from) + 5);
    size_t accounted = 0;
    bool mapped = true;
    uintptr_t expect;

    for (unsigned i = from; i < to; i++) {
        mapped &= model[i] != HOLE;
        if (model[i] != HOLE && model[i] & VM_ACCOUNTED)
            accounted += PAGE_SIZE;
    }
    assert_int_equal(range_is_mapped(&mm, at(from), at(to)), mapped);
    assert_int_equal(range_accounted(&mm, at(from), at(to)), accounted);
    assert_int_equal(area != NULL, model[from] != HOLE);
    if (area)
        assert_int_equal(area->flags, model[from]);

    expect = model_find_free(from, nr, align);
    if (!expect)
        expect = model_find_free(0, nr, align);
    assert_int_equal(find_free_range(&mm, at(from), nr * PAGE_SIZE, align * PAGE_SIZE), expect);
    assert_int_equal(find_free_range(&mm, 0, nr * PAGE_SIZE, PAGE_SIZE), model_find_free(0, nr, 1));
}

static uint32_t some_flags(void) {
    static const uint32_t choice[] = {0, VM_READ, VM_READ | VM_WRITE, VM_READ | VM_WRITE | VM_ACCOUNTED,
                                      VM_READ | VM_APART};

    return choice[(unsigned)rand() % 5];
}

/* One random change on set and model; the model stays as it was where the set says MM_NOMEM. */
static enum mm_status random_change(unsigned max_len) {
    unsigned from = (unsigned)rand() % PAGES;
    unsigned to = from + 1 + (unsigned)rand() % max_len;
    uint32_t clear = 0, flags = some_flags();
    enum mm_status status;
    int what = rand() % 4;

    if (to > PAGES)
        to = PAGES;
    if (what <= 1) {
        status = area_set_range(&mm, at(from), at(to), flags);
    } else if (what == 2) {
        clear = some_flags();
        status = area_change_range(&mm, at(from), at(to), clear, flags);
    } else {
        status = area_clear_range(&mm, at(from), at(to));
    }
    if (status == MM_OK) {
        for (unsigned i = from; i < to; i++) {
            if (what <= 1)
                model[i] = flags;
            else if (what == 3)
                model[i] = HOLE;
            else if (model[i] != HOLE)
                model[i] = (model[i] & ~clear) | flags;
        }
    }
    assert_same_as_model();
    assert_questions_agree(from, to);
    return status;
}

/* -- tests -------------------------------------------------------------------------------------------------------- */

static void random_changes_agree_with_a_map_of_pages(void **state) {
    (void)state;
    srand(1);
    for (int i = 0; i < 12000; i++)
        assert_int_equal(random_change(i % 3000 < 2500 ? 4 : 1500), MM_OK);
}

static void a_change_without_memory_changes_nothing(void **state) {
    unsigned refused = 0;

    (void)state;
    srand(2);
    for (int i = 0; i < 8000; i++) {
        allow_frames = rand() % 40 == 0 ? 1 : 0;
        refused += random_change(i % 2000 < 1800 ? 3 : 1000) == MM_NOMEM;
    }
    /* Both kinds have to have happened for this to say anything. */
    assert_in_range(refused, 100, 7900);
}

static void removing_whole_areas_never_needs_memory(void **state) {
    (void)state;
    for (unsigned i = 0; i + 1 < PAGES; i += 2)
        assert_int_equal(area_set_range(&mm, at(i), at(i + 1), VM_READ), MM_OK);
    allow_frames = 0;
    for (unsigned i = 0; i + 1 < PAGES; i += 2)
        assert_int_equal(area_clear_range(&mm, at(i), at(i + 1)), MM_OK);
    assert_null(find_area_from(&mm, 0));
}

static void alike_neighbours_become_one_area(void **state) {
    const struct vm_area *area;

    (void)state;
    area_set_range(&mm, at(0), at(10), VM_READ);
    area_set_range(&mm, at(20), at(30), VM_READ);
    area_set_range(&mm, at(10), at(20), VM_READ);
    area = find_area(&mm, at(15));
    assert_int_equal(area->start, at(0));
    assert_int_equal(area->end, at(30));
    assert_null(area_next(&mm, area));
}

static void areas_apart_stay_apart(void **state) {
    (void)state;
    area_set_range(&mm, at(0), at(10), VM_READ | VM_APART);
    area_set_range(&mm, at(10), at(20), VM_READ | VM_APART);
    assert_int_equal(find_area(&mm, at(3))->end, at(10));
    assert_int_equal(find_area(&mm, at(13))->start, at(10));
}

static void changing_flags_back_joins_the_pieces_again(void **state) {
    (void)state;
    area_set_range(&mm, at(0), at(PAGES), VM_READ | VM_WRITE);
    for (unsigned i = 1; i < PAGES; i += 2)
        area_change_range(&mm, at(i), at(i + 1), VM_WRITE, 0);
    assert_int_equal(find_area(&mm, at(1))->end, at(2));
    area_change_range(&mm, at(0), at(PAGES), 0, VM_WRITE);
    assert_int_equal(find_area(&mm, at(1))->start, at(0));
    assert_int_equal(find_area(&mm, at(1))->end, at(PAGES));
    /* Only the index, one leaf and the spares are kept. */
    assert_in_range(nr_taken, 2, 4);
}

static void a_range_is_found_at_the_hint_if_it_is_free(void **state) {
    (void)state;
    area_set_range(&mm, at(100), at(200), VM_READ);
    assert_int_equal(find_free_range(&mm, at(50), PAGE_SIZE * 50, PAGE_SIZE), at(50));
    assert_int_equal(find_free_range(&mm, at(51), PAGE_SIZE * 50, PAGE_SIZE), at(200));
    assert_int_equal(find_free_range(&mm, at(PAGES - 10), PAGE_SIZE * 50, PAGE_SIZE), at(0));
}

static void no_range_is_found_where_none_fits(void **state) {
    (void)state;
    area_set_range(&mm, at(1), at(PAGES), VM_READ);
    assert_int_equal(find_free_range(&mm, 0, PAGE_SIZE, PAGE_SIZE), at(0));
    assert_int_equal(find_free_range(&mm, 0, 2 * PAGE_SIZE, PAGE_SIZE), 0);
    assert_int_equal(find_free_range(&mm, 0, SIZE_MAX & PAGE_MASK, PAGE_SIZE), 0);
}

static void forty_thousand_areas_fit(void **state) {
    unsigned nr = 0;

    (void)state;
    mm.end = BASE + (uintptr_t)100000 * PAGE_SIZE;
    while (nr < 45000 && area_set_range(&mm, at(2 * nr), at(2 * nr + 1), VM_READ) == MM_OK)
        nr++;
    assert_in_range(nr, 40000, 44999);
    assert_int_equal(find_free_range(&mm, 0, 2 * PAGE_SIZE, PAGE_SIZE), at(2 * nr - 1));
    assert_int_equal(area_clear_range(&mm, at(1), at(2 * nr)), MM_OK);
    assert_int_equal(find_free_range(&mm, 0, 2 * PAGE_SIZE, PAGE_SIZE), at(1));
}

static void leaves_that_have_emptied_are_given_back(void **state) {
    unsigned before;

    (void)state;
    mm.end = BASE + (uintptr_t)100000 * PAGE_SIZE;
    for (unsigned i = 0; i < 20000; i++)
        area_set_range(&mm, at(2 * i), at(2 * i + 1), VM_READ);
    before = nr_taken;
    for (unsigned i = 0; i < 20000; i++)
        if (i % 20 != 0)
            area_clear_range(&mm, at(2 * i), at(2 * i + 1));
    assert_in_range(nr_taken, 6, before / 8);
    for (unsigned i = 0; i < 20000; i += 20)
        assert_int_equal(find_area_from(&mm, at(2 * i) - PAGE_SIZE)->start, at(2 * i));
    /* From the top down as well, where it is the leaf before that has room. */
    for (unsigned i = 20000; i-- > 0;)
        area_set_range(&mm, at(2 * i), at(2 * i + 1), VM_READ);
    for (unsigned i = 20000; i-- > 0;)
        if (i % 20 != 0)
            area_clear_range(&mm, at(2 * i), at(2 * i + 1));
    assert_in_range(nr_taken, 6, before / 8);
}

/* A gap that comes about behind the last area of a leaf is found, wherever the leaf ends. */
static void a_gap_at_the_edge_of_a_leaf_is_found(void **state) {
    (void)state;
    for (unsigned k = 1; k < 400; k++) {
        areas_finish(&mm);
        assert_int_equal(areas_init(&mm), MM_OK);
        for (unsigned i = 0; i < 450; i++)
            assert_int_equal(area_set_range(&mm, at(2 * i), at(2 * i + 1), VM_READ), MM_OK);
        assert_int_equal(area_clear_range(&mm, at(2 * k + 2), at(2 * k + 12)), MM_OK);
        assert_int_equal(area_set_range(&mm, at(2 * k + 1), at(2 * k + 2), VM_WRITE), MM_OK);
        assert_int_equal(find_free_range(&mm, 0, 5 * PAGE_SIZE, PAGE_SIZE), at(2 * k + 2));
        assert_int_equal(area_clear_range(&mm, at(2 * k), at(2 * k + 1)), MM_OK);
        assert_int_equal(area_clear_range(&mm, at(2 * k + 1), at(2 * k + 2)), MM_OK);
        assert_int_equal(find_free_range(&mm, 0, 12 * PAGE_SIZE, PAGE_SIZE), at(2 * k - 1));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(random_changes_agree_with_a_map_of_pages),
        TEST(a_change_without_memory_changes_nothing),
        TEST(removing_whole_areas_never_needs_memory),
        TEST(alike_neighbours_become_one_area),
        TEST(areas_apart_stay_apart),
        TEST(changing_flags_back_joins_the_pieces_again),
        TEST(a_range_is_found_at_the_hint_if_it_is_free),
        TEST(no_range_is_found_where_none_fits),
        TEST(forty_thousand_areas_fit),
        TEST(leaves_that_have_emptied_are_given_back),
        TEST(a_gap_at_the_edge_of_a_leaf_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
