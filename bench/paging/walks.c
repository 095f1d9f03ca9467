/* SPDX-License-Identifier: MIT */
#include "walks.h"

#include "contents.h"

#include <string.h>
#include <time.h>

#define LOOPS 10
#define STRIDE 17

struct setup setup = {.nr_threads = 1, .seconds = 5, .shift_s = 5};

static bool touch_read(struct worker *worker, volatile uint64_t *word) {
    uint64_t from = ticks(), to;

    (void)*word;
    to = ticks();
    latency_add(&worker->latency, to - from);
    worker->nr++;
    return to < worker->end;
}

static bool touch_write(struct worker *worker, volatile uint64_t *word) {
    uint64_t from = ticks(), to;

    *word = 0;
    to = ticks();
    latency_add(&worker->latency, to - from);
    worker->nr++;
    return to < worker->end;
}

static bool check(struct worker *worker, size_t page) {
    bool more = touch_read(worker, line_first_word(page));

    line_check(page);
    return more;
}

static bool change(struct worker *worker, size_t page) {
    bool more = touch_write(worker, line_first_word(page));

    line_write(page);
    return more;
}

/* A quarter of the accesses are writes. */
static bool use(struct worker *worker, size_t page) {
    return draw_u64(&worker->draw) % 4 == 0 ? change(worker, page) : check(worker, page);
}

static size_t first_page(const struct worker *worker) {
    return setup.nr_pages / setup.nr_threads * worker->number;
}

static size_t end_page(const struct worker *worker) {
    return worker->number + 1 == setup.nr_threads ? setup.nr_pages
                                                  : setup.nr_pages / setup.nr_threads * (worker->number + 1);
}

/* The pages that only this worker touches where the order does not count: so many, and the one of this number. */
static size_t own_pages(void) {
    return setup.nr_pages / setup.nr_threads;
}

static size_t own_page(const struct worker *worker, size_t number) {
    return number * setup.nr_threads + worker->number;
}

static void run_first(struct worker *worker) {
    for (size_t page = first_page(worker); page < end_page(worker); page++)
        touch_write(worker, page_first_word(page));
}

static void run_fill(struct worker *worker) {
    for (size_t page = first_page(worker); page < end_page(worker); page++) {
        touch_write(worker, page_first_word(page));
        page_write(page);
    }
}

static bool read_once(struct worker *worker) {
    bool more = true;

    for (size_t page = first_page(worker); page < end_page(worker) && more; page++) {
        more = touch_read(worker, page_first_word(page));
        page_check(page);
    }
    return more;
}

static void run_read(struct worker *worker) {
    read_once(worker);
}

static void run_rewrite(struct worker *worker) {
    bool more = true;

    for (size_t page = first_page(worker); page < end_page(worker) && more; page++) {
        more = touch_write(worker, page_first_word(page));
        page_write(page);
    }
}

static void run_scan(struct worker *worker) {
    for (unsigned i = 0; i < LOOPS && read_once(worker); i++)
        continue;
}

static void run_strided(struct worker *worker) {
    bool more = true;

    for (size_t offset = 0; offset < STRIDE; offset++)
        for (size_t page = first_page(worker) + offset; page < end_page(worker) && more; page += STRIDE)
            more = check(worker, page);
}

static void run_random_read(struct worker *worker) {
    while (check(worker, own_page(worker, draw_below(&worker->draw, own_pages()))))
        continue;
}

static void run_random_write(struct worker *worker) {
    while (change(worker, own_page(worker, draw_below(&worker->draw, own_pages()))))
        continue;
}

static void run_zipf(struct worker *worker) {
    while (use(worker, shuffled(own_page(worker, draw_zipf(&worker->draw)))))
        continue;
}

/* 90 % of the accesses go to 25 % of the pages, which lie scattered. */
static void run_hot(struct worker *worker) {
    size_t nr = own_pages(), nr_hot = nr / 4, number;

    do
        number = draw_u64(&worker->draw) % 10 ? draw_below(&worker->draw, nr_hot)
                                              : nr_hot + draw_below(&worker->draw, nr - nr_hot);
    while (use(worker, shuffled(own_page(worker, number))));
}

/* 90 % of the accesses go to an eighth of the region, and to another one every few seconds. */
static void run_shift(struct worker *worker) {
    uint64_t period = ticks_of_ns(setup.shift_s * 1e9), next = worker->begin + period;
    size_t nr = own_pages(), nr_hot = nr / 8, first = 0, number;

    do {
        number =
            draw_u64(&worker->draw) % 10 ? first + draw_below(&worker->draw, nr_hot) : draw_below(&worker->draw, nr);
        if (worker->nr % 64 == 0 && ticks() >= next) {
            next += period;
            first = (first + 3 * nr_hot) % (8 * nr_hot);
        }
    } while (use(worker, own_page(worker, number)));
}

static void run_chase(struct worker *worker) {
    size_t page = walk_page(setup.nr_pages / setup.nr_threads * worker->number);

    while (touch_read(worker, page_last_word(page)))
        page = page_next(page);
}

/* Nothing is touched: what does it cost that there is a pager? */
static void run_idle(struct worker *worker) {
    struct timespec pause = {(time_t)setup.seconds, (long)((setup.seconds - (double)(time_t)setup.seconds) * 1e9)};

    if (worker->number == 0)
        nanosleep(&pause, NULL);
}

static const struct pattern patterns[] = {
    {"first", run_first, false, 0, 0, 0},
    {"fill", run_fill, true, 0, 0, 0},
    {"read", run_read, true, 2, 0, 0},
    {"rewrite", run_rewrite, true, 2, 0, 0},
    {"scan", run_scan, true, 6, 0, 0},
    {"strided", run_strided, false, 1, 0, 0},
    {"random_read", run_random_read, false, 1, 0.25, 0},
    {"random_write", run_random_write, false, 1, 0.25, 0},
    {"zipf", run_zipf, false, 1, 0.5, 0},
    {"hot", run_hot, false, 1, 0.5, 0},
    {"shift", run_shift, false, 0, 0, 3},
    {"chase", run_chase, false, 1, 0, 0},
    {"idle", run_idle, false, 0, 0, 0},
};
#define NR_PATTERNS (sizeof(patterns) / sizeof(patterns[0]))

const struct pattern *find_pattern(const char *name) {
    for (size_t i = 0; i < NR_PATTERNS; i++)
        if (strcmp(patterns[i].name, name) == 0)
            return &patterns[i];
    return NULL;
}
