/* SPDX-License-Identifier: MIT */
#include "tests/spec/file_machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mm/lru.h"
#include "mm/page_list.h"

#define FILE_PAGES 2048

struct sim *sim;
struct machine *m;
struct sim_file *file;

static int boot_with(uint64_t latency_ns) {
    const struct sim_config config = {.seed = 1, .ram_pages = 4096};
    const struct sim_file_config file_config = {.nr_pages = FILE_PAGES, .latency_ns = latency_ns, .queue = 16};

    sim = sim_create(&config);
    sim_allow_kswapd(sim, false);
    m = sim_machine(sim);
    file = sim_file_create(sim, &file_config);
    return 0;
}

int file_machine_boot(void **state) {
    (void)state;
    return boot_with(0);
}

int file_machine_boot_slow(void **state) {
    (void)state;
    return boot_with(1000000);
}

int file_machine_finish(void **state) {
    const char *wrong;

    (void)state;
    sim_settle(sim);
    wrong = sim_check(sim);
    if (wrong)
        fail_msg("%s", wrong);
    sim_file_destroy(file);
    sim_destroy(sim);
    return 0;
}

uint64_t read_word(uint32_t index) {
    uint64_t value = 0;

    assert_int_equal(sim_file_read(file, index, 0, &value, sizeof(value)), SIM_OK);
    return value;
}

void write_word(uint32_t index, uint64_t value) {
    assert_int_equal(sim_file_write(file, index, 0, &value, sizeof(value)), SIM_OK);
}

void touch(uint32_t index) {
    uint64_t value;

    assert_int_equal(sim_file_touch(file, index, 0, &value, sizeof(value), false), SIM_OK);
}

struct page *page_at(uint32_t index) {
    struct page *page = find_get_page(sim_file_mapping(file), index);

    if (page)
        put_page_testzero(page);
    return page;
}

unsigned long shrink_one(struct page *page, struct scan_control *sc) {
    struct page_list list;
    unsigned long freed;

    lru_add_drain_all(m);
    page_list_init(&list);
    assert_true(isolate_lru_page(m, page));
    page_clear(page, PG_active);
    page_list_add(m, &list, page);
    freed = shrink_page_list(m, &list, sc);
    assert_int_equal(freed, page_list_empty(&list));
    putback_lru_pages(m, &list);
    return freed;
}
