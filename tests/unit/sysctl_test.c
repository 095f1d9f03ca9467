/* SPDX-License-Identifier: MIT */
/* The tunables by name. */
#include "tests/unit/fake_platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mm/shrinker.h"
#include "mm/sysctl.h"

static struct fake *fake;

static int setup(void **state) {
    (void)state;
    fake = fake_boot(16384, 1);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_check_and_finish(fake);
    return 0;
}

static unsigned value_of(const char *name) {
    unsigned values[SYSCTL_VALUES_MOST], nr;

    assert_int_equal(sysctl_get(fake->machine, name, values, &nr), MM_OK);
    return values[0];
}

static enum mm_status set(const char *name, unsigned value) {
    return sysctl_set(fake->machine, name, &value, 1);
}

static void names_and_defaults_are_the_kernels(void **state) {
    static const struct {
        const char *name;
        unsigned value;
    } wanted[] = {
        {"min_free_kbytes", 1024}, {"lowmem_reserve_ratio", 256},
        {"swappiness", 60},        {"page-cluster", 3},
        {"panic_on_oom", 0},       {"oom_kill_allocating_task", 0},
        {"stat_interval", 1},      {"percpu_pagelist_fraction", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        assert_int_equal(value_of(wanted[i].name), wanted[i].value);
    assert_null(sysctl_find("swappines"));
    assert_null(sysctl_find("swappiness2"));
    assert_null(sysctl_find(""));
    assert_int_equal(set("nosuch", 1), MM_INVAL);
    assert_int_equal(sysctl_get(fake->machine, "nosuch", &(unsigned){0}, &(unsigned){0}), MM_INVAL);
}

static void under_16_mib_fewer_pages_are_read_ahead(void **state) {
    struct fake *small = fake_boot(4095, 1), *enough = fake_boot(4096, 1);

    (void)state;
    assert_int_equal(small->machine->tune.page_cluster, 2);
    assert_int_equal(enough->machine->tune.page_cluster, 3);
    fake_finish(small);
    fake_finish(enough);
}

static void the_order_of_zonelists_has_words(void **state) {
    char text[4096];

    (void)state;
    assert_int_equal(sysctl_write(fake->machine, "numa_zonelist_order", "Zone\n"), MM_OK);
    assert_int_equal(fake->machine->tune.zonelist_order, ZONELIST_ZONE);
    sysctl_text(fake->machine, text, sizeof(text));
    assert_non_null(strstr(text, "\nvm.numa_zonelist_order = zone\n"));
    assert_int_equal(sysctl_write(fake->machine, "numa_zonelist_order", "node"), MM_OK);
    assert_int_equal(fake->machine->tune.zonelist_order, ZONELIST_NODE);
    assert_int_equal(sysctl_write(fake->machine, "numa_zonelist_order", "0"), MM_OK);
    assert_int_equal(fake->machine->tune.zonelist_order, ZONELIST_DEFAULT);
    assert_int_equal(sysctl_write(fake->machine, "numa_zonelist_order", "x"), MM_INVAL);
    assert_int_equal(sysctl_write(fake->machine, "swappiness", "z"), MM_INVAL);
}

static long objects = 1000;

static long give(struct shrinker *shrinker, long nr, gfp_t gfp) {
    (void)shrinker, (void)gfp;
    objects -= nr < objects ? nr : objects;
    return objects;
}

static void writing_drop_caches_drops_them_each_time(void **state) {
    struct shrinker shrinker = {.shrink = give, .seeks = DEFAULT_SEEKS};

    (void)state;
    register_shrinker(fake->machine, &shrinker);
    assert_int_equal(set("drop_caches", 1), MM_OK);
    assert_int_equal(objects, 1000);
    assert_int_equal(set("drop_caches", 2), MM_OK);
    assert_true(objects < 200);
    objects = 1000;
    assert_int_equal(set("drop_caches", 2), MM_OK);
    assert_true(objects < 200);
    assert_int_equal(value_of("drop_caches"), 2);
    assert_int_equal(set("drop_caches", 4), MM_INVAL);
    objects = 1000;
    assert_int_equal(set("swappiness", 10), MM_OK);
    assert_int_equal(objects, 1000);
    unregister_shrinker(fake->machine, &shrinker);
}

/* Both ends of each range are accepted, and what lies next to them is not. */
static void each_tunable_keeps_to_its_range(void **state) {
    const struct sysctl *row;

    (void)state;
    for (unsigned i = 0; (row = sysctl_row(i)) != NULL; i++) {
        unsigned most = row->most == UINT32_MAX ? 1u << 20 : row->most, before;

        assert_ptr_equal(sysctl_find(row->name), row);
        assert_int_equal(set(row->name, row->least), MM_OK);
        assert_int_equal(set(row->name, most), MM_OK);
        before = value_of(row->name);
        assert_int_equal(before, most);
        if (row->most != UINT32_MAX)
            assert_int_equal(set(row->name, row->most + 1), MM_INVAL);
        if (row->least > 1)
            assert_int_equal(set(row->name, row->least - 1), MM_INVAL);
        if (row->least > 0)
            assert_int_equal(set(row->name, 0), row->zero_too ? MM_OK : MM_INVAL);
        if (row->power_of_two)
            assert_int_equal(set(row->name, row->least + 1), MM_INVAL);
        set(row->name, row->zero_too ? 0 : row->least);
        fake_finish(fake);
        fake = fake_boot(16384, 1);
    }
}

static void a_write_recomputes_what_depends_on_it(void **state) {
    struct zone *zone = fake_zone(fake, 0, ZONE_NORMAL);

    (void)state;
    assert_int_equal(sysctl_write(fake->machine, "min_free_kbytes", "4096\n"), MM_OK);
    assert_int_equal(zone->pages_min, 1024);
    assert_int_equal(zone->pages_high, 1536);
    /* Not clamped, other than at boot. */
    assert_int_equal(sysctl_write(fake->machine, "min_free_kbytes", "40"), MM_OK);
    assert_int_equal(zone->pages_min, 10);
    assert_int_equal(sysctl_write(fake->machine, "percpu_pagelist_fraction", "64"), MM_OK);
    assert_int_equal(zone->pageset[0].pcp[0].high, 256);
}

static void a_row_is_written_in_order_and_may_be_written_in_part(void **state) {
    unsigned values[SYSCTL_VALUES_MOST], nr;

    (void)state;
    assert_int_equal(sysctl_write(fake->machine, "lowmem_reserve_ratio", " 512\t0 "), MM_OK);
    assert_int_equal(sysctl_get(fake->machine, "lowmem_reserve_ratio", values, &nr), MM_OK);
    assert_int_equal(nr, MAX_NR_ZONES - 1);
    assert_int_equal(values[0], 512);
    assert_int_equal(values[1], 1);
    assert_int_equal(values[2], 32);
    assert_int_equal(sysctl_write(fake->machine, "lowmem_reserve_ratio", "1 2 3 4 5"), MM_INVAL);
    assert_int_equal(sysctl_write(fake->machine, "lowmem_reserve_ratio", "1 2 3 4 5 6 7 8"), MM_INVAL);
    assert_int_equal(sysctl_write(fake->machine, "swappiness", "1 2"), MM_INVAL);
    assert_int_equal(value_of("swappiness"), 60);
}

static void text_that_is_no_number_is_refused(void **state) {
    static const char *const wrong[] = {"", " ", "x", "-1", "6x", "4294967296", "99999999999999999999", "1,2", "0x3c"};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(sysctl_write(fake->machine, "swappiness", wrong[i]), MM_INVAL);
    assert_int_equal(value_of("swappiness"), 60);
    assert_int_equal(sysctl_write(fake->machine, "min_free_kbytes", "65536"), MM_OK);
}

static void the_listing_is_as_sysctl_prints_it(void **state) {
    char *buf = malloc(4096), line[64];
    size_t len = sysctl_text(fake->machine, buf, 4096);

    (void)state;
    assert_int_equal(strlen(buf), len);
    assert_non_null(strstr(buf, "vm.swappiness = 60\n"));
    assert_non_null(strstr(buf, "vm.lowmem_reserve_ratio = 256\t256\t32\t32\n"));
    assert_int_equal(sysctl_text(fake->machine, line, sizeof(line)), len);
    assert_memory_equal(line, buf, sizeof(line) - 1);
    free(buf);
}

#define sysctl_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        sysctl_test(names_and_defaults_are_the_kernels),
        sysctl_test(each_tunable_keeps_to_its_range),
        sysctl_test(the_order_of_zonelists_has_words),
        sysctl_test(under_16_mib_fewer_pages_are_read_ahead),
        sysctl_test(writing_drop_caches_drops_them_each_time),
        sysctl_test(a_write_recomputes_what_depends_on_it),
        sysctl_test(a_row_is_written_in_order_and_may_be_written_in_part),
        sysctl_test(text_that_is_no_number_is_refused),
        sysctl_test(the_listing_is_as_sysctl_prints_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
