/* SPDX-License-Identifier: MIT */
#include "cli/size.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define GIB ((uint64_t)1 << 30)

static uint64_t parsed(const char *text) {
    uint64_t bytes = 0;

    assert_int_equal(size_parse(text, 8 * GIB, &bytes), SIZE_OK);
    return bytes;
}

static void refuses(const char *text, enum size_error error) {
    uint64_t bytes = 77;

    assert_int_equal(size_parse(text, 8 * GIB, &bytes), error);
    assert_int_equal(bytes, 77);
}

static void a_plain_number_is_bytes(void **state) {
    (void)state;
    assert_int_equal(parsed("0"), 0);
    assert_int_equal(parsed("4096"), 4096);
    assert_int_equal(parsed("268435457"), 268435457);
}

static void units_are_powers_of_1024_in_either_case(void **state) {
    (void)state;
    assert_int_equal(parsed("1K"), 1024);
    assert_int_equal(parsed("256M"), 256 << 20);
    assert_int_equal(parsed("256m"), 256 << 20);
    assert_int_equal(parsed("3g"), 3 * GIB);
}

static void a_percentage_is_of_the_whole(void **state) {
    (void)state;
    assert_int_equal(parsed("25%"), 2 * GIB);
    assert_int_equal(parsed("100%"), 8 * GIB);
    assert_int_equal(parsed("0%"), 0);
    refuses("101%", SIZE_OVER_100_PERCENT);
}

static void a_percentage_of_a_huge_machine_does_not_overflow(void **state) {
    uint64_t bytes;

    (void)state;
    assert_int_equal(size_parse("99%", UINT64_MAX, &bytes), SIZE_OK);
    assert_true(bytes > UINT64_MAX / 100 * 98);
    assert_int_equal(size_parse("33%", 199, &bytes), SIZE_OK);
    assert_int_equal(bytes, 65);
}

static void sizes_beyond_32_bits_are_right(void **state) {
    (void)state;
    assert_int_equal(parsed("4294967296"), 4 * GIB);
    assert_int_equal(parsed("4194304K"), 4 * GIB);
    assert_int_equal(parsed("4096M"), 4 * GIB);
    assert_int_equal(parsed("5G"), 5 * GIB);
}

static void sizes_beyond_63_bits_are_refused(void **state) {
    (void)state;
    assert_int_equal(parsed("9223372036854775807"), INT64_MAX);
    refuses("9223372036854775808", SIZE_TOO_LARGE);
    refuses("18446744073709551616", SIZE_TOO_LARGE);
    refuses("99999999999999999999999", SIZE_TOO_LARGE);
    refuses("8589934592G", SIZE_TOO_LARGE);
    refuses("17179869185G", SIZE_TOO_LARGE);
    refuses("9007199254740992K", SIZE_TOO_LARGE);
}

static void what_is_no_size_is_refused(void **state) {
    (void)state;
    refuses("", SIZE_NOT_A_NUMBER);
    refuses("M", SIZE_NOT_A_NUMBER);
    refuses("-1M", SIZE_NOT_A_NUMBER);
    refuses(" 1M", SIZE_NOT_A_NUMBER);
    refuses("x", SIZE_NOT_A_NUMBER);
}

static void an_unknown_unit_is_refused(void **state) {
    (void)state;
    refuses("256X", SIZE_UNKNOWN_UNIT);
    refuses("256MB", SIZE_UNKNOWN_UNIT);
    refuses("1.5G", SIZE_UNKNOWN_UNIT);
    refuses("25%%", SIZE_UNKNOWN_UNIT);
    refuses("1 M", SIZE_UNKNOWN_UNIT);
}

static void text_has_one_decimal_and_the_largest_unit_that_fits(void **state) {
    char buf[SIZE_TEXT_MAX];

    (void)state;
    assert_string_equal(size_text(0, buf), "0 B");
    assert_string_equal(size_text(1023, buf), "1023 B");
    assert_string_equal(size_text(1024, buf), "1.0 KiB");
    assert_string_equal(size_text(256 << 20, buf), "256.0 MiB");
    assert_string_equal(size_text((1 << 20) - 1, buf), "1.0 MiB");
    assert_string_equal(size_text(GIB * 3 / 2, buf), "1.5 GiB");
    assert_string_equal(size_text(UINT64_MAX, buf), "16.0 EiB");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_number_is_bytes),
        cmocka_unit_test(units_are_powers_of_1024_in_either_case),
        cmocka_unit_test(a_percentage_is_of_the_whole),
        cmocka_unit_test(a_percentage_of_a_huge_machine_does_not_overflow),
        cmocka_unit_test(sizes_beyond_32_bits_are_right),
        cmocka_unit_test(sizes_beyond_63_bits_are_refused),
        cmocka_unit_test(what_is_no_size_is_refused),
        cmocka_unit_test(an_unknown_unit_is_refused),
        cmocka_unit_test(text_has_one_decimal_and_the_largest_unit_that_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
