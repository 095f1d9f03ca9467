/* SPDX-License-Identifier: MIT */
#include "cli/latency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void four_buckets_of_equal_width_make_an_octave(void **state) {
    (void)state;
    assert_int_equal(latency_bucket_ns(0), 64);
    assert_int_equal(latency_bucket_ns(1), 80);
    assert_int_equal(latency_bucket_ns(3), 112);
    assert_int_equal(latency_bucket_ns(4), 128);
    assert_int_equal(latency_bucket_ns(41), 64 * 1024 + 16 * 1024);
}

static void an_empty_histogram_has_latency_0(void **state) {
    static struct weir_latency latency;

    (void)state;
    memset(&latency, 0, sizeof latency);
    assert_int_equal(latency_quantile_ns(&latency, 0.5), 0);
}

static void a_quantile_lies_in_the_bucket_that_holds_it(void **state) {
    static struct weir_latency latency;

    (void)state;
    memset(&latency, 0, sizeof latency);
    latency.buckets[8] = 98; /* 256..320 ns */
    latency.buckets[40] = 2; /* 65..82 us */
    latency.max_ns = 70000;
    assert_in_range(latency_quantile_ns(&latency, 0.5), 256, 320);
    assert_in_range(latency_quantile_ns(&latency, 0.98), 256, 320);
    assert_in_range(latency_quantile_ns(&latency, 0.99), 65536, 70000);
}

static void no_quantile_is_longer_than_the_longest(void **state) {
    static struct weir_latency latency;

    (void)state;
    memset(&latency, 0, sizeof latency);
    latency.buckets[40] = 1;
    latency.max_ns = 66000;
    assert_int_equal(latency_quantile_ns(&latency, 1.0), 66000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_buckets_of_equal_width_make_an_octave),
        cmocka_unit_test(an_empty_histogram_has_latency_0),
        cmocka_unit_test(a_quantile_lies_in_the_bucket_that_holds_it),
        cmocka_unit_test(no_quantile_is_longer_than_the_longest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
