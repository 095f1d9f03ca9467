/* SPDX-License-Identifier: MIT */
#include "runtime/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define REST_UNENDED "verbose=0,tell_ram=0,no_move=0,lose_moves=0,no_fork_event=0"
#define REST REST_UNENDED ","

static const struct weir_config example = {
    .ram_bytes = 256ull << 20,
    .swap_bytes = 3ull << 30,
    .zpool_percent = 40,
    .swappiness = 60,
    .oom_fail = true,
    .verbose = false,
    .tell_ram = true,
    .no_move = true,
    .lose_moves = true,
    .no_fork_event = false,
    .swap_dir = "/var/tmp/a, b=c",
};

static void what_is_encoded_is_decoded_the_same(void **state) {
    struct weir_config back;
    char text[1024];

    (void)state;
    memset(&back, 0xa5, sizeof back);
    assert_true(config_encode(&example, text, sizeof text) < sizeof text);
    assert_true(config_decode(text, &back));
    assert_int_equal(back.ram_bytes, example.ram_bytes);
    assert_int_equal(back.swap_bytes, example.swap_bytes);
    assert_int_equal(back.zpool_percent, 40);
    assert_int_equal(back.swappiness, 60);
    assert_true(back.oom_fail);
    assert_false(back.verbose);
    assert_true(back.tell_ram);
    assert_true(back.no_move);
    assert_true(back.lose_moves);
    assert_false(back.no_fork_event);
    assert_string_equal(back.swap_dir, example.swap_dir);
}

static void encoding_returns_the_length_it_needs(void **state) {
    char text[1024], small[8];
    size_t len = config_encode(&example, text, sizeof text);

    (void)state;
    assert_int_equal(len, strlen(text));
    assert_int_equal(config_encode(&example, small, sizeof small), len);
}

static void a_config_without_swap_has_no_directory(void **state) {
    struct weir_config config = example, back;
    char text[1024];

    (void)state;
    config.swap_bytes = 0;
    config.swap_dir[0] = '\0';
    config_encode(&config, text, sizeof text);
    assert_true(config_decode(text, &back));
    assert_string_equal(back.swap_dir, "");
}

static void malformed_text_is_refused_and_changes_nothing(void **state) {
    static const char *const bad[] = {
        "",
        "ram=268435456",
        "swap=0,ram=268435456,zpool=40,swappiness=60,oom_fail=0," REST "dir=",
        "ram=,swap=0,zpool=40,swappiness=60,oom_fail=0," REST "dir=",
        "ram=-1,swap=0,zpool=40,swappiness=60,oom_fail=0," REST "dir=",
        "ram=4096,swap=0,zpool=40,swappiness=60,oom_fail=0," REST "dir=",
        "ram=268435457,swap=0,zpool=40,swappiness=60,oom_fail=0," REST "dir=",
        "ram=268435456,swap=0,zpool=81,swappiness=60,oom_fail=0," REST "dir=",
        "ram=268435456,swap=0,zpool=40,swappiness=101,oom_fail=0," REST "dir=",
        "ram=268435456,swap=0,zpool=40,swappiness=60,oom_fail=2," REST "dir=",
        "ram=268435456,swap=0,zpool=40,swappiness=60,oom_fail=0," REST_UNENDED,
        "ram=268435456,swap=4096,zpool=40,swappiness=60,oom_fail=0," REST "dir=",
        "ram=268435456,swap=4096,zpool=40,swappiness=60,oom_fail=0," REST "dir=tmp",
        "ram=268435456,swap=0,zpool=40,swappiness=60,oom_fail=0," REST "dir=/tmp",
        "ram=99999999999999999999,swap=0,zpool=40,swappiness=60,oom_fail=0," REST "dir=",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct weir_config back, before;

        memset(&back, 0xa5, sizeof back);
        memcpy(&before, &back, sizeof back);
        if (config_decode(bad[i], &back))
            fail_msg("accepted: %s", bad[i]);
        assert_memory_equal(&back, &before, sizeof back);
    }
}

static void a_directory_that_does_not_fit_is_refused(void **state) {
    struct weir_config back;
    char text[2048];
    int len = snprintf(text, sizeof text, "ram=268435456,swap=4096,zpool=40,swappiness=60,oom_fail=0," REST "dir=/");

    (void)state;
    memset(text + len, 'x', WEIR_SWAP_DIR_MAX - 2);
    text[len + WEIR_SWAP_DIR_MAX - 2] = '\0';
    assert_true(config_decode(text, &back));
    assert_int_equal(strlen(back.swap_dir), WEIR_SWAP_DIR_MAX - 1);
    strcat(text, "x");
    assert_false(config_decode(text, &back));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encoded_is_decoded_the_same),
        cmocka_unit_test(encoding_returns_the_length_it_needs),
        cmocka_unit_test(a_config_without_swap_has_no_directory),
        cmocka_unit_test(malformed_text_is_refused_and_changes_nothing),
        cmocka_unit_test(a_directory_that_does_not_fit_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
