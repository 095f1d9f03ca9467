/* SPDX-License-Identifier: MIT */
/*
 * embed_calls.c - tries what examples/embed_mm.c leaves out of the memory manager: file pages, caches, reserves, frames
 * that come and go, errors. Its argument is the name of a fact to try (facts[]); it prints what is wrong.
 */
#include "embed_calls.h"
#include "embed_host.h"

#include <string.h>

static const struct {
    const char *name;
    void (*run)(void);
} facts[] = {
#define FACT(name)                                                                                                     \
    { #name, name }
    FACT(file_pages_are_written_dropped_and_read_again),
    FACT(a_device_is_congested_when_its_queue_is_nearly_full),
    FACT(a_request_gets_the_kind_of_memory_it_asks_for),
    FACT(frames_come_and_go_under_a_program),
    FACT(reclaim_shakes_the_caches),
    FACT(a_pool_has_something_when_its_allocator_has_not),
    FACT(what_cannot_be_read_back_is_an_error_never_data),
    FACT(a_locked_range_stays),
    FACT(a_held_page_keeps_its_frame_and_a_protected_one_its_bytes),
    FACT(swapon_says_why_it_refuses),
    FACT(tunables_have_ranges_and_texts),
    FACT(stalls_and_slabs_show_in_the_texts),
};
#define NR_FACTS (sizeof(facts) / sizeof(facts[0]))

int main(int argc, char **argv) {
    for (unsigned i = 0; i < NR_FACTS; i++) {
        if (argc < 2) {
            puts(facts[i].name);
        } else if (strcmp(argv[1], facts[i].name) == 0) {
            host_boot();
            facts[i].run();
            host_finish();
        }
    }
    return 0;
}
